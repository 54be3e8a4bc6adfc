"""Ids of a plane as numbers 1, 2, ..., so that sums of its objects are rows of small arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

FIBONACCI = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: products with it spread over all high bits. Source: Knuth,
"The Art of Computer Programming", vol. 3, sec. 6.4."""
FIRST_SLOTS = 1024
"""Slots of a new hash table; there are twice as many as ids, at least."""


def numbered(labels: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """Number the ids of a plane in the order of their first pixels.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        Ids, none of them negative; 0 is background.

    Returns
    -------
    numbers : ndarray of int32, shape (Y, X)
        1, 2, ... in place of the ids; 0 is background.
    ids : ndarray of uint64, shape (N,)
        The id of each number, from 1 on.

    Examples
    --------
    >>> numbered(np.array([[0, 70, 70], [5, 70, 0]]))
    (array([[0, 1, 1],
           [2, 1, 0]], dtype=int32), array([70,  5], dtype=uint64))
    """
    numbers = np.empty(labels.shape, np.int32)
    unsigned = labels.dtype.newbyteorder("=").str.replace("i", "u").replace("b", "u")
    ids = _number_ids(np.ascontiguousarray(labels, unsigned), numbers)
    return numbers, ids


@compiled
def _number_ids(
    labels: NDArray[np.unsignedinteger], numbers: NDArray[np.int32]
) -> NDArray[np.uint64]:
    """Write the number of each pixel; return the ids. A hash table with open addressing."""
    slots = np.zeros(FIRST_SLOTS, np.int32)  # number of the id that is there, 0 if none is
    ids = np.empty(FIRST_SLOTS // 2, np.uint64)
    count = 0
    for y in range(labels.shape[0]):
        x = 0
        while x < labels.shape[1]:
            first, number = labels[y, x], 0
            if first != 0:
                slot = _slot_of(np.uint64(first), slots, ids)
                if slots[slot] == 0:
                    if count == len(ids):
                        slots, ids = _enlarged(ids)
                        slot = _slot_of(np.uint64(first), slots, ids)
                    ids[count] = first
                    count += 1
                    slots[slot] = count
                number = slots[slot]
            while x < labels.shape[1] and labels[y, x] == first:
                numbers[y, x] = number
                x += 1
    return ids[:count].copy()


@compiled
def _slot_of(wanted: int, slots: NDArray[np.int32], ids: NDArray[np.uint64]) -> int:
    """Return the slot of an id, or the free one where it belongs."""
    mask = len(slots) - 1  # their number is a power of 2
    slot = np.int64((np.uint64(wanted) * FIBONACCI) >> np.uint64(32)) & mask
    while slots[slot] != 0 and ids[slots[slot] - 1] != wanted:
        slot = (slot + 1) & mask
    return int(slot)


@compiled
def _enlarged(ids: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """Return slots and ids for twice as many ids, with those that there are."""
    slots = np.zeros(4 * len(ids), np.int32)
    more = np.empty(2 * len(ids), np.uint64)
    more[: len(ids)] = ids
    for number in range(len(ids)):
        slots[_slot_of(ids[number], slots, more)] = number + 1
    return slots, more
