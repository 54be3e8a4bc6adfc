"""A trained network on the validation part of its run: results, scores and time."""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import classes, instances
from napari_utile.arrays.splits import Region
from napari_utile.engine.models.model import load_model
from napari_utile.engine.prediction.in_memory import predict_stack
from napari_utile.engine.training.data.planes import HIDDEN, ValidationPlane
from napari_utile.engine.training.data.preparation import TrainingData
from napari_utile.engine.training.validation import (
    PlaneValidation,
    class_scores_of,
    compare_plane,
)
from napari_utile.evaluation.rows import overlap_scores, pooled_scores
from napari_utile.evaluation.scores import is_count
from napari_utile.events import TileDone, Warned
from napari_utile.folders.comparison import ValidationFolder
from napari_utile.io.disk import atomic_write
from napari_utile.io.images import Stack, write_tiff
from napari_utile.io.ngff import PROBABILITIES
from napari_utile.settings import PredictSettings, TrainSettings


@dataclass(frozen=True)
class Results:
    """What a network made of the validation part.

    Attributes
    ----------
    probabilities : list of ndarray of float32, shape (K, Y, X)
        One per region.
    results : list of ndarray of int, shape (Y, X)
        Instances, or label ids where classes are meant.
    scores : dict
        Of all regions together, by name.
    seconds : dict
        What the prediction took: `seconds_to_predict`, `seconds_per_megapixel`.
    """

    probabilities: list[NDArray[np.float32]]
    results: list[NDArray[Any]]
    scores: dict[str, float]
    seconds: dict[str, float]


def score_model(
    model: Path, images: Sequence[Stack], data: TrainingData, settings: TrainSettings
) -> Generator[TileDone | Warned, None, Results]:
    """Predict every validation region as later in use, and score it at the threshold 0.5.

    The clock runs while tiles are computed, after one that was not counted.
    """
    loaded = load_model(model)
    how = PredictSettings(device=settings.device, precision=settings.precision)
    stacks = [cut(images, region) for region in data.split.validation]
    next(predict_stack(loaded, stacks[0], np.empty((loaded.classes, *stacks[0].shape)), how))
    found, seconds = [], 0.0
    for stack in stacks:
        result = np.empty((loaded.classes, *stack.shape), np.float32)
        seconds += yield from timed(predict_stack(loaded, stack, result, how))
        found.append(result)
    megapixels = sum(prod(stack.shape) for stack in stacks) / 1e6
    has_objects = data.validation[0].has_objects
    return Results(
        found,
        [instances(p) if has_objects else np.asarray(loaded.ids)[classes(p)] for p in found],
        all_scores(data.validation, found),
        {"seconds_to_predict": seconds, "seconds_per_megapixel": seconds / megapixels},
    )


def cut(images: Sequence[Stack], region: Region) -> Stack:
    """Read the gray values of a region; it is mirrored at its own border."""
    image = images[region.image]
    pixels = image.plane(region.index, *region.window)
    return Stack(pixels, "cyx", name=image.name, scale=image.scale[-2:], units=image.units[-2:])


def timed(
    events: Generator[TileDone | Warned, None, None],
) -> Generator[TileDone | Warned, None, float]:
    """Pass events on, and give the seconds that it took to make them."""
    seconds = 0.0
    while True:
        began = perf_counter()
        event = next(events, None)
        seconds += perf_counter() - began
        if event is None:
            return seconds
        yield event


def all_scores(
    planes: Sequence[ValidationPlane], predicted: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Score all regions together, as the validations of the run did: every score there is."""
    tables = [compare_plane(*both) for both in zip(planes, predicted, strict=True)]
    if planes[0].has_objects:
        whole = pooled_scores(tables, [overlap_scores(*both) for both in tables])
        return {name: value for name, value in whole.items() if not is_count(name)}
    judged = [
        PlaneValidation(0.0, np.zeros(0), confusion(plane, p), both, p[0])
        for plane, p, both in zip(planes, predicted, tables, strict=True)
    ]
    return class_scores_of(judged, planes[0].ids)


def confusion(plane: ValidationPlane, predicted: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count annotated pixels by their true class (rows) and the one they are taken for."""
    annotated, k = plane.objects != HIDDEN, max(2, len(predicted))
    pairs = plane.objects[annotated].astype(np.int64) * k + classes(predicted)[annotated]
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


# layers that a window can open


def write_truth(folder: ValidationFolder, images: Sequence[Stack], data: TrainingData) -> None:
    """Write image and truth of the validation part, and where in the image it lies.

    Where somebody did not annotate it, the truth is 0, and another layer, hidden, is 1.
    """
    found = layers(images, data.split.validation)
    lies = [layer.lies(data.split.validation) for layer in found]
    atomic_write(folder.places, json.dumps(lies, indent=2).encode())
    for layer in found:
        pixels = [cut(images, data.split.validation[i]).data for i in layer.places]
        layer.write(folder, "image", [p if len(p) > 1 else p[0] for p in pixels])
        planes = [data.validation[i] for i in layer.places]
        layer.write(folder, "truth", [truth_of(plane) for plane in planes])
        hidden = [(plane.objects == HIDDEN).astype(np.uint8) for plane in planes]
        if np.any(hidden):
            layer.write(folder, "hidden", hidden)


def truth_of(plane: ValidationPlane) -> NDArray[Any]:
    """Give instances, or label ids of classes; 0 where nobody annotated."""
    ids = plane.objects if plane.has_objects else np.asarray(plane.ids)[plane.objects]
    return np.where(plane.objects == HIDDEN, 0, ids)


def write_results(
    folder: ValidationFolder, images: Sequence[Stack], data: TrainingData, found: Results
) -> None:
    """Write the probabilities and what became of them, of the shape of the truth."""
    kind = "instances" if data.validation[0].has_objects else "classes"
    for layer in layers(images, data.split.validation):
        layer.write(folder, PROBABILITIES, [found.probabilities[i] for i in layer.places])
        layer.write(folder, kind, [found.results[i] for i in layer.places])


@dataclass(frozen=True)
class Layer:
    """Validation regions that make one stack: the same window of slices of one image.

    Attributes
    ----------
    places : list of int
        Which regions, one after the other.
    image : Stack
        Where they were cut from.
    suffix : str
        Behind the name of its files; empty if it is the only one.
    """

    places: list[int]
    image: Stack
    suffix: str

    def lies(self, regions: Sequence[Region]) -> dict[str, Any]:
        """Say which slices of the image it is made of, and where (y, x) its corner is there."""
        corner = [int(side.start or 0) for side in regions[self.places[0]].window]
        slices = [[int(i) for i in regions[place].index] for place in self.places]
        return {"suffix": self.suffix, "slices": slices, "corner": corner}

    def write(
        self, folder: ValidationFolder, kind: str, planes: Sequence[NDArray[Any]]
    ) -> None:
        """Write planes (Y, X) or (C, Y, X), one per region, as one TIFF."""
        axes = "zyx"[-2 - (len(planes) > 1) :]
        array = np.stack(planes, axis=-3) if len(planes) > 1 else planes[0]
        template = np.broadcast_to(np.uint8(0), array.shape[-len(axes) :])
        image, known = self.image, self.image.spatial_axes.endswith(axes)
        like = Stack(template, axes)
        if known:
            n = len(axes)
            like = Stack(template, axes, scale=image.scale[-n:], units=image.units[-n:])
        write_tiff(folder.file(kind, self.suffix), array, like=like)


def layers(images: Sequence[Stack], regions: Sequence[Region]) -> list[Layer]:
    """Say which regions make one stack."""
    groups = [
        list(places)
        for _, places in groupby(
            range(len(regions)), lambda i: (regions[i].image, str(regions[i].window))
        )
    ]
    return [
        Layer(places, images[regions[places[0]].image], f"_{n}" if len(groups) > 1 else "")
        for n, places in enumerate(groups)
    ]
