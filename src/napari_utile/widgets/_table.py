"""A table of scores: sorted by a click on a name, copied as text."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

SHORT = {"true_positives": "TP", "false_positives": "FP", "false_negatives": "FN"}


class ScoreTable(QTableWidget):
    """One row for each thing that was scored. A click on a name sorts by it."""

    def __init__(self) -> None:
        super().__init__()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.setMinimumHeight(160)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)

    def show_rows(self, rows: Sequence[Mapping[str, Any]], bold: Collection[int] = ()) -> None:
        """Fill the table anew; names are those of the first row, a value may be a `Spread`."""
        self.setSortingEnabled(False)
        names = list(rows[0]) if rows else []
        self.setRowCount(len(rows))
        self.setColumnCount(len(names))
        self.setHorizontalHeaderLabels([SHORT.get(n, n.replace("_", "\n")) for n in names])
        for i, row in enumerate(rows):
            for j, name in enumerate(names):
                self.setItem(i, j, _Cell(row.get(name, ""), is_bold=i in bold))
        for j, name in enumerate(names):
            self.horizontalHeaderItem(j).setToolTip(name)
        self.resizeColumnsToContents()
        self.setSortingEnabled(True)  # by what the user last chose

    def text(self) -> str:
        """Write the table as a spreadsheet takes it, in the order in which it is seen."""
        columns = range(self.columnCount())
        lines = [[self.horizontalHeaderItem(j).toolTip() for j in columns]]
        for i in range(self.rowCount()):
            cells = [self.item(i, j).value for j in columns]
            lines.append([as_text(x) if isinstance(x, Spread) else str(x) for x in cells])
        return "".join("\t".join(line) + "\n" for line in lines)


class Spread(float):
    """A mean with its standard deviation; sorts as the mean."""

    deviation: float

    def __new__(cls, mean: float, deviation: float) -> "Spread":
        self = super().__new__(cls, mean)
        self.deviation = deviation
        return self


def as_text(value: Any) -> str:
    """Write a value for people.

    Examples
    --------
    >>> as_text(0.91234), as_text(31030658), as_text(123.456), as_text(Spread(0.9, 0.0123))
    ('0.912', '31,030,658', '123.5', '0.900 ± 0.012')
    """
    if isinstance(value, Spread):
        digits = _digits(value)
        return f"{value:.{digits}f} ± {value.deviation:.{digits}f}"
    if isinstance(value, float):
        return f"{value:.{_digits(value)}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _digits(value: float) -> int:
    return 3 if abs(value) < 10 else 1


class _Cell(QTableWidgetItem):
    """A number that sorts as a number."""

    def __init__(self, value: Any, is_bold: bool):
        super().__init__(as_text(value))
        self.value = value
        side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self.setTextAlignment(side)
        if is_bold:
            font = self.font()
            font.setBold(True)
            self.setFont(font)

    def __lt__(self, other: "_Cell") -> bool:
        try:
            return bool(self.value < other.value)
        except TypeError:  # "all" among slice numbers
            return isinstance(self.value, str)
