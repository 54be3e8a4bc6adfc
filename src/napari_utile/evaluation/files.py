"""Predictions and truths on disk, evaluated as one report."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import prod

from napari_utile.errors import UserError
from napari_utile.evaluation.evaluate import Pair, evaluation_of
from napari_utile.evaluation.report import Report
from napari_utile.io.images import open_image, pairs, stem_of
from napari_utile.io.ome_zarr import probabilities_beside
from napari_utile.io.stack import Stack, read_labels, read_prediction
from napari_utile.io.units import micrometers
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.settings import EvaluateSettings


@dataclass(frozen=True)
class Opened:
    """An image that is evaluated: opened, not read."""

    name: str
    prediction: Stack
    truth: Stack

    @property
    def probabilities(self) -> Stack | None:
        """Those that lie beside instances in a result of ours."""
        path = self.prediction.path
        if path is None or not is_zarr(path):
            return None
        return probabilities_beside(path)


def opened(prediction: str, truth: str) -> list[Opened]:
    """Open two images, or two folders or globs whose images pair up by their names.

    Raises
    ------
    UserError
        If an image has no counterpart, or another shape than its counterpart: by name.
    """
    found = [
        Opened(stem_of(true), open_image(predicted), open_image(true))
        for predicted, true in pairs(prediction, truth, ("prediction", "truth"))
    ]
    for each in found:
        predicted, true = shape_of(each.prediction), shape_of(each.truth)
        if true not in (predicted, predicted[1:]):  # channels first look like an axis
            raise UserError(
                f"Prediction {each.prediction.source} {predicted} and truth "
                f"{each.truth.source} {true} differ in shape."
            )
    return found


def shape_of(stack: Stack) -> tuple[int, ...]:
    """Give the shape without channels and without a single time point."""
    is_single = "t" in stack.axes and stack.shape[0] == 1
    return stack.shape[1:] if is_single else stack.shape


def evaluation_of_files(
    images: Sequence[Opened], settings: EvaluateSettings
) -> Generator[tuple[int, int], None, Report]:
    """Evaluate what was opened, one image after the other.

    Yields
    ------
    tuple of (int, int)
        Steps done, and steps in all.

    Returns
    -------
    Report
        Of several images, slices are called by the name of the image and their index in it.
        Sizes of objects are in um2 where all truths have pixels of the same known size.
    """
    sizes = {pixel_um2(each.truth) for each in images}
    known = sizes.pop() if len(sizes) == 1 else None
    report = yield from evaluation_of([pair_of(each) for each in images], settings, known)
    if sizes and report.sizes:
        note = "Sizes of objects are in px: the pixels of the images differ in size."
        report = replace(report, notes=(*report.notes, note))
    return report


def pair_of(image: Opened) -> Pair:
    """Say how an image is read."""
    return Pair(
        lambda: (read_prediction(image.prediction), read_labels(image.truth)),
        prod(shape_of(image.truth)[:-2]),
        image.name,
        lambda: None if image.probabilities is None else read_prediction(image.probabilities),
    )


def pixel_um2(stack: Stack) -> float | None:
    """Give the area of a pixel, if its size is known."""
    factors = [micrometers(name) for name in stack.units[-2:]]
    sides = [n * um for n, um in zip(stack.scale[-2:], factors, strict=True) if um]
    return sides[0] * sides[1] if len(sides) == 2 else None
