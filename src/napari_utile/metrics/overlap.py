"""The contingency table of a truth and a prediction, and the scores of foreground.

The table is sparse and is made in one pass over the pixels. Its size is the number of overlaps
that occur, so ids may be as large and as far apart as they like.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

LabelsOrMask = NDArray[Any]
"""Instances: integers or bool, 0 is background."""


@dataclass(frozen=True, eq=False)
class Contingency:
    """Sizes of the objects of a truth and a prediction, and of every overlap between them.

    Parameters
    ----------
    pixels : int
        Pixels compared, background included.
    truth_ids, prediction_ids : ndarray of int, shape (T,) and (P,)
        Ids of the objects. 0 is background and not among them.
    truth_areas, prediction_areas : ndarray of int64, shape (T,) and (P,)
        Their pixels.
    truth, prediction : ndarray of int64, shape (K,)
        The pairs that overlap, as positions in `truth_ids` and `prediction_ids`.
    overlaps : ndarray of int64, shape (K,)
        Pixels that the two objects of a pair share, at least 1.
    """

    pixels: int
    truth_ids: LabelsOrMask
    prediction_ids: LabelsOrMask
    truth_areas: NDArray[np.int64]
    prediction_areas: NDArray[np.int64]
    truth: NDArray[np.int64]
    prediction: NDArray[np.int64]
    overlaps: NDArray[np.int64]

    @property
    def ious(self) -> NDArray[np.float64]:
        """Intersection over union of each overlapping pair of objects, in (0, 1]."""
        both = self.truth_areas[self.truth] + self.prediction_areas[self.prediction]
        return self.overlaps / (both - self.overlaps)


def contingency(
    prediction: LabelsOrMask, truth: LabelsOrMask, ignored: NDArray[np.bool_] | None = None
) -> Contingency:
    """Count the pixels of every object and of every overlap of two objects.

    Parameters
    ----------
    prediction, truth : ndarray of int or bool, any shape
        Instances. 0 is background, each object has its own id.
    ignored : ndarray of bool, same shape, optional
        Pixels that count nowhere: in no object, no overlap and no background.

    Returns
    -------
    Contingency

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Labels are piecewise constant, so runs of equal pairs of ids along the last axis are counted
    instead of pixels, and only the pairs that occur are sorted. `benchmarks/matching.py`
    compares the time with that of one `np.bincount` over the pixels.

    Examples
    --------
    >>> table = contingency(np.array([[5, 5, 0]]), np.array([[0, 2, 2]]))
    >>> table.truth_ids, table.prediction_ids, table.overlaps, table.ious.round(2)
    (array([2]), array([5]), array([1]), array([0.33]))
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"shapes of prediction {prediction.shape} and truth {truth.shape}")
    if ignored is not None:
        prediction, truth = prediction[~ignored], truth[~ignored]

    # Pixels of every pair of ids, background included.
    lengths, predicted, true = label_runs(prediction.ravel(), truth.ravel())
    pairs, overlaps = count_pairs(as_int64(true), as_int64(predicted), lengths)
    # Ids become positions; background is among them, and its pairs are dropped.
    truth_ids, true = np.unique(_as_ids(pairs[:, 0], truth.dtype), return_inverse=True)
    prediction_ids, predicted = np.unique(
        _as_ids(pairs[:, 1], prediction.dtype), return_inverse=True
    )
    real = (truth_ids[true] != 0) & (prediction_ids[predicted] != 0)
    in_order = np.flatnonzero(real)[np.lexsort((predicted[real], true[real]))]
    return Contingency(
        truth.size,
        truth_ids[truth_ids != 0],
        prediction_ids[prediction_ids != 0],
        _group_sums(overlaps, true)[truth_ids != 0],
        _group_sums(overlaps, predicted)[prediction_ids != 0],
        (np.cumsum(truth_ids != 0) - 1)[true[in_order]],
        (np.cumsum(prediction_ids != 0) - 1)[predicted[in_order]],
        overlaps[in_order],
    )


def combine_tables(tables: Sequence[Contingency]) -> Contingency:
    """Combine tables into one, as if their images lay beside each other.

    Parameters
    ----------
    tables : sequence of Contingency
        Objects of different tables stay different objects, whatever their ids.

    Returns
    -------
    Contingency
    """
    first_truth = np.cumsum([0] + [table.truth_ids.size for table in tables])
    first_prediction = np.cumsum([0] + [table.prediction_ids.size for table in tables])
    return Contingency(
        sum(table.pixels for table in tables),
        np.concatenate([table.truth_ids for table in tables]),
        np.concatenate([table.prediction_ids for table in tables]),
        np.concatenate([table.truth_areas for table in tables]),
        np.concatenate([table.prediction_areas for table in tables]),
        np.concatenate([t.truth + i for t, i in zip(tables, first_truth, strict=False)]),
        np.concatenate(
            [t.prediction + i for t, i in zip(tables, first_prediction, strict=False)]
        ),
        np.concatenate([table.overlaps for table in tables]),
    )


def join_tables(tables: Sequence[Contingency]) -> Contingency:
    """Join the tables of parts of one image or volume: the same id is the same object.

    Parameters
    ----------
    tables : sequence of Contingency
        Of parts that share no pixel.

    Returns
    -------
    Contingency
        As `contingency` of the whole.

    Examples
    --------
    >>> rows = [contingency(np.array([[7, 7]]), np.array([[1, n]])) for n in (1, 2)]
    >>> joined = join_tables(rows)
    >>> joined.truth_areas, joined.prediction_areas, joined.overlaps
    (array([3, 1]), array([4]), array([3, 1]))
    """
    truth_ids, true = _union([table.truth_ids for table in tables])
    prediction_ids, predicted = _union([table.prediction_ids for table in tables])
    first_truth = np.cumsum([0] + [table.truth_ids.size for table in tables])
    first_prediction = np.cumsum([0] + [table.prediction_ids.size for table in tables])
    width = max(prediction_ids.size, 1)
    keys = [
        true[first_truth[i] + table.truth] * width
        + predicted[first_prediction[i] + table.prediction]
        for i, table in enumerate(tables)
    ]
    pairs, pair = np.unique(np.concatenate(keys), return_inverse=True)

    def sums(parts: Sequence[Numbers], group: Numbers, count: int) -> Numbers:
        return np.bincount(group, np.concatenate(parts), minlength=count).astype(np.int64)

    return Contingency(
        sum(table.pixels for table in tables),
        truth_ids,
        prediction_ids,
        sums([table.truth_areas for table in tables], true, truth_ids.size),
        sums([table.prediction_areas for table in tables], predicted, prediction_ids.size),
        pairs // width,
        pairs % width,
        sums([table.overlaps for table in tables], pair, pairs.size),
    )


def _union(ids: Sequence[LabelsOrMask]) -> tuple[LabelsOrMask, NDArray[np.int64]]:
    """Return all ids, each once, and the position of each of the ids one after the other."""
    found, position = np.unique(np.concatenate(ids), return_inverse=True)
    return found, position


def iou(table: Contingency) -> float:
    """Intersection over union of the two foregrounds (id > 0); 1 if both are empty.

    ``|T and P| / |T or P|`` [1]_ of the true and predicted foreground pixels T and P.

    Parameters
    ----------
    table : Contingency

    Returns
    -------
    float
        0 to 1.

    References
    ----------
    .. [1] Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11,
       1912.
    """
    common, both = table.overlaps.sum(), table.truth_areas.sum() + table.prediction_areas.sum()
    return ratio(common, both - common)


def dice(table: Contingency) -> float:
    """Dice coefficient of the two foregrounds (id > 0); 1 if both are empty.

    ``2 |T and P| / (|T| + |P|)`` [1]_ of the true and predicted foreground pixels T and P.

    Parameters
    ----------
    table : Contingency

    Returns
    -------
    float
        0 to 1.

    References
    ----------
    .. [1] Dice, "Measures of the amount of ecologic association between species", Ecology 26,
       1945.
    """
    both = table.truth_areas.sum() + table.prediction_areas.sum()
    return ratio(2 * table.overlaps.sum(), both)


def pixel_error(table: Contingency) -> float:
    """Fraction of the pixels that are foreground on one side only; 0 without pixels.

    Parameters
    ----------
    table : Contingency

    Returns
    -------
    float
        0 to 1.
    """
    both = table.truth_areas.sum() + table.prediction_areas.sum()
    return ratio(both - 2 * table.overlaps.sum(), table.pixels, of_nothing=0.0)


def ratio(part: float, whole: float, of_nothing: float = 1.0) -> float:
    """Compute `part / whole`; `of_nothing` if `whole` is 0.

    Parameters
    ----------
    part, whole : float
    of_nothing : float, default 1
        An empty image is perfect agreement.
    """
    return float(part / whole) if whole else of_nothing


def label_runs(
    prediction: LabelsOrMask, truth: LabelsOrMask
) -> tuple[NDArray[np.int64], LabelsOrMask, LabelsOrMask]:
    """Find the runs of pixels in which neither of two label lines changes.

    Parameters
    ----------
    prediction, truth : ndarray of int, shape (N,)

    Returns
    -------
    lengths : ndarray of int64, shape (R,)
        Pixels of each run.
    predicted, true : ndarray of int, shape (R,)
        The ids in each run.
    """
    starts = np.ones(truth.size, dtype=bool)
    np.not_equal(truth[1:], truth[:-1], out=starts[1:])
    starts[1:] |= prediction[1:] != prediction[:-1]
    where = np.flatnonzero(starts)
    return np.diff(where, append=truth.size), prediction[where], truth[where]


def as_int64(ids: LabelsOrMask) -> NDArray[np.int64]:
    """Convert ids to int64, those from 2^63 on to negative numbers; `_as_ids` reverts it."""
    return ids.view(np.int64) if ids.dtype == np.uint64 else ids.astype(np.int64)


def _as_ids(numbers: NDArray[np.int64], dtype: np.dtype[Any]) -> LabelsOrMask:
    """Convert the numbers of `as_int64` back to ids."""
    return numbers.view(np.uint64) if dtype == np.uint64 else numbers.astype(dtype)


def _group_sums(lengths: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum the lengths of each group. Exact: pixel counts are far below 2^53."""
    return np.bincount(group, lengths).astype(np.int64)


Numbers = NDArray[np.int64]


@compiled
def count_pairs(first: Numbers, second: Numbers, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Sum the weights of every pair of numbers that occurs.

    Parameters
    ----------
    first, second : ndarray of int64, shape (N,)
    weights : ndarray of int64, shape (N,)
        At least 1.

    Returns
    -------
    pairs : ndarray of int64, shape (K, 2)
        Each pair once, in an order that follows from the pairs alone, but is not sorted.
    sums : ndarray of int64, shape (K,)

    Notes
    -----
    A hash table with linear probing [1]_. It grows when it is half full, so that probes stay
    short; a sum of 0 marks a free place.

    References
    ----------
    .. [1] Knuth, "The Art of Computer Programming", vol. 3, sec. 6.4, algorithm L.
    """
    pairs, sums, count = np.empty((1024, 2), np.int64), np.zeros(1024, np.int64), 0
    for i in range(len(first)):
        a, b = first[i], second[i]
        place = _hash(a, b) & (len(sums) - 1)
        while sums[place] > 0 and (pairs[place, 0] != a or pairs[place, 1] != b):
            place = (place + 1) & (len(sums) - 1)
        if sums[place] == 0:
            pairs[place, 0], pairs[place, 1] = a, b
            count += 1
        sums[place] += weights[i]
        if 2 * count > len(sums):
            pairs, sums = _larger(pairs, sums)
    return pairs[sums > 0], sums[sums > 0]


@compiled
def _larger(pairs: Numbers, sums: Numbers) -> tuple[Numbers, Numbers]:
    """Copy the hash table to one with four times the places."""
    places = 4 * len(sums)
    larger, larger_sums = np.empty((places, 2), np.int64), np.zeros(places, np.int64)
    for i in range(len(sums)):
        if sums[i] > 0:
            place = _hash(pairs[i, 0], pairs[i, 1]) & (places - 1)
            while larger_sums[place] > 0:
                place = (place + 1) & (places - 1)
            larger[place, 0], larger[place, 1] = pairs[i, 0], pairs[i, 1]
            larger_sums[place] = sums[i]
    return larger, larger_sums


@compiled
def _hash(a: int, b: int) -> np.int64:
    """Hash a pair so that similar pairs scatter; the odd factors are arbitrary."""
    mixed = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(b)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64(mixed >> np.uint64(24))
