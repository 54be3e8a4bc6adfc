"""Messages of a panel, below its button."""

from collections.abc import Iterable
from html import escape

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel

from napari_utile.widgets.kit.colors import Tone, color_of, follow_theme

MOST_MESSAGES = 6
"""Messages that are shown; the oldest goes first."""


class Messages(QLabel):
    """The last few messages, and above them what is wrong with the fields."""

    changed = Signal()
    """Something else is shown."""

    def __init__(self) -> None:
        super().__init__()
        self._problem = self._heading = ""
        self._mistake = ""  # a message that goes once a field is changed
        self._lines: list[tuple[str, Tone | None, str]] = []  # text, tone, target of a link
        self._shown: list[str] = []  # all of that, as HTML
        self.setWordWrap(True)
        self.setIndent(0)  # else text begins lower in a style with frames
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.hide()
        follow_theme(self, self._show)

    def add(self, text: str, tone: Tone | None = None) -> None:
        """Show a message below the others."""
        self._add(text, tone)

    def offer(self, text: str, target: object) -> None:
        """Show a message to click on: `linkActivated` is emitted with the target."""
        self._add(text, Tone.NOTE, str(target))

    def add_mistake(self, text: str) -> None:
        """Show what must be corrected, until a field is changed."""
        self._add(text, Tone.ERROR)
        self._mistake = text

    def set_problem(self, text: str) -> None:
        """Show what must be corrected before anything can start; '' removes it."""
        self._problem = text
        self.forget_mistake()

    def forget_mistake(self) -> None:
        """Remove what had to be corrected: something was."""
        self._lines = [line for line in self._lines if line[0] != self._mistake]
        self._mistake = ""
        self._show()

    def remove(self, texts: Iterable[str]) -> None:
        """Remove messages that are no longer true."""
        gone = {*texts}
        if any(line[0] in gone for line in self._lines):
            self._lines = [line for line in self._lines if line[0] not in gone]
            self._show()

    def clear(self) -> None:
        """Remove the messages."""
        self._lines = []
        self._show()

    def set_heading(self, text: str) -> None:
        """Say above the messages what they are about, where that is no longer chosen."""
        if text != self._heading:
            self._heading = text
            self._show()

    @property
    def has_problem(self) -> bool:
        """Whether something must be corrected before anything can start."""
        return bool(self._problem)

    @property
    def has_heading(self) -> bool:
        """Whether it is said what the messages are about."""
        return bool(self._heading)

    def starts(self, width: int) -> tuple[list[int], int]:
        """Return where messages begin, in pixels from the top, and where the last one ends.

        Parameters
        ----------
        width : int
            By which lines are broken.
        """
        probe = QLabel(self)  # so that it is in the style of the window
        probe.setIndent(0)
        probe.ensurePolished()
        probe.setWordWrap(True)
        probe.setTextFormat(Qt.TextFormat.RichText)
        ends = [0]
        for number in range(len(self._shown)):
            probe.setText("<br>".join(self._shown[: number + 1]))
            ends.append(probe.heightForWidth(width))
        probe.setParent(None)
        return ends[:-1], ends[-1]

    def _add(self, text: str, tone: Tone | None, target: str = "") -> None:
        if any(text == line.removeprefix("⚠ ") for line, *_ in self._lines):
            return  # a warning of the run is a note of its report, too
        self._lines = [*self._lines, (text, tone, target)][-MOST_MESSAGES:]
        self._show()

    def _show(self, _event: object = None) -> None:
        problem = [colored(self._problem, Tone.ERROR)] if self._problem else []
        heading = [f"<b>{colored(self._heading, None)}</b>"] if self._heading else []
        said = [colored(*line) for line in self._lines]
        lines = [*problem, *(heading if said else []), *said]
        self._shown = lines
        self.setText("<br>".join(lines))
        self.setVisible(bool(lines))
        self.changed.emit()


def colored(text: str, tone: Tone | None, target: str = "") -> str:
    """Return a text as HTML in the color of a tone; a link if there is a target.

    Parameters
    ----------
    text : str
        Plain text; it is escaped.
    tone : Tone or None
        None: the color of text.
    target : str, optional
        Of a link.

    Returns
    -------
    str
    """
    safe = escape(text, quote=False).replace("\n", "<br>")
    style = f'style="color: {color_of(tone)}"' if tone else ""
    if target:
        return f'<a href="{escape(target)}" {style}>{safe}</a>'
    return f"<span {style}>{safe}</span>" if tone and text else safe
