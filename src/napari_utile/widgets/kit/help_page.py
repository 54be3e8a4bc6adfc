"""The page of a panel in the docs, which are installed with it: no network is needed."""

import re
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import (
    QColor,
    QDesktopServices,
    QPixmap,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from qtpy.QtWidgets import QDialog, QTextBrowser, QToolButton, QVBoxLayout, QWidget

import napari_utile
from napari_utile.errors import UserError
from napari_utile.widgets.kit.colors import Tone, color_of, follow_theme, is_light

PANELS = "panels.md"
"""The file with a section for each panel."""
PICTURE = re.compile(
    r'(?:<picture>\s*<source media="\(prefers-color-scheme: light\)" srcset="([^"]+)">\s*)?'
    r'<img src="([^"]+)"[^>]*?alt="([^"]*)"[^>]*>'
    r"(?:\s*</picture>)?"
)
"""One that may have another for the light theme; Qt reads these only as Markdown."""
SIZE = (760, 760)
"""Of the window, px; a short page has a lower one."""
MARGINS = 60
"""Around the page and beside its scroll bar, both sides together, px."""


def docs_folder() -> Path:
    """Return the folder of the docs: in the package, or beside its sources."""
    package = Path(napari_utile.__file__).parent
    inside = package / "docs"
    return inside if inside.is_dir() else package.parents[1] / "docs"


def help_text(file: str, heading: str = "") -> str:
    """Return a file of the docs, or one section of it, as Markdown that Qt can show.

    Parameters
    ----------
    file : str
        Its name.
    heading : str, optional
        Of the section, of the second level.

    Raises
    ------
    UserError
        If the docs are not installed, or have no such section.
    """
    path = docs_folder() / Path(file).name
    if not path.is_file():
        raise UserError(f"{path} was not found: this installation has no docs.")
    text = PICTURE.sub(_picture_in_theme, path.read_text(encoding="utf-8"))
    if not heading:
        return text
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    for section in sections:
        if section.partition("\n")[0] == f"## {heading}":
            return section
    raise UserError(f"{path} has no section '{heading}'.")


def _picture_in_theme(found: re.Match[str]) -> str:
    """Return a picture as Markdown: the one that was taken in napari's theme."""
    in_light, in_dark, words = found.groups()
    return f"![{words}]({in_light if in_light and is_light() else in_dark})"


def anchor_of(heading: str) -> str:
    """Return what a link calls a heading.

    Examples
    --------
    >>> anchor_of("Pause, stop, resume")
    'pause-stop-resume'
    """
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


class HelpButton(QToolButton):
    """A question mark that opens the page of a panel.

    Parameters
    ----------
    page : str
        Heading of its section in the docs.
    """

    def __init__(self, page: str):
        super().__init__()
        self._page = page
        self.setText("?")
        self.setAutoRaise(True)
        self.setToolTip(f"What the panel {page} does")
        self.clicked.connect(lambda: HelpPage(self.window(), page).show())


class HelpPage(QDialog):
    """A window with a page of the docs; its links lead to the other pages."""

    def __init__(self, parent: QWidget, page: str):
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"U-Tile: {page}")
        self.resize(*SIZE)
        self.text = _Pages()
        self.text.setOpenLinks(False)
        self.text.setSearchPaths([str(docs_folder())])
        self.text.anchorClicked.connect(self.follow)
        self.text.resized.connect(self._show_again)
        column = QVBoxLayout(self)
        column.addWidget(self.text)
        self._file, self._heading = PANELS, page
        self._show()
        self._fit()
        follow_theme(self, self._show_again)

    def _fit(self) -> None:
        """Be no higher than the page."""
        page = self.text.document().clone()
        page.setTextWidth(SIZE[0] - MARGINS)
        self.resize(SIZE[0], min(SIZE[1], round(page.size().height()) + MARGINS))

    def follow(self, link: QUrl) -> None:
        """Open another page here, and addresses in the browser."""
        if link.scheme():
            QDesktopServices.openUrl(link)
            return
        file, anchor = link.path() or self._file, link.fragment()
        if file != self._file or not self._scroll_to(anchor):
            self._file, self._heading = file, ""
            self._show()
            self._scroll_to(anchor)

    def _show_again(self, _event: object = None) -> None:
        """Show the page in another theme or width, where the reader was."""
        bar = self.text.verticalScrollBar()
        place = bar.value()
        self._show()
        bar.setValue(place)

    def _show(self) -> None:
        try:
            self.text.setMarkdown(help_text(self._file, self._heading))
        except UserError as error:
            self.text.setPlainText(str(error))
        color_links(self.text.document(), QColor(color_of(Tone.NOTE)))

    def _scroll_to(self, anchor: str) -> bool:
        """Bring a heading to the top; return whether it is on this page."""
        layout = self.text.document().documentLayout()
        for block in self._headings():
            if anchor_of(block.text()) == anchor:
                top = layout.blockBoundingRect(block).top()
                self.text.verticalScrollBar().setValue(round(top))
                return True
        return False

    def _headings(self) -> list[QTextBlock]:
        """Return the headings of this page."""
        found, block = [], self.text.document().begin()
        while block.isValid():
            if block.blockFormat().headingLevel():
                found.append(block)
            block = block.next()
        return found


def color_links(document: QTextDocument, color: QColor) -> None:
    """Give links a color that can be read; that of Qt is made for white pages."""
    block = document.begin()
    while block.isValid():
        parts = block.begin()
        while not parts.atEnd():
            part = parts.fragment()
            if part.charFormat().isAnchor():
                cursor = QTextCursor(document)
                cursor.setPosition(part.position())
                cursor.setPosition(
                    part.position() + part.length(), QTextCursor.MoveMode.KeepAnchor
                )
                look = QTextCharFormat()
                look.setForeground(color)
                cursor.mergeCharFormat(look)
            parts += 1
        block = block.next()


class _Pages(QTextBrowser):
    """Pages whose pictures are no wider than the window."""

    resized = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)

    def loadResource(self, kind: int, name: QUrl) -> Any:  # noqa: N802, the name is Qt's
        """Return a picture that is no wider than the page."""
        found = super().loadResource(kind, name)
        if kind != QTextDocument.ResourceType.ImageResource:
            return found
        picture = QPixmap()
        picture.loadFromData(found)
        room = self.viewport().width() - 2 * round(self.document().documentMargin())
        if picture.width() <= room:
            return picture
        return picture.scaledToWidth(room, Qt.TransformationMode.SmoothTransformation)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802, the name is Qt's
        """Tell that pictures are to be scaled again."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.resized.emit()
