"""Tiles in, probabilities out: one plane after the other, read and written tile by tile.

It yields events; it opens no files, and holds no more than a tile of image and result.
"""

from collections.abc import Callable, Generator
from functools import partial
from itertools import product
from time import monotonic
from typing import Any

import numpy as np
import torch

from napari_utile.arrays.intensity import Normalization, finite
from napari_utile.engine.devices import autocast_dtype, choose_device
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.tile_size import Size, choose_tile
from napari_utile.engine.prediction.tiled import Array, Plane, TiledNetwork, probabilities
from napari_utile.errors import UserError
from napari_utile.events import TileDone, Warned
from napari_utile.io.stack import Stack
from napari_utile.networks.tileable import Network
from napari_utile.settings import PredictSettings

__all__ = ["check_channels", "logits", "predict_stack", "probabilities", "tile_size"]


def predict_stack(
    model: Model,
    stack: Stack,
    target: Any,
    settings: PredictSettings | None = None,
    tile: Size | None = None,
) -> Generator[TileDone | Warned, None, None]:
    """Write the probabilities of every plane of a stack into `target`, tile by tile.

    The run advances only while the caller asks for the next event, so to stop it is to
    stop asking. What an event reports has been written.

    Parameters
    ----------
    model : Model
        It stays as it is; what predicts is a copy, on the device.
    stack : Stack
        Read lazily, a tile at a time.
    target : array-like, shape (K, *stack.shape)
        Gets ``target[:, *index, y, x] = probabilities``: float32, one tile.
    settings : PredictSettings, optional
        `output`, `threshold` and `min_size` are left to the caller.
    tile : (int, int), optional
        Height and width that a tile writes, rounded up to the stride alignment; by default
        what the settings say. The result does not depend on it.

    Yields
    ------
    TileDone, Warned

    Raises
    ------
    UserError
        Before anything is read, if the stack has other channels than the model or there is
        no such device; later, if not even the smallest tile fits into the memory.
    """
    settings = settings or PredictSettings()
    check_channels(model, stack)
    network = TiledNetwork(model.network, *device_and_dtype(settings))
    windows = network.windows(height_and_width(stack), tile_size(model, stack, settings, tile))
    if far := how_far(model, stack):
        yield Warned(message=far)
    done, total, began = 0, len(windows) * len(stack.indices), monotonic()
    for index in stack.indices:
        feed = Feed(stack, index, model.normalization)
        for write in windows:
            compute = partial(network.probabilities, feed.plane, averaging=settings.averaging)
            target[:, *index, *write] = yield from network.within_memory(compute, write)
            done += 1
            rate = done / max(monotonic() - began, 1e-9)
            yield TileDone(
                done=done,
                total=total,
                image=stack.name,
                index=index,
                write=tuple((side.start, side.stop) for side in write),
                rate=rate,
                seconds_left=(total - done) / rate,
            )
        if feed.accidents:
            yield Warned(message=feed.complaint())


def logits(
    network: Network,
    pixels: Any,
    tile: Size | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    warn: Callable[[str], object] = str,
) -> Array:
    """Compute the logits of one plane tile by tile.

    They equal one forward pass over the mirrored plane to 1e-5 in float32, for any tile.

    Parameters
    ----------
    network : nn.Module
        Moved to the device. It goes on training if it did.
    pixels : array-like of float32, shape (C, Y, X)
        Normalized. Sliced tile by tile, so it may be lazy.
    tile : (int, int), optional
        Height and width that a tile writes, rounded up to the stride alignment; by default
        as the memory allows.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.
    warn : callable, optional
        Told in a sentence if memory runs out, and tiles become smaller.

    Returns
    -------
    ndarray of float32, shape (K, Y, X)
    """
    device = torch.device(device)
    tiled = TiledNetwork(network, device, dtype)
    plane = Plane(pixels.shape[-2:], lambda y, x: np.asarray(pixels[..., y, x], np.float32))
    result = np.empty((network.classes, *plane.shape), np.float32)
    for write in tiled.windows(
        plane.shape, choose_tile(network, plane.shape, device, dtype, tile)
    ):
        steps = tiled.within_memory(partial(tiled.logits, plane), write)
        result[:, *write] = told(steps, warn)
    return result


def told(steps: Generator[Warned, None, Array], warn: Callable[[str], object]) -> Array:
    """Run to the end and give back the result; say what is warned of on the way."""
    while True:
        try:
            warn(next(steps).message)
        except StopIteration as end:
            result: Array = end.value
            return result


def check_channels(model: Model, stack: Stack) -> None:
    """Refuse a stack that the model cannot read.

    Raises
    ------
    UserError
        If it has other channels than the model was made for.
    """
    if stack.channels != model.in_channels:
        expected = f"{model.in_channels} channel{'s' * (model.in_channels != 1)}"
        raise UserError(f"The model expects {expected}, {stack.name} has {stack.channels}.")


def tile_size(
    model: Model, stack: Stack, settings: PredictSettings, asked: Size | None = None
) -> Size:
    """Give the height and width that a tile will write; good chunks for the target."""
    if not asked and settings.tile != "auto":
        asked = (settings.tile, settings.tile)
    return choose_tile(
        model.network, height_and_width(stack), *device_and_dtype(settings), asked
    )


def height_and_width(stack: Stack) -> Size:
    """Give the shape of a plane."""
    return stack.shape[-2], stack.shape[-1]


def device_and_dtype(settings: PredictSettings) -> tuple[torch.device, torch.dtype | None]:
    """Give what will compute, and in which number format."""
    device = choose_device(settings.device)
    return device, autocast_dtype(device, settings.precision, training=False)


def how_far(model: Model, stack: Stack) -> str | None:
    """Say if a stack is much brighter, darker or flatter than what the model learnt from.

    Looks at nine patches of the middle plane. A model that leaves gray values as they are
    has nothing to compare with.
    """
    if model.normalization == Normalization.none(model.in_channels):
        return None
    index = stack.indices[len(stack.indices) // 2]
    places = [
        [slice(start, start + 64) for start in {0, max(size // 2 - 32, 0), max(size - 64, 0)}]
        for size in stack.shape[-2:]
    ]
    patches = [stack.plane(index, y, x) for y, x in product(*places)]
    pixels = np.concatenate([patch.reshape(len(patch), -1) for patch in patches], axis=1)
    far = model.normalization.far_from(pixels)
    return f"{stack.name}: {far}; the result may be of no use." if far else None


class Feed:
    """One plane of a stack as the network gets it: normalized, and finite everywhere."""

    def __init__(self, stack: Stack, index: tuple[int, ...], normalization: Normalization):
        self.stack, self.index, self.normalization = stack, index, normalization
        self.plane = Plane(height_and_width(stack), self._read)
        self.accidents = False
        """Whether a pixel had to be replaced."""

    def _read(self, y: slice, x: slice) -> Array:
        pixels = self.normalization.apply(self.stack.plane(self.index, y, x))
        self.accidents |= bool(finite(pixels).any())
        return pixels

    def complaint(self) -> str:
        """Say what was wrong with the plane."""
        place = f"Slice {', '.join(map(str, self.index))} of " if self.index else ""
        return (
            f"{place}{self.stack.name} has pixels that are NaN or infinite; "
            "they were taken for the mean gray value."
        )
