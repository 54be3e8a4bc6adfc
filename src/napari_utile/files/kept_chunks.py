"""Arrays in compressed chunks, of which the last ones that were read are kept decoded.

The strips of a TIFF are as wide as the image, often as large, and every tile looks into them:
without this each would be decoded once per tile. No formats here.
"""

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.files.file_arrays import window_of

BUDGET = 256_000_000
"""Bytes that are kept, of all arrays together; but always the last chunk."""


class KeptChunks:
    """Reads an array of whole chunks, and keeps some; it may be used from several threads.

    Parameters
    ----------
    data : zarr.Array
        Has shape, dtype, chunks and basic indexing.
    """

    def __init__(self, data: Any):
        self._data, self._number = data, next(NUMBERS)
        self.shape, self.dtype, self.ndim = data.shape, np.dtype(data.dtype), data.ndim
        self.chunks = data.chunks

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Copy a window, given by whole numbers and slices without steps."""
        first, lengths, kept = window_of(where, self.shape)
        window = np.empty(lengths, self.dtype)
        touched = [
            range(a // c, (a + n - 1) // c + 1)
            for a, n, c in zip(first, lengths, self.chunks, strict=True)
        ]
        for place in np.ndindex(*map(len, touched)):
            chunk = tuple(numbers[i] for numbers, i in zip(touched, place, strict=True))
            pixels = self._chunk(chunk)
            there, here = [], []
            for i, c, n, a, length in zip(
                chunk, self.chunks, pixels.shape, first, lengths, strict=True
            ):
                start, stop = max(a, i * c), min(a + length, i * c + n)
                there.append(slice(start - i * c, stop - i * c))
                here.append(slice(start - a, stop - a))
            window[tuple(here)] = pixels[tuple(there)]
        return window.reshape(kept)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._data[...], dtype=dtype)

    def _chunk(self, chunk: tuple[int, ...]) -> NDArray[Any]:
        at = tuple(slice(i * c, i * c + c) for i, c in zip(chunk, self.chunks, strict=True))
        return KEPT.get((self._number, *chunk), lambda: np.asarray(self._data[at]))


class Kept:
    """Chunks by their key; those that were not read for longest are forgotten first."""

    def __init__(self) -> None:
        self.bytes = 0
        self._chunks: OrderedDict[tuple[int, ...], NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._chunks)

    def get(self, key: tuple[int, ...], decode: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Give a chunk, decoded if it is not kept; two threads never decode the same one."""
        with self._lock:
            if key not in self._chunks:
                self._chunks[key] = decode()
                self.bytes += self._chunks[key].nbytes
                while len(self) > 1 and self.bytes > BUDGET:
                    self.bytes -= self._chunks.popitem(last=False)[1].nbytes
            self._chunks.move_to_end(key)
            return self._chunks[key]


KEPT, NUMBERS = Kept(), count()
"""What is kept of all arrays, and numbers that tell them apart."""
