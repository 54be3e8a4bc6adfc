"""The panel that opens images and samples, and says what is open."""

import warnings
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

from napari.errors import MultipleReaderError, NoAvailableReaderError
from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton

from napari_utile.errors import UserError
from napari_utile.events import Warned
from napari_utile.io.images import open_image, stem_of
from napari_utile.io.inner_folders import InnerFolders, inner_folders
from napari_utile.io.napari_reader import LayerData
from napari_utile.io.pairs import MatchedFiles
from napari_utile.samples.samples import isbi2012_layers, synthetic_layers
from napari_utile.widgets.data.folder import images_apart, pairs_inside, pairs_to_open
from napari_utile.widgets.data.late_layers import add_layers
from napari_utile.widgets.data.open_list import OpenList
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.thread_controls import ThreadControls
from napari_utile.widgets.layers.masks import files_of_labels

OWN_READER, NAPARI_READER = "napari-utile", "napari"
PAIR = "pair:"
"""Beginning of the target of a link that opens the images in a folder with their labels."""
MOST_OFFERED = 4
"""Folders in a folder that are offered, and files that are named."""
WELCOME = (
    "Open the images that you work on: files, a folder, or drop them on the window. To look "
    "around, take the synthetic sample: it comes with its labels."
)


class DataPanel(Panel):
    """Files, folders and samples in; what is open in words."""

    page = "Data"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.files = QPushButton("Open files …")
        self.folder = QPushButton("Open folder …")
        self.making = ThreadControls("Synthetic EM stack", lambda: self._synthetic, self._add)
        self.synthetic = self.making.button
        self.synthetic.setToolTip("8 slices of 256 x 256, made by code, with their labels")
        self.list = OpenList(napari_viewer)
        welcome = QLabel(WELCOME)
        welcome.setWordWrap(True)
        self.controls = ThreadControls("ISBI 2012 (download)", lambda: self._sample, self._add)
        self.controls.button.setToolTip(
            "30 slices of fly larva with labels, 7.5 MB, kept for the next time"
        )

        column = self.column()
        column.addWidget(welcome)
        column.addLayout(_beside(self.files, self.folder))
        column.addWidget(QLabel("Samples"))
        column.addWidget(self.making)
        column.addWidget(self.controls)
        column.addWidget(self.list)
        column.addStretch()

        self.files.clicked.connect(self._look_for_files)
        self.folder.clicked.connect(self._look_for_folder)
        self.controls.messages.linkActivated.connect(self._on_link)

    def leave_work(self) -> None:
        """Leave no sample that is being made: the panel is closed."""
        self.making.leave()
        super().leave_work()

    def open_paths(self, paths: list[str]) -> None:
        """Open files or folders as layers, each by the reader that fits; masks as labels.

        Parameters
        ----------
        paths : list of str
        """
        self.controls.messages.clear()
        is_first = not self._viewer.layers
        masks = files_of_labels(paths, self._viewer.layers)
        for path in paths:
            if path in masks:
                self._try(path, partial(self._open_file, path, layer_type="labels"))
            else:
                self._try(path, partial(self._open_path, path))
        self._fit_view(is_first)
        if masks:
            named = ", ".join(f"'{stem_of(path)}'" for path in masks[:MOST_OFFERED])
            more = f" and {len(masks) - MOST_OFFERED} more" if masks[MOST_OFFERED:] else ""
            self.controls.messages.add(f"Opened as labels, by name: {named}{more}.")

    def _try(self, path: str, act: Callable[[], None]) -> None:
        """Open something, and say why it cannot be opened."""
        try:
            act()
        except (UserError, NoAvailableReaderError, OSError, ValueError, TypeError) as error:
            name, why = Path(path).name, _why_unreadable(path, error)
            text = why if name in why else f"{name}: {why}"
            self.controls.messages.add(text, Tone.ERROR)

    def _open_path(self, path: str) -> None:
        """Open a file; of a folder a stack, or what else is in it."""
        if found := inner_folders(Path(path)):
            self._offer_inner(found)
        elif pairs := pairs_inside(Path(path)):
            self._open_pairs(pairs)
        elif apart := images_apart(Path(path)):
            for file in apart:
                self._open_file(str(file))
            self.controls.messages.add(
                f"The images of '{Path(path).name}' differ in size: each is a layer of its own."
            )
        else:
            self._open_file(path)

    def _open_file(self, path: str, **layer: str) -> None:
        """Open a file; what its reader warns of is said here, not over the picture."""
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", UserWarning)
            self._open_as_layer(path, **layer)
        for each in found:
            if issubclass(each.category, UserWarning):
                self.controls.messages.add(f"⚠ {each.message}", Tone.WARNING)

    def _open_as_layer(self, path: str, **layer: str) -> None:
        ours = path.lower().rstrip("/").endswith(".zarr")
        try:
            self._viewer.open(path, plugin=OWN_READER if ours else None, **layer)
        except MultipleReaderError:  # nobody chose one yet
            is_coco = path.lower().endswith(".json")
            self._viewer.open(path, plugin=OWN_READER if is_coco else NAPARI_READER, **layer)

    def _offer_inner(self, found: InnerFolders) -> None:
        """Say which folders hold images, and offer to open them."""
        self.controls.messages.add(str(found), Tone.WARNING)
        if pair := found.pair:
            text = f"Open '{pair[0].name}' with '{pair[1].name}' as their labels."
            self.controls.messages.offer(text, f"{PAIR}{found.folder}")
        else:
            for folder in found.inside[:MOST_OFFERED]:
                self.controls.messages.offer(f"Open '{folder.name}'.", folder)

    def _on_link(self, target: str) -> None:
        self.controls.messages.clear()
        if target.startswith(PAIR):
            folder = target.removeprefix(PAIR)
            is_first = not self._viewer.layers
            self._try(folder, partial(self._open_pair, Path(folder)))
            self._fit_view(is_first)
        else:
            self.open_paths([target])

    def _open_pair(self, folder: Path) -> None:
        """Open the images in a folder of two, each with its labels."""
        found = inner_folders(folder)
        if found is None or found.pair is None:
            raise UserError("It holds no images with labels any more.")
        self._open_pairs(pairs_to_open(*found.pair))

    def _open_pairs(self, matched: MatchedFiles) -> None:
        for image, labels in matched.pairs:
            self._open_file(str(image))
            name = f"{stem_of(image)} labels"
            self._open_file(str(labels), layer_type="labels", name=name)
        if matched.lacking:
            self.controls.messages.add(
                f"Not opened: {'; '.join(matched.lacking)}.", Tone.WARNING
            )

    def _fit_view(self, is_first: bool) -> None:
        """Fit the view to all that was opened first: napari has fitted it to one image."""
        if is_first and len(self._viewer.layers) > 1:
            self._viewer.reset_view()

    def _look_for_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Open files")
        self.open_paths(chosen)

    def _look_for_folder(self) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, "Open a folder of images"):
            self.open_paths([chosen])

    def _synthetic(self) -> Generator[None, None, list[LayerData]]:
        yield
        return synthetic_layers()

    def _sample(self) -> Generator[Warned | None, None, list[LayerData]]:
        yield None
        terms: list[str] = []
        layers = isbi2012_layers(terms.append)
        yield from (Warned(message=each) for each in terms)
        return layers

    def _add(self, sample: list[LayerData]) -> None:
        add_layers(self._viewer, sample)


def _beside(*buttons: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    for button in buttons:
        row.addWidget(button)
    return row


def _why_unreadable(path: str, error: Exception) -> str:
    """Return why a file cannot be opened: as our own reader says it, if it cannot either."""
    if not isinstance(error, UserError) and Path(path).is_file():
        try:
            open_image(path)
        except UserError as ours:
            return str(ours)
    return str(error)
