"""What a panel has to say, below its button."""

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_utile.widgets.kit.form import BLUE, RED


class Messages(QLabel):
    """The last few messages, and above them what is wrong with the fields."""

    def __init__(self) -> None:
        super().__init__()
        self._problem = ""
        self._lines: list[str] = []
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.hide()

    def add(self, text: str, color: str = "") -> None:
        """Show a message below the others; a seventh drops the first."""
        self._lines = [*self._lines, _colored(text, color)][-6:]
        self._show()

    def offer(self, text: str, target: object) -> None:
        """Show a message to click on; `linkActivated` then tells the target."""
        link = f'<a href="{escape(str(target))}" style="color: {BLUE}">{escape(text)}</a>'
        self._lines = [*self._lines, link][-6:]
        self._show()

    def set_problem(self, text: str) -> None:
        """Show what must be mended before anything can start; '' takes it away."""
        self._problem = _colored(text, RED) if text else ""
        self._show()

    def clear(self) -> None:
        """Forget the messages."""
        self._lines = []
        self._show()

    def _show(self) -> None:
        lines = [self._problem, *self._lines] if self._problem else self._lines
        self.setText("<br>".join(lines))
        self.setVisible(bool(lines))


def _colored(text: str, color: str) -> str:
    safe = escape(text, quote=False).replace("\n", "<br>")
    return f'<span style="color: {color}">{safe}</span>' if color else safe
