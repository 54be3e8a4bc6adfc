"""Evaluation of files: predictions and truths on disk, paired by name, as one report."""

import filecmp
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_utile.arrays.doubts.shapes import shape_hint
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.errors import UserError
from napari_utile.evaluation.evaluate import EvaluatedImage, evaluate_images
from napari_utile.evaluation.inputs import Side
from napari_utile.evaluation.meaning import without_leading_ones
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.volume_files import VolumeFiles
from napari_utile.events import Event
from napari_utile.io.agreement import pair_doubts
from napari_utile.io.broken import open_sound
from napari_utile.io.images import open_image, stem_of, unread_images
from napari_utile.io.ome_zarr import probabilities_beside
from napari_utile.io.pairs import FilePair, match_files
from napari_utile.io.pictures import palette_doubts
from napari_utile.io.stack import Stack, read_labels, read_prediction
from napari_utile.io.units import micrometers
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.settings.evaluation import EvaluateSettings


@dataclass(frozen=True)
class OpenedPair:
    """A prediction and its truth on disk: opened, not read.

    Parameters
    ----------
    name : str
        Name of the truth without its suffix.
    prediction, truth : Stack
    """

    name: str
    prediction: Stack
    truth: Stack

    def image(self, asked: str = "auto") -> EvaluatedImage:
        """Return how the pair is read and evaluated.

        `asked` is what the prediction holds, as `EvaluateSettings.prediction_holds` says.
        """
        beside = self._beside() if asked == "probabilities" else None
        pair = replace(self, prediction=beside) if beside else self
        return EvaluatedImage(
            read=pair._read,
            slices=prod(shape_of(self.truth)[:-2]),
            name=self.name,
            read_probabilities=self._read_probabilities,
            pixel_um2=pixel_um2(self.truth),
            doubts=tuple(self._doubts()),
            axes=self.truth.spatial_axes,
            volume=partial(
                VolumeFiles.of,
                pair.prediction,
                pair.truth,
                (shape_of(pair.prediction), shape_of(pair.truth)),
                self._beside,
            ),
        )

    def _doubts(self) -> Iterator[str]:
        """Yield what the files leave open, and what suggests that they are the wrong ones."""
        yield from (*self.prediction.doubts, *self.truth.doubts)
        if (beside := self._beside()) is not None:
            yield from (said for said in beside.doubts if said not in self.prediction.doubts)
        names = "prediction", "true labels"
        yield from (doubt.text for doubt in pair_doubts(self.prediction, self.truth, names))
        if self.truth.holds in ("instances", "classes") and not self.prediction.holds:
            yield (
                f"The truth {self.truth.source} is a result of U-Tile, as it says of itself; "
                f"the prediction {self.prediction.source} says nothing: are they swapped?"
            )
        paths = self.prediction.path, self.truth.path
        if paths[0] != paths[1] and _are_copies(*paths):
            yield f"Prediction {paths[0]} and truth {paths[1]} are copies of one file."

    def _read(self) -> tuple[Side, Side]:
        predicted, true = self.prediction, self.truth
        rule, axes = ModelRule.read(predicted.rule), predicted.spatial_axes
        pixels = read_prediction(predicted, affinities=bool(rule and rule.offsets))
        return (
            Side(pixels, predicted.holds, predicted.ids, rule, axes),
            Side(read_labels(true), true.holds),
        )

    def check_shapes(self) -> None:
        """Raise `UserError` if prediction and truth differ in shape."""
        predicted, true = shape_of(self.prediction), shape_of(self.truth)
        # channels first look like an axis
        possible = map(without_leading_ones, (predicted, predicted[1:]))
        if without_leading_ones(true) not in possible:
            raise UserError(
                f"Prediction {self.prediction.source} {predicted} and truth "
                f"{self.truth.source} {true} differ in shape.{shape_hint(predicted, true)}"
            )

    def check_pixels(self) -> None:
        """Raise `UserError` if a pixel cannot be read."""
        for stack in (self.prediction, self.truth):
            for index in stack.indices:
                stack.plane(index)

    def _read_probabilities(self) -> NDArray[Any] | None:
        """Read the probabilities beside the instances in a result of `utile predict`."""
        beside = self._beside()
        return None if beside is None else read_prediction(beside)

    def _beside(self) -> Stack | None:
        """Open the probabilities beside the instances in a result of `utile predict`."""
        path = self.prediction.path
        return probabilities_beside(path) if path is not None and is_zarr(path) else None


def open_evaluation(
    prediction: str, truth: str, skip_broken: bool = False
) -> tuple[list[OpenedPair], tuple[str, ...]]:
    """Open predictions and their truths.

    Parameters
    ----------
    prediction, truth : str
        Two images, or two folders or globs whose images pair up by their names.
    skip_broken : bool, default False
        Whether pairs that are broken or incomplete are left out.

    Returns
    -------
    opened : list of OpenedPair
    left_out : tuple of str
        A warning of those that are left out.

    Raises
    ------
    UserError
        If an image cannot be read, has no counterpart, or another shape than its counterpart:
        by name.
    """
    matched = match_files(prediction, truth, ("prediction", "truth"))

    def open_pair(pair: FilePair) -> OpenedPair:
        opened = OpenedPair(stem_of(pair[1]), open_image(pair[0]), open_image(pair[1]))
        opened.check_shapes()
        if matched.are_worth_reading(skip_broken):
            opened.check_pixels()
        return opened

    opened, warnings = open_sound(matched.pairs, open_pair, skip_broken, matched.lacking)
    doubts = (*opened[0].prediction.doubts, *unread_images(prediction), *unread_images(truth))
    first = replace(opened[0], prediction=replace(opened[0].prediction, doubts=doubts))
    return [first, *opened[1:]], warnings


def _are_copies(a: Path | None, b: Path | None) -> bool:
    """Whether two files, if they are files, have the same bytes."""
    if a is None or b is None or not (a.is_file() and b.is_file()):
        return False
    return filecmp.cmp(a, b, shallow=False)


def shape_of(stack: Stack) -> tuple[int, ...]:
    """Return the shape without channels and without a single time point."""
    is_single = "t" in stack.axes and stack.shape[0] == 1
    return stack.shape[1:] if is_single else stack.shape


def evaluate_files(
    opened: Sequence[OpenedPair],
    settings: EvaluateSettings,
    write: Callable[[Report], object] | None = None,
    left_out: Sequence[str] = (),
) -> Generator[Event, None, Report]:
    """Evaluate images on disk, one after the other; see `evaluate_images`."""
    images = [each.image(settings.prediction_holds) for each in opened]
    if settings.target == "classes":
        sides = ([each.prediction for each in opened], [each.truth for each in opened])
        doubts = [doubt for side in sides for doubt in palette_doubts(side)]
        images[0] = replace(images[0], doubts=(*images[0].doubts, *doubts))
    return evaluate_images(images, settings, write, left_out)


def pixel_um2(stack: Stack) -> float | None:
    """Return the area of a pixel in um2, if its size is known."""
    factors = [micrometers(name) for name in stack.units[-2:]]
    sides = [n * um for n, um in zip(stack.scale[-2:], factors, strict=True) if um]
    return sides[0] * sides[1] if len(sides) == 2 else None
