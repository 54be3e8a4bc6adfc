"""Images of several sizes as one stack: pages as large as the largest, read on demand."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_utile.files.file_arrays import every_axis

KEPT = 4
"""Pages kept in memory: looking at one place reads it more than once."""


class Pages:
    """An array of which each page is read when it is looked at.

    Parameters
    ----------
    read : callable
        Gives the pixels of a page by its number, at the upper left of it; the rest is 0.
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
        self._page = lru_cache(KEPT)(self._filled)

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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def _filled(self, number: int) -> NDArray[Any]:
        pixels = self._read(number)
        page = np.zeros(self.shape[1:], self.dtype)
        page[tuple(map(slice, pixels.shape))] = pixels
        return page
