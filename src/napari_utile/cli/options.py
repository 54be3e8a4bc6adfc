"""What commands that take time share: settings from file and flags, and what is printed."""

import json
from collections.abc import Container, Generator, Iterable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, Field, ValidationError

from napari_utile.cli.display import (
    STOPPED,
    Display,
    follow_run,
    print_table,
    print_warning,
    report,
)
from napari_utile.errors import UserError
from napari_utile.events import Event, Warned
from napari_utile.json_files import read_json
from napari_utile.refusals import clause, sentence
from napari_utile.settings.checked import Settings, refused_option
from napari_utile.settings.recipes import RECIPES

BUDGET = {"steps", "minutes"}
"""Options that limit a run; one as a flag replaces both of a file."""


class JobCommand(BaseModel):
    """Flags of every command that takes time, beside its settings."""

    settings: Path | None = Field(
        None, description="settings.json to start from; flags win over it"
    )
    overwrite: bool = Field(False, description="Overwrite existing output")
    events: bool = Field(
        False,
        description="Print one JSON line per event; stdin takes `stop`, `pause`, `resume`",
    )
    json_: bool = Field(False, alias="json", description="Only the result, as JSON")

    kind: ClassVar[type[Settings]]
    recipe_by_default: ClassVar[str | None] = None
    """Recipe if neither the file nor the flags name one."""

    def options(self) -> Any:
        """Return the settings: those of the file, overwritten by the flags that were given."""
        given = {name: getattr(self, name) for name in self.flags()}
        if self.settings is not None:
            kept = self._read(self.settings)
            if "recipe" in given:  # the named set wins over the settings of another run
                named = {name for recipe in RECIPES.values() for name in recipe}
                kept = {name: value for name, value in kept.items() if name not in named}
            if BUDGET & given.keys():
                for name in sorted(BUDGET - given.keys()):
                    self._say_dropped(name, kept.get(name))
                kept = {name: value for name, value in kept.items() if name not in BUDGET}
            given = kept | given
        if self.recipe_by_default:
            given = {"recipe": self.recipe_by_default} | given
        try:
            return self.kind.model_validate(given)
        except ValidationError as error:
            told = sentence(refused_option(error, self.kind))
            raise UserError(f"{self.settings}: {told}") from None

    def _say_dropped(self, name: str, value: Any) -> None:
        """Say that a limit of the file does not count, since a flag gives another one."""
        if value is not None:
            (other,) = BUDGET - {name}
            message = (
                f"The {name} ({value}) of {self.settings} do not count: --{other} is given."
            )
            print_warning(Warned(message=f"{message} Give --{name}, too, to have both."))

    def flags(self) -> list[str]:
        """Return the names of the options that were given as flags."""
        return [name for name in self.kind.model_fields if name in self.model_fields_set]

    def _read(self, path: Path) -> dict[str, Any]:
        """Read a file of settings, as plain types."""
        settings = read_json(path)
        if not isinstance(settings, dict):
            raise UserError(
                f"{path} holds no settings: an object of names and values is expected."
            )
        try:
            return self.kind.present_names(settings)
        except ValueError as error:
            raise UserError(f"{path}: {error}.") from None


class FollowedCommand(JobCommand):
    """Flags of a command that a window may follow through a folder, and outlive."""

    job: Path | None = Field(
        None, description="Folder by which a window follows and stops the run"
    )

    def followed_in(self) -> Path | None:
        """Return the folder by which a window follows the run.

        Raises
        ------
        UserError
            If no events are printed for it.
        """
        if self.job and not self.events:
            raise UserError("--job needs --events.")
        return self.job


def kebab(name: str) -> str:
    """Return the name of an option as in its flag, without the leading dashes.

    Examples
    --------
    >>> kebab("min_size")
    'min-size'
    """
    return name.replace("_", "-")


def report_comparison(
    run: Generator[Event, None, Any],
    folder: Path,
    events: bool,
    only_json: bool,
    job: Path | None = None,
) -> int:
    """Show a comparison as it runs, then its table.

    Parameters
    ----------
    run : generator of Event
        Returns a `Comparison`.
    folder : Path
        After a stop, the table of the networks that are done is read from here.
    events, only_json : bool
        As of the flags.
    job : Path, optional
        Folder by which a window follows the run, and stops it.

    Returns
    -------
    int
        Exit status.
    """
    if events:
        return report(run, events, only_json, job)
    if only_json:
        status, comparison = follow_run(run, print_warning)
    else:
        with Display() as display:
            status, comparison = follow_run(run, display)
    from napari_utile.engine.comparison.table import cells, to_json
    from napari_utile.folders.comparison import ComparisonFolder

    table = ComparisonFolder(folder).table
    found = json.loads(to_json(comparison)) if comparison else _table_so_far(table)
    if only_json:
        print(json.dumps(found | {"stopped": status == STOPPED}, indent=2))
    elif found["rows"]:
        print_table(str(folder), cells(found["rows"], in_terminal=True), found["notes"])
    return status


def _table_so_far(table: Path) -> dict[str, Any]:
    """Read the table of a comparison that was stopped; without rows if there is none."""
    if not table.exists():
        return {"rows": [], "notes": []}
    found = read_json(table, finite=False)
    if not isinstance(found, dict) or not {"rows", "notes"} <= found.keys():
        raise UserError(f"{table} is damaged; the same command writes it again.")
    return found


def first_sentence(
    error: ValidationError, commands: Container[Any] = (), options: Iterable[str] = ()
) -> str:
    """Return which flag is wrong and why.

    Parameters
    ----------
    error : ValidationError
        Its first error is told, without the name of the command and pydantic's link.
    commands : container of str
        Names that stand before that of an option in the place of an error.
    options : iterable of str
        Options that there are, for one that is not known.

    Returns
    -------
    str
    """
    first = error.errors()[0]
    # ("train", "steps"), ("coco", "train", "tile", "int"), or ("steps",) from a file
    depth = next((i for i, part in enumerate(first["loc"]) if part not in commands), 0)
    place = first["loc"][: depth + 1]
    if all(part in commands for part in first["loc"]):  # of no option alone
        return sentence(first["msg"].removeprefix("Value error, "))
    name = kebab(str(place[-1]))
    same = [each for each in error.errors() if each["loc"][: depth + 1] == place]
    return sentence(f"--{name}{clause(same, map(kebab, options))}")
