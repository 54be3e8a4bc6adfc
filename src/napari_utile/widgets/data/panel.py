"""The panel that opens images and samples, and says what is open."""

from collections.abc import Generator
from pathlib import Path

from napari.errors import MultipleReaderError, NoAvailableReaderError
from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton

from napari_utile.errors import UserError
from napari_utile.io.napari_reader import LayerData
from napari_utile.samples.samples import isbi2012_layers, synthetic_layers
from napari_utile.widgets.data.late_layers import add_layers
from napari_utile.widgets.data.open_list import OpenList
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.thread_controls import ThreadControls

OWN_READER, NAPARI_READER = "napari-utile", "napari"
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
        self.synthetic = QPushButton("Synthetic EM stack")
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
        column.addLayout(_beside(self.synthetic))
        column.addWidget(self.controls)
        column.addWidget(self.list)
        column.addStretch()

        self.files.clicked.connect(self._look_for_files)
        self.folder.clicked.connect(self._look_for_folder)
        self.synthetic.clicked.connect(self._make_synthetic)

    def open_paths(self, paths: list[str]) -> None:
        """Open files or folders as layers, each by the reader that fits.

        Parameters
        ----------
        paths : list of str
        """
        self.controls.messages.clear()
        for path in paths:
            try:
                self._open_path(path)
            except (UserError, NoAvailableReaderError, OSError, ValueError) as error:
                self.controls.messages.add(f"{Path(path).name}: {error}", Tone.ERROR)

    def _open_path(self, path: str) -> None:
        ours = path.lower().rstrip("/").endswith(".zarr")
        try:
            self._viewer.open(path, plugin=OWN_READER if ours else None)
        except MultipleReaderError:  # nobody chose one yet
            is_coco = path.lower().endswith(".json")
            self._viewer.open(path, plugin=OWN_READER if is_coco else NAPARI_READER)

    def _look_for_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Open files")
        self.open_paths(chosen)

    def _look_for_folder(self) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, "Open a folder of images"):
            self.open_paths([chosen])

    def _make_synthetic(self) -> None:
        """Make the sample, unless one is on its way: this button stops nothing."""
        if not self.controls.is_running:
            self.controls.press(lambda: self._synthetic, self._add)

    def _synthetic(self) -> Generator[None, None, list[LayerData]]:
        yield
        return synthetic_layers()

    def _sample(self) -> Generator[None, None, list[LayerData]]:
        yield
        return isbi2012_layers()

    def _add(self, sample: list[LayerData]) -> None:
        add_layers(self._viewer, sample)


def _beside(*buttons: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    for button in buttons:
        row.addWidget(button)
    return row
