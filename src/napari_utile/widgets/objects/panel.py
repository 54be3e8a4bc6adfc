"""The panel that measures the objects of a labels layer, and lists them."""

from collections.abc import Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
)

from napari_utile.errors import UserError
from napari_utile.events import Event, ImageDone, RunDone
from napari_utile.folders.journal import WorkFolder
from napari_utile.folders.places import plain_name
from napari_utile.io.disk import atomic_write
from napari_utile.io.units import counted
from napari_utile.results.columns import Columns, read_table
from napari_utile.results.objects import table_of
from napari_utile.widgets.kit.background import Background, Work
from napari_utile.widgets.kit.caption import Caption
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.form import form_rows, mark
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.paths import lasting_folder
from napari_utile.widgets.kit.subject import Subject
from napari_utile.widgets.kit.table import Table
from napari_utile.widgets.layers.alone import open_images
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.measured import go_to_object, result_shown, show_features
from napari_utile.widgets.layers.project import Remembered
from napari_utile.widgets.layers.remedies import ConvertNote
from napari_utile.widgets.layers.snapshots import path_on_disk
from napari_utile.widgets.layers.stacks import stack_of, with_copied_pixels

COPIES = "objects"
"""Folder, in that of the user's data, where layers are copied to, and tables written."""
MOST_ROWS = 100_000
"""Rows that the panel shows."""
LABELS_HELP = "A result, or any labels: as they are when you press the button"
KNOWN_IMAGE = "The image that the result was made of is measured, too, while it is still there."
IMAGE_HELP = "Image whose gray values are measured in each object: mean and standard deviation"


class ObjectsPanel(Panel):
    """Labels in, a table of their objects out; a click on a row leads to the object."""

    page = "Objects"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.labels_layer = LayerChoice(napari_viewer, Labels, newest=True)
        self.image = LayerChoice(napari_viewer, Image)
        self.with_image = QCheckBox("measure those of an image")
        self.with_image.setChecked(True)
        self.with_image.setToolTip("Tick to add gray values of an image to the table")
        self.controls = EngineControls("Measure objects", self._collect, about=self._about)
        self.caption, self.table = Caption(), Table()
        self.copy, self.save = QPushButton("Copy table"), QPushButton("Save table as …")
        self.known = QLabel(KNOWN_IMAGE)
        self.known.setWordWrap(True)
        self._path: Path | None = None  # of the table
        self.columns: Columns = {}
        self._measured: Any = None  # the layer of the table
        self._taken_for: Any = None  # labels whose image was chosen
        self._next: tuple[Any, Path]
        self._count = 0
        self._reading: Background | None = None

        column = self.column()
        self._rows = form_rows(
            {
                "labels": self.labels_layer.native,
                "intensities": self.with_image,
                "image": self.image.native,
            }
        )
        column.addLayout(self._rows)
        column.addWidget(self.known)
        column.addWidget(ConvertNote(napari_viewer, self.labels_layer))
        self.pin(self.controls)
        column.addWidget(self.caption)
        column.addWidget(self.table, 1)
        below = QHBoxLayout()
        below.addWidget(self.copy)
        below.addWidget(self.save)
        column.addLayout(below)
        column.addStretch()
        for part in (self.table, self.copy, self.save):
            part.hide()

        self.labels_layer.changed.connect(self._take_image)
        for choice in (self.labels_layer, self.image):
            choice.changed.connect(lambda _: self._check())
        self.with_image.toggled.connect(lambda _: self._check())
        self.controls.happened.connect(self._show)
        self.table.chosen.connect(self._go_to)
        self.copy.clicked.connect(lambda: QApplication.clipboard().setText(self.table.text()))
        self.save.clicked.connect(self._on_save)
        self._take_image(self.labels_layer.layer)
        self._check()
        Remembered(self, napari_viewer, "objects", {"intensities": self.with_image})

    def measure(self, layer: Labels) -> None:
        """Choose a layer and measure it, unless something is being measured."""
        self.labels_layer.choose(layer)
        if not self.controls.is_running and not self._check():
            self.controls.button.click()
            text = f"The objects of '{layer.name}' are measured; their table comes below."
            self.controls.messages.add(text, Tone.NOTE)

    def _take_image(self, labels: Any) -> None:
        """Choose the image that other labels belong to, if it is known."""
        if labels is None or labels is self._taken_for:
            return
        self._taken_for = labels
        for image in open_images(self._viewer.layers):
            if labels in image.others:
                self.image.choose(image.images[0])

    def _about(self) -> Subject | None:
        return Subject.of([self.labels_layer.layer])

    def _check(self) -> str:
        """Show what is wrong with the fields, and return the first of it, or ''."""
        labels = self.labels_layer.layer
        result = labels is not None and result_shown(labels) is not None
        missing = "" if labels is not None else "Choose a labels layer: there is none yet."
        missing = self.labels_layer.lost() or missing
        self._rows.setRowVisible(self.with_image, not result)  # a result knows its image
        self.known.setVisible(result)
        asks_for_image = self.with_image.isChecked() and not result
        self._rows.setRowVisible(self.image.native, asks_for_image)
        image = (
            ""
            if missing or not asks_for_image
            else _intensities_problem(self.image.layer, labels)
        )
        mark(self.labels_layer.native, missing, LABELS_HELP)
        mark(self.image.native, image, IMAGE_HELP)
        self.controls.set_problem(missing or image)
        return missing or image

    # what runs

    def _collect(self) -> Work:
        """Take the layers as they are; the work copies to disk what is in memory."""
        if problem := self._check():
            raise UserError(problem)
        layer = self.labels_layer.layer
        if result := result_shown(layer):
            out = table_of(result)

            def name_result() -> Generator[None, None, list[str]]:
                yield
                return self._arguments(layer, result, out)

            return name_result
        stack = with_copied_pixels(stack_of(layer))
        image = None
        if self.with_image.isChecked():
            image = with_copied_pixels(stack_of(self.image.layer, like=stack.shape))
        folder = lasting_folder(COPIES, layer.name)

        def write() -> Generator[None, None, list[str]]:
            path = yield from path_on_disk(stack, folder)
            more = []
            if image is not None:
                shown = yield from path_on_disk(image, folder / "image")
                more = ["--image", str(shown)]
            out = folder / "tables" / f"{plain_name(layer.name)}.csv"
            return [*self._arguments(layer, path, out), *more]

        return write

    def _arguments(self, layer: Any, labels: Path, out: Path) -> list[str]:
        """Return the arguments of the command, and remember what they measure."""
        self._next = layer, out
        # a table of ours is replaced if it is of other pixels; that of somebody else is not
        is_ours = out.exists() and bool(WorkFolder(out).finished)
        overwrite = ["--overwrite"] if is_ours else []
        return ["objects", str(labels), "--out", str(out), *overwrite]

    # what is shown

    def _show(self, event: Event) -> None:
        match event:
            case ImageDone():
                self._count = event.objects or 0
            case RunDone() if event.stopped:
                self.controls.messages.add("Stopped. Press the button to resume it.")
            case RunDone() if event.out:
                self._show_table(*self._next)

    def _show_table(self, layer: Any, path: Path) -> None:
        """Read the table in a thread, and show it."""
        self._measured = layer
        if self._count > MOST_ROWS:
            text = f"{self._count:,} objects are too many to list; the table is in {path}."
            self.controls.messages.add(text, Tone.SUCCESS)
            return

        def read() -> Generator[None, None, Columns]:
            yield
            return read_table(path.read_text(encoding="utf-8"))

        self._reading = Background(read, partial(self._on_table, path), self._on_failure)

    def _on_table(self, path: Path, columns: Columns) -> None:
        self.columns, self._path = columns, path
        self.caption.show_subject(self.controls.subject)
        for part in (self.table, self.copy, self.save):
            part.show()
        words = {n: _yes_or_no(v) if v.dtype == bool else v for n, v in columns.items()}
        self.table.show_columns(words)
        found = counted(len(columns["id"]), "objects")
        self.controls.messages.add(f"{found}. The table is kept in {path}.", Tone.SUCCESS)
        if self._measured in self._viewer.layers:
            show_features(self._measured, columns)

    def _on_save(self) -> None:
        """Copy the table on disk to where the user wants it."""
        name, _ = QFileDialog.getSaveFileName(self, "Save as", "objects.csv", "*.csv")
        if not name or self._path is None:
            return
        path = Path(name if name.lower().endswith(".csv") else f"{name}.csv")
        try:
            atomic_write(path, self._path.read_bytes())
        except OSError as error:
            self.controls.messages.add(f"Not saved: {error}", Tone.ERROR)
        else:
            self.controls.messages.add(f"Saved {path}.", Tone.SUCCESS)

    def _on_failure(self, error: Exception) -> None:
        self.controls.messages.add(str(error), Tone.ERROR)

    def _go_to(self, row: int) -> None:
        """Show the object of a row, if its layer is still there."""
        if self._measured in self._viewer.layers:
            go_to_object(self._viewer, self._measured, self.columns, row)


def _intensities_problem(image: Any, labels: Any) -> str:
    """Return why intensities of an image layer cannot be measured, or ''."""
    if image is None:
        return "Choose an image layer, or untick the intensities."
    with suppress(UserError):
        shape = stack_of(labels).shape
        if stack_of(image, like=shape).shape == shape:
            return ""
    return f"Image '{image.name}' and labels '{labels.name}' differ in shape."


def _yes_or_no(values: Any) -> list[str]:
    return ["yes" if value else "no" for value in values]
