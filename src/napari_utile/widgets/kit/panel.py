"""What the panels share: what scrolls, what is pinned below it, and how they are closed."""

from functools import partial
from typing import ClassVar

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_utile.widgets.kit.ahead import AHEAD
from napari_utile.widgets.kit.closing import watch_window_of
from napari_utile.widgets.kit.controls import Controls
from napari_utile.widgets.kit.docks import join_other_panels
from napari_utile.widgets.kit.engine_minutes import warm_engine
from napari_utile.widgets.kit.help_page import HelpButton
from napari_utile.widgets.kit.message_box import MessageBox
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.pace import PaceLine
from napari_utile.widgets.kit.scrolling import mark_focus, scrolling_column
from napari_utile.widgets.kit.steady import KeptHeight

LINES_TO_COME = 2
"""Below the buttons, for which room is kept: progress, or a short message."""
_CLOSED: set["Panel"] = set()
"""Panels that are closed while their work ends: nobody else keeps them, or their engine."""


class Panel(QWidget):
    """A panel of a dock: a column that scrolls, and buttons and messages pinned below it.

    Attributes
    ----------
    page : str
        Heading of its section in the docs, to which a question mark leads.
    controls : Controls
        Of its work; set by a panel that has some.
    scroll : QScrollArea
    """

    page: ClassVar[str] = ""
    controls: Controls

    def __init__(self) -> None:
        super().__init__()
        self.is_left = False
        self.scroll = QScrollArea()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        if self.page:
            rows.addWidget(HelpButton(self.page), 0, Qt.AlignmentFlag.AlignRight)
        rows.addWidget(self.scroll, 1)
        mark_focus(self)

    def column(self) -> QVBoxLayout:
        """Return the column that scrolls, to add to."""
        return scrolling_column(self.scroll)

    def pin(self, controls: QWidget, *above: QWidget) -> None:
        """Put buttons, progress and messages below what scrolls: they are always in view.

        Parameters
        ----------
        controls : QWidget
        *above : QWidget
            What is to be read before the buttons are pressed.
        """
        foot = QWidget()
        rows = QVBoxLayout(foot)
        rows.setContentsMargins(8, 4, 8, 8)
        for part in (*above, controls):
            rows.addWidget(part)
            if isinstance(part, PaceLine) and isinstance(controls, Controls):
                part.follow(controls)
        self.layout().addWidget(foot)
        if isinstance(messages := getattr(controls, "messages", None), Messages):
            lines = controls.layout()
            assert isinstance(lines, QVBoxLayout)
            place = lines.indexOf(messages)  # asked first: the box takes them out
            lines.insertWidget(place, MessageBox(messages))
            lines.addStretch()
            if isinstance(controls, Controls):  # so that the buttons stay
                heading = partial(_room_of_heading, messages)
                KeptHeight(controls, heading, partial(_room_below, controls))

    def leave_work(self) -> None:
        """Leave no work that nobody sees: the panel is closed, and takes no run over."""
        self.is_left = True
        for line in self.findChildren(PaceLine):
            line.leave()
        if hasattr(self, "controls"):
            self.controls.leave()
            if self.controls.is_running:
                _CLOSED.add(self)
                self.controls.ended.connect(lambda: _CLOSED.discard(self))

    def event(self, event: QEvent) -> bool:
        """Warm the engine when it is looked at; leave the work when it is closed.

        Napari takes a panel that is closed out of its dock.
        """
        if event.type() in (QEvent.Type.Show, QEvent.Type.Enter):
            warm_engine()
            AHEAD.load()
        if event.type() == QEvent.Type.Show:
            watch_window_of(self)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.leave_work()
            else:
                self.is_left = False
                join_other_panels(self)
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Keep Enter, pressed at the end of a field, from the keys of the viewer."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
        else:
            super().keyPressEvent(event)


def _room_of_heading(messages: Messages) -> int:
    """Return the height of a heading that messages may get, once something else is chosen."""
    may_come = not messages.isHidden() and not messages.has_heading
    return messages.fontMetrics().lineSpacing() if may_come else 0


def _room_below(controls: Controls) -> int:
    """Return the height of the button and the lines that come first below it."""
    lines = LINES_TO_COME * (controls.fontMetrics().lineSpacing() + controls.layout().spacing())
    return int(controls.button.sizeHint().height() + lines)
