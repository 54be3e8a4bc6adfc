"""Blocks of a result: each is one chunk, one tile and one line in the journal. Geometry only.

They are numbered plane by plane and row by row. A result of two planes of 10 x 20 px, in
blocks of 4 x 8 px:

    plane 0    0  1  2      plane 1    9 10 11
               3  4  5                12 13 14
               6  7  8                15 16 17
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import ceil, prod
from typing import Self

import numpy as np

from napari_utile.arrays.tiling import Window

Index = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """One block of a result.

    Attributes
    ----------
    number : int
        Of all blocks of the result, from 0.
    plane : int
        Number of its plane, from 0.
    index : tuple of int
        Index of its plane in the result.
    window : tuple of slice
        Pixels of the plane that it covers, per axis.
    """

    number: int
    plane: int
    index: Index
    window: Window


@dataclass(frozen=True)
class Blocks:
    """A part of a stack, divided into blocks.

    Attributes
    ----------
    starts : tuple of int
        First pixel of the part in the stack, per axis of the stack.
    shape : tuple of int
        Shape of the part, which is that of the result.
    tile : tuple of int
        Size of a block in pixels along the last axes, those of a plane: (Y, X), or (Z, Y, X)
        where what is called a plane here is a volume. Blocks at the far borders are smaller.
    """

    starts: Index
    shape: Index
    tile: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Index, tile: Index) -> Self:
        """Return the blocks of a whole stack."""
        return cls((0,) * len(shape), shape, tile)

    @property
    def ndim(self) -> int:
        """Axes of a plane: 2 where blocks are (Y, X), 3 where they are (Z, Y, X)."""
        return len(self.tile)

    @property
    def leading(self) -> Index:
        """Shape of the axes in front of those of a plane."""
        return self.shape[: len(self.shape) - self.ndim]

    @cached_property
    def grid(self) -> Index:
        """Number of blocks along each axis of a plane."""
        sides = zip(self.shape[-self.ndim :], self.tile, strict=True)
        return tuple(ceil(size / side) for size, side in sides)

    @property
    def planes(self) -> int:
        """Number of planes."""
        return prod(self.leading)

    @property
    def per_plane(self) -> int:
        """Number of blocks of a plane."""
        return prod(self.grid)

    def __len__(self) -> int:
        return self.planes * self.per_plane

    def __getitem__(self, number: int) -> Block:
        if not 0 <= number < len(self):
            raise IndexError(f"there is no block {number} of {len(self)}")
        plane, within = divmod(number, self.per_plane)
        places = np.unravel_index(within, self.grid)
        window = tuple(
            slice(int(place) * side, min((int(place) + 1) * side, size))
            for place, side, size in zip(
                places, self.tile, self.shape[-self.ndim :], strict=True
            )
        )
        return Block(number, plane, self.index(plane), window)

    def index(self, plane: int) -> Index:
        """Return the index of the plane of that number in the result."""
        if not self.leading:
            return ()
        return tuple(int(i) for i in np.unravel_index(plane, self.leading))

    def of_plane(self, plane: int) -> range:
        """Return the numbers of the blocks of a plane."""
        return range(plane * self.per_plane, (plane + 1) * self.per_plane)

    def part(self, k: int, n: int) -> range:
        """Return the block numbers of the k-th of n shares of about equal size.

        Shares are whole planes if there are at least n planes: the objects of a plane can
        then be found without another share.

        Parameters
        ----------
        k, n : int
            Number of the share, from 1, and of shares.
        """
        unit = self.per_plane if self.planes >= n else 1
        count = len(self) // unit
        return range((k - 1) * count // n * unit, k * count // n * unit)

    def source(self, block: Block) -> tuple[Index, Window]:
        """Return where a block lies in the stack.

        Returns
        -------
        index : tuple of int
            Of its plane in the stack.
        window : tuple of slice
            Its pixels in that plane, per axis.
        """
        leading, within = self.starts[: len(self.leading)], self.starts[len(self.leading) :]
        index = tuple(i + start for i, start in zip(block.index, leading, strict=True))
        window = tuple(
            slice(side.start + start, side.stop + start)
            for side, start in zip(block.window, within, strict=True)
        )
        return index, window

    def around(self, block: Block, halo: int) -> tuple[Window, Window]:
        """Return the window of a block with a halo, cut off at the border of the plane.

        Parameters
        ----------
        block : Block
        halo : int
            Width in pixels, the same on all sides.

        Returns
        -------
        wide : tuple of slice
            Block and halo, in the plane.
        inner : tuple of slice
            The block, in `wide`.
        """
        wide, inner = [], []
        for side, size in zip(block.window, self.shape[-self.ndim :], strict=True):
            start = max(side.start - halo, 0)
            wide.append(slice(start, min(side.stop + halo, size)))
            inner.append(slice(side.start - start, side.stop - start))
        return tuple(wide), tuple(inner)

    def near(self, block: Block, halo: int) -> Iterator[int]:
        """Yield the numbers of the blocks that overlap a block with its halo (see `around`)."""
        wide, _ = self.around(block, halo)
        places = (
            range(side.start // step, ceil(side.stop / step))
            for side, step in zip(wide, self.tile, strict=True)
        )
        for place in product(*places):
            within = int(np.ravel_multi_index(place, self.grid))
            yield block.plane * self.per_plane + within
