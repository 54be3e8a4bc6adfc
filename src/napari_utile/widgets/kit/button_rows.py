"""Buttons in a row that wraps where a panel is narrow."""

from collections.abc import Iterator

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtWidgets import QLayout, QLayoutItem, QPushButton, QWidgetItem

GAP = 6
"""Between buttons and between rows, px."""


class ButtonRows(QLayout):
    """Buttons side by side, as many in each row as there is room for; they fill the rows.

    In the first row, the room that is left goes to the first button, the main one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []

    def insert(self, place: int, button: QPushButton) -> None:
        """Add a button before the one that has this place."""
        self.addChildWidget(button)
        self._items.insert(place, QWidgetItem(button))
        self.invalidate()

    # what Qt asks of a layout

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802
        """Add an item behind the others."""
        self._items.append(item)

    def count(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def itemAt(self, place: int) -> QLayoutItem | None:  # noqa: N802
        """Return an item, or None if there is none at this place."""
        return self._items[place] if 0 <= place < len(self._items) else None

    def takeAt(self, place: int) -> QLayoutItem | None:  # noqa: N802
        """Remove an item and return it."""
        return self._items.pop(place) if 0 <= place < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802
        """Return that rows are as wide as the panel."""
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Return that a narrow panel needs more rows."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        """Return the height of all rows in a panel of this width, in px."""
        rows = [max(size.height() for _, size in row) for row in self._rows(width)]
        return sum(rows) + GAP * max(0, len(rows) - 1)

    def minimumSize(self) -> QSize:  # noqa: N802
        """Return the size of the widest button."""
        sizes = [item.sizeHint() for item in self._shown()]
        return QSize(
            max((size.width() for size in sizes), default=0),
            max((size.height() for size in sizes), default=0),
        )

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size of all buttons in one row."""
        sizes = [item.sizeHint() for item in self._shown()]
        width = sum(size.width() for size in sizes) + GAP * max(0, len(sizes) - 1)
        return QSize(width, self.minimumSize().height())

    def setGeometry(self, place: QRect) -> None:  # noqa: N802
        """Put each button into its row."""
        super().setGeometry(place)
        top = place.top()
        for number, row in enumerate(self._rows(place.width())):
            left, height = place.left(), max(size.height() for _, size in row)
            room = place.width() - sum(size.width() + GAP for _, size in row) + GAP
            for order, (item, size) in enumerate(row):
                is_main = number == order == 0
                more = room * is_main if number == 0 else room // len(row)
                item.setGeometry(QRect(left, top, size.width() + more, height))
                left += size.width() + more + GAP
            top += height + GAP

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _rows(self, width: int) -> Iterator[list[tuple[QLayoutItem, QSize]]]:
        """Yield the rows, with the size of each item, in a panel of this width."""
        row: list[tuple[QLayoutItem, QSize]] = []
        used = 0
        for item in self._shown():
            size = item.sizeHint().boundedTo(QSize(width, item.sizeHint().height()))
            if row and used + size.width() > width:
                yield row
                row, used = [], 0
            row.append((item, size))
            used += size.width() + GAP
        if row:
            yield row
