"""Options that are checked, frozen, and the same in a file as in memory."""

import json
from collections.abc import Callable, Container, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from napari_utile.errors import UserError
from napari_utile.json_files import read_json
from napari_utile.refusals import clause, sentence

LARGEST = 2**53
"""Of whole numbers, in any option: floating-point numbers hold larger ones only roughly."""


class Settings(BaseModel):
    """Options that are checked, frozen, and the same in a file as in memory.

    Raises
    ------
    UserError
        If there is no such option, or its value is out of range: names both, and what is
        allowed. Its `__cause__` is the `ValidationError` of pydantic, with all that is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    if not TYPE_CHECKING:  # there, the parameters are those of the fields

        def __init__(self, **given: Any):
            try:
                super().__init__(**given)
            except ValidationError as error:
                raise UserError(sentence(refused_option(error, type(self)))) from error

        # Settings within others, as those of a command, are checked without this.
        __init__.__pydantic_base_init__ = True

    renamed: ClassVar[dict[str, str]] = {}
    """Names of options in older versions -> their names now. Files and calls may use both."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read settings that were written with `text`.

        Raises
        ------
        UserError
            If there is no such file, or it holds no such settings: names file and option.
        """
        given = read_json(path)
        try:
            return cls.model_validate_json(json.dumps(given))  # JSON has lists, not tuples
        except ValidationError as error:
            raise UserError(sentence(f"{path}: {refused_option(error, cls)}")) from None

    def text(self) -> str:
        """Return every option, the defaults too, as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

    def given(self) -> dict[str, Any]:
        """Return the fewest options from which the class makes the same settings.

        Returns
        -------
        dict
            Those that differ from what the class fills in, the recipe first.
        """
        kind = type(self)
        given = {n: v for n, v in self if n == "recipe" and v != kind.model_fields[n].default}
        while missing := {n: v for n, v in self if v != getattr(kind(**given), n)}:
            given |= missing
        return given

    @classmethod
    def present_names(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options under their present names.

        Parameters
        ----------
        given : mapping of str to object
            Options of this class and anything else, which is passed on.

        Returns
        -------
        dict

        Raises
        ------
        ValueError
            If an option is given under both names.
        """
        if both := [old for old, new in cls.renamed.items() if {old, new} <= given.keys()]:
            old = both[0]
            raise ValueError(f"{old} is the old name of {cls.renamed[old]}: give one of them")
        return {cls.renamed.get(name, name): value for name, value in given.items()}

    @field_validator("*")
    @classmethod
    def _refuse_huge_numbers(cls, value: Any) -> Any:
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError(f"this number has more than {len(str(LARGEST))} digits")
        return value

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, given: Any) -> Any:
        return cls.present_names(given) if isinstance(given, dict) else given

    @classmethod
    def main_options(cls) -> list[str]:
        """Return the names of the options that a form always shows."""
        return [name for name in cls.model_fields if cls._shown(name).get("main")]

    @classmethod
    def groups(cls) -> dict[str, list[str]]:
        """Return the other options by the title under which a form folds them away.

        Returns
        -------
        dict of str to list of str
            Titles in the order of the fields, "More" last.
        """
        found: dict[str, list[str]] = {}
        for name in cls.model_fields:
            if not cls._shown(name).get("main"):
                found.setdefault(cls._shown(name).get("group") or "More", []).append(name)
        more = found.pop("More", [])
        return found | ({"More": more} if more else {})

    @classmethod
    def label(cls, name: str) -> str:
        """Return what a form calls an option."""
        return str(cls._shown(name).get("label") or name.replace("_", " "))

    @classmethod
    def words(cls, name: str) -> dict[Any, str]:
        """Return what a form calls the values of an option; {} if they speak for themselves."""
        return dict(cls._shown(name).get("words") or {})

    @classmethod
    def _shown(cls, name: str) -> dict[str, Any]:
        shown = cls.model_fields[name].json_schema_extra
        return shown if isinstance(shown, dict) else {}


_P = ParamSpec("_P")


_R = TypeVar("_R")


def renamed_keywords(kind: type[Settings]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator for functions that accept old names of options as keywords.

    Parameters
    ----------
    kind : subclass of Settings
        Its `renamed` lists the old names.

    Returns
    -------
    callable
        Its functions raise `ValueError` if an option is given under both names.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            return function(*args, **kind.present_names(kwargs))

        return call

    return decorate


def refused_option(error: ValidationError, kind: type[Settings]) -> str:
    """Return which option of settings is refused first, and why.

    Parameters
    ----------
    error : ValidationError
    kind : subclass of Settings

    Examples
    --------
    >>> from napari_utile.settings.arrays import WeightSettings
    >>> try:
    ...     WeightSettings.model_validate({"sigm": 3})
    ... except ValidationError as error:
    ...     refused_option(error, WeightSettings)
    'sigm is no option; did you mean sigma?'
    """
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return clause([first]).removeprefix(": ")
    name = first["loc"][0]
    same = [each for each in error.errors(include_url=False) if each["loc"][:1] == (name,)]
    return f"{name}{clause(same, kind.model_fields)}"


def option_differences(
    there: Mapping[str, Any], here: Mapping[str, Any], ignore: Container[str] = ()
) -> list[str]:
    """Describe the options that differ between two runs, apart from those to ignore.

    Parameters
    ----------
    there, here : mapping
        Options and their values; those that one of them lacks are none.
    ignore : container of str, default none
        Names of options.

    Examples
    --------
    >>> option_differences({"steps": 3, "seed": 0}, {"steps": 5, "seed": 1}, ignore={"seed"})
    ['steps: 3 there, 5 here']
    """
    return [
        _option_difference(name, there.get(name), here.get(name))
        for name in {**here, **there}
        if name not in ignore and there.get(name) != here.get(name)
    ]


def _option_difference(name: str, there: Any, here: Any) -> str:
    """Describe how an option differs between two runs."""
    words = ["none" if value is None else value for value in (there, here)]
    return f"{name.replace('_', '-')}: {words[0]} there, {words[1]} here"
