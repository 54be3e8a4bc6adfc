"""Sums over the borders of labels, in one pass over the pixels.

A table with open addressing takes the place of sorting all pixels: there are many pixels, and
few pairs of labels.
"""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

FIRST_CAPACITY = 2**10
"""Entries of a table at first, a power of two; it grows when it is half full."""


def border_sums(
    labels: NDArray[np.integer],
    depths: NDArray[np.uint16],
    mask: NDArray[np.bool_],
    foreground: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of labels with neighbouring pixels, and measures of their pixel pairs.

    Parameters
    ----------
    labels : ndarray of int, any shape
        Below 2**32; 0 has no borders.
    depths, mask, foreground : ndarray of uint16, bool and uint8, shape of `labels`

    Returns
    -------
    pairs : ndarray of int64, shape (B, 2)
        Labels whose pixels share a face, the lower first, sorted.
    measures : ndarray of int64, shape (B, 5)
        Of pixel pairs inside the mask, and of those not: their number, and the sum of the
        foreground of both pixels. And the largest of the lower depths of pairs inside.
    """
    flat = (array.ravel() for array in (labels, depths, mask, foreground))
    keys, rows = _border_sums(*flat, np.array(labels.shape))
    used = np.flatnonzero(keys)
    used = used[np.argsort(keys[used])]
    low, high = keys[used] >> np.uint64(32), keys[used] & np.uint64(2**32 - 1)
    return np.stack([low, high], axis=1).astype(np.int64), rows[used]


@compiled
def _border_sums(
    labels: NDArray[np.uint32],
    depths: NDArray[np.uint16],
    mask: NDArray[np.bool_],
    foreground: NDArray[np.uint8],
    shape: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    keys, rows = _table(FIRST_CAPACITY)
    count, last = 0, np.int64(0)
    strides = np.ones(len(shape), np.int64)
    for axis in range(len(shape) - 1, 0, -1):
        strides[axis - 1] = strides[axis] * shape[axis]
    ahead = np.empty(len(shape), np.int64)
    for row in range(0, labels.size, shape[-1]):
        ways = _ways_ahead(ahead, row, shape, strides)
        end = row + shape[-1]
        for i in range(row, end):
            if labels[i] == 0:
                continue
            for way in range(1 if i == end - 1 else 0, ways):
                j = i + ahead[way]
                if labels[j] == 0 or labels[j] == labels[i]:
                    continue
                low, high = min(labels[i], labels[j]), max(labels[i], labels[j])
                key = np.uint64(low) << np.uint64(32) | np.uint64(high)
                if keys[last] != key:
                    last = _place_of_key(keys, key)
                    if keys[last] == 0:
                        keys[last] = key
                        count += 1
                        if 2 * count > len(keys):
                            keys, rows = _grown(keys, rows)
                            last = _place_of_key(keys, key)
                at = 0 if mask[i] and mask[j] else 2
                rows[last, at] += 1
                rows[last, at + 1] += np.int64(foreground[i]) + np.int64(foreground[j])
                if at == 0:
                    saddle = np.int64(min(depths[i], depths[j]))
                    rows[last, 4] = max(rows[last, 4], saddle)
    return keys, rows


@compiled
def _ways_ahead(
    ahead: NDArray[np.int64],
    row: int,
    shape: NDArray[np.int64],
    strides: NDArray[np.int64],
) -> int:
    """Set how far the next pixel along each axis lies, the last axis first; return how many.

    An axis whose last row this is has none.
    """
    ahead[0], ways = 1, 1
    for axis in range(len(shape) - 1):
        if row // strides[axis] % shape[axis] < shape[axis] - 1:
            ahead[ways] = strides[axis]
            ways += 1
    return ways


@compiled
def _table(capacity: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return an empty table: a key of 0 is a free place."""
    return np.zeros(capacity, np.uint64), np.zeros((capacity, 5), np.int64)


@compiled
def _place_of_key(keys: NDArray[np.uint64], key: np.uint64) -> np.int64:
    """Return the place of a key, or the free one that it gets (Knuth, TAOCP 3, sec. 6.4)."""
    last = np.uint64(len(keys) - 1)
    mixed = key * np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
    at = (mixed >> np.uint64(32)) & last
    while keys[at] != 0 and keys[at] != key:
        at = (at + np.uint64(1)) & last
    return np.int64(at)


@compiled
def _grown(
    keys: NDArray[np.uint64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a table with twice the places."""
    larger, moved = _table(2 * len(keys))
    for i in range(len(keys)):
        if keys[i] != 0:
            place = _place_of_key(larger, keys[i])
            larger[place] = keys[i]
            moved[place] = rows[i]
    return larger, moved
