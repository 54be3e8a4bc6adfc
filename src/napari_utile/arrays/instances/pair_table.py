"""A table of sums for pairs of labels, filled in one pass over the pixels, in compiled code.

Open addressing takes the place of sorting all pixels: there are many pixels, and few pairs of
labels. The key of a pair is its lower label times 2**32 plus the higher one.
"""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

FIRST_CAPACITY = 2**10
"""Entries of a table at first, a power of two; it grows when it is half full."""


@compiled
def new_table(capacity: int, columns: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return an empty table: a key of 0 is a free place."""
    return np.zeros(capacity, np.uint64), np.zeros((capacity, columns), np.int64)


@compiled
def key_of_pair(one: int, other: int) -> np.uint64:
    """Return the key of two different labels, in any order."""
    return np.uint64(min(one, other)) << np.uint64(32) | np.uint64(max(one, other))


@compiled
def place_of_key(keys: NDArray[np.uint64], key: np.uint64) -> np.int64:
    """Return the place of a key, or the free one that it gets (Knuth, TAOCP 3, sec. 6.4)."""
    last = np.uint64(len(keys) - 1)
    mixed = key * np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
    at = (mixed >> np.uint64(32)) & last
    while keys[at] != 0 and keys[at] != key:
        at = (at + np.uint64(1)) & last
    return np.int64(at)


@compiled
def larger_table(
    keys: NDArray[np.uint64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a table with twice the places."""
    larger, moved = new_table(2 * len(keys), rows.shape[1])
    for i in range(len(keys)):
        if keys[i] != 0:
            place = place_of_key(larger, keys[i])
            larger[place] = keys[i]
            for column in range(rows.shape[1]):
                moved[place, column] = rows[i, column]
    return larger, moved


@compiled
def with_entry(
    keys: NDArray[np.uint64], rows: NDArray[np.int64], count: int, key: np.uint64
) -> tuple[NDArray[np.uint64], NDArray[np.int64], int, np.int64]:
    """Return a table that has an entry of a key, the number of its entries, and where that is.

    A walk over pixel pairs asks for it where the key is another than that of the pair before.
    """
    place = place_of_key(keys, key)
    if keys[place] == 0:
        keys[place] = key
        count += 1
        if 2 * count > len(keys):
            keys, rows = larger_table(keys, rows)
            place = place_of_key(keys, key)
    return keys, rows, count, place


def pairs_in_order(
    keys: NDArray[np.uint64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of a table, the lower label first, sorted, and their rows."""
    used = np.flatnonzero(keys)
    used = used[np.argsort(keys[used])]
    low, high = keys[used] >> np.uint64(32), keys[used] & np.uint64(2**32 - 1)
    return np.stack([low, high], axis=1).astype(np.int64), rows[used]
