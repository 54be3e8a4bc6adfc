"""What pydantic refuses, in words for people who know no Python."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

_PREFIX = "Input should be "
"""Most of pydantic's messages begin so."""

_WANTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a number of fewer digits",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object of names and values",
    "model_type": "an object of names and values",
    "model_attributes_type": "an object of names and values",
    "datetime_from_date_parsing": "a date",
}
"""What is wanted, by pydantic's type of the error."""

_SHOWN_LETTERS = 60
"""Of a wrong value."""


def clause(errors: Collection[Mapping[str, Any]], options: Iterable[str] = ()) -> str:
    """Return why one value is refused.

    Parameters
    ----------
    errors : collection of ErrorDetails
        All that pydantic says of the value; of a value of several kinds, one for each kind.
    options : iterable of str, optional
        Options that there are, for one that is not known.

    Returns
    -------
    str
        What follows the name of the option, without a full stop.

    Examples
    --------
    >>> error = {"type": "float_parsing", "input": "1,5", "msg": "Input should be a valid ..."}
    >>> "--sigma" + clause([error])
    '--sigma 1,5: should be a number, with a point for decimals: 1.5'
    """
    first, told = next(iter(errors)), why(errors, options)
    if first["type"] in ("missing", "extra_forbidden"):
        return f" {told}"
    return (
        f" {_short_value(first['input'])}: {told}"
        if told.startswith("should be ")
        else f": {told}"
    )


def sentence(text: str) -> str:
    """Return a text with a full stop, unless it ends in a question.

    Examples
    --------
    >>> sentence("widht is no option; did you mean width?"), sentence("qqq is no option")
    ('widht is no option; did you mean width?', 'qqq is no option.')
    """
    return text if text.endswith("?") else f"{text}."


def why(errors: Collection[Mapping[str, Any]], options: Iterable[str] = ()) -> str:
    """Return why one value is refused, where the value itself is seen.

    The parameters are those of `clause`.
    """
    first = next(iter(errors))
    if first["type"] == "missing":
        return "is missing"
    if first["type"] == "extra_forbidden":
        meant = get_close_matches(str(first["loc"][-1]), [*options], 1)
        return "is no option" + (f"; did you mean {meant[0]}?" if meant else "")
    wanted = dict.fromkeys(filter(None, map(_wanted, errors)))
    if not wanted:
        return str(first["msg"]).removeprefix("Value error, ")
    return f"should be {' or '.join(wanted)}{_decimal_hint(first['input'], wanted)}"


def _wanted(error: Mapping[str, Any]) -> str:
    """Return what a value should be; empty if the message says something else."""
    message = str(error["msg"])
    if error["type"] in ("too_short", "too_long"):
        return (
            "a list with " + ("more" if error["type"] == "too_short" else "fewer") + " entries"
        )
    if error["type"] in _WANTED:
        return _WANTED[error["type"]]
    return message.removeprefix(_PREFIX) if message.startswith(_PREFIX) else ""


def _short_value(given: Any) -> str:
    """Return a value as a person wrote it, cut if it is long."""
    plain = {None: "null", True: "true", False: "false"}
    is_plain = given is None or isinstance(given, bool)
    text = plain[given] if is_plain else _short_text(given)
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..."


def _short_text(given: Any) -> str:
    if isinstance(given, int) and given.bit_length() > 4 * _SHOWN_LETTERS:
        return f"a number of more than {_SHOWN_LETTERS} digits"
    return str(given)


def _decimal_hint(given: Any, wanted: Collection[str]) -> str:
    is_comma = isinstance(given, str) and re.fullmatch(r"\s*[-+]?\d+,\d+\s*", given)
    if not is_comma or "a number" not in wanted:
        return ""
    return f", with a point for decimals: {given.strip().replace(',', '.')}"
