"""The table of classes: color, id, name, and how much of each is painted."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any, NamedTuple

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

ID, NAME, HERE, EVERYWHERE = range(4)
"""Columns."""
HEADINGS = ("label", "name", "this slice", "all")
TIPS = (
    "Click on a row to paint this label",
    "Double-click to change the name",
    "Painted pixels in the slice in view",
    "Painted pixels in all slices",
)
ROW_HEIGHT_PX, SWATCH = 24, 14
ROWS_IN_VIEW, ROWS_MEASURED = 7, 20
"""Rows that are in view at once, and those whose width counts."""
COUNT_MARGIN = 12
"""Beside a number, both sides together, px."""
Color = Sequence[float] | None
"""Red, green, blue, alpha from 0 to 1; None is transparent."""


class ClassRow(NamedTuple):
    """One class."""

    id: int
    color: Color
    name: str
    here: int | None
    """Pixels in the slice in view; None if that is not known."""
    everywhere: str
    """Pixels in all slices, as text."""


class ClassTable(QTableWidget):
    """A row for each class, in the order that is given."""

    chosen = Signal(int)
    """A row was clicked, or reached with the keys: its id."""
    renamed = Signal(int, str)
    """The name of an id was edited."""

    def __init__(self) -> None:
        super().__init__(0, len(HEADINGS))
        for column, tip in enumerate(TIPS):
            self.setHorizontalHeaderItem(column, QTableWidgetItem(HEADINGS[column]))
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(SWATCH, SWATCH))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT_PX)
        head = self.horizontalHeader()
        head.setResizeContentsPrecision(ROWS_MEASURED)
        head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        head.setHighlightSections(False)
        self.setFixedHeight((ROWS_IN_VIEW + 1) * ROW_HEIGHT_PX + 6)
        self._shown: list[ClassRow] = []
        self.cellClicked.connect(lambda row, _: self.chosen.emit(self._shown[row].id))
        self.itemChanged.connect(self._on_edit)

    @property
    def rows(self) -> list[ClassRow]:
        """What is shown."""
        return list(self._shown)

    def show_rows(self, rows: Sequence[ClassRow], selected: int) -> None:
        """Replace the rows where they differ, and mark the one of the id that is painted."""
        if self.state() == QAbstractItemView.State.EditingState:
            return  # a name is being typed
        with QSignalBlocker(self):
            self.setRowCount(len(rows))
            known = [*self._shown, *[None] * len(rows)]
            changed = [(n, row) for n, row in enumerate(rows) if known[n] != row]
            for number, row in changed:
                self._fill(number, row, known[number])
            self._shown = list(rows)
            if changed:  # the table itself would measure all rows for each cell
                self.resizeColumnToContents(ID)
                self._fit_counts()
            ids = [row.id for row in rows]
            if selected not in ids:
                self.clearSelection()
            elif self.currentRow() != ids.index(selected) or not self.selectedItems():
                self.selectRow(ids.index(selected))

    def _fit_counts(self) -> None:
        """Make the columns of counts wide enough for the longest, also where none is seen."""
        for column in (HERE, EVERYWHERE):
            texts = [self.item(n, column).text() for n in range(self.rowCount())]
            longest = max(texts, key=len, default="")
            room = self.fontMetrics().horizontalAdvance(longest) + COUNT_MARGIN
            self.setColumnWidth(
                column, max(room, self.horizontalHeader().sectionSizeHint(column))
            )

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        """Emit `chosen` for rows reached with the keys, as for those that are clicked."""
        before = self.currentRow()
        super().keyPressEvent(event)
        if self.currentRow() not in (before, -1):
            self.chosen.emit(self._shown[self.currentRow()].id)

    def _fill(self, number: int, row: ClassRow, before: ClassRow | None) -> None:
        here = "–" if row.here is None else f"{row.here:,}"
        for column, text in enumerate((str(row.id), row.name, here, row.everywhere)):
            item = self.item(number, column) or self._new_item(number, column)
            if item.text() != text:
                item.setText(text)
        if before is None or before.color != row.color:
            self.item(number, ID).setIcon(_swatch(row.color))

    def _new_item(self, number: int, column: int) -> QTableWidgetItem:
        item = QTableWidgetItem()
        item.setToolTip(TIPS[column])
        if column != NAME:
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setItem(number, column, item)
        return item

    def _on_edit(self, item: QTableWidgetItem) -> None:
        if item.column() == NAME:
            self.renamed.emit(self._shown[item.row()].id, item.text())


def ids_of_rows(
    painted: Sequence[int], always: Collection[int], most: int
) -> tuple[list[int], int]:
    """Return the ids that get a row, and how many are left out.

    Parameters
    ----------
    painted : sequence of int
        Ids that are painted, in ascending order: there may be very many.
    always : collection of int
        Ids that get a row even without a pixel.
    most : int
        Rows.

    Examples
    --------
    >>> ids_of_rows([5, 7, 9], always=[0, 9], most=3)
    ([0, 5, 9], 1)
    >>> ids_of_rows([1], always=[0, 1], most=3)
    ([0, 1], 0)
    """
    room = max(0, most - len(always))
    others = list(islice((id_ for id_ in painted if id_ not in always), room))
    listed = sum(id_ in painted[(at := bisect_left(painted, id_)) : at + 1] for id_ in always)
    return sorted([*always, *others]), len(painted) - len(others) - listed


def _swatch(color: Color) -> QIcon:
    """Return a square of a color, with a frame if it is transparent."""
    picture = QPixmap(SWATCH, SWATCH)
    if color is None or color[3] == 0:
        picture.fill(QColor(128, 128, 128, 60))
    else:
        picture.fill(QColor.fromRgbF(*(float(part) for part in color[:3])))
    icon = QIcon(picture)
    icon.addPixmap(picture, QIcon.Mode.Selected)  # the same color in a row that is chosen
    return icon
