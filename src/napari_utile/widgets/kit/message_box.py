"""The box below the buttons of a panel in which its messages scroll."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QScrollArea

from napari_utile.widgets.kit.messages import Messages

MOST_HEIGHT = 150
"""Of the messages, in pixels; more of them scroll."""


class MessageBox(QScrollArea):
    """Messages that take no more height than they need, and scroll when they are many.

    What is seen begins with the first word of a message: as many of the newest as there is room
    for, or, while the fields are wrong, what is wrong with them.

    Parameters
    ----------
    messages : Messages
    """

    def __init__(self, messages: Messages):
        super().__init__()
        self._messages = messages
        self._seen: tuple[str, int] = "", 0
        self._begin = 0  # of what is shown
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        is_hidden = messages.isHidden()
        self.setWidget(messages)  # shows it
        messages.setHidden(is_hidden)
        messages.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        messages.installEventFilter(self)
        messages.changed.connect(self._fit)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow the messages: their height, and whether there are any."""
        kinds = QEvent.Type.ShowToParent, QEvent.Type.HideToParent, QEvent.Type.StyleChange
        if event.type() in kinds:
            self._seen = "", 0
            self._fit()
        return bool(super().eventFilter(watched, event))

    def resizeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Fit the height to the width, by which lines are broken."""
        super().resizeEvent(event)
        self._fit()
        self.verticalScrollBar().setValue(self._begin)  # there is room for it now

    def _fit(self) -> None:
        """Show the messages from the beginning of one of them; scroll if there are others."""
        self.setHidden(self._messages.isHidden())
        bar = self.verticalScrollBar()
        width = max(self.width() - bar.sizeHint().width(), 1)
        seen = self._messages.text(), width
        if seen == self._seen:
            return
        self._seen = seen
        starts, needed = self._messages.starts(width)
        self._messages.resize(width, needed)
        self._begin, end = _height_in_view(starts, needed, self._messages.has_problem)
        frame = self.contentsMargins().top() + self.contentsMargins().bottom()
        self.setFixedHeight(max(end - self._begin, 1) + frame)
        bar.setValue(self._begin)


def _height_in_view(starts: list[int], end: int, is_from_top: bool) -> tuple[int, int]:
    """Return between which heights messages are shown that begin at these."""
    if is_from_top:
        return 0, min(end, MOST_HEIGHT)
    begin = next((top for top in starts if end - top <= MOST_HEIGHT), max(starts, default=0))
    return begin, min(end, begin + MOST_HEIGHT)
