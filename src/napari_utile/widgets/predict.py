"""The panel that runs a model over an image, and shows the result while it grows."""

from collections.abc import Generator
from pathlib import Path

from napari.layers import Image, Layer
from napari.viewer import Viewer
from qtpy.QtWidgets import QScrollArea

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunFailed, TileDone
from napari_utile.settings import PredictSettings
from napari_utile.widgets._background import Work
from napari_utile.widgets._controls import RunControls
from napari_utile.widgets._form import GREEN, Form, mark, rows_of, scrolling_column
from napari_utile.widgets._job import flags
from napari_utile.widgets._layers import LayerChoice, frozen, placement, stack_of, written
from napari_utile.widgets._messages import duration
from napari_utile.widgets._models import channels_of, model_problem
from napari_utile.widgets._paths import MODELS, PathChoice, fresh_folder, last_model
from napari_utile.widgets._results import Result

MAIN = ("output", "averaging", "threshold")


class SegmentPanel(QScrollArea):
    """A model and an image in, a result layer out that fills tile by tile."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.model = PathChoice("folder of a model or of a run")
        self.image = LayerChoice(napari_viewer, Image)
        self.form: Form[PredictSettings] = Form(PredictSettings, MAIN)
        self.output = PathChoice("a new folder", new=".zarr")
        self.controls = RunControls("Segment", self._collect)
        self.result: Result | None = None

        column = scrolling_column(self)
        column.addLayout(rows_of({"model": self.model, "image": self.image}))
        column.addWidget(self.form)
        column.addLayout(rows_of({"save as": self.output}))
        column.addWidget(self.controls)
        column.addStretch()

        for source in (self.model, self.image, self.form, self.output):
            source.changed.connect(self._check)
        self.controls.happened.connect(self._show)
        MODELS.trained.connect(self.model.set_path)
        self.destroyed.connect(lambda: MODELS.trained.disconnect(self.model.set_path))
        self.model.set_path(last_model())

    def _check(self) -> None:
        model = model_problem(self.model.path)
        image = "" if model else image_problem(self.image.layer, self.model.path)
        output = output_problem(self.output.path)
        mark(self.model.line, model, "Where the training left it")
        mark(self.image, image, "What the network sees")
        mark(self.output.line, output, "OME-Zarr that is filled tile by tile")
        self.controls.set_problem(model or image or output or self.form.problem())

    def _collect(self) -> Work:
        """Take model, image and settings as they are now; write the image down in a thread."""
        self.result = None  # that of the last run stays as it is
        settings, model, layer = self.form.settings(), self.model.path, self.image.layer
        problem = image_problem(layer, model) or output_problem(self.output.path)
        if model is None or (problem := model_problem(model) or problem):
            raise UserError(problem or model_problem(None))
        image = frozen(stack_of(layer, channels_of(model)))
        folder = fresh_folder("segmentations", layer.name)
        out = self.output.path or folder / f"{settings.output}.zarr"
        name = f"{layer.name} {settings.output}"
        self.result = Result(self._viewer, placement(layer, image.axes), out, name)

        def write() -> Generator[None, None, list[str]]:
            path = yield from written(image, folder / "inputs")
            return ["predict", str(model), str(path), "--out", str(out), *flags(settings)]

        return write

    def _show(self, event: Event) -> None:
        match event:
            case TileDone() if self.result:
                self.result.grow()
            case RunDone() if self.result and self.result.layers:
                self.result.end(is_partial=event.stopped)
                how = (
                    f"{'Stopped' if event.stopped else 'Done'} after {duration(event.seconds)}"
                )
                text = f"{how}. The result is in {self.result.out}."
                self.controls.messages.add(text, "" if event.stopped else GREEN)
                self.output.set_path(None)  # the next result needs another
            case RunFailed() if self.result:
                self.result.end(is_partial=True)
        if isinstance(event, RunDone | RunFailed):
            self._check()


def image_problem(layer: Layer | None, model: Path | None) -> str:
    """Say why the model cannot take this layer, or nothing."""
    if model is None:
        return ""
    if layer is None:
        return "Choose an image layer: there is none yet."
    expected = channels_of(model)
    try:
        found = stack_of(layer, expected).channels
    except UserError as error:
        return str(error)
    if found == expected:
        return ""
    plural = "" if expected == 1 else "s"
    return f"The model expects {expected} channel{plural}, layer '{layer.name}' has {found}."


def output_problem(out: Path | None) -> str:
    """Say why the result cannot be written there, or nothing."""
    if out and out.suffix != ".zarr":
        return f"{out.name} must end in .zarr."
    if out and out.exists():
        return f"{out} exists; choose another name."
    return ""
