"""The blocks of a result: one chunk, one tile, one line in the journal each. Geometry only.

They are counted plane after plane and row by row. A result of two planes of 10 x 20 px, in
blocks of 4 x 8 px:

    plane 0    0  1  2      plane 1    9 10 11
               3  4  5                12 13 14
               6  7  8                15 16 17
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

import numpy as np

from napari_utile.arrays.tiling import Window

Index = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """One block of a result.

    Attributes
    ----------
    number : int
        Its place in the order of all blocks.
    plane : int
        Number of its plane.
    index : tuple of int
        Of its plane, in the result.
    window : (slice, slice)
        What it covers of the plane.
    """

    number: int
    plane: int
    index: Index
    window: Window


@dataclass(frozen=True)
class Blocks:
    """A part of a stack, cut into blocks.

    Attributes
    ----------
    starts : tuple of int
        Where the part begins in the stack, per spatial axis.
    shape : tuple of int
        How large it is; the shape of the result.
    tile : (int, int)
        Height and width of a block. Those at the lower and right border are cut off.
    """

    starts: Index
    shape: Index
    tile: tuple[int, ...]

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of blocks in a plane."""
        rows, columns = (
            ceil(size / side) for size, side in zip(self.shape[-2:], self.tile, strict=True)
        )
        return rows, columns

    @property
    def planes(self) -> int:
        """How many planes there are."""
        return prod(self.shape[:-2])

    @property
    def per_plane(self) -> int:
        """How many blocks a plane has."""
        return prod(self.grid)

    def __len__(self) -> int:
        return self.planes * self.per_plane

    def __getitem__(self, number: int) -> Block:
        if not 0 <= number < len(self):
            raise IndexError(f"there is no block {number} of {len(self)}")
        plane, within = divmod(number, self.per_plane)
        corner = divmod(within, self.grid[1])
        y, x = (
            slice(place * side, min((place + 1) * side, size))
            for place, side, size in zip(corner, self.tile, self.shape[-2:], strict=True)
        )
        return Block(number, plane, self.index(plane), (y, x))

    def index(self, plane: int) -> Index:
        """Find the plane of that number in the result."""
        return tuple(int(i) for i in np.unravel_index(plane, self.shape[:-2] or (1,)))[
            : len(self.shape) - 2
        ]

    def of_plane(self, plane: int) -> range:
        """Give the numbers of the blocks of a plane."""
        return range(plane * self.per_plane, (plane + 1) * self.per_plane)

    def part(self, k: int, n: int) -> range:
        """Give the numbers of the k-th of n equal parts, counted from 1.

        They are whole planes where there are planes enough: a plane's objects can then be
        found without another part.
        """
        unit = self.per_plane if self.planes >= n else 1
        count = len(self) // unit
        return range((k - 1) * count // n * unit, k * count // n * unit)

    def source(self, block: Block) -> tuple[Index, Window]:
        """Find a block in the stack: the index of its plane there, and its window."""
        *leading, top, left = self.starts
        index = tuple(i + start for i, start in zip(block.index, leading, strict=True))
        y, x = (
            slice(side.start + start, side.stop + start)
            for side, start in zip(block.window, (top, left), strict=True)
        )
        return index, (y, x)

    def around(self, block: Block, halo: int) -> tuple[Window, Window]:
        """Widen the window of a block, up to the border: the window, and the block in it."""
        wide, inner = [], []
        for side, size in zip(block.window, self.shape[-2:], strict=True):
            start = max(side.start - halo, 0)
            wide.append(slice(start, min(side.stop + halo, size)))
            inner.append(slice(side.start - start, side.stop - start))
        return (wide[0], wide[1]), (inner[0], inner[1])

    def near(self, block: Block, halo: int) -> Iterator[int]:
        """Give the numbers of the blocks of its plane that `around` touches."""
        (y, x), _ = self.around(block, halo)
        height, width = self.tile
        for row in range(y.start // height, ceil(y.stop / height)):
            for column in range(x.start // width, ceil(x.stop / width)):
                yield block.plane * self.per_plane + row * self.grid[1] + column
