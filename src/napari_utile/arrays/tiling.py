"""The overlap-tile strategy: windows that are read and written, mirrored beyond the border.

One axis of 20 pixels, drawn for a margin of 4 and tiles that write 8 (``#``, of tile 0, 1, 2),
with context (``-``) that is mirrored beyond the border (``~``):

    image       ....................
    write       00000000111111112222
    read 0  ~~~~########----
    read 1          ----########----
    read 2                  ----####~~~~

Every pixel is written once, from a tile that holds all the pixels its logits depend on. So
the tiles together equal one pass over the mirrored image, whatever the tile size.

Source: Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 2 and fig. 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, ...]
"""One slice per spatial axis, as in (Y, X) or (Z, Y, X)."""
Sizes = tuple[int, ...]
"""One number of pixels per spatial axis."""
Reader = Callable[..., NDArray[Any]]
"""Called with one slice per spatial axis; returns pixels of shape (..., *sizes)."""


@dataclass(frozen=True)
class Tile:
    """What is read for what is written.

    Attributes
    ----------
    read : tuple of slice
        Window per axis, margins included. It may lie outside the image: see `mirrored`.
    write : tuple of slice
        Window per axis, inside the image.
    """

    read: Window
    write: Window

    def cut(self, margin: Sizes) -> Window:
        """Return `write` in the logits of `read`, which begin `margin` pixels inside of it."""
        return tuple(
            slice(w.start - r.start - m, w.stop - r.start - m)
            for r, w, m in zip(self.read, self.write, margin, strict=True)
        )

    @property
    def shape(self) -> Sizes:
        """Size of `write`, per axis."""
        return tuple(side.stop - side.start for side in self.write)


def tiles(
    shape: Sizes,
    write: Sizes,
    margin: Sizes,
    input_size: Callable[[Sizes], Sizes],
) -> list[Tile]:
    """Return the tiles that cover an image, row by row: the last axis varies fastest.

    Parameters
    ----------
    shape, write : tuple of int
        Size of the image, and of what a tile writes, per axis; multiples of the network's
        stride alignment, or the poolings of neighbouring tiles disagree. Tiles at the far
        borders write what is left.
    margin : tuple of int
        Context that the network needs on each side, in pixels per axis.
    input_size : callable
        Size of the network's input, given the size of its output.

    Returns
    -------
    list of Tile
        Every pixel is in the `write` of exactly one.

    Raises
    ------
    ValueError
        If a tile would write nothing.
    """
    if min(write) < 1:
        raise ValueError(f"a tile writes at least one pixel, got {write}")
    axes = [
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, write, strict=True)
    ]
    phase = len(shape) * (1,)
    return [tile_around(window, phase, margin, input_size) for window in product(*axes)]


def tile_around(
    write: Window, alignment: Sizes, margin: Sizes, input_size: Callable[[Sizes], Sizes]
) -> Tile:
    """Return the tile that writes a window; it begins at the multiple of `alignment` before.

    Parameters
    ----------
    write : tuple of slice
        Window per axis, inside the image.
    alignment, margin : tuple of int
        Of the network, in pixels per axis.
    input_size : callable
        Size of the network's input, given the size of its output.

    Returns
    -------
    Tile
    """
    starts = tuple(
        side.start - side.start % step for side, step in zip(write, alignment, strict=True)
    )
    lengths = input_size(
        tuple(side.stop - start for side, start in zip(write, starts, strict=True))
    )
    read = tuple(
        slice(start - before, start - before + length)
        for start, before, length in zip(starts, margin, lengths, strict=True)
    )
    return Tile(read, write)


def mirrored(image: Any, read: Window) -> NDArray[Any]:
    """Return the pixels of a window that may reach beyond the image, mirrored there.

    The edge pixel is not repeated, as in ``np.pad(mode="reflect")``; an image smaller than
    what is asked beyond it is reflected again and again, and a single pixel is repeated.

    Parameters
    ----------
    image : array-like, shape (..., *sizes)
        Sliced once, by what lies inside of it: it may be a memory map or a Zarr array.
    read : tuple of slice
        Window of the last axes; starts may be negative.

    Returns
    -------
    ndarray, shape (..., *sizes of `read`)

    Examples
    --------
    >>> mirrored(np.array([[1, 2, 3]]), (slice(0, 1), slice(-3, 5)))
    array([[2, 3, 2, 1, 2, 3, 2, 1]])
    """
    return read_mirrored(
        lambda *window: np.asarray(image[(..., *window)]), image.shape[-len(read) :], read
    )


def read_mirrored(reader: Reader, shape: Sizes, read: Window) -> NDArray[Any]:
    """Return the pixels of a window that may reach beyond the image, read by a function.

    Mirrored as by `mirrored`.

    Parameters
    ----------
    reader : callable
        Called once, with one slice per axis.
    shape : tuple of int
        Size of the image, per axis.
    read : tuple of slice
        Window per axis; starts may be negative.

    Returns
    -------
    ndarray, shape (..., *sizes of `read`)
    """
    sides = [_fold_into_image(side, size) for side, size in zip(read, shape, strict=True)]
    pixels = reader(*(inside for inside, _ in sides))
    for axis, (_, places) in enumerate(sides, start=-len(sides)):
        if places is not None:
            pixels = pixels.take(places, axis=axis)
    return pixels


def _fold_into_image(side: slice, size: int) -> tuple[slice, NDArray[np.intp] | None]:
    """Return the slice that holds all of a mirrored range, and the order to take it in."""
    if side.start >= 0 and side.stop <= size:
        return side, None
    period = max(2 * (size - 1), 1)
    places = np.arange(side.start, side.stop) % period
    places = np.where(places < size, places, period - places)
    first, last = int(places.min()), int(places.max())
    return slice(first, last + 1), places - first
