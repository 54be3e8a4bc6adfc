"""Tables as CSV text, which no spreadsheet takes for formulas."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_START = r"(^|[;\t\r\n])"
"""Of a cell; some spreadsheets separate cells by semicolons or tabs."""
_SIGN = "(?='*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20])"
"""Signs that begin a formula, four of them in full width."""
_FORMULA, _PLAIN_FORMULA = re.compile(_START + _SIGN), re.compile(f"{_START}'{_SIGN}")


def csv_text(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV: a line of names, then one line per row.

    Parameters
    ----------
    names : sequence of str
        The columns.
    rows : iterable of mapping
        Values by name. None becomes an empty cell. A text that a spreadsheet would run as a
        formula, as it begins with = + - @ or a tab, gets an apostrophe; see `csv_rows`.

    Raises
    ------
    ValueError
        If a row has a name that is no column.

    Examples
    --------
    >>> csv_text(["slice", "iou"], [{"slice": 0, "iou": 0.5}, {"slice": 1, "iou": None}])
    'slice,iou\\n0,0.5\\n1,\\n'
    """
    plain = [{name: _without_formula(value) for name, value in row.items()} for row in rows]
    lines = []
    for row in [dict(zip(names, names, strict=True)), *plain]:
        line = io.StringIO()
        # the terminator is among what csv quotes: a text may hold either of its letters
        csv.DictWriter(line, names, lineterminator="\r\n").writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def csv_rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a table of `csv_text`, with the very texts that were given to it.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> text = csv_text(["file"], [{"file": "=1+1.tif"}])
    >>> text, csv_rows(text)
    ("file\\n'=1+1.tif\\n", [{'file': '=1+1.tif'}])
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{k: _PLAIN_FORMULA.sub(r"\1", cell) for k, cell in row.items()} for row in rows]


def _without_formula(value: Any) -> Any:
    """Return a cell in which no spreadsheet finds a formula; numbers stay."""
    if not isinstance(value, str) or _is_number(value):
        return value
    return _FORMULA.sub(r"\1'", value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
