"""Whether an image and its labels can be trained on, before any other is looked at."""

from collections.abc import Callable

import numpy as np

from napari_utile.arrays.doubts.shapes import shape_hint
from napari_utile.arrays.labels import check_labels
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack, check_one_channel, read_labels
from napari_utile.io.units import counted
from napari_utile.settings.training import TrainSettings


def pair_check(settings: TrainSettings) -> Callable[[Stack, Stack], None]:
    """Return a function that reads an image and its labels, and raises if they are broken.

    Parameters
    ----------
    settings : TrainSettings
        `ignore` may be a negative id.

    Returns
    -------
    callable
        Takes the image and its labels. Raises `UserError` if they differ in shape, cannot be
        read to the end, or if the labels hold no ids, or the only plane of the image shows
        nothing.
    """

    def check(image: Stack, labels: Stack) -> None:
        check_shapes(image, labels)
        check_labels(read_labels(labels), f"labels '{labels.name}'", settings.ignore)
        for index in image.indices:
            plane = image.plane(index)
            if len(image.indices) == 1:
                _check_plane(plane, image.name)

    return check


def check_shapes(image: Stack, labels: Stack) -> None:
    """Raise if an image and its labels differ in shape, but for leading axes of length 1.

    Parameters
    ----------
    image, labels : Stack

    Raises
    ------
    UserError
    """
    if _without_leading_ones(image.shape) != _without_leading_ones(labels.shape):
        check_one_channel(labels)  # more likely the cause
        raise UserError(
            f"Image '{image.name}' {image.shape} and labels '{labels.name}' {labels.shape} "
            f"differ in shape.{shape_hint(image.shape, labels.shape)}"
        )


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of length 1 at its beginning."""
    first = next((i for i, length in enumerate(shape) if length > 1), len(shape))
    return shape[first:]


def _check_plane(plane: np.ndarray, name: str) -> None:
    """Raise if the only plane of an image is not finite, or constant."""
    if not np.isfinite(plane).all():
        count = int((~np.isfinite(plane)).sum())
        where = counted(count, "pixels")
        raise UserError(f"Image '{name}' is NaN or infinite in {where}.")
    if plane.min() == plane.max():
        raise UserError(f"Image '{name}' is constant ({plane.min()}).")
