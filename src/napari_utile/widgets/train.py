"""The panel that trains a network on the layers of the viewer."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtWidgets import QScrollArea

from napari_utile.errors import UserError
from napari_utile.events import (
    EpochDone,
    Event,
    PreviewReady,
    RunDone,
    RunFailed,
    RunStarted,
    StepDone,
)
from napari_utile.settings import TrainSettings
from napari_utile.widgets._background import Work
from napari_utile.widgets._controls import RunControls
from napari_utile.widgets._curves import Curves
from napari_utile.widgets._form import GREEN, Form, mark, rows_of, scrolling_column
from napari_utile.widgets._job import flags
from napari_utile.widgets._layers import (
    LayerChoice,
    frozen,
    pair_problem,
    placement,
    refuse_empty,
    refuse_useless,
    stack_of,
    written,
)
from napari_utile.widgets._messages import duration
from napari_utile.widgets._paths import (
    MODELS,
    PathChoice,
    folder_problem,
    fresh_folder,
    new_run_folder,
    unused,
)
from napari_utile.widgets._results import Preview

MAIN = ("recipe", "network", "target", "minutes", "steps", "w0", "sigma")


class TrainPanel(QScrollArea):
    """Image and labels in, a model out; the curves while it learns."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.image = LayerChoice(napari_viewer, Image)
        self.labels_layer = LayerChoice(napari_viewer, Labels)
        self.form: Form[TrainSettings] = Form(TrainSettings, MAIN)
        self.folder = PathChoice("a new folder for every run")
        self.controls = RunControls("Train", self._collect)
        self.curves = Curves()
        self.curves.hide()
        self.preview: Preview | None = None
        self._place: dict[str, Any] = {}  # of the image of the run

        column = scrolling_column(self)
        column.addLayout(rows_of({"image": self.image, "labels": self.labels_layer}))
        column.addWidget(self.form)
        column.addLayout(rows_of({"run folder": self.folder}))
        column.addWidget(self.controls)
        column.addWidget(self.curves)
        column.addStretch()

        for source in (self.image, self.labels_layer, self.form, self.folder):
            source.changed.connect(self._check)
        self.controls.happened.connect(self._show)
        self._check()

    def _check(self) -> None:
        problem = pair_problem(self.image.layer, self.labels_layer.layer)
        lacks_image = self.image.layer is None
        mark(self.image, problem if lacks_image else "", "What the network sees")
        mark(self.labels_layer, "" if lacks_image else problem, "What it shall find there")
        folder = folder_problem(self.folder.path)
        mark(self.folder.line, folder, "Where settings, events and the model go")
        self.controls.set_problem(problem or folder or self.form.problem())

    def _collect(self) -> Work:
        """Take image, labels and settings as they are now; write them down in a thread."""
        if problem := pair_problem(self.image.layer, self.labels_layer.layer):
            raise UserError(problem)
        settings = self.form.settings()
        labels = frozen(stack_of(self.labels_layer.layer))
        image = frozen(stack_of(self.image.layer, like=labels.shape))
        folder = self.folder.path or fresh_folder("runs", self.image.layer.name)
        self._place = placement(self.image.layer, image.axes)

        def check(plane: NDArray[Any], index: tuple[int, ...]) -> None:
            if labels.plane(index).any():
                refuse_useless(image.name, plane, index)

        def write() -> Generator[None, None, list[str]]:
            refuse_empty(labels)
            new_run_folder(folder, settings)
            inputs = unused(folder / "inputs")  # a copied command may need those that are there
            image_path = yield from written(image, inputs / "image", check)
            labels_path = yield from written(labels, inputs / "labels")
            paths = [str(image_path), str(labels_path)]
            return ["train", *paths, "--out", str(folder), *flags(settings)]

        return write

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._clear()
            case StepDone() | EpochDone():
                self.curves.add(event)
            case PreviewReady() if self.preview:
                self.preview.show(event)
            case RunDone():
                self._show_result(event)
        if isinstance(event, RunDone | RunFailed):
            self._check()

    def _clear(self) -> None:
        """Make room for another run."""
        self.curves.clear()
        self.curves.show()
        if self.preview:
            self.preview.remove()
        self.preview = Preview(self._viewer, self._place)

    def _show_result(self, event: RunDone) -> None:
        model = Path(event.out) / "model"
        how = f"{'Stopped' if event.stopped else 'Done'} after {duration(event.seconds)}"
        if not event.out or not model.exists():
            self.controls.messages.add(f"{how}; no model was made.")
            return
        best = self.curves.best
        scores = event.scores or (best.scores if best else {})
        said = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        self.controls.messages.add(
            f"{how}. Best on validation: {said or 'not yet validated'}.", GREEN
        )
        self.controls.messages.add(f"The model is in {model} and chosen in the panel Segment.")
        MODELS.trained.emit(model)
