"""What is evaluated: a prediction and its truth, as layers or as files."""

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QComboBox, QFileDialog, QMenu, QSizePolicy, QWidget

from napari_utile.errors import UserError
from napari_utile.evaluation import Report
from napari_utile.evaluation.evaluate import EvaluatedImage, score_images
from napari_utile.evaluation.files import open_pairs, pixel_um2, shape_of
from napari_utile.events import Event
from napari_utile.io.memory import check_memory
from napari_utile.io.stack import Stack
from napari_utile.settings import EvaluateSettings
from napari_utile.widgets.kit.form import mark, rows_of
from napari_utile.widgets.kit.paths import PathChoice
from napari_utile.widgets.kit.work_controls import Step, steps
from napari_utile.widgets.layers.layers import LayerChoice, level_0, placement, stack_of
from napari_utile.widgets.layers.results import place_of

Evaluation = Generator[Event | Step, None, Report]

LAYERS, FILES = "layers", "files"
HELP = {
    LAYERS: "Two layers, as they are when you press the button",
    FILES: "Two images on disk, or two folders whose images pair up by their names",
}
PREDICTION_HELP, TRUTH_HELP = "Labels, or probabilities of the foreground", "What is right"


class ComparedChoice(QWidget):
    """Chooses prediction and truth.

    Attributes
    ----------
    kind : QComboBox
        Layers or files.
    prediction, truth : LayerChoice
    prediction_file, truth_file : FileChoice
    """

    changed = Signal()

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self.kind = QComboBox()
        self.kind.addItems(list(HELP))
        self.kind.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.prediction = LayerChoice(viewer, Labels, Image, newest=True)
        self.truth = LayerChoice(viewer, Labels)
        hint = "an image, a result of U-Tile, a folder"
        self.prediction_file, self.truth_file = FileChoice(hint), FileChoice(hint)
        self._rows = rows_of({"compare": self.kind})
        for name in ("prediction", "truth"):
            for editor in (getattr(self, name), getattr(self, f"{name}_file")):
                self._rows.addRow(name, editor)
                editor.changed.connect(self.changed)
        self.setLayout(self._rows)
        self.kind.currentTextChanged.connect(self._on_kind)
        self._on_kind()

    @property
    def is_of_files(self) -> bool:
        """Whether files are compared."""
        return self.kind.currentText() == FILES

    @property
    def paths(self) -> tuple[str, str]:
        """Prediction and truth on disk, as they are written in a command."""
        files = self.prediction_file, self.truth_file
        prediction, truth = (str(file.path or "") for file in files)
        return prediction, truth

    def problem(self) -> str:
        """Say why these two cannot be compared, or nothing; turn the wrong fields red."""
        if self.is_of_files:
            found = [
                file_problem(file.path) for file in (self.prediction_file, self.truth_file)
            ]
            mark(self.prediction_file.line, found[0], PREDICTION_HELP)
            mark(self.truth_file.line, found[1], TRUTH_HELP)
            return found[0] or found[1]
        problem = layer_problem(self.prediction.layer, self.truth.layer)
        mark(self.prediction, problem, PREDICTION_HELP)
        mark(self.truth, problem, TRUTH_HELP)
        return problem

    def taken(self) -> "Compared":
        """Take what is chosen.

        Raises
        ------
        UserError
            If it cannot be compared.
        """
        if problem := self.problem():
            raise UserError(problem)
        if self.is_of_files:
            return compared_files(*self.paths)
        return compared_layers(self._viewer, self.prediction.layer, self.truth.layer)

    def _on_kind(self) -> None:
        self.kind.setToolTip(HELP[self.kind.currentText()])
        for choice in (self.prediction, self.truth):
            self._rows.setRowVisible(choice, not self.is_of_files)
        for file in (self.prediction_file, self.truth_file):
            self._rows.setRowVisible(file, self.is_of_files)
        self.changed.emit()


class FileChoice(PathChoice):
    """A line for a path that exists; the button looks for a file or for a folder."""

    def _look(self) -> None:
        menu = QMenu(self)
        menu.addAction("File …", self._look_for_file)
        menu.addAction("Folder, or .zarr …", super()._look)
        menu.popup(QCursor.pos())

    def _look_for_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose an image", str(self.path or ""))
        if chosen:
            self.set_path(Path(chosen))


@dataclass(frozen=True)
class Compared:
    """Prediction and truth as they were when the button was pressed.

    Attributes
    ----------
    names : tuple of str
        Of the prediction and of the truth.
    evaluation : callable
        Takes the settings; reads and compares, in a thread.
    places : list of dict
        Of the truth of each image; see `placement`. Of files they are known at the end.
    images : tuple of Stack
        What truth and prediction are of, as far as there is a layer of it.
    """

    names: tuple[str, str]
    evaluation: Callable[[EvaluateSettings], Evaluation]
    places: list[dict[str, Any]]
    images: tuple[Stack, ...] = ()


def compared_layers(viewer: Viewer, prediction: Layer, truth: Layer) -> Compared:
    """Take two layers. What is done to them later does not matter."""
    stack = stack_of(truth)
    sides = [(layer.name, level_0(layer)) for layer in (prediction, truth)]
    is_foreground = isinstance(prediction, Image) and sides[0][1].ndim == sides[1][1].ndim

    def evaluation(settings: EvaluateSettings) -> Evaluation:
        for name, data in sides:
            check_memory(np.dtype(data.dtype).itemsize * prod(data.shape), f"Layer '{name}'")
        predicted = yield from steps("reading slice", copied(sides[0][1]))
        true = yield from steps("reading slice", copied(sides[1][1]))
        predicted = predicted[np.newaxis] if is_foreground else predicted
        image = EvaluatedImage(
            lambda: (predicted, true), len(stack.indices), pixel_um2=pixel_um2(stack)
        )
        return (yield from score_images([image], settings))

    others = (layer for layer in viewer.layers if layer is not prediction)
    images = tuple(image for layer in others if (image := image_of(layer, stack.shape)))[:1]
    place = placement(truth, stack.axes)
    return Compared((prediction.name, truth.name), evaluation, [place], images)


def image_of(layer: Layer, shape: tuple[int, ...]) -> Stack | None:
    """Describe an image layer that labels of this shape lie on; None if they do not."""
    if isinstance(layer, Image):
        with suppress(UserError):
            stack = stack_of(layer, like=shape)
            return stack if stack.shape == shape else None
    return None


def copied(data: Any) -> Generator[tuple[int, int], None, NDArray[Any]]:
    """Copy an array slice by slice, so that painting on does not change it; say how far."""
    pixels = np.empty(data.shape, data.dtype)
    indices = list(np.ndindex(pixels.shape[:-2]))
    for done, index in enumerate(indices, 1):
        pixels[index] = np.asarray(data[index])
        yield done, len(indices)
    return pixels


def compared_files(prediction: str, truth: str) -> Compared:
    """Take two files, or two folders whose files pair up by name."""
    places: list[dict[str, Any]] = []

    def evaluation(settings: EvaluateSettings) -> Evaluation:
        opened = open_pairs(prediction, truth)
        for pair in opened:
            count = len(shape_of(pair.truth))
            place = place_of(pair.truth)
            places.append({name: values[-count:] for name, values in place.items()})
        return (yield from score_images([pair.image() for pair in opened], settings))

    return Compared((prediction, truth), evaluation, places)


def layer_problem(prediction: Layer | None, truth: Layer | None) -> str:
    """Say why these two layers cannot be compared, or nothing."""
    if truth is None:
        return "Choose a labels layer that holds the truth: there is none yet."
    if prediction is None or prediction == truth:
        return f"Prediction and truth are the same layer, '{truth.name}'."
    try:
        stack_of(truth)
    except UserError as error:
        return str(error)
    shapes = [tuple(level_0(layer).shape) for layer in (prediction, truth)]
    if shapes[0] not in (shapes[1], shapes[0][:1] + shapes[1]):
        return (
            f"Prediction '{prediction.name}' {shapes[0]} and truth '{truth.name}' "
            f"{shapes[1]} differ in shape."
        )
    return ""


def file_problem(path: Path | None) -> str:
    """Say that a file is missing, or nothing. What is in it is looked at in a thread."""
    if path is None:
        return "Choose a prediction and its truth."
    return "" if path.exists() else f"{path} was not found."
