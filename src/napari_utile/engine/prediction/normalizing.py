"""By what an image is normalized: numbers of its model, or its own, which are measured once."""

from collections.abc import Generator, Iterator
from itertools import product
from typing import Any
from weakref import WeakKeyDictionary

from numpy.typing import NDArray

from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.own_gray_values import normalization_in_parts
from napari_utile.engine.models.model import Model
from napari_utile.errors import UserError
from napari_utile.events import drain
from napari_utile.io.stack import Stack
from napari_utile.settings.options import NormalizedBy
from napari_utile.settings.prediction import PredictSettings

SIDES = 1024, 2048
"""Rows and columns that are read at once: whole chunks of most files."""
_MEASURED: WeakKeyDictionary[Stack, dict[str, Normalization]] = WeakKeyDictionary()


def normalized_by(model: Model, settings: PredictSettings) -> NormalizedBy:
    """Return what images are normalized by: what the settings say, or else the model."""
    return model.normalize if settings.normalize == "auto" else settings.normalize


def normalization_for(model: Model, stack: Stack, settings: PredictSettings) -> Normalization:
    """Return the normalization of an image: that of the model, or its own if asked for.

    Parameters
    ----------
    model : Model
    stack : Stack
    settings : PredictSettings
        `normalize`.

    Raises
    ------
    UserError
        If the image is to be normalized by itself, and has no finite pixel or is damaged.
    """
    by = normalized_by(model, settings)
    return model.normalization if by == "model" else drain(measure(stack, by))


def own_normalization_of(stack: Stack, by: NormalizedBy) -> Normalization:
    """Return the normalization of an image by its own gray values; see `measure`."""
    return drain(measure(stack, by))


def measure(stack: Stack, by: NormalizedBy) -> Generator[None, None, Normalization]:
    """Measure the gray values of a whole image, all slices and time points, once.

    Parameters
    ----------
    stack : Stack
        Read a part at a time, so that it may be of any size.
    by : {"image", "percentiles"}

    Yields
    ------
    None
        After each part that was read.

    Returns
    -------
    Normalization
        The same whatever part of the image is computed, by whom, and in which order.

    Raises
    ------
    UserError
        If no pixel of a channel is finite, or the file is damaged.
    """
    known = _MEASURED.setdefault(stack, {})
    if by not in known:
        try:
            known[by] = yield from normalization_in_parts(lambda: _windows_of(stack), by)
        except ValueError as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{stack.name} cannot be normalized by itself: {error}.") from None
    return known[by]


def take_over(stack: Stack, by: NormalizedBy, measured: Normalization) -> None:
    """Take over what another process has measured of an image."""
    _MEASURED.setdefault(stack, {})[by] = measured


def is_measured(stack: Stack, by: NormalizedBy) -> bool:
    """Whether nothing has to be read of an image to normalize it."""
    return by == "model" or by in _MEASURED.get(stack, {})


def _windows_of(stack: Stack) -> Iterator[NDArray[Any]]:
    """Read an image part by part."""
    lines = zip(stack.shape[-2:], SIDES, strict=True)
    rows, columns = (
        [slice(i, min(i + n, size)) for i in range(0, size, n)] for size, n in lines
    )
    for index in stack.indices:
        for window in product(rows, columns):
            yield stack.window(index, window)
