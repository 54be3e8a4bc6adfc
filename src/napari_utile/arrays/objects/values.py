"""Sums of the values of every object: image channels, or probabilities.

Whole numbers are added exactly. So are fractions, but for rounding within cells of a fixed
grid: the sum in a cell is a floating-point number, and these are added without rounding. So
the sums depend neither on the order of the cells nor on how they were grouped in windows.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.objects.wide import add_wide, wide_sums

CELL = 256
"""Side of a cell, px. Windows of fractions begin at multiples of it."""
EXACT = (np.bool_, np.uint8, np.int8, np.uint16, np.int16)
"""Types of which the squares in a row of pixels add up in 64 bits."""
BINARY_PLACES = 1200
"""Of the sums of fractions, which are whole multiples of 2^-1200: finer than any number."""
WORD = 600
"""Bytes in which such a sum is saved: twice 1200 places and 1024 of the largest number."""


class ValueSums:
    """Sums and sums of squares of the values of every object.

    Parameters
    ----------
    dtype : dtype
        Of the values.

    Attributes
    ----------
    names : tuple of str
        Of the arrays that hold them.
    """

    def __init__(self, dtype: np.dtype[Any]):
        self.is_exact = np.dtype(dtype).newbyteorder("=") in EXACT
        self.names = ("values_low", "values_high") if self.is_exact else ("sums", "broken")
        self._low, self._high = np.zeros((0, 2), np.uint64), np.zeros((0, 2), np.int64)
        # sum, in units of 2^-BINARY_PLACES, and sum of squares, in units of its square
        self._sums: list[list[int]] = []
        self._broken: set[int] = set()  # rows of objects with a value that is not finite

    def add(
        self,
        numbers: NDArray[np.int32],
        rows: NDArray[np.int64],
        pixels: NDArray[Any],
        count: int,
    ) -> None:
        """Add the values of a window.

        Parameters
        ----------
        numbers : ndarray of int32, shape (Y, X)
            Number of the object of each pixel; 0 is background.
        rows : ndarray of int64
            Row of each number.
        pixels : ndarray, shape (Y, X)
            The values.
        count : int
            Number of objects so far.
        """
        if self.is_exact:
            self._make_room(count)
            pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
            native = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
            _add_whole_numbers(numbers, rows, native, self._low, self._high)
            return
        self._sums += [[0, 0] for _ in range(count - len(self._sums))]
        found, counts, sums = _sums_of_cells(numbers, np.ascontiguousarray(pixels, np.float64))
        finite = np.isfinite(sums).all(axis=1)
        self._broken.update(rows[found[~finite]].tolist())
        mantissas, exponents = np.frexp(np.where(finite[:, None], sums, 0.0))
        whole = np.ldexp(mantissas, 53).astype(np.int64).tolist()
        shifts = (exponents - 53 + BINARY_PLACES).tolist()
        for row, n, numerators, by in zip(
            rows[found].tolist(), counts.tolist(), whole, shifts, strict=True
        ):
            # v = v0 + d for each value: sums of v and v^2 from v0 and the sums of d and d^2
            v0, d, dd = (
                number << places for number, places in zip(numerators, by, strict=True)
            )
            self._sums[row][0] += n * v0 + d
            self._sums[row][1] += n * v0 * v0 + 2 * v0 * d + (dd << BINARY_PLACES)

    def mean_and_sd(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return mean and standard deviation of the values of each object.

        Parameters
        ----------
        counts : ndarray of int64, shape (N,)
            Pixels of each object.

        Returns
        -------
        ndarray of float64, shape (N, 2)
            NaN if a value of the object is not finite.
        """
        found = np.empty((len(counts), 2))
        for row, (n, (first, second)) in enumerate(
            zip(counts.tolist(), self._totals(len(counts)), strict=True)
        ):
            found[row] = _mean_and_sd(n, first, second, 0 if self.is_exact else BINARY_PLACES)
        found[sorted(self._broken)] = np.nan
        return found

    def to_arrays(self, count: int) -> dict[str, NDArray[Any]]:
        """Return the state of `count` objects, for `take_arrays`."""
        if self.is_exact:
            self._make_room(count)
            return {"values_low": self._low[:count], "values_high": self._high[:count]}
        sums = [*self._sums, *([0, 0] for _ in range(count - len(self._sums)))]
        data = b"".join(n.to_bytes(WORD, "little", signed=True) for pair in sums for n in pair)
        return {
            "sums": np.frombuffer(data, np.uint8).reshape(count, 2, WORD),
            "broken": np.array(sorted(self._broken), np.int64),
        }

    def take_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore the state that `to_arrays` returned."""
        if self.is_exact:
            self._low = arrays["values_low"].copy()
            self._high = arrays["values_high"].copy()
            return
        self._broken = set(arrays["broken"].tolist())
        self._sums = [
            [int.from_bytes(word.tobytes(), "little", signed=True) for word in pair]
            for pair in arrays["sums"]
        ]

    def _totals(self, count: int) -> list[list[int]]:
        if self.is_exact:
            self._make_room(count)
            totals: list[list[int]] = wide_sums(self._low[:count], self._high[:count]).tolist()
            return totals
        return [*self._sums, *([0, 0] for _ in range(count - len(self._sums)))]

    def _make_room(self, count: int) -> None:
        if count > len(self._low):
            more = ((0, max(count, 2 * len(self._low)) - len(self._low)), (0, 0))
            self._low, self._high = np.pad(self._low, more), np.pad(self._high, more)


def _mean_and_sd(n: int, first: int, second: int, places: int) -> tuple[float, float]:
    """Return mean and standard deviation of n values, from sums as whole numbers."""
    if n == 0:
        return 0.0, 0.0
    # The variance is (n S2 - S1^2) / n^2: without rounding, so nothing is cancelled.
    spread = n * second - first * first
    variance = max(spread, 0) / ((n * n) << (2 * places))
    return first / (n << places), sqrt(variance)


@compiled
def _add_whole_numbers(
    numbers: NDArray[np.int32],
    rows: NDArray[np.int64],
    pixels: NDArray[np.integer],
    low: NDArray[np.uint64],
    high: NDArray[np.int64],
) -> None:
    """Add values of 16 bits at most, and their squares, to the sums of their objects."""
    for y in range(numbers.shape[0]):
        number, first, second = numbers[y, 0], np.int64(0), np.int64(0)
        for x in range(numbers.shape[1]):
            if numbers[y, x] != number:
                if number > 0:
                    add_wide(low, high, rows[number], 0, first)
                    add_wide(low, high, rows[number], 1, second)
                number, first, second = numbers[y, x], np.int64(0), np.int64(0)
            value = np.int64(pixels[y, x])
            first += value
            second += value * value
        if number > 0:
            add_wide(low, high, rows[number], 0, first)
            add_wide(low, high, rows[number], 1, second)


@compiled
def _sums_of_cells(
    numbers: NDArray[np.int32], pixels: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return which objects are in each cell, their pixels there, and sums of their values.

    The sums are the first value, and the sums of differences from it and of their squares.
    """
    most = numbers.max() + 1
    counts, sums = np.zeros(most, np.int64), np.zeros((most, 3))
    here = np.empty(most, np.int64)
    height, width = numbers.shape
    # takes memory only where it is written
    room = min(numbers.size, (height // CELL + 1) * (width // CELL + 1) * most)
    found, found_counts = np.empty(room, np.int64), np.empty(room, np.int64)
    found_sums = np.empty((room, 3))
    end = 0
    for top in range(0, height, CELL):
        for left in range(0, width, CELL):
            touched = 0
            for y in range(top, min(top + CELL, height)):
                for x in range(left, min(left + CELL, width)):
                    number = numbers[y, x]
                    if number > 0:
                        if counts[number] == 0:
                            here[touched] = number
                            touched += 1
                            sums[number, 0] = pixels[y, x]
                        difference = pixels[y, x] - sums[number, 0]
                        counts[number] += 1
                        sums[number, 1] += difference
                        sums[number, 2] += difference * difference
            for i in range(touched):
                number = here[i]
                found[end], found_counts[end] = number, counts[number]
                for k in range(3):
                    found_sums[end, k] = sums[number, k]
                    sums[number, k] = 0
                counts[number] = 0
                end += 1
    return found[:end].copy(), found_counts[:end].copy(), found_sums[:end].copy()
