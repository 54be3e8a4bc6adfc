"""Sums over the pixels of every object, plane by plane. They do not depend on the blocking.

Memory holds a row of numbers per object, and no pixels but those of two planes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.objects.numbering import numbered
from napari_utile.arrays.objects.values import ValueSums
from napari_utile.arrays.objects.window import SUMS, add_window

NOWHERE = np.iinfo(np.int64).max
"""First pixel of an object of which no pixel was seen yet, only a neighbour."""
MOST_SLICES = 64
"""Slices of a slab: one bit each."""


class PlaneWindow:
    """A window of a plane of labels, and its neighbours on the lower sides.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        With a row above and a column to the left, unless the window begins at the border.
    start : (int, int, int)
        z, y, x of the first pixel of the window itself.
    """

    def __init__(self, labels: NDArray[Any], start: Sequence[int]):
        self.start = tuple(start)
        self.halo = int(start[1] > 0), int(start[2] > 0)
        self.numbers, self.ids = numbered(labels)
        self.rows = np.empty(0, np.int64)
        """Row of each number in the sums; background has none, -1."""

    def own(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Cut the neighbours off."""
        return plane[self.halo[0] :, self.halo[1] :]


class ObjectSums:
    """Sums over the pixels of each object of a stack.

    Parameters
    ----------
    shape : (int, int, int)
        Slices, rows and columns of the stack; a single plane has one slice.
    channels : sequence of dtype
        Of what is measured beside the labels: image channels, probabilities.
    is_flat : bool, default False
        Whether it is an image, not a stack: it has no slices, and no faces between them.

    Attributes
    ----------
    ids : list of int
        Of the objects, in the order in which they were found.
    low, high : ndarray of uint64 and int64, shape (N, 10)
        Words of sums of 128 bits, of 1, z, y, x, zz, yy, xx, zy, zx and yx; see `wide`.
    box : ndarray of int64, shape (N, 6)
        First pixel and one past the last, per axis: z, y, x, z, y, x.
    faces : ndarray of int64, shape (N, 3)
        Exposed faces of pixels, across z, y and x.
    slices : ndarray of int64, shape (N,)
        Number of slices with a pixel of the object.
    values : list of ValueSums
        One per channel.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[np.dtype[Any]] = (),
        is_flat: bool = False,
    ):
        self.shape, self.is_flat = tuple(shape), is_flat
        self.ids: list[int] = []
        self.values = [ValueSums(dtype) for dtype in channels]
        self._row: dict[int, int] = {}
        self.low, self.high = np.zeros((0, SUMS), np.uint64), np.zeros((0, SUMS), np.int64)
        self.box, self.faces = np.zeros((0, 6), np.int64), np.zeros((0, 3), np.int64)
        self.slices, self._seen = np.zeros(0, np.int64), np.zeros(0, np.uint64)

    def __len__(self) -> int:
        return len(self.ids)

    def add_plane(
        self,
        plane: PlaneWindow,
        below: PlaneWindow | None = None,
        channels: Sequence[NDArray[Any]] = (),
        bit: int = 0,
    ) -> None:
        """Add a window of a plane; each pixel is added once, in any order.

        Parameters
        ----------
        plane : PlaneWindow
        below : PlaneWindow, optional
            The same window of the slice before, needed unless this is the first.
        channels : sequence of ndarray, shape (Y, X) without the neighbours
            Values of the pixels.
        bit : int, default 0
            Number of the slice in its slab, below `MOST_SLICES`; see `end_slab`.
        """
        self._find_rows(plane)
        if below is None:
            below_numbers, below_rows = plane.numbers[:0], plane.rows
        else:
            if not len(below.rows):  # it was read again
                self._find_rows(below)
            below_numbers, below_rows = below.numbers, below.rows
        add_window(
            plane.numbers,
            plane.rows,
            below_numbers,
            below_rows,
            np.array(plane.start),
            np.array(self.shape),
            np.array(plane.halo),
            self.is_flat,
            np.uint64(1 << bit),
            self.low,
            self.high,
            self.box,
            self.faces,
            self._seen,
        )
        own = np.ascontiguousarray(plane.own(plane.numbers)) if channels else plane.numbers
        for sums, pixels in zip(self.values, channels, strict=True):
            sums.add(own, plane.rows, pixels, len(self))

    def end_slab(self) -> None:
        """Count the slices of a slab, of which all windows are added."""
        self.slices += np.bitwise_count(self._seen)
        self._seen[:] = 0

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state at the end of a slab, for `from_arrays`."""
        n = len(self)
        arrays = {
            "ids": np.array(self.ids, np.uint64), "low": self.low[:n], "high": self.high[:n],
            "box": self.box[:n], "faces": self.faces[:n], "slices": self.slices[:n],
        }  # fmt: skip
        for i, sums in enumerate(self.values):
            arrays |= {f"{name}_{i}": array for name, array in sums.to_arrays(n).items()}
        return arrays

    def take_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore the state that `to_arrays` returned."""
        self.ids = [int(number) for number in arrays["ids"]]
        self._row = {number: row for row, number in enumerate(self.ids)}
        self.low, self.high, self.box = arrays["low"], arrays["high"], arrays["box"]
        self.faces, self.slices = arrays["faces"], arrays["slices"]
        self._seen = np.zeros(len(self.ids), np.uint64)
        for i, sums in enumerate(self.values):
            sums.take_arrays({name: arrays[f"{name}_{i}"] for name in sums.names})

    def _find_rows(self, plane: PlaneWindow) -> None:
        """Look up the row of each id of a plane; new ids get new rows."""
        find = self._row
        ids, known = plane.ids.tolist(), len(find)
        rows = [find.setdefault(number, len(find)) for number in ids]
        plane.rows = np.array([-1, *rows], np.int64)
        self.ids += [number for number, row in zip(ids, rows, strict=True) if row >= known]
        if len(self.ids) > len(self.low):
            self._allocate(max(len(self.ids), 2 * len(self.low)))

    def _allocate(self, count: int) -> None:
        """Make room for `count` objects, and keep those that there are."""
        more = count - len(self.low)
        self.low = _longer(self.low, more)
        self.high = _longer(self.high, more)
        self.box = _longer(self.box, more)
        self.box[len(self.box) - more :, :3] = NOWHERE
        self.faces = _longer(self.faces, more)
        self.slices = _longer(self.slices, more)
        self._seen = _longer(self._seen, more)


def _longer(array: NDArray[Any], more: int) -> NDArray[Any]:
    """Return an array with more rows, of zeros."""
    return np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)])
