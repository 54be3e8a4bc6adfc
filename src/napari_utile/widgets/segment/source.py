"""What is segmented: a layer, a part of it, several layers, or files."""

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer, Shapes
from napari.viewer import Viewer
from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
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
from napari_utile.io.stack import Stack
from napari_utile.widgets.kit.fields import CHECKED, ROW, UNCHECKED
from napari_utile.widgets.kit.form import mark, rows_of
from napari_utile.widgets.layers.layers import (
    LayerChoice,
    following,
    frozen,
    is_in_memory,
    moved,
    placement,
    stack_of,
    written,
)
from napari_utile.widgets.layers.regions import Region, drawn_on, view_of

LAYER, VIEW, DRAWN, LAYERS, FILES = (
    "a layer", "the current view", "a drawn region", "several layers", "a folder or files",
)  # fmt: skip
HELP = {
    LAYER: "All of one image layer",
    VIEW: "What of the layer is in view, on the slice in view",
    DRAWN: "What the selected rectangles of a shapes layer, or else all, enclose",
    LAYERS: "Image layers, one after the other",
    FILES: "Images on disk, one after the other",
}
TICKS_IN_VIEW, LINES_IN_VIEW = 5, 3


@dataclass(frozen=True)
class Part:
    """A layer as it is now, and which part of it is segmented."""

    stack: Stack
    region: str | None
    place: dict[str, Any]
    """Of the part; see `placement`."""

    @classmethod
    def of(cls, layer: Layer, channels: int, region: Region | None = None) -> "Part":
        """Take a layer; pixels in memory are copied, so that painting on does not matter."""
        stack = stack_of(layer, channels)
        place = placement(layer, stack.axes)
        if region is None:
            return cls(frozen(stack), None, place)
        axes = [axis for axis in range(len(region)) if stack.axes[axis] != "c"]
        ranges = [region[axis] for axis in axes]
        place["translate"] = moved(place, [first for first, _ in ranges])
        if is_in_memory(stack.data) or (hasattr(stack.data, "dask") and not stack.path):
            stack, ranges = sliced(stack, ranges)  # what is not segmented is not copied
        return cls(frozen(stack), ",".join(f"{a}:{b}" for a, b in ranges), place)


@dataclass(frozen=True)
class Source:
    """What is segmented, as it is now.

    Attributes
    ----------
    name : str
    parts : tuple of Part
        Layers.
    paths : tuple of str
        Files, folders and globs.
    is_batch : bool
        Whether there is more than one result, and a folder for them.
    """

    name: str
    parts: tuple[Part, ...] = ()
    paths: tuple[str, ...] = ()
    is_batch: bool = False

    @property
    def region(self) -> str | None:
        """Which part of the only layer; None for all of it."""
        return self.parts[0].region if len(self.parts) == 1 else None

    def written(self, folder: Path) -> Generator[None, None, list[str]]:
        """Give the paths where the engine finds it; copies of layers are made in `folder`."""
        found = []
        for number, part in enumerate(self.parts, 1):
            place = folder if len(self.parts) == 1 else folder / str(number)
            path = yield from written(part.stack, place)
            found.append(str(path))
        return [*found, *self.paths]


class SourceChoice(QWidget):
    """Chooses what is segmented.

    Attributes
    ----------
    kind : QComboBox
    image, shapes : LayerChoice
    layers : LayerTicks
    files : FilesChoice
    """

    changed = Signal()

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self.kind = QComboBox()
        self.kind.addItems(list(HELP))
        self.kind.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.image, self.shapes = LayerChoice(viewer, Image), LayerChoice(viewer, Shapes)
        self.layers, self.files = LayerTicks(viewer), FilesChoice()
        self._rows = rows_of(
            {
                "segment": self.kind,
                "image": self.image,
                "rectangle": self.shapes,
                "images": self.layers,
                "files": self.files,
            }
        )
        self.setLayout(self._rows)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for source in (self.image, self.shapes, self.layers, self.files):
            source.changed.connect(self.changed)
        self.kind.currentTextChanged.connect(self._on_kind)
        self._on_kind()

    @property
    def is_batch(self) -> bool:
        """Whether there will be several results, in a folder."""
        if self.kind.currentText() == LAYERS:
            return len(self.layers.ticked()) > 1
        return self.kind.currentText() == FILES and self.files.are_several()

    def problem(self, model: Path | None) -> str:
        """Say why this cannot be segmented, or nothing; turn the wrong field red."""
        kind = self.kind.currentText()
        image = shapes = layers = files = ""
        if kind in (LAYER, VIEW, DRAWN):
            image = image_problem(self.image.layer, model)
        if kind == DRAWN and self.shapes.layer is None:
            shapes = "Add a shapes layer, and draw a rectangle around what shall be segmented."
        if kind == LAYERS:
            ticked = self.layers.ticked()
            problems = [image_problem(layer, model) for layer in ticked]
            layers = next(filter(None, problems), "") if ticked else "Tick the image layers."
        if kind == FILES:
            files = self.files.problem()
        mark(self.image, image, "What the network sees")
        mark(self.shapes, shapes, "Where the rectangles are drawn")
        mark(self.layers, layers, "What the network sees, one after the other")
        mark(self.files.text, files, FilesChoice.HELP)
        return image or shapes or layers or files

    def taken(self, model: Path) -> Source:
        """Take what is chosen as it is now.

        Raises
        ------
        UserError
            If it cannot be segmented.
        """
        if problem := self.problem(model):
            raise UserError(problem)
        kind, channels = self.kind.currentText(), read_card(model).in_channels
        if kind == FILES:
            paths = self.files.paths
            name = Path(paths[0]).stem.strip("*") or Path(paths[0]).parent.name
            return Source(name, paths=tuple(paths), is_batch=self.is_batch)
        if kind == LAYERS:
            layers = self.layers.ticked()
            parts = tuple(Part.of(layer, channels) for layer in layers)
            name = layers[0].name if len(layers) == 1 else f"{len(layers)} layers"
            return Source(name, parts, is_batch=len(layers) > 1)
        layer, region = self.image.layer, None
        if kind == VIEW:
            region = view_of(self._viewer, layer)
        elif kind == DRAWN:
            region = drawn_on(self.shapes.layer, layer)
        return Source(layer.name, (Part.of(layer, channels, region),))

    def _on_kind(self) -> None:
        kind = self.kind.currentText()
        self.kind.setToolTip(HELP[kind])
        self._rows.setRowVisible(self.image, kind in (LAYER, VIEW, DRAWN))
        self._rows.setRowVisible(self.shapes, kind == DRAWN)
        self._rows.setRowVisible(self.layers, kind == LAYERS)
        self._rows.setRowVisible(self.files, kind == FILES)
        self.changed.emit()


class LayerTicks(QListWidget):
    """The image layers of the viewer, some of them ticked."""

    changed = Signal()

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self._layers: list[Layer] = []
        events = viewer.layers.events
        following(self, self._refresh, events.inserted, events.removed, events.renamed)
        self.itemChanged.connect(lambda _: self.changed.emit())
        self._refresh()

    def ticked(self) -> list[Layer]:
        """List the layers that are ticked."""
        return [
            layer
            for row, layer in enumerate(self._layers)
            if self.item(row).checkState() == CHECKED
        ]

    def tick(self, layers: list[Layer]) -> None:
        """Tick these layers, and no other."""
        for row, layer in enumerate(self._layers):
            self.item(row).setCheckState(CHECKED if layer in layers else UNCHECKED)

    def _refresh(self, _event: Any = None) -> None:
        ticked = self.ticked()
        with QSignalBlocker(self):
            self.clear()
            self._layers = [x for x in self._viewer.layers if isinstance(x, Image)]
            for layer in self._layers:
                item = QListWidgetItem(layer.name, self)
                item.setSizeHint(QSize(0, ROW))
            self.tick(ticked)
        rows = max(1, min(len(self._layers), TICKS_IN_VIEW))
        self.setFixedHeight(ROW * rows + 2 * self.frameWidth() + 8)
        self.changed.emit()


class FilesChoice(QWidget):
    """Lines of text, a path in each, and a button that looks for some."""

    HELP = "A folder, a file, or a pattern like *.tif in each line"
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = QTextEdit()
        self.text.setPlaceholderText("a folder, or images: one in each line")
        self.text.setFixedHeight(LINES_IN_VIEW * ROW)
        self.text.setLineWrapMode(QTextEdit.LineWrapMode.NoWrap)
        self.text.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.text.setAcceptRichText(False)
        self.text.textChanged.connect(self.changed)
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
        row.addWidget(self.text, 1)
        column = QVBoxLayout()
        column.addWidget(look)
        column.addStretch()
        row.addLayout(column)

    @property
    def paths(self) -> list[str]:
        """The lines that are not empty."""
        lines = [line.strip() for line in self.text.toPlainText().splitlines()]
        return [x if is_url(x) else str(Path(x).expanduser()) for x in lines if x]

    def set_paths(self, paths: list[str]) -> None:
        """Show other paths."""
        self.text.setPlainText("\n".join(paths))

    def are_several(self) -> bool:
        """Whether more than one image is meant."""
        with suppress(UserError):
            return len(self._images()) > 1
        return False

    def problem(self) -> str:
        """Say what is not there, or nothing."""
        if not self.paths:
            return "Choose a folder or images."
        try:
            self._images()
        except UserError as error:
            return str(error)
        return ""

    def _images(self) -> list[Any]:
        """List the images; what is on another machine is looked at by the engine alone."""
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


def image_problem(layer: Layer | None, model: Path | None) -> str:
    """Say why the model cannot take this layer, or nothing."""
    if model is None:
        return ""
    if layer is None:
        return "Choose an image layer: there is none yet."
    try:
        expected = read_card(model).in_channels
        found = stack_of(layer, expected).channels
    except UserError as error:
        return str(error)
    if found == expected:
        return ""
    plural = "" if expected == 1 else "s"
    return f"The model expects {expected} channel{plural}, layer '{layer.name}' has {found}."


def sliced(stack: Stack, ranges: list[tuple[int, int]]) -> tuple[Stack, list[tuple[int, int]]]:
    """Leave out the slices of a stack outside `ranges`; planes stay whole, with their context.

    Returns
    -------
    stack : Stack
    ranges : list of (int, int)
        The same pixels, in the stack that comes back.
    """
    data, translate = stack.data, list(stack.translate)
    for i, axis in enumerate(stack.spatial_axes[:-2]):
        first, end = ranges[i]
        where = [slice(None)] * len(stack.axes)
        where[stack.axes.index(axis)] = slice(first, end)
        data = data[tuple(where)]
        translate[i] += stack.scale[i] * first
    cut = [(0, end - first) for first, end in ranges[:-2]]
    return replace(stack, data=data, translate=tuple(translate)), [*cut, *ranges[-2:]]
