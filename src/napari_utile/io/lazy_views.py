"""Arrays seen otherwise than they are stored: other axes, one channel, pages, other values."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_utile.errors import UserError
from napari_utile.io.lazy_arrays import every_axis, window_of
from napari_utile.io.memory import check_memory


class Turned:
    """An array whose last two axes of rows and columns are mirrored or exchanged.

    Parameters
    ----------
    data : array-like
        Read by windows: integers and slices without steps.
    rows, columns : int
        Their axes in `data`.
    orientation : int
        1 to 8, as TIFF and EXIF count: 2 mirrors columns, 3 both, 4 rows, and 5 to 8 exchange
        them before.

    References
    ----------
    TIFF Revision 6.0, Adobe 1992, section 8, tag Orientation.
    """

    def __init__(self, data: Any, rows: int, columns: int, orientation: int):
        self._data, self._axes = data, (rows, columns)
        # 2 and 3 begin at the right, 3 and 4 at the bottom; 5 to 8 likewise, transposed.
        self._swaps = orientation >= 5
        self._flips = {
            1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0),
            5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0),
        }[orientation]  # fmt: skip
        shape = list(data.shape)
        if self._swaps:
            shape[rows], shape[columns] = shape[columns], shape[rows]
        self.shape, self.dtype = tuple(shape), np.dtype(data.dtype)
        self.ndim, self.size = len(shape), prod(shape)

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Read a window, given by integers and slices without steps."""
        first, lengths, kept = window_of(where, self.shape)
        flips = [axis for axis, flip in zip(self._axes, self._flips, strict=True) if flip]
        for axis in flips:
            first[axis] = self.shape[axis] - first[axis] - lengths[axis]
        window = [slice(a, a + n) for a, n in zip(first, lengths, strict=True)]
        rows, columns = self._axes
        if self._swaps:
            window[rows], window[columns] = window[columns], window[rows]
        pixels = np.asarray(self._data[tuple(window)])
        if self._swaps:
            pixels = pixels.swapaxes(rows, columns)
        return np.flip(pixels, tuple(flips)).reshape(kept)

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)


class Converted:
    """An array whose values are converted as they are read.

    Parameters
    ----------
    data : array-like
    convert : callable
        Pixels -> pixels of the same shape.
    dtype : dtype
        Of what it returns.
    """

    def __init__(
        self,
        data: Any,
        convert: Callable[[NDArray[Any]], NDArray[Any]],
        dtype: DTypeLike,
    ):
        self._data, self._convert = data, convert
        self.shape, self.dtype = tuple(data.shape), np.dtype(dtype)
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def __getitem__(self, where: Any) -> NDArray[Any]:
        return self._convert(np.asarray(self._data[where]))

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)


class LazyChannel:
    """One channel of an array on disk, as lazy as the array."""

    def __init__(self, data: Any, axis: int, index: int):
        self._data, self._axis, self._index = data, axis, index
        self.shape = (*data.shape[:axis], *data.shape[axis + 1 :])
        self.dtype, self.ndim, self.size = data.dtype, len(self.shape), prod(self.shape)

    def __getitem__(self, where: Any) -> NDArray[Any]:
        where = every_axis(where, self.ndim)
        return self._data[(*where[: self._axis], self._index, *where[self._axis :])]

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)


class ChannelsFirst:
    """An array (T, C, ...) on disk, read and written as (C, T, ...).

    Parameters
    ----------
    stored : array-like
        Indexed by integers and slices.
    """

    def __init__(self, stored: Any):
        self.stored = stored
        self.shape, self.dtype = self._exchanged(stored.shape), np.dtype(stored.dtype)
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def __getitem__(self, where: Any) -> NDArray[Any]:
        where = self._exchanged(every_axis(where, self.ndim))
        pixels = np.asarray(self.stored[where])
        return pixels.swapaxes(0, 1) if self._keeps_both(where) else pixels

    def __setitem__(self, where: Any, pixels: NDArray[Any]) -> None:
        where = self._exchanged(every_axis(where, self.ndim))
        self.stored[where] = pixels.swapaxes(0, 1) if self._keeps_both(where) else pixels

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    @staticmethod
    def _keeps_both(where: tuple[Any, ...]) -> bool:
        return isinstance(where[0], slice) and isinstance(where[1], slice)

    @staticmethod
    def _exchanged(parts: Sequence[Any]) -> tuple[Any, ...]:
        return (parts[1], parts[0], *parts[2:])


class ReadOnly:
    """Labels on disk that are shown and not changed; a deep copy of them is in memory.

    Parameters
    ----------
    data : array-like
    """

    def __init__(self, data: Any):
        self._data = data
        self.shape, self.dtype = tuple(data.shape), np.dtype(data.dtype)
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def __getitem__(self, where: Any) -> NDArray[Any]:
        return np.asarray(self._data[where])

    def __setitem__(self, where: Any, value: Any) -> None:
        raise UserError(
            "These labels are on disk, where they are kept as they are: press Edit in the "
            "panel Segment, or duplicate the layer, and paint on the copy."
        )

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> NDArray[Any]:
        check_memory(self.size * self.dtype.itemsize, "A copy of the labels")
        return self[...].copy()


CACHED_PAGES = 4
"""Pages kept in memory: a viewer reads the one it shows more than once."""


class Pages:
    """An array (page, ...) of which each page is read on demand.

    Parameters
    ----------
    read : callable
        Number of a page -> its pixels. A smaller page is padded with 0 below and to the right.
    shape : sequence of int
        Number of pages, and the size of the largest.
    dtype : dtype
    """

    def __init__(
        self, read: Callable[[int], NDArray[Any]], shape: Sequence[int], dtype: DTypeLike
    ):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.ndim, self.size = len(self.shape), prod(self.shape)
        self._read = read
        self._page = lru_cache(CACHED_PAGES)(self._filled)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: Any) -> NDArray[Any]:
        first, *others = every_axis(where, self.ndim)
        if isinstance(first, slice):
            numbers = range(*first.indices(len(self)))
        elif np.ndim(first) == 0:
            return self._page(int(range(len(self))[first]))[tuple(others)]
        else:
            numbers = first
        pages = [self._page(int(number))[tuple(others)] for number in numbers]
        if pages:
            return np.stack(pages)
        return np.zeros((0, *self.shape[1:]), self.dtype)[:, *others]

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def _filled(self, number: int) -> NDArray[Any]:
        pixels = self._read(number)
        page = np.zeros(self.shape[1:], self.dtype)
        page[tuple(map(slice, pixels.shape))] = pixels
        return page
