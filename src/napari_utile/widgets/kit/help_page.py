"""The page of a panel in the docs, which are installed with it: no network is needed."""

import re
from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QTextBlock
from qtpy.QtWidgets import QDialog, QTextBrowser, QToolButton, QVBoxLayout, QWidget

import napari_utile
from napari_utile.errors import UserError

PANELS = "panels.md"
"""The file with a section for each panel."""
PICTURE = re.compile(r'<img src="([^"]+)"[^>]*?alt="([^"]*)"[^>]*>')
"""Qt reads these only as Markdown."""
SIZE = (640, 760)
"""Of the window, px."""


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
    text = PICTURE.sub(r"![\2](\1)", path.read_text(encoding="utf-8"))
    if not heading:
        return text
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    for section in sections:
        if section.partition("\n")[0] == f"## {heading}":
            return section
    raise UserError(f"{path} has no section '{heading}'.")


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
        self.setToolTip(f"What the panel {page} does, with pictures")
        self.clicked.connect(lambda: HelpPage(self.window(), page).show())


class HelpPage(QDialog):
    """A window with a page of the docs; its links lead to the other pages."""

    def __init__(self, parent: QWidget, page: str):
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"U-Tile: {page}")
        self.resize(*SIZE)
        self.text = QTextBrowser()
        self.text.setOpenLinks(False)
        self.text.setSearchPaths([str(docs_folder())])
        self.text.anchorClicked.connect(self.follow)
        column = QVBoxLayout(self)
        column.addWidget(self.text)
        self._file = PANELS
        self._show(page)

    def follow(self, link: QUrl) -> None:
        """Open another page here, and addresses in the browser."""
        if link.scheme():
            QDesktopServices.openUrl(link)
            return
        file, anchor = link.path() or self._file, link.fragment()
        if file != self._file or not self._scroll_to(anchor):
            self._file = file
            self._show()
            self._scroll_to(anchor)

    def _show(self, heading: str = "") -> None:
        try:
            self.text.setMarkdown(help_text(self._file, heading))
        except UserError as error:
            self.text.setPlainText(str(error))

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
