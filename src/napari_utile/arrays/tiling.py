"""Where the overlap-tile strategy reads and writes, and what it reads beyond the border.

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

Window = tuple[slice, slice]
Reader = Callable[[slice, slice], NDArray[Any]]


@dataclass(frozen=True)
class Tile:
    """What is read for what is written.

    Attributes
    ----------
    read : (slice, slice)
        Window in Y and X, margins included. It may lie outside the image: see `mirrored`.
    write : (slice, slice)
        Window in Y and X, inside the image.
    """

    read: Window
    write: Window

    def cut(self, margin: int) -> Window:
        """Find `write` in the logits of `read`, which begin `margin` pixels inside of it."""
        y, x = (
            slice(w.start - r.start - margin, w.stop - r.start - margin)
            for r, w in zip(self.read, self.write, strict=True)
        )
        return y, x

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of `write`."""
        y, x = self.write
        return y.stop - y.start, x.stop - x.start


def tiles(
    shape: tuple[int, int],
    write: tuple[int, int],
    margin: int,
    input_size: Callable[[int], int],
) -> list[Tile]:
    """Cover an image with tiles, row by row.

    Parameters
    ----------
    shape, write : (int, int)
        Height and width of the image, and of what a tile writes; multiples of the network's
        stride alignment, or the poolings of neighbouring tiles disagree. Tiles at the lower
        and right border write what is left.
    margin : int
        Context that the network needs on each side, in pixels.
    input_size : callable
        Side of the network's input, given the side of its output.
    """
    if min(write) < 1:
        raise ValueError(f"a tile writes at least one pixel, got {write}")
    rows, columns = (
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, write, strict=True)
    )
    return [tile_around(window, 1, margin, input_size) for window in product(rows, columns)]


def tile_around(
    write: Window, alignment: int, margin: int, input_size: Callable[[int], int]
) -> Tile:
    """Find the tile of any window: it begins at the multiple of `alignment` before it."""
    read = []
    for side in write:
        start = side.start - side.start % alignment
        length = input_size(side.stop - start)
        read.append(slice(start - margin, start - margin + length))
    return Tile((read[0], read[1]), write)


def mirrored(image: Any, read: Window) -> NDArray[Any]:
    """Cut a window that may reach beyond the image, which goes on as in a mirror.

    The edge pixel is not repeated, as in ``np.pad(mode="reflect")``; an image smaller than
    what is asked beyond it is reflected again and again, and a single pixel is repeated.

    Parameters
    ----------
    image : array-like, shape (..., Y, X)
        Sliced once, by what lies inside of it: it may be a memory map or a Zarr array.
    read : (slice, slice)
        Window in Y and X; starts may be negative.

    Examples
    --------
    >>> mirrored(np.array([[1, 2, 3]]), (slice(0, 1), slice(-3, 5)))
    array([[2, 3, 2, 1, 2, 3, 2, 1]])
    """
    return read_mirrored(lambda y, x: np.asarray(image[..., y, x]), image.shape[-2:], read)


def read_mirrored(reader: Reader, shape: tuple[int, int], read: Window) -> NDArray[Any]:
    """Do as `mirrored` for an image of shape (Y, X) that is read by ``reader(y, x)``."""
    (y, rows), (x, columns) = (
        _inside(side, size) for side, size in zip(read, shape, strict=True)
    )
    pixels = reader(y, x)
    if rows is not None:
        pixels = pixels.take(rows, axis=-2)
    if columns is not None:
        pixels = pixels.take(columns, axis=-1)
    return pixels


def _inside(side: slice, size: int) -> tuple[slice, NDArray[np.intp] | None]:
    """Give the slice that holds all of a mirrored range, and the order to take it in."""
    if side.start >= 0 and side.stop <= size:
        return side, None
    period = max(2 * (size - 1), 1)
    places = np.arange(side.start, side.stop) % period
    places = np.where(places < size, places, period - places)
    first, last = int(places.min()), int(places.max())
    return slice(first, last + 1), places - first
