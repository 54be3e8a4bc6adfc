"""Distances to the background of a mask up to a limit, squared, in whole numbers."""

from collections.abc import Sequence
from math import isqrt, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled


def squared_distance(
    mask: NDArray[np.bool_], most: int, weights: Sequence[int] | None = None
) -> NDArray[np.int32]:
    """Return the squared Euclidean distance of each pixel to the background, up to a limit.

    Parameters
    ----------
    mask : ndarray of bool, any shape
        Beyond its border there is no background.
    most : int
        Squared distances are cut off here.
    weights : sequence of int, optional
        By which squared steps along each axis are multiplied; 1 by default.

    Returns
    -------
    ndarray of int32, shape of `mask`

    Notes
    -----
    One pass for each axis, as in Felzenszwalb & Huttenlocher, Theory of Computing 8, 2012,
    sec. 4. The distance is cut off, so comparing each pixel with those up to there replaces
    their lower envelope.

    Examples
    --------
    >>> squared_distance(np.array([[1, 1, 0, 1, 1, 1, 1]]) > 0, 9)
    array([[4, 1, 0, 1, 4, 9, 9]], dtype=int32)
    """
    first, *others = [min(weight, most) for weight in weights or (1,) * mask.ndim]
    rows, steps = len(mask), isqrt(most // first) + 1
    squared: NDArray[np.int32] = _squared_along_first(
        mask.reshape(rows, -1), steps, first, most
    )
    for axis, weight in enumerate(others, start=1):
        squared = _least_along_middle(as_rows(squared, mask.shape, axis), weight)
    return squared.reshape(mask.shape)


def as_rows(array: NDArray[Any], shape: tuple[int, ...], axis: int) -> NDArray[Any]:
    """Return an array of that shape with one of its axes in the middle of three."""
    return array.reshape(-1, shape[axis], prod(shape[axis + 1 :]))


@compiled
def _squared_along_first(
    mask: NDArray[np.bool_], steps: int, weight: int, most: int
) -> NDArray[np.int32]:
    """Square the distance to the background along the columns: downwards, then upwards."""
    height, width = mask.shape
    squared = np.empty(mask.shape, np.int32)
    above = np.full(width, steps, np.int32)
    for y in range(height):
        for x in range(width):
            above[x] = min(above[x] + 1, steps) if mask[y, x] else 0
            squared[y, x] = above[x]
    below = np.full(width, steps, np.int32)
    for y in range(height - 1, -1, -1):
        for x in range(width):
            below[x] = min(squared[y, x], below[x] + 1)
            squared[y, x] = min(weight * below[x] ** 2, most)
    return squared


@compiled
def _least_along_middle(before: NDArray[np.int32], weight: int) -> NDArray[np.int32]:
    """Add the distance along the middle axis: the least sum of squares wins.

    Pixels farther aside than the largest distance cannot improve one. Whole rows are compared,
    many pixels at once: no search from pixel to pixel is as fast, though it ends sooner.
    """
    outer, length, inner = before.shape
    squared = before.copy()
    for i in range(outer):
        largest = before[i].max()
        found, given = squared[i].ravel(), before[i].ravel()
        aside = 1
        while aside < length and weight * aside**2 < largest:
            step, added = aside * inner, np.int32(weight * aside**2)
            _lower(found[:-step], given[step:], added)
            _lower(found[step:], given[:-step], added)
            aside += 1
    return squared


@compiled
def _lower(values: NDArray[np.int32], others: NDArray[np.int32], added: np.int32) -> None:
    """Lower values to those of others and a number, where these are less."""
    for x in range(len(values)):
        other = np.int32(others[x] + added)
        values[x] = other if other < values[x] else values[x]
