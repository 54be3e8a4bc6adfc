"""The list from which a model is chosen: by name, date, image, score and picture."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QIcon, QPaintEvent, QPixmap, QStandardItemModel, QWheelEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QWidget,
)

from napari_utile.errors import UserError
from napari_utile.folders.catalogue import Catalogue, KnownModel, known_model
from napari_utile.folders.thumbnails import thumbnail
from napari_utile.io.units import counted
from napari_utile.widgets.kit import paths
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.kit.fields import narrow
from napari_utile.widgets.kit.model_menu import ModelMenu
from napari_utile.widgets.kit.model_rows import (
    LINES,
    PATH,
    SECOND_LINE,
    SHORT_LINE,
    TwoLines,
    details,
    draw_lines,
    pixmap_of,
    plain_row,
    row_of,
)
from napari_utile.widgets.kit.paths import MODELS

LOOK = "Another folder …"
LOOKING = "looking for models …"
ROWS_IN_VIEW = 8
WIDTH, SMALLEST = 340, 80
"""Of the open list and of the closed one, at least, in px."""
ARROW, WIDE = 22, 240
"""Widths of the arrow of the closed list, and of one with room for all, in px."""

Fits = Callable[[int, int], str]
"""Returns why a model of so many channels and slices on each side does not fit, or ''."""


class ModelBox(QComboBox):
    """A list of two lines that tells before it opens, and that the mouse wheel scrolls past."""

    opens = Signal()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size with room for two lines; for one while it stands for no model."""
        usual = super().sizeHint()
        if self.currentIndex() >= 0 and not self.currentData(SECOND_LINE):
            return usual
        return QSize(usual.width(), round(LINES * self.fontMetrics().height()) + 6)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return a width that does not widen the panel, and room for two lines."""
        return QSize(SMALLEST, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw name and score of the chosen model, or one line in place of them."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        text = self.currentText() or self.placeholderText()
        painter.setPen(option.palette.text().color())
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        # more than the style leaves for text: the column is narrow
        room = self.rect().adjusted(6, 2, -ARROW, -2)
        second = self.currentData(SECOND_LINE if self.width() >= WIDE else SHORT_LINE)
        draw_lines(painter, room, self.font(), text, second)

    def showPopup(self) -> None:  # noqa: N802
        """Open the list."""
        self.opens.emit()
        self.view().setMinimumWidth(max(WIDTH, self.width()))
        super().showPopup()

    def show_more(self) -> None:
        """Fit the open list to rows that have come."""
        if self.view().isVisible():
            super().showPopup()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Leave the wheel to the panel: no model is changed in passing."""
        event.ignore()


class ModelChoice(QWidget):
    """Chooses a model of the user, or one in another folder; a menu renames, exports, deletes.

    The models are looked for in a thread when the list opens, and their pictures are read then.

    Parameters
    ----------
    hint : str
        Text if nothing is chosen.
    none : str, optional
        First entry of the list, which stands for no model; '' if there must be one.
    fits : callable, optional
        Told channels and context of a model, returns why it does not fit what the panel has:
        the model is gray then, with the reason. '' if it fits.

    Attributes
    ----------
    line : QComboBox
        What is marked if the model cannot be used.
    """

    changed = Signal()

    def __init__(self, hint: str, none: str = "", fits: Fits = lambda *_: ""):
        super().__init__()
        self._none, self._fits = none, fits
        self._path: Path | None = None
        self._chosen: KnownModel | None = None  # if it can be read
        self._listed: Catalogue | None = None
        self._pictures: dict[Path, QPixmap] = {}
        self._listing: Background | None = None
        self._reading: Background | None = None
        self.line = ModelBox()
        self.line.currentIndexChanged.connect(lambda _: self.line.updateGeometry())
        narrow(self.line)
        self.line.setPlaceholderText(hint)
        self.line.setMaxVisibleItems(ROWS_IN_VIEW)
        self.line.setModel(QStandardItemModel(self.line))
        self.line.setItemDelegate(TwoLines(self.line))
        self.line.opens.connect(self._look_for_models)
        self.line.activated.connect(self._on_pick)
        self.menu = ModelMenu(self)
        button = QToolButton()
        button.setText("⋯")
        button.setToolTip("Rename, export, delete or import a model")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        button.setMenu(self.menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.line, 1)
        row.addWidget(button)
        MODELS.changed.connect(self._on_models_changed)
        self._show_rows()

    @property
    def path(self) -> Path | None:
        """Folder of the chosen model, or of its run; None if none is."""
        return self._path

    @property
    def chosen(self) -> KnownModel | None:
        """What is known of the chosen model; None if none is, or it cannot be read."""
        return self._chosen

    @property
    def help(self) -> str:
        """What is chosen, as a tooltip."""
        return details(self._chosen) if self._chosen else self.line.placeholderText()

    def set_path(self, path: Path | None) -> None:
        """Choose another model, by its folder or that of its run, wherever it is."""
        self._path = path
        self._chosen = self._known(path)
        self._show_rows()
        self.line.setToolTip(self.help)
        self.changed.emit()

    # the rows

    def _show_rows(self) -> None:
        """Fill the list, and show what is chosen."""
        models = list(self._listed.models) if self._listed else []
        if self._chosen and self._chosen.path not in [model.path for model in models]:
            models.insert(0, self._chosen)
        rows = [plain_row(self._none)] if self._none else []
        problems: dict[tuple[int, int], str] = {}
        for model in models:
            needs = model.channels, model.context
            if needs not in problems:
                problems[needs] = self._fits(*needs)
            row = row_of(model, problems[needs])
            if picture := self._pictures.get(model.thumbnail or Path()):
                row.setIcon(QIcon(picture))
            rows.append(row)
        if self._path and not self._chosen:  # it cannot be read: a message says why
            rows.append(plain_row(self._path.name, self._path))
        rows += self._last_rows()
        blocked = self.line.blockSignals(True)
        table: Any = self.line.model()
        table.clear()
        for row in rows:
            table.appendRow(row)
        self.line.setCurrentIndex(self._row_of_path(rows))
        self.line.blockSignals(blocked)
        self.line.show_more()

    def _last_rows(self) -> list[Any]:
        """Return the rows below the models: what is left out, and how to find others."""
        rows = []
        broken = (
            [left for left in self._listed.left_out if left.path.exists()]
            if self._listed
            else []
        )
        if self._listed is None:
            rows.append(plain_row(LOOKING))
            rows[-1].setEnabled(False)
        if broken:
            rows.append(plain_row(f"{counted(len(broken), 'models')} cannot be read"))
            rows[-1].setToolTip("\n".join(left.reason for left in broken))
            rows[-1].setEnabled(False)
        return [*rows, plain_row(LOOK, LOOK)]

    def _row_of_path(self, rows: list[Any]) -> int:
        """Return the row of what is chosen; -1 if nothing is and no row stands for that."""
        if self._path is None:
            return 0 if self._none else -1
        path = self._chosen.path if self._chosen else self._path
        return next(i for i, row in enumerate(rows) if row.data(PATH) == path)

    def _known(self, path: Path | None) -> KnownModel | None:
        try:
            return known_model(path, paths.data_folder()) if path else None
        except (UserError, OSError):
            return None

    # what is listed

    def _look_for_models(self) -> None:
        """List the models of the user, in a thread."""

        def listed() -> Generator[None, None, Catalogue]:
            yield
            return paths.known_models()

        if self._listing is None:
            self._listing = Background(listed, self._on_listed, lambda _: None)
        self._show_rows()  # the image may be another: other models fit

    def _on_listed(self, listed: Catalogue) -> None:
        self._listing = None
        if not isalive(self.line):  # the panel was closed
            return
        if listed != self._listed:
            self._listed = listed
            self._show_rows()
        self._read_pictures()

    def _read_pictures(self) -> None:
        """Read the pictures that are not known yet, in a thread; the newest model's first."""
        models = self._listed.models if self._listed else []
        wanted = [
            m.thumbnail for m in models if m.thumbnail and m.thumbnail not in self._pictures
        ]

        def read() -> Generator[tuple[Path, Any], None, None]:
            for path in wanted:
                try:
                    yield path, thumbnail(path)
                except (UserError, OSError):  # it was removed meanwhile
                    continue

        if wanted and self._reading is None:
            self._reading = Background(read, self._on_read, self._on_read, self._on_picture)

    def _on_read(self, _: object) -> None:
        self._reading = None

    def _on_picture(self, found: tuple[Path, Any]) -> None:
        path, picture = found
        if not isalive(self.line):
            return
        self._pictures[path] = pixmap_of(picture)
        models = (
            {m.path for m in self._listed.models if m.thumbnail == path} if self._listed else ()
        )
        table: Any = self.line.model()
        for i in range(table.rowCount()):
            if table.item(i).data(PATH) in models:
                table.item(i).setIcon(QIcon(self._pictures[path]))

    def _on_models_changed(self) -> None:
        """Show a model under its new name; one that was deleted is no longer chosen."""
        if not isalive(self.line):
            return
        self._listed = None
        was_there = self._chosen is not None
        self._chosen = self._known(self._path)
        if was_there and self._chosen is None:
            self._path = None if self._none else paths.last_model()
            self._chosen = self._known(self._path)
        self.set_path(self._path)

    # what the user does

    def _on_pick(self, row: int) -> None:
        data = self.line.itemData(row)
        if data != LOOK:
            self.set_path(data)
            return
        self._show_rows()
        start = Path.home()
        if self._path and not self._path.is_relative_to(paths.data_folder()):
            start = self._path.parent
        chosen = QFileDialog.getExistingDirectory(self, "Folder of a model or run", str(start))
        if chosen:
            self.set_path(Path(chosen))
