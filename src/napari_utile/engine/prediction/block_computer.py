"""Blocks of a stack through the network: read with context, normalized, and computed."""

from collections.abc import Generator
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Blocks, Index
from napari_utile.arrays.intensity import Normalization, finite
from napari_utile.arrays.tiling import Window
from napari_utile.engine.prediction.tiled import Plane, TiledNetwork
from napari_utile.events import Warned
from napari_utile.io.slice_context import slices_around, slices_seen, with_context
from napari_utile.io.stack import Stack


class BlockComputer:
    """Reads and computes the blocks of a part of a stack.

    Parameters
    ----------
    stack : Stack
    blocks : Blocks
        Of the part.
    normalization : Normalization
        Of the model, or of the image.
    network : TiledNetwork
    averaging : bool, default False
        Average over mirrored and transposed views of the plane.
    context : int, default 0
        Slices on each side of a plane that the network sees with it, also those outside of
        the part.
    """

    def __init__(
        self,
        stack: Stack,
        blocks: Blocks,
        normalization: Normalization,
        network: TiledNetwork,
        averaging: bool = False,
        context: int = 0,
    ):
        self.stack, self.blocks = stack, blocks
        self.network, self.averaging, self.context = network, averaging, context
        self._seen = with_context(stack, context)
        self._normalization = normalization.repeated(slices_seen(context))
        self._planes: dict[int, NormalizedPlane] = {}
        self._told: set[Index] = set()
        self._warnings: list[Warned] = []
        self._lock = Lock()

    def read(self, number: int) -> tuple[Plane, Window]:
        """Read a block and its context now. Any thread may call this.

        Parameters
        ----------
        number : int
            Of the block.

        Returns
        -------
        plane : Plane
            The plane of the block; a window in the context of the block is in memory.
        window : tuple of slice
            Where the block is in the plane.
        """
        block = self.blocks[number]
        index, window = self.blocks.source(block)
        with self._lock:  # the reader of a run, or several threads of a worker
            for old in [plane for plane in self._planes if plane < block.plane - 1]:
                del self._planes[old]
            if block.plane not in self._planes:
                self._planes[block.plane] = NormalizedPlane(
                    self._seen, index, self._normalization, slices_seen(self.context)
                )
            normalized = self._planes[block.plane]
        plane = normalized.plane
        context = self.network.context(window, plane.shape, self.averaging)
        ahead = read_ahead(plane, context)
        around = slices_around(self.stack, index, self.context)
        with self._lock:
            for defect in sorted({around[i] for i in normalized.replaced} - self._told):
                self._told.add(defect)
                self._warnings.append(Warned(message=replaced_text(self.stack, defect)))
        return ahead, window

    def compute(
        self, read: tuple[Plane, Window]
    ) -> Generator[Warned, None, NDArray[np.float32]]:
        """Compute the probabilities (K, Y, X) of a block from what `read` returned."""
        network = self.network
        probabilities = partial(network.probabilities, averaging=self.averaging)
        return network.within_memory(probabilities, *read)

    def take_warnings(self) -> list[Warned]:
        """Return what is to be warned of since the last call."""
        with self._lock:
            warnings, self._warnings = self._warnings, []
        return warnings


class NormalizedPlane:
    """One plane of a stack as the network gets it: normalized, and finite everywhere.

    Parameters
    ----------
    stack : Stack
        With the channels of all slices that the network sees.
    index : tuple of int
        Of the plane.
    normalization : Normalization
        Of these channels.
    slices : int, default 1
        That the network sees at once.

    Attributes
    ----------
    plane : Plane
    replaced : set of int
        Slices, numbered as they are seen, of which a pixel was replaced by the mean gray
        value; see `intensity.finite`.
    """

    def __init__(
        self, stack: Stack, index: Index, normalization: Normalization, slices: int = 1
    ):
        self.stack, self.index, self.normalization = stack, index, normalization
        self.slices = slices
        self.plane = Plane(stack.shape[len(index) :], self._read)
        self.replaced: set[int] = set()

    def _read(self, *window: slice) -> NDArray[np.float32]:
        pixels = self.normalization.apply(self.stack.window(self.index, window))
        self.replaced |= replaced_slices(pixels, self.slices)
        return pixels


def replaced_slices(pixels: NDArray[np.float32], slices: int) -> set[int]:
    """Replace pixels that would make the logits NaN, and return in which slices there are some.

    Parameters
    ----------
    pixels : ndarray of float32, shape (slices * C, Y, X)
        Normalized; changed in place, see `intensity.finite`.
    slices : int
        That are seen at once.

    Returns
    -------
    set of int
        Their numbers, from 0.
    """
    parts = pixels.reshape(slices, -1, *pixels.shape[1:])
    return {number for number, part in enumerate(parts) if finite(part).any()}


def replaced_text(stack: Stack, index: Index) -> str:
    """Return the sentence that warns of pixels of a plane that were replaced."""
    place = f"Slice {', '.join(map(str, index))} of " if index else ""
    return (
        f"{place}{stack.name} has pixels that are NaN, infinite or far "
        "beyond all gray values; they were taken for the mean gray value."
    )


def read_ahead(plane: Plane, context: Window) -> Plane:
    """Read a window of a plane now, so that the network need not wait for it.

    Parameters
    ----------
    plane : Plane
    context : tuple of slice
        Inside the plane.

    Returns
    -------
    Plane
        The same plane. Windows inside `context` are cut from memory; others are read when
        they are asked for.
    """
    pixels = plane.read(*context)

    def read(*window: slice) -> NDArray[Any]:
        sides = list(zip(window, context, strict=True))
        if any(side.start < held.start or side.stop > held.stop for side, held in sides):
            return plane.read(*window)
        return pixels[
            :, *(slice(side.start - held.start, side.stop - held.start) for side, held in sides)
        ]

    return Plane(plane.shape, read)
