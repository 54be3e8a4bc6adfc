"""Tables of scores and objects: sorted, filtered, copied as text."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QTableView

from napari_utile.widgets.kit.table_model import (
    ColumnValues,
    Spread,
    TableModel,
    cell_text,
    raw_text,
)

ROW_HEIGHT = 24
"""Height of a row, px."""
MEASURED_ROWS = 30
"""Rows that are measured for the width of a column: there may be very many."""


class Table(QTableView):
    """A sortable table of any length: a click on the name of a column sorts by it.

    Parameters
    ----------
    colors : mapping of str to str, optional
        Colors shown beside these words.
    """

    chosen = Signal(int)
    """A row was clicked, or reached with the keys; its number as given."""

    def __init__(self, colors: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self._model = TableModel(colors)
        self.setModel(self._model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.horizontalHeader().setResizeContentsPrecision(MEASURED_ROWS)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.setMinimumHeight(120)
        self.clicked.connect(lambda index: self._choose(index.row()))

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return self._model.names

    @property
    def order(self) -> list[int]:
        """Numbers of the rows that are shown, as given, from top to bottom."""
        return list(map(int, self._model.order))

    def show_rows(
        self, rows: Sequence[Mapping[str, Any]], bold: Collection[int] = (), top: int = 0
    ) -> None:
        """Replace the rows; columns are those of the first row, a value may be a `Spread`.

        Parameters
        ----------
        rows : sequence of mapping
        bold : collection of int, optional
            Which of them are printed bold.
        top : int, default 0
            Number of first rows that stay on top, however the others are sorted.
        """
        names = list(rows[0]) if rows else []
        self.show_columns({name: [row.get(name, "") for row in rows] for name in names})
        self._model.bold, self._model.top = frozenset(bold), top
        self._model.arrange()

    def show_columns(self, columns: Mapping[str, ColumnValues]) -> None:
        """Replace the columns, which have one length; all rows are shown."""
        self._model.show(columns)
        self.resizeColumnsToContents()
        for name, values in columns.items():
            if isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and values.size:
                highest = int(np.argmax(np.nan_to_num(values)))
                self.make_room(name, self._model.text(highest, name))

    def make_room(self, name: str, text: str) -> None:
        """Widen a column for a text in a row that was not measured."""
        column = self.names.index(name)
        needed = self.fontMetrics().horizontalAdvance(text) + ROW_HEIGHT
        self.setColumnWidth(column, max(needed, self.columnWidth(column)))

    def set_tips(self, tips: Mapping[str, str]) -> None:
        """Set the tooltips of columns, by their names."""
        self._model.tips = dict(tips)

    def keep(self, rows: Iterable[int] | None) -> None:
        """Show only these rows, by their numbers; None shows all."""
        self._model.keep(rows)

    def sort(self, name: str, is_descending: bool = False) -> None:
        """Sort by a column, as a click on its name does."""
        order = Qt.SortOrder.DescendingOrder if is_descending else Qt.SortOrder.AscendingOrder
        self.sortByColumn(self.names.index(name), order)

    def cells(self) -> list[list[str]]:
        """Return the text of every cell, as shown."""
        return [
            [self._model.text(row, name) for name in self.names] for row in self._model.order
        ]

    def text(self) -> str:
        """Return the table as tab-separated values for a spreadsheet, in the order shown."""
        lines = [self.names]
        for row in self._model.order:
            values = {name: self._model.value(row, name) for name in self.names}
            lines.append([
                cell_text(name, value) if isinstance(value, Spread) else raw_text(value)
                for name, value in values.items()
            ])  # fmt: skip
        return "".join("\t".join(line) + "\n" for line in lines)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Emit `chosen` for rows reached with the keys, as for those that are clicked."""
        if (
            event.text().isalpha()
        ):  # no search for what is typed: letters are keys of the viewer
            event.ignore()
            return
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        if self.currentIndex().isValid() and self.currentIndex().row() != before:
            self._choose(self.currentIndex().row())

    def _choose(self, row: int) -> None:
        self.chosen.emit(int(self._model.order[row]))
