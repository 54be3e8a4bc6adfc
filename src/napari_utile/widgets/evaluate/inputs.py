"""Inputs of an evaluation: a prediction and its truth, as layers or as files."""

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from math import prod
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_utile.arrays.doubts.shapes import shape_hint
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.errors import UserError
from napari_utile.evaluation import Report
from napari_utile.evaluation.evaluate import EvaluatedImage, score_images
from napari_utile.evaluation.files import open_evaluation, pixel_um2, shape_of
from napari_utile.evaluation.inputs import Side
from napari_utile.evaluation.meaning import without_leading_ones
from napari_utile.events import Event
from napari_utile.folders.trained_on import SliceUses, uses_of
from napari_utile.io.memory import check_memory
from napari_utile.io.stack import RULE, Stack
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.widgets.kit.fields import offer, wide_choice
from napari_utile.widgets.kit.form import RowName, form_rows, mark
from napari_utile.widgets.kit.paths import PathChoice
from napari_utile.widgets.kit.progress import Step, steps
from napari_utile.widgets.kit.subject import Subject
from napari_utile.widgets.layers.beside import probabilities_for, result_behind
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.doubts import place_doubt
from napari_utile.widgets.layers.remedies import ConvertNote
from napari_utile.widgets.layers.results import place_of
from napari_utile.widgets.layers.stacks import (
    doubts_about,
    held_in,
    level_0,
    placement,
    stack_of,
)

Evaluation = Generator[Event | Step, None, Report]


class InputKind(Enum):
    """What may be evaluated, as the panel calls it."""

    LAYERS = "layers"
    FILES = "files"


INPUT_HELP = {
    InputKind.LAYERS: "Two layers, as they are when you press the button",
    InputKind.FILES: "Two images on disk, or two folders whose images pair up by their names",
}
PREDICTION_HELP = "What is judged: labels, or probabilities of the foreground"
TRUTH_HELP = "What it is judged by: labels that are correct"


class InputsChoice(QWidget):
    """Chooses prediction and truth.

    Attributes
    ----------
    kind : QComboBox
        Its data are of `InputKind`.
    prediction, truth : LayerChoice
    prediction_file, truth_file : FileChoice
    """

    changed = Signal()

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self.kind = wide_choice()
        offer(self.kind, {kind: kind.value for kind in InputKind})
        self.prediction = LayerChoice(viewer, Labels, Image, newest=True)
        self.truth = LayerChoice(viewer, Labels)
        hint = "an image, a result of U-Tile, a folder"
        self.prediction_file, self.truth_file = FileChoice(hint), FileChoice(hint)
        self.convert = ConvertNote(viewer, self.truth, self.prediction)
        self._rows = form_rows({"compare": self.kind})
        for name, layer, file, told in (
            ("prediction", self.prediction, self.prediction_file, PREDICTION_HELP),
            ("truth", self.truth, self.truth_file, TRUTH_HELP),
        ):
            mark(file.line, "", told)
            self._rows.addRow(RowName(name, layer.native), layer.native)
            self._rows.addRow(RowName(name, file), file)
            layer.changed.connect(lambda _: self.changed.emit())
            file.changed.connect(self.changed)
        self._rows.addRow(self.convert)
        self.setLayout(self._rows)
        self.kind.currentIndexChanged.connect(lambda _: self._on_kind())
        self._on_kind()

    @property
    def is_of_files(self) -> bool:
        """Whether files are evaluated, not layers."""
        return self.kind.currentData() is InputKind.FILES

    @property
    def paths(self) -> tuple[str, str]:
        """Prediction and truth on disk, as in a command."""
        files = self.prediction_file, self.truth_file
        prediction, truth = (str(file.path or "") for file in files)
        return prediction, truth

    def problem(self) -> str:
        """Return why these two cannot be evaluated, or ''; mark the wrong fields red."""
        if self.is_of_files:
            found = [
                _file_problem(file.path) for file in (self.prediction_file, self.truth_file)
            ]
            mark(self.prediction_file.line, found[0], PREDICTION_HELP)
            mark(self.truth_file.line, found[1], TRUTH_HELP)
            return found[0] or found[1]
        problem = self.prediction.lost() or self.truth.lost()
        problem = problem or _layer_problem(self.prediction.layer, self.truth.layer)
        mark(self.prediction.native, problem, PREDICTION_HELP)
        mark(self.truth.native, problem, TRUTH_HELP)
        return problem

    def subject(self) -> Subject | None:
        """Return what an evaluation of these is about; None if one is missing."""
        if not self.is_of_files:
            return Subject.of((self.prediction.layer, self.truth.layer), " against ")
        names = " against ".join(Path(path).name for path in self.paths)
        return Subject(self.paths, names) if all(self.paths) else None

    def taken(self) -> "EvaluationInputs":
        """Return what is chosen as it is now.

        Raises
        ------
        UserError
            If it cannot be evaluated.
        """
        if problem := self.problem():
            raise UserError(problem)
        if self.is_of_files:
            return _inputs_of_files(*self.paths)
        return _inputs_of_layers(self._viewer, self.prediction.layer, self.truth.layer)

    def _on_kind(self) -> None:
        self.kind.setToolTip(INPUT_HELP[self.kind.currentData()])
        for choice in (self.prediction, self.truth):
            self._rows.setRowVisible(choice.native, not self.is_of_files)
        for file in (self.prediction_file, self.truth_file):
            self._rows.setRowVisible(file, self.is_of_files)
        self._rows.setRowVisible(self.convert, not self.is_of_files)
        self.changed.emit()


class FileChoice(PathChoice):
    """A line for a path that exists; its button opens a dialog for a file or a folder."""

    def _look(self) -> None:
        menu = QMenu(self)
        menu.addAction("File …", self._look_for_file)
        menu.addAction("Folder, or .zarr …", super()._look)
        menu.popup(QCursor.pos())

    def _look_for_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose an image", self.start)
        if chosen:
            self.set_path(Path(chosen))


@dataclass(frozen=True)
class EvaluationInputs:
    """Prediction and truth as they were when the button was pressed.

    Attributes
    ----------
    names : tuple of str
        Of the prediction and of the truth.
    evaluation : callable
        Takes the settings; reads and compares, in a thread.
    places : list of dict
        Of the truth of each image; see `placement`. Of files, they are known at the end.
    images : tuple of Stack
        The image that truth and prediction belong to, if it is a layer.
    uses : list of SliceUses
        What training did with the slices of each image. Known at the end.
    ranked_by : list of str
        Names of the probabilities that objects are ranked by. Known at the end.
    """

    names: tuple[str, str]
    evaluation: Callable[[EvaluateSettings], Evaluation]
    places: list[dict[str, Any]]
    images: tuple[Stack, ...] = ()
    uses: list[SliceUses] = field(default_factory=list)
    ranked_by: list[str] = field(default_factory=list)
    _layers: tuple["ref[Layer]", ...] = ()

    @property
    def compared(self) -> list[Layer]:
        """The two layers, if they are still there."""
        return [layer for layer in (each() for each in self._layers) if layer is not None]


def _inputs_of_layers(viewer: Viewer, prediction: Layer, truth: Layer) -> EvaluationInputs:
    """Return two layers as inputs. Later changes of the layers do not matter."""
    stack, prediction_name = stack_of(truth), prediction.name
    sides = [(layer.name, level_0(layer)) for layer in (prediction, truth)]
    holds = held_in(prediction)
    place = place_doubt(prediction, truth, ("prediction", "truth"))
    doubts = [*doubts_about(prediction), *doubts_about(truth), *([place] if place else [])]
    planes = [without_leading_ones(tuple(data.shape)) for _, data in sides]
    if isinstance(prediction, Image) and planes[0] == planes[1] and not holds:
        holds = "probabilities"
        if np.dtype(sides[0][1].dtype).kind in "iu":
            doubts.append(
                f"Layer '{prediction.name}' says not what it holds: its whole numbers were "
                "taken for probabilities, of which the largest of the type is 1. Labels belong "
                "into a labels layer."
            )

    read = probabilities_for(viewer, prediction, tuple(sides[1][1].shape))
    result = result_behind(prediction)
    uses: list[SliceUses] = []
    ranked_by: list[str] = []

    def read_probabilities() -> Any:
        probabilities, name = read()
        ranked_by.extend([name] if name else [])
        return probabilities

    def evaluation(settings: EvaluateSettings) -> Evaluation:
        unknown = SliceUses(unknown=f"'{prediction_name}' does not say which model made it.")
        uses.append(uses_of(result) if result else unknown)
        for name, data in sides:
            check_memory(np.dtype(data.dtype).itemsize * prod(data.shape), f"Layer '{name}'")
        predicted = yield from steps("reading slice", _copied(sides[0][1]))
        true = yield from steps("reading slice", _copied(sides[1][1]))
        rule, axes = ModelRule.read(prediction.metadata.get(RULE)), stack.spatial_axes
        pair = Side(predicted, holds, (), rule, axes), Side(true, held_in(truth))
        image = EvaluatedImage(
            lambda: pair,
            len(stack.indices),
            read_probabilities=read_probabilities,
            pixel_um2=pixel_um2(stack),
            doubts=tuple(doubts),
            axes=stack.spatial_axes,
        )
        return (yield from score_images([image], settings))

    others = (layer for layer in viewer.layers if layer is not prediction)
    images = tuple(image for layer in others if (image := _image_of(layer, stack.shape)))[:1]
    places = [placement(truth, stack.axes)]
    names, layers = (prediction_name, truth.name), (ref(prediction), ref(truth))
    return EvaluationInputs(names, evaluation, places, images, uses, ranked_by, layers)


def _image_of(layer: Layer, shape: tuple[int, ...]) -> Stack | None:
    """Return an image layer as a stack if it is of this shape."""
    if isinstance(layer, Image):
        with suppress(UserError):
            stack = stack_of(layer, like=shape)
            return stack if stack.shape == shape else None
    return None


def _copied(data: Any) -> Generator[tuple[int, int], None, NDArray[Any]]:
    """Copy an array slice by slice, so that painting on does not change it; yield progress."""
    pixels = np.empty(data.shape, data.dtype)
    indices = list(np.ndindex(pixels.shape[:-2]))
    for done, index in enumerate(indices, 1):
        pixels[index] = np.asarray(data[index])
        yield done, len(indices)
    return pixels


def _inputs_of_files(prediction: str, truth: str) -> EvaluationInputs:
    """Return two files, or two folders whose files pair up by name, as inputs."""
    places: list[dict[str, Any]] = []
    uses: list[SliceUses] = []

    def evaluation(settings: EvaluateSettings) -> Evaluation:
        opened, left_out = open_evaluation(prediction, truth, settings.skip_broken)
        for pair in opened:
            count = len(shape_of(pair.truth))
            place = place_of(pair.truth)
            places.append({name: values[-count:] for name, values in place.items()})
            path = pair.prediction.path
            unknown = SliceUses(unknown=f"{pair.name} does not say which model made it.")
            uses.append(uses_of(path) if path else unknown)
        images = [pair.image(settings.prediction_holds) for pair in opened]
        return (yield from score_images(images, settings, left_out))

    return EvaluationInputs((prediction, truth), evaluation, places, uses=uses)


def _layer_problem(prediction: Layer | None, truth: Layer | None) -> str:
    """Return why these two layers cannot be evaluated, or ''."""
    if truth is None:
        return "Choose a labels layer that holds the truth: there is none yet."
    if prediction is None or prediction == truth:
        return f"Prediction and truth are the same layer, '{truth.name}'."
    try:
        stack_of(truth)
    except UserError as error:
        return str(error)
    shapes = [tuple(level_0(layer).shape) for layer in (prediction, truth)]
    wanted = without_leading_ones(shapes[1])
    if wanted not in map(without_leading_ones, (shapes[0], shapes[0][1:])):
        return (
            f"Prediction '{prediction.name}' {shapes[0]} and truth '{truth.name}' "
            f"{shapes[1]} differ in shape.{shape_hint(*shapes)}"
        )
    return ""


def _file_problem(path: Path | None) -> str:
    """Return that a file is missing, or ''. It is opened in a thread."""
    if path is None:
        return "Choose a prediction and its truth."
    return "" if path.exists() else f"{path} was not found."
