"""Chooses what is segmented: a layer, a part of it, several layers, or files."""

from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer, Shapes
from napari.viewer import Viewer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_utile.errors import UserError
from napari_utile.folders.model import read_card
from napari_utile.io.images import expand
from napari_utile.io.names import is_url
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.fields import LINE, offer, wide_choice
from napari_utile.widgets.kit.form import form_rows, mark
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.kit.subject import Subject
from napari_utile.widgets.layers.alone import open_images
from napari_utile.widgets.layers.choice import LayerChoice, LayerTicks
from napari_utile.widgets.layers.fitting import misfit
from napari_utile.widgets.layers.regions import Region, drawn_on, view_of

LINES_IN_VIEW = 3


class SourceKind(Enum):
    """What may be segmented, as the panel calls it."""

    LAYER = "a layer"
    VIEW = "the current view"
    DRAWN = "a drawn region"
    LAYERS = "several layers"
    FILES = "a folder or files"


ONE_LAYER = (SourceKind.LAYER, SourceKind.VIEW, SourceKind.DRAWN)
HELP = {
    SourceKind.LAYER: "All of one image layer",
    SourceKind.VIEW: "The part of the layer that is in view, on the slice in view",
    SourceKind.DRAWN: "The box around the selected rectangles of a shapes layer, or around all",
    SourceKind.LAYERS: "Image layers, one after the other",
    SourceKind.FILES: "Images on disk, one after the other",
}


class SourceChoice(QWidget):
    """Chooses what is segmented.

    Attributes
    ----------
    kind : QComboBox
        Its data are of `SourceKind`.
    image, shapes : LayerChoice
    ticks : LayerTicks
    files : FilesChoice
    """

    changed = Signal()

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self.kind = wide_choice()
        offer(self.kind, {kind: kind.value for kind in SourceKind})
        self.image = LayerChoice(viewer, Image, results=False)
        self.shapes = LayerChoice(viewer, Shapes)
        self.ticks, self.files = LayerTicks(viewer), FilesChoice()
        self.others = QLabel()
        self.others.setWordWrap(True)
        self.others.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.others.linkActivated.connect(lambda _: self.choose_all())
        self._rows = form_rows(
            {
                "segment": self.kind,
                "image": self.image.native,
                "rectangle": self.shapes.native,
                "images": self.ticks,
                "files": self.files,
            }
        )
        self._rows.addRow(self.others)
        self.setLayout(self._rows)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for source in (self.image, self.shapes, self.ticks, self.files):
            source.changed.connect(lambda *_: self.changed.emit())
        self.kind.currentIndexChanged.connect(lambda _: self._on_kind())
        self.ticks.changed.connect(self._offer_others)
        follow_theme(self, self._offer_others)
        self._mark()
        self._on_kind()

    @property
    def layers(self) -> list[Layer]:
        """The layers that are chosen; none if files are."""
        match self.kind.currentData():
            case SourceKind.FILES:
                return []
            case SourceKind.LAYERS:
                return self.ticks.ticked()
        return [self.image.layer]

    @property
    def paths(self) -> list[str]:
        """The files, folders and globs that are chosen; none if layers are."""
        return self.files.paths if self.is_of_files else []

    @property
    def is_batch(self) -> bool:
        """Whether there will be several results, in a folder."""
        if self.is_of_files:
            return self.files.are_several()
        return len(self.layers) > 1

    @property
    def is_of_files(self) -> bool:
        """Whether files are segmented, not layers."""
        return self.kind.currentData() is SourceKind.FILES

    def choose_files(self) -> None:
        """Let files be chosen."""
        self.kind.setCurrentIndex([*SourceKind].index(SourceKind.FILES))

    def subject(self) -> Subject | None:
        """Return what a segmentation of these is about; None if nothing is chosen."""
        if paths := self.paths:
            name = paths[0] if len(paths) == 1 else f"{len(paths)} paths"
            return Subject(tuple(paths), name)
        return Subject.of(self.layers)

    def region(self) -> Region | None:
        """Return which part of the layer is chosen; None for all of it.

        Raises
        ------
        UserError
            If there is no such part.
        """
        match self.kind.currentData():
            case SourceKind.VIEW:
                return view_of(self._viewer, self.image.layer)
            case SourceKind.DRAWN:
                return drawn_on(self.shapes.layer, self.image.layer)
        return None

    def problem(self, model: Path | None) -> str:
        """Return why this cannot be segmented, or ''; mark the wrong field red."""
        kind = self.kind.currentData()
        image = shapes = ticks = files = ""
        if kind in ONE_LAYER:
            image = self.image.lost() or _image_problem(self.image.layer, model)
        if kind is SourceKind.DRAWN and self.shapes.layer is None:
            shapes = "Add a shapes layer, and draw a rectangle around the part to segment."
        if kind is SourceKind.LAYERS:
            problems = [_image_problem(layer, model) for layer in self.layers]
            ticks = next(filter(None, problems), "") if problems else "Tick the image layers."
        if kind is SourceKind.FILES:
            files = self.files.problem()
        self._mark(image, shapes, ticks, files)
        return image or shapes or ticks or files

    def _mark(
        self, image: str = "", shapes: str = "", ticks: str = "", files: str = ""
    ) -> None:
        """Mark what is wrong, and explain the rest."""
        mark(self.image.native, image, "The image that the model is applied to")
        mark(self.shapes.native, shapes, "Shapes layer with the rectangles")
        mark(self.ticks, ticks, "Images that the model is applied to, one after the other")
        mark(self.files.line, files, FilesChoice.HELP)

    def misfit(self, channels: int, context: int) -> str:
        """Return why a model cannot take the chosen layers, or ''.

        Parameters
        ----------
        channels, context : int
            Of the model: channels of an image, and slices on each side of a slice.
        """
        problems = (misfit(layer, channels, context) for layer in self.layers)
        return next(filter(None, problems), "")

    def choose_all(self) -> None:
        """Choose every image that is open: of channels that are a layer each, the first."""
        self.ticks.tick([image.images[0] for image in open_images(self._viewer.layers)])
        self.kind.setCurrentIndex([*SourceKind].index(SourceKind.LAYERS))

    def _offer_others(self, _event: Any = None) -> None:
        """Offer to segment the other images, too."""
        count = len(open_images(self._viewer.layers))
        is_one_of_several = self.kind.currentData() is SourceKind.LAYER and count > 1
        link = colored(f"Segment all {count}", Tone.NOTE, SourceKind.LAYERS.value)
        said = f"{count} images are open: this is one of them. {link}"
        self.others.setText(said if is_one_of_several else "")
        self._rows.setRowVisible(self.others, is_one_of_several)

    def _on_kind(self) -> None:
        kind = self.kind.currentData()
        self.kind.setToolTip(HELP[kind])
        self._rows.setRowVisible(self.image.native, kind in ONE_LAYER)
        self._rows.setRowVisible(self.shapes.native, kind is SourceKind.DRAWN)
        self._rows.setRowVisible(self.ticks, kind is SourceKind.LAYERS)
        self._rows.setRowVisible(self.files, kind is SourceKind.FILES)
        self._offer_others()
        self.changed.emit()


class FilesChoice(QWidget):
    """Lines of text, a path in each, and a button that opens a file dialog."""

    HELP = "A folder, a file, or a pattern like *.tif in each line"
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.line = QTextEdit()
        self.line.setPlaceholderText("a folder, or images: one in each line")
        self.line.setFixedHeight(LINES_IN_VIEW * LINE)
        self.line.setLineWrapMode(QTextEdit.LineWrapMode.NoWrap)
        self.line.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.line.setAcceptRichText(False)
        self.line.textChanged.connect(self.changed)
        look = QToolButton()
        look.setText("…")
        look.setToolTip("Choose")
        look.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(look)
        menu.addAction("Images …", self._look_for_images)
        menu.addAction("Folder …", self._look_for_folder)
        look.setMenu(menu)
        look.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.line, 1)
        column = QVBoxLayout()
        column.addWidget(look)
        column.addStretch()
        row.addLayout(column)

    @property
    def paths(self) -> list[str]:
        """The lines that are not empty."""
        lines = [line.strip() for line in self.line.toPlainText().splitlines()]
        return [x if is_url(x) else str(Path(x).expanduser()) for x in lines if x]

    def set_paths(self, paths: list[str]) -> None:
        """Show other paths."""
        self.line.setPlainText("\n".join(paths))

    def are_several(self) -> bool:
        """Whether there is more than one image."""
        with suppress(UserError):
            return len(self._images()) > 1
        return False

    def problem(self) -> str:
        """Return what is missing, or ''."""
        if not self.paths:
            return "Choose a folder or images."
        try:
            self._images()
        except UserError as error:
            return str(error)
        return ""

    def _images(self) -> list[Path | str]:
        """Return the images. URLs are opened by the engine alone."""
        remote = [path for path in self.paths if is_url(path)]
        here = [path for path in self.paths if path not in remote]
        return [*(expand(here) if here else []), *remote]

    def _look_for_images(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Choose images")
        if chosen:
            self.set_paths(chosen)

    def _look_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder of images")
        if chosen:
            self.set_paths([chosen])


def _image_problem(layer: Layer | None, model: Path | None) -> str:
    """Return why the model cannot take this layer, or ''."""
    if model is None:
        return ""
    if layer is None:
        return "Choose an image layer: there is none yet."
    try:
        card = read_card(model)
    except UserError as error:
        return str(error)
    return misfit(layer, card.in_channels, card.context)
