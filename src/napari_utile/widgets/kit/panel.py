"""What the panels share: they scroll, and leave no work behind when they are closed."""

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QScrollArea

from napari_utile.widgets.kit.closing import watch_window_of
from napari_utile.widgets.kit.controls import Controls
from napari_utile.widgets.process.worker import WAITING

_CLOSED: set["Panel"] = set()
"""Panels that are closed while their work ends: nobody else keeps them, or their engine."""


class Panel(QScrollArea):
    """A panel of a dock.

    Attributes
    ----------
    controls : Controls
        Of its work; set by a panel that has some.
    """

    controls: Controls

    def event(self, event: QEvent) -> bool:
        """Warm the engine when it is looked at; leave the work when it is closed.

        Napari takes a panel that is closed out of its dock.
        """
        if event.type() in (QEvent.Type.Show, QEvent.Type.Enter):
            WAITING.warm()
        if event.type() == QEvent.Type.Show:
            watch_window_of(self)
        works = hasattr(self, "controls")
        if works and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.controls.leave()
            if self.controls.is_running:
                _CLOSED.add(self)
                self.controls.ended.connect(lambda: _CLOSED.discard(self))
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Keep Enter, pressed at the end of a field, from the keys of the viewer."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
        else:
            super().keyPressEvent(event)
