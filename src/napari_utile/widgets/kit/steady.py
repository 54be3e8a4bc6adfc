"""What keeps its place in the window while lines inside it come and go."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

Pixels = Callable[[], int]


class KeptHeight(QObject):
    """Keeps a widget as high as it has ever had to be, until its width is another.

    Parameters
    ----------
    widget : QWidget
        With a layout.
    reserve : callable, optional
        Returns the pixels that are kept free beside what is shown.
    least : callable, optional
        Returns the pixels that it has in any case.
    """

    def __init__(self, widget: QWidget, reserve: Pixels = lambda: 0, least: Pixels = lambda: 0):
        super().__init__(widget)
        self._reserve, self._least, self._kept = reserve, least, (0, 0)
        widget.installEventFilter(self)

    def eventFilter(self, widget: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow what is in the widget."""
        kinds = QEvent.Type.LayoutRequest, QEvent.Type.Resize, QEvent.Type.Show
        if event.type() in kinds and isinstance(widget, QWidget) and (rows := widget.layout()):
            width = widget.width()
            needs_width = rows.hasHeightForWidth()
            needed = rows.heightForWidth(width) if needs_width else rows.sizeHint().height()
            before = self._kept[1] if self._kept[0] == width else 0
            self._kept = width, max(needed + self._reserve(), self._least(), before)
            if widget.minimumHeight() != self._kept[1]:
                widget.setMinimumHeight(self._kept[1])
        return False
