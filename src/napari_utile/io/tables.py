"""Tables as CSV text."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def csv_text(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV: a line of names, then one line per row.

    Parameters
    ----------
    names : sequence of str
        The columns.
    rows : iterable of mapping
        Values by name. None becomes an empty cell.

    Raises
    ------
    ValueError
        If a row has a name that is no column.

    Examples
    --------
    >>> csv_text(["slice", "iou"], [{"slice": 0, "iou": 0.5}, {"slice": 1, "iou": None}])
    'slice,iou\\n0,0.5\\n1,\\n'
    """
    text = io.StringIO()
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
