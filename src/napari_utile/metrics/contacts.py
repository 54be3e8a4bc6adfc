"""Where two objects touch inside a third one: the places of splits and merges.

A predicted object that joins two true ones holds a surface at which these two touch; a true
object that was split holds one between its pieces. They are found block by block, and of each
surface only its size and one place are kept.

    inside   4 4 4 4 4 4        one predicted object
    parts    1 1 1 2 2 2        two true ones, which touch between columns 2 and 3
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Contacts = NDArray[np.int64]
"""Surfaces, shape (K, 8): see the columns."""
INSIDE, FIRST, SECOND, FACES, MOST, PLACE = 0, 1, 2, 3, 4, slice(5, 8)
"""Columns of `Contacts`: the object around; the two that touch inside, the smaller id first;
faces of voxels at which they touch, and how many of them in the slice with most; and the voxel
(z, y, x) in the middle of these, behind the face."""
COLUMNS = 8


def no_contacts() -> Contacts:
    """Return an empty list of surfaces."""
    return np.empty((0, COLUMNS), np.int64)


def block_contacts(
    inside: NDArray[np.int64],
    parts: NDArray[np.int64],
    rim: Sequence[int],
    corner: Sequence[int],
) -> Contacts:
    """Find the surfaces in a block, one row for each slice of each.

    Parameters
    ----------
    inside, parts : ndarray of int64, shape (Z, Y, X)
        The objects around, and those that may touch in them; 0 is background.
    rim : sequence of int
        Per axis, 1 if the first layer belongs to the block before, which gives the voxels that
        those of this block touch; else 0.
    corner : sequence of int
        Where the first voxel of the arrays is, per axis.

    Returns
    -------
    Contacts
        With `MOST` equal to `FACES`.
    """
    found = []
    for axis in range(3):
        here = [slice(r, None) for r in rim]
        there = list(here)
        here[axis], there[axis] = slice(1, None), slice(None, -1)
        around, upper, lower = inside[tuple(here)], parts[tuple(here)], parts[tuple(there)]
        is_face = (around == inside[tuple(there)]) & (around != 0)
        is_face &= (upper != lower) & (upper != 0) & (lower != 0)
        where = np.nonzero(is_face)
        pair = np.stack([upper[where], lower[where]])
        voxel = [
            start + own.start + at for start, own, at in zip(corner, here, where, strict=True)
        ]
        columns = [around[where], pair.min(axis=0), pair.max(axis=0), *voxel]
        found.append(np.stack(columns, axis=1))
    faces = np.concatenate(found)
    faces = faces[np.lexsort(faces.T[::-1])]  # by object, pair, z, y, x
    first, counts = _groups(faces[:, :4])
    middle = faces[first + counts // 2]
    return np.column_stack([middle[:, :3], counts, counts, middle[:, 3:]])


def joined_slices(rows: Contacts) -> Contacts:
    """Join the surfaces of blocks beside each other: one row for each slice of each surface."""
    order = np.lexsort((-rows[:, FACES], rows[:, 5], *rows[:, :3].T[::-1]))
    rows = rows[order]  # of each slice, the block with most faces first
    first, _ = _groups(rows[:, [0, 1, 2, 5]])
    found = rows[first]
    found[:, FACES] = found[:, MOST] = _sums(rows[:, FACES], first)
    return found


def joined_contacts(rows: Contacts) -> Contacts:
    """Join rows of the same surface: one row for each, with the place of the largest slice.

    Of equal slices the first is taken.
    """
    order = np.lexsort((rows[:, 5], -rows[:, MOST], *rows[:, :3].T[::-1]))
    rows = rows[order]
    first, _ = _groups(rows[:, :3])
    found = rows[first]
    found[:, FACES] = _sums(rows[:, FACES], first)
    return found


def _groups(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where runs of equal rows begin, and how long they are."""
    is_first = np.ones(len(keys), bool)
    is_first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    first = np.flatnonzero(is_first)
    return first, np.diff(first, append=len(keys))


def _sums(values: NDArray[Any], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum the values of each run."""
    return np.add.reduceat(values, first) if first.size else np.zeros(0, np.int64)
