"""Predictions in memory: tiles in, probabilities or logits out.

The functions yield events, open no files, and hold no more than a few tiles of image and
result.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Blocks, Index
from napari_utile.engine.devices import autocast_dtype, choose_device
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.compute import Failures, compute_blocks
from napari_utile.engine.prediction.mismatch import (
    MANY_BLOCKS,
    doubts_before,
    middle,
    mismatch_of_objects,
)
from napari_utile.engine.prediction.normalizing import normalization_for
from napari_utile.engine.prediction.progress import StageProgress, tile_done
from napari_utile.engine.prediction.tile_size import choose_tile
from napari_utile.engine.prediction.tiled import Plane, TiledNetwork, probabilities
from napari_utile.errors import UserError
from napari_utile.events import TileDone, Warned, doubted, drain, warn
from napari_utile.io.slice_context import check_slices
from napari_utile.io.stack import Stack
from napari_utile.networks.tileable import Network
from napari_utile.settings.prediction import PredictSettings

__all__ = ["check_channels", "logits", "predict_stack", "probabilities", "tile_size"]


def predict_stack(
    model: Model,
    stack: Stack,
    target: Any,
    settings: PredictSettings | None = None,
    tile: tuple[int, ...] | None = None,
    probes: bool = False,
    doubts: bool = True,
    part: tuple[Index, Index] | None = None,
) -> Generator[TileDone | Warned, None, None]:
    """Write the probabilities of every plane of a stack into `target`, tile by tile.

    The run advances only while the caller asks for the next event, so to stop it is to
    stop asking. What an event reports has been written.

    Parameters
    ----------
    model : Model
        Stays as it is; a copy on the device predicts.
    stack : Stack
        Read lazily, a few tiles at a time, in a thread.
    target : array-like, shape (K, *stack.shape), or that of the part
        Gets ``target[:, *index, y, x] = probabilities``: float32, one tile, in a thread.
    settings : PredictSettings, optional
        `output`, `threshold` and `min_size` are left to the caller.
    tile : tuple of int, optional
        Shape that a tile writes, rounded up to the stride alignment; by default what the
        settings say. The result does not depend on it.
    probes : bool, default False
        Whether the objects in the middle are compared with those of training: before a large
        image is predicted, and after a small one, which costs little then.
    doubts : bool, default True
        Whether to look for doubts at all; a caller that has looked at all images need not.
    part : (tuple of int, tuple of int), optional
        First pixel and shape of the part that is predicted; by default the whole stack.

    Yields
    ------
    TileDone, Warned

    Raises
    ------
    UserError
        Before anything is computed, if the stack has other channels than the model, there is
        no such device, or the stack is doubtful with `strict`; later, if not even the
        smallest tile fits into the memory, or its objects are doubtful with `strict`.
    """
    settings = settings or PredictSettings()
    check_channels(model, stack)
    network = TiledNetwork(model.network, *device_and_dtype(settings), model.offsets)
    starts, shape = part or ((0,) * len(stack.shape), stack.shape)
    blocks = Blocks(starts, shape, tile_size(model, stack, settings, tile))
    normalization = normalization_for(model, stack, settings)
    averaging, context = settings.averaging, model.context
    computer = BlockComputer(stack, blocks, normalization, network, averaging, context)
    progress = StageProgress(len(blocks))

    def write(number: int, values: NDArray[np.float32]) -> None:
        block = blocks[number]
        target[:, *block.index, *block.window] = values

    def report(number: int) -> list[TileDone | Warned]:
        return [*computer.take_warnings(), tile_done(stack.name, blocks[number], progress)]

    is_large = len(blocks) >= MANY_BLOCKS
    early = network if probes and is_large else None
    found = doubts_before(model, stack, settings, lambda: early) if doubts else []
    yield from doubted(found, settings.strict)
    numbers, failures = range(len(blocks)), Failures(max_consecutive=1)
    yield from compute_blocks(
        numbers, computer.read, computer.compute, write, report, failures, network.at_once
    )
    if probes and not is_large and not found:
        index, window = middle(shape, model.network.ndim)
        far = mismatch_of_objects(model, target[:, *index, *window], stack.name, settings)
        yield from doubted([far] if far else [], settings.strict)


def logits(
    network: Network,
    pixels: Any,
    tile: tuple[int, ...] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    on_event: Callable[[Warned], object] = warn,
) -> NDArray[np.float32]:
    """Compute the logits of one plane tile by tile.

    They equal one forward pass over the mirrored plane to 1e-5 in float32, for any tile.

    Parameters
    ----------
    network : nn.Module
        Moved to the device. Its training mode stays as it is.
    pixels : array-like of float32, shape (C, Y, X)
        Normalized. Sliced tile by tile, so it may be lazy.
    tile : tuple of int, optional
        Shape that a tile writes, rounded up to the stride alignment; by default as the memory
        allows.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.
    on_event : callable, optional
        Called if memory runs out, and tiles become smaller; by default a Python warning.

    Returns
    -------
    ndarray of float32, shape (K, Y, X)
    """
    device = torch.device(device)
    tiled = TiledNetwork(network, device, dtype)
    shape = tuple(pixels.shape[1:])
    plane = Plane(shape, lambda *window: np.asarray(pixels[:, *window], np.float32))
    blocks = Blocks.whole(shape, choose_tile(network, shape, device, dtype, tile))
    result = np.empty((network.classes, *shape), np.float32)

    def write(number: int, values: NDArray[np.float32]) -> None:
        result[:, *blocks[number].window] = values

    run = compute_blocks(
        range(len(blocks)),
        lambda number: blocks[number].window,
        partial(tiled.within_memory, tiled.logits, plane),
        write,
        lambda _: (),
        Failures(max_consecutive=1),
        tiled.at_once,
    )
    drain(run, on_event)
    return result


def check_channels(model: Model, stack: Stack) -> None:
    """Refuse a stack that the model cannot read.

    Raises
    ------
    UserError
        If it has other channels than the model was trained for, or no slices where the model
        sees several at once.
    """
    if stack.channels != model.in_channels:
        channels = "1 channel" if model.in_channels == 1 else f"{model.in_channels} channels"
        raise UserError(f"The model expects {channels}, {stack.name} has {stack.channels}.")
    check_slices(stack, model.context)


def tile_size(
    model: Model,
    stack: Stack,
    settings: PredictSettings,
    asked: tuple[int, ...] | None = None,
) -> tuple[int, ...]:
    """Return the shape that a tile writes; it makes good chunks for the target.

    Parameters
    ----------
    model : Model
    stack : Stack
    settings : PredictSettings
        Tile, device and precision.
    asked : tuple of int, optional
        Wins over the tile of the settings.

    Returns
    -------
    tuple of int
    """
    shape = _plane_shape(model, stack)
    if not asked and settings.tile != "auto":
        asked = (settings.tile,) * len(shape)
    return choose_tile(model.network, shape, *device_and_dtype(settings), asked)


def _plane_shape(model: Model, stack: Stack) -> tuple[int, ...]:
    """Shape of what the network sees at once: (Y, X), or (Z, Y, X) if it has three axes."""
    return stack.shape[-model.network.ndim :]


def device_and_dtype(settings: PredictSettings) -> tuple[torch.device, torch.dtype | None]:
    """Return the device that computes, and the number format of the convolutions."""
    device = choose_device(settings.device)
    return device, autocast_dtype(device, settings.precision, training=False)
