"""Numbers that are given block by block, and are one and the same across the whole.

Each block numbers its own, in whatever order. What touches across a face of two blocks is
united, and the sets are numbered anew in raster order, so nothing tells where the blocks were.
"""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled


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
    """Find the least of the set of `i`, and shorten the way there."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@compiled
def roots(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give for each the least of its set."""
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
