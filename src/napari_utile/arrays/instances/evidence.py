"""What the overlaps of slices say: which objects may be one, and which slice looks ruined.

It needs tables alone: the pixels that objects of two slices share, and the sizes of objects.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_BRANCHES = 8
"""Of the objects that overlap a common one, as many as this are compared with each other."""
FEWEST_BRIDGED = 5
"""Objects that must fit each other across a slice that looks ruined."""
RUINED = 0.5
"""A slice looks ruined if it fits its neighbours less than this, of how they fit each other."""
FITTING = 0.2
"""Fit of two slices, below which nothing is said of the slice between them."""


class LinkEvidence(NamedTuple):
    """Pairs of objects (below, above) of two slices that share pixels, a row each.

    Attributes
    ----------
    pairs : ndarray of int64, shape (M, 2)
        Objects, numbered from 1 in their slices; sorted.
    shared : ndarray of int64, shape (M,)
        Pixels that they share.
    shares : ndarray of float64, shape (M, 2)
        Fractions of each of the two that they are.
    iou : ndarray of float64, shape (M,)
    is_first : ndarray of bool, shape (M, 2)
        Whether the other is the largest overlap of each of the two; of equals, the first.
    """

    pairs: NDArray[np.int64]
    shared: NDArray[np.int64]
    shares: NDArray[np.float64]
    iou: NDArray[np.float64]
    is_first: NDArray[np.bool_]


def link_evidence(
    pairs: NDArray[np.int64],
    shared: NDArray[np.int64],
    below: NDArray[np.int64],
    above: NDArray[np.int64],
) -> LinkEvidence:
    """Return what is known of each pair of overlapping objects.

    Parameters
    ----------
    pairs, shared : ndarray of int64, shape (M, 2) and (M,)
        See `linking.overlaps`.
    below, above : ndarray of int64
        Sizes of the objects of the two slices, from object 0.

    Returns
    -------
    LinkEvidence
    """
    sizes = np.stack([below[pairs[:, 0]], above[pairs[:, 1]]], axis=1)
    iou = shared / np.maximum(sizes.sum(1) - shared, 1)
    is_first = np.zeros(pairs.shape, bool)
    for side in (0, 1):
        order = _by_object(pairs, shared, side)
        is_first[order[_run_starts(pairs[order, side])], side] = True
    shares = shared[:, None] / np.maximum(sizes, 1)
    return LinkEvidence(pairs, shared, shares, iou, is_first)


def fit(found: LinkEvidence, below: NDArray[np.int64], above: NDArray[np.int64]) -> float:
    """Return how well two slices fit each other, 0 to 1.

    Parameters
    ----------
    found : LinkEvidence
    below, above : ndarray of int64
        Sizes of the objects of the two slices.

    Returns
    -------
    float
        Mean IoU of the objects that are each other's largest overlap, weighted by the smaller
        of the two, over the area of the slice with less. 0 if one has no objects.
    """
    mutual = found.is_first.all(1)
    pairs = found.pairs[mutual]
    smaller = np.minimum(below[pairs[:, 0]], above[pairs[:, 1]])
    area = min(int(below.sum()), int(above.sum()))
    return float((found.iou[mutual] * smaller).sum() / area) if area else 0.0


def looks_ruined(around: Sequence[float], across: float, bridged: int) -> bool:
    """Return whether slices fit none of those near them, while two of those fit each other.

    Parameters
    ----------
    around : sequence of float
        `fit` of the slice and those near it.
    across : float
        `fit` of two that are near it.
    bridged : int
        Objects of these two that are each other's largest overlap.

    Returns
    -------
    bool
    """
    is_known = across >= FITTING and bridged >= FEWEST_BRIDGED
    return is_known and max(around) < RUINED * across


def ruin_text(plane: str, before: str, after: str) -> str:
    """Return a sentence about a slice that looks ruined, and its two neighbours."""
    return (
        f"Slice {plane} looks ruined: its objects fit neither those of slice {before} nor "
        f"those of slice {after}, which fit each other; objects are bridged over it."
    )


def unfit_text(plane: str) -> str:
    """Return a sentence about a slice that looks ruined where nothing can be bridged."""
    return (
        f"Slice {plane} looks ruined: its objects fit those of no intact slice near it; no "
        "objects are bridged over it."
    )


def branch_pairs(
    near: LinkEvidence, side: int, far: LinkEvidence | None, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return pairs of objects of one slice that overlap a common object of the next one.

    Parameters
    ----------
    near : LinkEvidence
        Between the slice and the next one.
    side : {0, 1}
        Column of `near` in which the slice is.
    far : LinkEvidence or None
        Between the next slice and the one behind it; None if there is none.
    count : int
        Objects of the next slice.

    Returns
    -------
    pairs : ndarray of int64, shape (M, 2)
        Objects of the slice, the lower number first.
    features : ndarray of float64, shape (M, 3)
        See `LinkCosts`: inside, whole and size.
    """
    # 1. the largest overlaps of each common object, those of one object in a row
    order = _by_object(near.pairs, near.shared, 1 - side)
    common = near.pairs[order, 1 - side]
    starts = _run_starts(common)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    order = order[rank < MOST_BRANCHES]
    common = near.pairs[order, 1 - side]
    # 2. each with those after it in the row
    rows = [
        np.stack([order[:-step], order[step:]], 1)[common[:-step] == common[step:]]
        for step in range(1, min(MOST_BRANCHES, len(order)))
    ]
    both = np.concatenate([np.empty((0, 2), np.int64), *rows])
    third = near.pairs[both[:, 0], 1 - side]
    # 3. how they lie on the common object, and how that goes on
    inside = near.shares[both, side].min(1)
    size = near.shares[both, 1 - side].min(1)
    first, second = _continuation(far, side, count)
    whole = first[third] * np.clip(1 - second[third] / np.maximum(size, 1e-9), 0, 1)
    pairs = np.sort(near.pairs[both, side], axis=1)
    return pairs, np.stack([inside, inside * whole, size], axis=1)


def _continuation(
    far: LinkEvidence | None, side: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each object its IoU with the first partner, and the share of the second."""
    first, second = np.zeros(count + 1), np.zeros(count + 1)
    if far is not None:
        order = _by_object(far.pairs, far.shared, side)
        objects = far.pairs[order, side]
        starts = _run_starts(objects)
        first[objects[starts]] = far.iou[order[starts]]
        others = np.setdiff1d(np.arange(len(order)), starts, assume_unique=True)
        others = others[np.isin(others - 1, starts)]  # right behind the first
        second[objects[others]] = far.shares[order[others], side]
    return first, second


def _by_object(
    pairs: NDArray[np.int64], shared: NDArray[np.int64], side: int
) -> NDArray[np.intp]:
    """Return the order by the objects of one side, of each the largest overlap first."""
    order: NDArray[Any] = np.lexsort((pairs[:, 1 - side], -shared, pairs[:, side]))
    return order


def _run_starts(numbers: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return where runs of equal numbers begin."""
    starts: NDArray[Any] = np.flatnonzero(np.diff(numbers, prepend=-1))
    return starts
