"""Sums over the borders of labels, in one pass over the pixels."""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.pair_table import (
    FIRST_CAPACITY,
    key_of_pair,
    new_table,
    pairs_in_order,
    with_entry,
)

DIGIT = 16
"""Steps along the first axis count 1 in a lead, those along the next one `DIGIT`, and so on: up
to 7 steps along each."""


def border_sums(
    labels: NDArray[np.integer],
    heights: NDArray[np.uint16],
    mask: NDArray[np.bool_],
    foreground: NDArray[np.uint8],
    leads: NDArray[np.int16],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of labels with neighbouring pixels, and measures of their pixel pairs.

    Parameters
    ----------
    labels : ndarray of int, any shape
        Below 2**32; 0 has no borders.
    heights, mask, foreground : ndarray of uint16, bool and uint8, shape of `labels`
    leads : ndarray of int16, shape of `labels`
        From each pixel to one of the mask, see `is_between`. In a volume pairs off the mask
        count only where they are between two of these.

    Returns
    -------
    pairs : ndarray of int64, shape (B, 2)
        Labels whose pixels share a face, the lower first, sorted.
    measures : ndarray of int64, shape (B, 5)
        Of pixel pairs inside the mask, and of those not: their number, and the sum of the
        foreground of both pixels. And the largest of the lower heights of pairs inside.
    """
    flat = (array.ravel() for array in (labels, heights, mask, foreground, leads))
    return pairs_in_order(*_border_sums(*flat, np.array(labels.shape)))


@compiled
def _border_sums(
    labels: NDArray[np.uint32],
    heights: NDArray[np.uint16],
    mask: NDArray[np.bool_],
    foreground: NDArray[np.uint8],
    leads: NDArray[np.int16],
    shape: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    keys, rows = new_table(FIRST_CAPACITY, 5)
    count, last = 0, np.int64(0)
    strides = np.ones(len(shape), np.int64)
    for axis in range(len(shape) - 1, 0, -1):
        strides[axis - 1] = strides[axis] * shape[axis]
    ahead, along = np.empty(len(shape), np.int64), np.empty(len(shape), np.int64)
    at_border = np.empty(shape[-1], np.int64)
    for row in range(0, labels.size, shape[-1]):
        ways = _ways_ahead(ahead, along, row, shape, strides)
        for way in range(ways):
            stop = row + shape[-1] - (1 if way == 0 else 0)
            found = _borders(labels[row:stop], labels[row + ahead[way] : stop + ahead[way]],
                             at_border)  # fmt: skip
            for place in at_border[:found]:
                i = row + place
                j = i + ahead[way]
                is_inside = mask[i] and mask[j]
                beside = not is_inside and len(shape) > 2
                if beside and not is_between(leads[i], leads[j], along[way]):
                    continue
                key = key_of_pair(labels[i], labels[j])
                if keys[last] != key:
                    keys, rows, count, last = with_entry(keys, rows, count, key)
                at = 0 if is_inside else 2
                rows[last, at] += 1
                rows[last, at + 1] += np.int64(foreground[i]) + np.int64(foreground[j])
                if at == 0:
                    saddle = np.int64(min(heights[i], heights[j]))
                    rows[last, 4] = max(rows[last, 4], saddle)
    return keys, rows


@compiled
def _borders(
    here: NDArray[np.uint32], there: NDArray[np.uint32], places: NDArray[np.int64]
) -> int:
    """Set `places` to where two labels differ that are not 0; return how many there are."""
    count = 0
    for i in range(len(here)):
        places[count] = i  # kept if the next one does not take its place: no branch
        count += (here[i] != there[i]) & (here[i] != 0) & (there[i] != 0)
    return count


@compiled
def _ways_ahead(
    ahead: NDArray[np.int64],
    along: NDArray[np.int64],
    row: int,
    shape: NDArray[np.int64],
    strides: NDArray[np.int64],
) -> int:
    """Set how far the next pixel lies, and along which axis, the last first; return how many.

    An axis whose last row this is has none.
    """
    ahead[0], along[0], ways = 1, len(shape) - 1, 1
    for axis in range(len(shape) - 1):
        if row // strides[axis] % shape[axis] < shape[axis] - 1:
            ahead[ways], along[ways] = strides[axis], axis
            ways += 1
    return ways


@compiled
def is_between(here: int, there: int, axis: int) -> bool:
    """Return whether two neighbours lie between the pixels of the mask that they lead to.

    Parameters
    ----------
    here, there : int
        Leads of a pixel and of the next one along `axis`: steps along axis 0, 1, ... times
        1, `DIGIT`, ...
    axis : int

    Returns
    -------
    bool
        True if from the middle of both the two pixels of the mask are seen at more than a
        right angle: they face each other there. False beside them, where both leads point the
        same way.
    """
    product = 0
    for each in range(3):
        step = 1 if each == axis else 0
        one = ((here + DIGIT // 2) & (DIGIT - 1)) - DIGIT // 2
        other = ((there + DIGIT // 2) & (DIGIT - 1)) - DIGIT // 2
        here, there = (here - one) // DIGIT, (there - other) // DIGIT
        product += (2 * one - step) * (2 * other + step)
    return product < 0


@compiled
def are_between(
    here: NDArray[np.int16], there: NDArray[np.int16], axis: int
) -> NDArray[np.bool_]:
    """Return `is_between` of each pair of pixels.

    Parameters
    ----------
    here, there : ndarray of int16, shape (M,)
    axis : int
        Along which all pairs lie.
    """
    found = np.empty(len(here), np.bool_)
    for i in range(len(here)):
        found[i] = is_between(here[i], there[i], axis)
    return found


def pixel_pair_measures(
    heights: tuple[NDArray[np.uint16], NDArray[np.uint16]],
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    foregrounds: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    between: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return what single pairs of pixels add to the measures of a border (see `border_sums`).

    Parameters
    ----------
    heights : pair of ndarray of uint16, shape (M,)
        Heights of both pixels.
    masks : pair of ndarray of bool, shape (M,)
        Whether they are foreground.
    foregrounds : pair of ndarray of uint8, shape (M,)
        Their foreground probabilities; 255 is 1.
    between : ndarray of bool, shape (M,)
        Whether a pair counts that is not inside the mask.

    Returns
    -------
    ndarray of int64, shape (M, 5)
    """
    inside = masks[0] & masks[1]
    outside = ~inside & between
    both = foregrounds[0].astype(np.int64) + foregrounds[1]
    saddle = inside * np.minimum(*heights)
    columns = (inside, inside * both, outside, outside * both, saddle)
    return np.stack([column.astype(np.int64) for column in columns], axis=1)


def sum_borders(
    pairs: NDArray[np.int64], measures: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return borders with the measures of the same two parts summed.

    Parameters
    ----------
    pairs, measures : ndarray of int64, shapes (M, 2) and (M, 5)
        Parts that meet, in any order and any number of times; see `border_sums`.

    Returns
    -------
    pairs, measures : ndarray of int64, shapes (B, 2) and (B, 5)
        Each pair once, the lower part first, sorted; the saddle is the highest of all.
    """
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    base = high.max(initial=0) + 1
    unique, which = np.unique(low * base + high, return_inverse=True)
    totals = np.zeros((len(unique), 5), np.int64)
    for column in range(4):
        totals[:, column] = np.bincount(which, measures[:, column], len(unique))  # to 2**53
    np.maximum.at(totals[:, 4], which, measures[:, 4])
    return np.stack(np.divmod(unique, base), axis=1), totals
