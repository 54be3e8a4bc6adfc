"""How a stack is read to be measured: slabs of slices, in windows of planes. Geometry only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isqrt

from napari_utile.arrays.objects.sums import MOST_SLICES
from napari_utile.arrays.objects.values import CELL
from napari_utile.io.stack import Stack

BLOCK_BYTES = 2**27
"""Bytes of pixels that are read at once."""
LEAST_SLICES = 16
"""Slices of a slab of planes that take several windows: the slice below is read, too."""


@dataclass(frozen=True)
class Blocking:
    """Slabs and windows of a stack of (t, z, y, x).

    Attributes
    ----------
    shape : tuple of int
        Time points, slices, rows and columns.
    depth : int
        Slices of a slab.
    side : int
        Rows and columns of a window, a multiple of `CELL`.
    """

    shape: tuple[int, int, int, int]
    depth: int
    side: int

    @classmethod
    def of(
        cls, shape: Sequence[int], depth: int, pixel_bytes: int, budget: int = BLOCK_BYTES
    ) -> "Blocking":
        """Choose slabs as thick as the chunks, and windows that take no more than the budget.

        Parameters
        ----------
        shape : sequence of int
            (t, z, y, x).
        depth : int
            Slices of a chunk.
        pixel_bytes : int
            Of all that is read of a pixel.
        budget : int
            Bytes.
        """
        t, z, y, x = shape
        depth = max(1, min(depth, z, MOST_SLICES))
        side = _side(depth, pixel_bytes, budget)
        if side < max(y, x):
            depth = min(max(depth, LEAST_SLICES), z)
            side = _side(depth, pixel_bytes, budget)
        return cls((t, z, y, x), depth, side)

    @property
    def slabs_per_time(self) -> int:
        """Number of slabs of a time point."""
        return ceil(self.shape[1] / self.depth)

    @property
    def slabs(self) -> int:
        """Number of slabs of all time points."""
        return self.shape[0] * self.slabs_per_time

    def slab(self, number: int) -> tuple[int, slice]:
        """Return the time point of a slab, and its slices."""
        time, place = divmod(number, self.slabs_per_time)
        first = place * self.depth
        return time, slice(first, min(first + self.depth, self.shape[1]))

    @property
    def windows(self) -> list[tuple[slice, slice]]:
        """Rows and columns of each window."""
        return [(y, x) for y in self._sides(2) for x in self._sides(3)]

    def _sides(self, axis: int) -> Iterator[slice]:
        size = self.shape[axis]
        for first in range(0, size, self.side):
            yield slice(first, min(first + self.side, size))


def _side(depth: int, pixel_bytes: int, budget: int) -> int:
    return max(isqrt(budget // (depth * pixel_bytes)) // CELL, 1) * CELL


def chunk_depth(stack: Stack) -> int:
    """Return how many slices one chunk of a stack holds; 1 if it has no chunks.

    Parameters
    ----------
    stack : Stack
    """
    chunks = getattr(stack.data, "chunks", None)
    if "z" not in stack.axes or not isinstance(chunks, tuple) or len(chunks) != len(stack.axes):
        return 1
    depth = chunks[stack.axes.index("z")]
    return depth if isinstance(depth, int) else int(max(depth))  # of dask they are listed
