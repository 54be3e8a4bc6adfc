"""Predictions, scores and time of a trained network on the validation part of a comparison."""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Index
from napari_utile.arrays.instances.decoding import classes, instances
from napari_utile.arrays.instances.model_rule import IN_SLICES, ModelRule
from napari_utile.arrays.instances.offsets import affinity_names
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
from napari_utile.io.slice_context import slices_around
from napari_utile.io.stack import Holds
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings

Part = tuple[Index, Index]
"""First pixel and shape of a part of a stack."""
Predicted = tuple[NDArray[np.float32], Generator[TileDone | Warned, None, None]]


@dataclass(frozen=True)
class Results:
    """Predictions of a network for the validation part, with their scores.

    Attributes
    ----------
    probabilities : list of ndarray of float32, shape (K, Y, X) or (K, Z, Y, X)
        One per region; with affinities, if any are learnt.
    results : list of ndarray of int, shape (Y, X) or (Z, Y, X)
        Instances, or label ids of classes.
    scores : dict
        Scores of all regions together, by name.
    seconds : dict
        Duration of the prediction: `seconds_to_predict`, `seconds_per_megapixel`.
    """

    probabilities: list[NDArray[np.float32]]
    results: list[NDArray[Any]]
    scores: dict[str, float]
    seconds: dict[str, float]


def score_model(
    model: Path, images: Sequence[Stack], data: TrainingData, settings: TrainSettings
) -> Generator[TileDone | Warned, None, Results]:
    """Predict every validation region as `predict` does, and score it at the threshold 0.5.

    Parameters
    ----------
    model : Path
        Folder of the model.
    images : sequence of Stack
        The images that were split.
    data : TrainingData
        Split, and truth of the validation part.
    settings : TrainSettings
        Device and precision are those of the training.

    Yields
    ------
    TileDone, Warned

    Returns
    -------
    Results

    Notes
    -----
    One tile is predicted before the clock runs: setting up the device does not count.
    """
    loaded = load_model(model)
    how = PredictSettings(device=settings.device, precision=settings.precision)
    cuts = [_cut_region(images, region, loaded.context) for region in data.split.validation]

    def predicted(stack: Stack, part: Part) -> Predicted:
        result = np.empty((loaded.classes, *part[1]), np.float32)
        return result, predict_stack(loaded, stack, result, how, part=part)

    next(predicted(*cuts[0])[1])
    found, seconds = [], 0.0
    for cut in cuts:
        result, run = predicted(*cut)
        seconds += yield from timed(run)
        found.append(result.reshape(len(result), *result.shape[-loaded.network.ndim :]))
    megapixels = sum(prod(shape) for _, (_, shape) in cuts) / 1e6
    has_objects = data.validation[0].has_objects
    return Results(
        found,
        [
            _objects_predicted(plane, p) if has_objects else np.asarray(loaded.ids)[classes(p)]
            for plane, p in zip(data.validation, found, strict=True)
        ],
        _scores_of_regions(data.validation, found),
        {"seconds_to_predict": seconds, "seconds_per_megapixel": seconds / megapixels},
    )


def _objects_predicted(
    plane: ValidationPlane, predicted: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Find the objects of a region as `predict` does."""
    return instances(
        predicted,
        volumetric=plane.objects.ndim == 3,
        method="watershed",
        growth=plane.rule.growth,
        offsets=plane.rule.offsets,
    )


def _cut_region(
    images: Sequence[Stack], region: Region, context: int = 0
) -> tuple[Stack, Part]:
    """Read the pixels of a region as a stack, so that it is mirrored at its own border.

    With a context the stack has as many slices on each side, as far as there are any.

    Returns
    -------
    stack : Stack
    part : (tuple of int, tuple of int)
        First pixel and shape of the region in the stack.
    """
    image, ndim = images[region.image], len(region.window)
    if not context:
        stack = Stack(
            image.window(region.index, region.window),
            "c" + "zyx"[-ndim:],
            name=image.name,
            scale=image.scale[-ndim:],
            units=image.units[-ndim:],
        )
        return stack, (ndim * (0,), stack.shape)
    around = sorted({*slices_around(image, region.index, context)})
    pixels = np.stack([image.plane(index, *region.window) for index in around], axis=1)
    stack = Stack(
        pixels,
        "czyx",
        name=f"{image.name}, {_span(around)}",
        scale=image.scale[-3:],
        units=image.units[-3:],
    )
    return stack, ((around.index(region.index), 0, 0), (1, *stack.shape[1:]))


def _span(planes: Sequence[Index]) -> str:
    """Return in words which slices of a stack there are."""
    return f"slices {planes[0][-1]} to {planes[-1][-1]}"


def timed(
    events: Generator[TileDone | Warned, None, None],
) -> Generator[TileDone | Warned, None, float]:
    """Pass on the events of a run; return the seconds that the run took.

    The time that their reader takes is not counted.

    Parameters
    ----------
    events : generator

    Yields
    ------
    TileDone, Warned

    Returns
    -------
    float
    """
    seconds = 0.0
    while True:
        began = perf_counter()
        event = next(events, None)
        seconds += perf_counter() - began
        if event is None:
            return seconds
        yield event


def _scores_of_regions(
    planes: Sequence[ValidationPlane], predicted: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Compute all scores of the regions together, as the validations of a training do."""
    tables = [compare_plane(*both) for both in zip(planes, predicted, strict=True)]
    if planes[0].has_objects:
        whole = pooled_scores(tables, [overlap_scores(*both) for both in tables])
        return {name: value for name, value in whole.items() if not is_count(name)}
    validations = [
        PlaneValidation(0.0, np.zeros(0), _confusion(plane, p), both, p[0])
        for plane, p, both in zip(planes, predicted, tables, strict=True)
    ]
    return class_scores_of(validations, planes[0].ids)


def _confusion(plane: ValidationPlane, predicted: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count annotated pixels by their true class (rows) and predicted class (columns)."""
    annotated, k = plane.objects != HIDDEN, max(2, len(predicted))
    pairs = plane.objects[annotated].astype(np.int64) * k + classes(predicted)[annotated]
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


# files that the window opens as layers


def write_truth(folder: ValidationFolder, images: Sequence[Stack], data: TrainingData) -> None:
    """Write image and truth of the validation part, and its place in the images.

    Where the truth is unannotated it is 0, and the file "hidden" is 1.

    Parameters
    ----------
    folder : ValidationFolder
        Of the comparison.
    images : sequence of Stack
        The images that were split.
    data : TrainingData
        Split, and truth of the validation part.
    """
    found = _region_stacks(images, data.split.validation)
    lies = [layer.lies() for layer in found]
    atomic_write(folder.places, json.dumps(lies, indent=2).encode())
    for layer in found:
        cuts = (_cut_region(images, data.split.validation[i]) for i in layer.places)
        pixels = [stack.data for stack, _ in cuts]
        layer.write(folder, "image", [p if len(p) > 1 else p[0] for p in pixels])
        planes = [data.validation[i] for i in layer.places]
        layer.write(folder, "truth", [_true_ids(plane) for plane in planes])
        hidden = [(plane.objects == HIDDEN).astype(np.uint8) for plane in planes]
        if np.any(hidden):
            layer.write(folder, "hidden", hidden)


def _true_ids(plane: ValidationPlane) -> NDArray[Any]:
    """Return instances, or label ids of classes; 0 where the plane is unannotated."""
    ids = plane.objects if plane.has_objects else np.asarray(plane.ids)[plane.objects]
    return np.where(plane.objects == HIDDEN, 0, ids)


def write_results(
    folder: ValidationFolder, images: Sequence[Stack], data: TrainingData, found: Results
) -> None:
    """Write probabilities, and instances or classes, in files like those of the truth.

    Parameters
    ----------
    folder : ValidationFolder
        Of the run.
    images : sequence of Stack
        The images that were split.
    data : TrainingData
        Their split.
    found : Results
    """
    kind: Holds = "instances" if data.validation[0].has_objects else "classes"
    for layer in _region_stacks(images, data.split.validation):
        maps = [found.probabilities[i] for i in layer.places]
        rule = data.validation[layer.places[0]].rule
        layer.write(folder, PROBABILITIES, maps, PROBABILITIES, rule)
        layer.write(folder, kind, [found.results[i] for i in layer.places], kind)


@dataclass(frozen=True)
class _RegionStack:
    """Validation regions that make one stack: the same window of slices of one image.

    Or of volumes, one after the other in time.

    Attributes
    ----------
    places : list of int
        Positions of the regions in the split.
    regions : list of Region
    image : Stack
        Their image.
    suffix : str
        End of the names of its files; empty if it is the only stack.
    """

    places: list[int]
    regions: list[Region]
    image: Stack
    suffix: str

    @property
    def ndim(self) -> int:
        """Axes of a region: 2, or 3 if it is a volume."""
        return len(self.regions[0].window)

    def lies(self) -> dict[str, Any]:
        """Return its suffix, its slices of the image, and its upper left corner (y, x)."""
        *z, y, x = self.regions[0].window
        lines = [range(*side.indices(self.image.shape[-3])) for side in z]
        slices = [
            [int(i) for i in (*region.index, *place)]
            for region in self.regions
            for place in product(*lines)
        ]
        corner = [int(side.start or 0) for side in (y, x)]
        return {"suffix": self.suffix, "slices": slices, "corner": corner}

    def write(
        self,
        folder: ValidationFolder,
        kind: str,
        planes: Sequence[NDArray[Any]],
        holds: Holds = "",
        rule: ModelRule = IN_SLICES,
    ) -> None:
        """Write planes (Y, X) or (C, Y, X), or volumes, one per region, as one TIFF.

        Of probabilities also the rule by which they become objects.
        """
        ndim, is_several = self.ndim, len(planes) > 1
        axes = ("t" * (ndim == 3) + "zyx")[-ndim - is_several :]
        array = np.stack(planes, axis=-ndim - 1) if is_several else planes[0]
        template = np.broadcast_to(np.uint8(0), array.shape[-len(axes) :])
        image, known = self.image, self.image.spatial_axes.endswith(axes)
        like = Stack(template, axes)
        if known:
            n = len(axes)
            like = Stack(template, axes, scale=image.scale[-n:], units=image.units[-n:])
        names = affinity_names(rule.offsets) if rule.offsets else ()
        said = rule.as_dict() if holds == PROBABILITIES else None
        write_tiff(folder.file(kind, self.suffix), array, like, holds, names, said)


def _region_stacks(images: Sequence[Stack], regions: Sequence[Region]) -> list[_RegionStack]:
    """Group regions that follow each other by image and window, one stack per group."""
    groups = [
        list(places)
        for _, places in groupby(
            range(len(regions)), lambda i: (regions[i].image, str(regions[i].window))
        )
    ]
    return [
        _RegionStack(
            places,
            [regions[i] for i in places],
            images[regions[places[0]].image],
            f"_{n}" if len(groups) > 1 else "",
        )
        for n, places in enumerate(groups)
    ]
