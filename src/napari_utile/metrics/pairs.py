"""Pairs of numbers, counted in one pass without sorting them."""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

Numbers = NDArray[np.int64]


@compiled
def counted(first: Numbers, second: Numbers, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Sum up the weights of every pair that occurs.

    Parameters
    ----------
    first, second : ndarray of int64, shape (N,)
    weights : ndarray of int64, shape (N,)
        At least 1.

    Returns
    -------
    pairs : ndarray of int64, shape (K, 2)
        Each pair once, in an order that follows from the pairs alone, but is not sorted.
    sums : ndarray of int64, shape (K,)

    Notes
    -----
    A hash table, with the next free place for what collides. It grows when it is half full.
    """
    pairs, sums, count = np.empty((1024, 2), np.int64), np.zeros(1024, np.int64), 0
    for i in range(len(first)):
        a, b = first[i], second[i]
        place = _hash(a, b) & (len(sums) - 1)
        while sums[place] > 0 and (pairs[place, 0] != a or pairs[place, 1] != b):
            place = (place + 1) & (len(sums) - 1)
        if sums[place] == 0:
            pairs[place, 0], pairs[place, 1] = a, b
            count += 1
        sums[place] += weights[i]
        if 2 * count > len(sums):
            pairs, sums = _larger(pairs, sums)
    return pairs[sums > 0], sums[sums > 0]


@compiled
def _larger(pairs: Numbers, sums: Numbers) -> tuple[Numbers, Numbers]:
    """Give the table four times the places."""
    places = 4 * len(sums)
    larger, larger_sums = np.empty((places, 2), np.int64), np.zeros(places, np.int64)
    for i in range(len(sums)):
        if sums[i] > 0:
            place = _hash(pairs[i, 0], pairs[i, 1]) & (places - 1)
            while larger_sums[place] > 0:
                place = (place + 1) & (places - 1)
            larger[place], larger_sums[place] = pairs[i], sums[i]
    return larger, larger_sums


@compiled
def _hash(a: int, b: int) -> np.int64:
    """Scatter pairs that are near each other; the odd factors are arbitrary."""
    mixed = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(b)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64(mixed >> np.uint64(24))
