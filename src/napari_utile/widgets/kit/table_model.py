"""The rows of a table: their order, which of them are shown, and their text."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QFont

from napari_utile.evaluation.scores import format_score, heading

DIGITS = {"y": 1, "x": 1}
"""Decimals of columns whose numbers are aligned."""

ColumnValues = Sequence[Any] | NDArray[Any]


class TableModel(QAbstractTableModel):
    """Columns of values, and which of their rows are shown in which order."""

    def __init__(self, colors: Mapping[str, str]):
        super().__init__()
        self._colors = {word: QColor(color) for word, color in colors.items()}
        self._columns: Mapping[str, ColumnValues] = {}
        self._kept: Sequence[int] = ()
        self._sorted: tuple[int, Qt.SortOrder] = (-1, Qt.SortOrder.AscendingOrder)
        self.names: list[str] = []
        self.order: Sequence[int] = ()
        self.bold: Collection[int] = ()
        self.top = 0
        self.tips: Mapping[str, str] = {}

    def show(self, columns: Mapping[str, ColumnValues]) -> None:
        """Replace the columns."""
        if list(columns) != self.names:
            self._sorted = (-1, Qt.SortOrder.AscendingOrder)
        self._columns, self.bold, self.top = columns, (), 0
        self.names = list(columns)
        self.keep(None)

    def keep(self, rows: Iterable[int] | None) -> None:
        """Show only these rows, or all."""
        count = len(self._columns[self.names[0]]) if self.names else 0
        self._kept = range(count) if rows is None else sorted(map(int, rows))
        self.arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1: as given."""
        self._sorted = (column, order)
        self.arrange()

    def arrange(self) -> None:
        """Sort the rows that are shown."""
        column, order = self._sorted
        self.beginResetModel()
        self.order = self._kept
        if 0 <= column < len(self.names):
            top = [row for row in self._kept if row < self.top]
            rows = np.array(self._kept[len(top) :], dtype=int)
            values = self._columns[self.names[column]]
            is_descending = order == Qt.SortOrder.DescendingOrder
            self.order = [*top, *_sorted_rows(values, rows, is_descending)]
        self.endResetModel()

    def value(self, row: int, name: str) -> Any:
        """Return a value; None where there is none."""
        value = self._columns[name][row]
        return value.item() if isinstance(value, np.generic) else value

    def text(self, row: int, name: str) -> str:
        """Return what a cell shows."""
        return cell_text(name, self.value(row, name))

    # the interface of Qt

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self.names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, name = self.order[index.row()], self.names[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self.text(row, name)
            case Qt.ItemDataRole.TextAlignmentRole:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.FontRole if row in self.bold:
                font = QFont()
                font.setBold(True)
                return font
            case Qt.ItemDataRole.DecorationRole if self._colors:
                return self._colors.get(str(self.value(row, name)))
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and section < len(self.names):
            name = self.names[section]
            if role == Qt.ItemDataRole.DisplayRole:
                return heading(name).replace("_", "\n")
            if role == Qt.ItemDataRole.ToolTipRole:
                return f"{name}: {self.tips[name]}" if name in self.tips else name
        return None


class Spread(float):
    """A mean with its standard deviation; sorts as the mean."""

    deviation: float

    def __new__(cls, mean: float, deviation: float) -> "Spread":
        self = super().__new__(cls, mean)
        self.deviation = deviation
        return self


def _sorted_rows(
    values: ColumnValues, rows: NDArray[np.int64], is_descending: bool
) -> list[int]:
    """Return rows sorted by their values: numbers, then words; missing values always last."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        chosen = values[rows]
        missing = np.isnan(chosen) if chosen.dtype.kind == "f" else np.zeros(len(rows), bool)
        there = rows[~missing]
        by = np.argsort(values[there], kind="stable")
        return [*there[by[::-1] if is_descending else by], *rows[missing]]
    missing_rows = [row for row in rows if _is_missing(values[row])]
    present = [row for row in rows if not _is_missing(values[row])]
    present.sort(key=lambda row: (isinstance(values[row], str), values[row]))
    return [*(reversed(present) if is_descending else present), *missing_rows]


def _is_missing(value: Any) -> bool:
    """Whether there is no value: None or NaN."""
    return value is None or (isinstance(value, float) and isnan(value))


def raw_text(value: Any) -> str:
    """Return a value in full precision."""
    return "" if _is_missing(value) else str(value)


def cell_text(name: str, value: Any) -> str:
    """Return what a cell of a column shows.

    Examples
    --------
    >>> cell_text("iou", 0.91234), cell_text("parameters", 31030658), cell_text("iou", None)
    ('0.912', '31,030,658', '–')
    >>> cell_text("iou", Spread(0.9, 0.0123)), cell_text("truth_id", 0)
    ('0.900 ± 0.012', '')
    """
    if name == "id" or name.endswith("_id"):
        return str(value) if value else ""  # the id 0 is no object
    if isinstance(value, Spread):
        return format_score(name, float(value), value.deviation)
    if name in DIGITS and type(value) is float:
        return f"{value:.{DIGITS[name]}f}"
    return format_score(name, value)
