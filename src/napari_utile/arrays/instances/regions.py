"""Numbers that are given block by block, and are one and the same across the whole.

Each block numbers its own. What touches across a face of two blocks is united, and the sets are
numbered anew in raster order, so nothing tells where the blocks were.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

Block = tuple[slice, ...]
Face = tuple[NDArray[Any], NDArray[np.int64]]
"""Labels on a face of a block, and the numbers of their regions."""
NEVER = np.iinfo(np.int64).max
"""Raster index of what has no place."""


def stitched(labels: Any, out: Any, block: Sequence[int]) -> int:
    """Number the connected regions of equal, non-zero label of a whole, block by block.

    Parameters
    ----------
    labels : array of int or bool, any number of axes
        An ndarray, a memory map, a Zarr array: it is read block by block.
    out : array of int, shape of `labels`
        Where the numbers are written, and read again.
    block : sequence of int
        Shape of the blocks. Those at the end are what is left.

    Returns
    -------
    int
        Number of regions. They are 1, 2, ... in raster order of their first elements, and
        connected along the axes, as by ``skimage.measure.label`` with a connectivity of 1.

    Notes
    -----
    Held at once are one block, the faces of a layer of blocks, and 24 bytes for each region of
    each block.

    Examples
    --------
    >>> labels = np.array([[7, 0, 7, 9], [7, 7, 7, 0]])
    >>> numbers = np.zeros_like(labels)
    >>> stitched(labels, numbers, (2, 1))
    2
    >>> numbers
    array([[1, 0, 1, 2],
           [1, 1, 1, 0]])
    """
    shape, count = labels.shape, 0
    firsts, pairs = [np.zeros(1, np.int64)], [np.empty((0, 2), np.int64)]
    faces: dict[tuple[int, ...], Face] = {}
    for where in blocks_of(shape, block):
        values = np.ascontiguousarray(labels[where])
        local, first = regions(values)
        numbers = np.where(local > 0, local + np.int64(count), 0)
        out[where] = numbers
        count += len(first)
        begin = [side.start for side in where]
        within = np.unravel_index(first, values.shape)
        places = [start + place for start, place in zip(begin, within, strict=True)]
        firsts.append(np.ravel_multi_index(tuple(places), shape))
        for axis, side in enumerate(where):
            if side.start:
                before = faces.pop((axis, *begin))
                pairs.append(_touching(before, _face(values, numbers, axis, 0)))
            if side.stop < shape[axis]:
                beyond = (axis, *begin[:axis], side.stop, *begin[axis + 1 :])
                faces[beyond] = _face(values, numbers, axis, -1)

    number, kept = _in_order(united(count + 1, np.concatenate(pairs)), np.concatenate(firsts))
    for where in blocks_of(shape, block):
        out[where] = number[out[where]]
    return kept


def _face(values: NDArray[Any], numbers: NDArray[np.int64], axis: int, end: int) -> Face:
    """Copy what lies on a face of a block."""
    return values.take([end], axis), numbers.take([end], axis)


def _touching(before: Face, behind: Face) -> NDArray[np.int64]:
    """Pair the numbers that meet with the same label at a face."""
    meet = (before[0] == behind[0]) & (behind[0] != 0)
    return np.stack([before[1][meet], behind[1][meet]], axis=1)


def _in_order(
    one: NDArray[np.int64], firsts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], int]:
    """Number united sets 1, 2, ... by the first place of any of theirs; 0 stays."""
    places = np.full(len(one), NEVER)
    np.minimum.at(places, one, firsts)
    kept = 1 + np.flatnonzero(one[1:] == np.arange(1, len(one)))
    kept = kept[np.argsort(places[kept])]
    number = np.zeros(len(one), np.int64)
    number[kept] = np.arange(1, len(kept) + 1)
    return number[one], len(kept)


def blocks_of(shape: Sequence[int], block: Sequence[int]) -> Iterator[Block]:
    """Divide a shape into blocks, in raster order.

    Examples
    --------
    >>> list(blocks_of((5,), (3,)))
    [(slice(0, 3, None),), (slice(3, 5, None),)]
    """
    yield from product(
        *(
            [slice(start, min(start + step, side)) for start in range(0, side, step)]
            for side, step in zip(shape, block, strict=True)
        )
    )


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
def first_places(labels: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Find the raster index of the first element of 0, 1, ... `count`; -1 if there is none."""
    found = np.full(count + 1, -1)
    for i, label in enumerate(labels.ravel()):
        if found[label] < 0:
            found[label] = i
    return found
