"""Connected regions of equal label, numbered in raster order, and union-find of numbers.

Not by scipy or scikit-image: neither promises raster order for labels of several values, and
on raster order rests that objects found in blocks have the ids of those found in one piece.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

NEVER = np.iinfo(np.int64).max
"""Raster index of what has no place."""


def regions(labels: NDArray[Any]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Number the connected regions of equal, non-zero label in raster order, in one piece.

    Parameters
    ----------
    labels : ndarray of int or bool, any number of axes

    Returns
    -------
    numbers : ndarray of uint32, shape of `labels`
        1, 2, ...; 0 where there is no label.
    firsts : ndarray of int64, shape (regions,)
        Raster index of the first element of each.

    Examples
    --------
    >>> regions(np.array([[0, 2, 2], [1, 1, 2]]))
    (array([[0, 1, 1],
           [2, 2, 1]], dtype=uint32), array([1, 3]))
    """
    shape = np.array(labels.shape)
    numbers, firsts = _regions(labels.ravel(), shape)
    return numbers.reshape(labels.shape), firsts


@compiled
def _regions(
    labels: NDArray[Any], shape: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Give each element the number of one before it, and unite the numbers that meet."""
    strides = np.ones(len(shape), np.int64)
    for axis in range(len(shape) - 1, 0, -1):
        strides[axis - 1] = strides[axis] * shape[axis]
    numbers = np.zeros(labels.size, np.uint32)
    parents = np.empty(labels.size + 1, np.int64)  # memory is taken where it is written to
    firsts = np.empty(labels.size + 1, np.int64)
    back, count = np.ones(len(shape), np.int64), 0
    for row in range(0, labels.size, shape[-1]):
        ways = 1
        for axis in range(len(shape) - 1):
            if row // strides[axis] % shape[axis] > 0:
                back[ways] = strides[axis]
                ways += 1
        for i in range(row, row + shape[-1]):
            if labels[i] == 0:
                continue
            number = np.int64(0)
            for way in range(0 if i > row else 1, ways):
                if labels[i - back[way]] == labels[i]:
                    other = np.int64(numbers[i - back[way]])
                    if number == 0:
                        number = other
                    elif number != other:
                        a, b = root(parents, number), root(parents, other)
                        parents[max(a, b)] = min(a, b)
            if number == 0:
                count += 1
                number = np.int64(count)
                parents[count], firsts[count] = count, i
            numbers[i] = number
    return numbers, _renumber(numbers, parents[: count + 1], firsts[: count + 1])


@compiled
def _renumber(
    numbers: NDArray[np.uint32], parents: NDArray[np.int64], firsts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Number the sets 1, 2, ... in place, and give the first places of theirs only."""
    found, kept = np.zeros(len(parents), np.uint32), 0
    for number in range(1, len(parents)):
        if parents[number] == number:
            firsts[kept] = firsts[number]
            kept += 1
            found[number] = kept
        else:
            found[number] = found[parents[number]]
    for i in range(len(numbers)):
        numbers[i] = found[numbers[i]]
    return firsts[:kept].copy()


def united(count: int, pairs: NDArray[np.integer]) -> NDArray[np.int64]:
    """Unite 0, 1, ... `count` - 1 pair by pair; give for each the least of its set.

    Parameters
    ----------
    count : int
    pairs : ndarray of int, shape (P, 2)

    Examples
    --------
    >>> united(5, np.array([[3, 1], [4, 3]]))
    array([0, 1, 2, 1, 1])
    """
    parents = np.arange(count)
    unite(parents, pairs)
    return roots(parents)


@compiled
def unite(parents: NDArray[np.int64], pairs: NDArray[np.int64]) -> None:
    """Join the sets of each pair, in place: a parent is never larger than its child."""
    for i in range(len(pairs)):
        a, b = root(parents, pairs[i, 0]), root(parents, pairs[i, 1])
        parents[max(a, b)] = min(a, b)


@compiled
def root(parents: NDArray[np.int64], i: int) -> int:
    """Find the root of `i`, and shorten the way there."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@compiled
def roots(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the root of each, where no parent is larger than its child."""
    found = parents.copy()
    for i in range(len(found)):
        found[i] = found[found[i]]
    return found


@compiled
def first_elements(labels: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Find the raster index of the first element of 0, 1, ... `count`; -1 if there is none."""
    found = np.full(count + 1, -1)
    for i, label in enumerate(labels.ravel()):
        if found[label] < 0:
            found[label] = i
    return found
