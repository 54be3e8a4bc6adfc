"""Types of errors, of objects and of pixels: missed, invented, merged, split, border.

A missed object is a false negative, an invented one a false positive. Scores say how much is
wrong; this says what, and where.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.metrics.matching import Matching, match
from napari_utile.metrics.overlap import Contingency, LabelsOrMask, label_runs

NOTHING, MATCHED, MISSED, INVENTED, MERGED, SPLIT, BORDER = range(7)
KINDS = ("matched", "missed", "invented", "merged", "split", "border")
"""Names of the values 1 to 6 of an error layer. The first five are kinds of objects."""

KIND_COLORS = {
    "matched": "#009e73",
    "missed": "#d55e00",
    "invented": "#cc79a7",
    "merged": "#f0e442",
    "split": "#56b4e9",
    "border": "#0072b2",
}
"""Safe for all color vision deficiencies (Wong, "Points of view", Nature Methods 8, 2011)."""

KIND_MEANINGS = {
    "matched": "Found: one true and one predicted object, IoU at least 0.5.",
    "missed": "A true object without a partner: a false negative.",
    "invented": "A predicted object without a partner: a false positive.",
    "merged": "Several true objects, each with more than half in one predicted object.",
    "split": "A true object with more than half of each of several predicted objects.",
    "border": "Pixels in which matched objects differ.",
}

RANK = np.array([0, 1, 3, 2, 5, 4, 1], np.uint8)
"""Where objects of two kinds overlap, the pixel shows the kind of higher rank."""
KIND_OF_RANK = np.array([NOTHING, BORDER, INVENTED, MISSED, SPLIT, MERGED], np.uint8)


@dataclass(frozen=True, eq=False)
class ObjectKinds:
    """Kind and counterpart of every object of a truth and a prediction.

    Parameters
    ----------
    table : Contingency
        The objects, and how they overlap.
    truth_kinds, prediction_kinds : ndarray of uint8, shape (T,) and (P,)
        MATCHED, MISSED, MERGED or SPLIT; and MATCHED, INVENTED, MERGED or SPLIT.
    truth_partners, prediction_partners : ndarray of int64, shape (T,) and (P,)
        Position of the counterpart on the other side: the matched object, or else the one with
        the largest overlap; -1 if there is none.
    """

    table: Contingency
    truth_kinds: NDArray[np.uint8]
    prediction_kinds: NDArray[np.uint8]
    truth_partners: NDArray[np.int64]
    prediction_partners: NDArray[np.int64]


def classify_objects(table: Contingency, matching: Matching | None = None) -> ObjectKinds:
    """Classify every object: matched, missed, invented, merged or split.

    Parameters
    ----------
    table : Contingency
    matching : Matching, optional
        Pairs with an IoU of at least 0.5, if they are known already.

    Returns
    -------
    Differences
        *Matched* objects have a partner, one to one, at an IoU of at least 0.5. Where two or
        more true objects have more than half of their pixels in one predicted object, all of
        them are *merged*; where two or more predicted objects have more than half of theirs in
        one true object, they are *split*; in both cases only those that are not matched. An
        object that is both merged and split is merged. The rest is *missed*, or *invented*.

    Examples
    --------
    >>> from napari_utile.metrics.overlap import contingency
    >>> truth = np.array([[1, 1, 1, 0, 2, 0, 3, 3]])
    >>> prediction = np.array([[7, 7, 7, 7, 7, 0, 0, 0]])
    >>> found = classify_objects(contingency(prediction, truth))
    >>> [KINDS[kind - 1] for kind in found.truth_kinds]
    ['matched', 'merged', 'missed']
    """
    matching = matching or match(table)
    merger, merged = _gathered(table.truth, table.prediction, table.truth_areas, table)
    divided, pieces = _gathered(table.prediction, table.truth, table.prediction_areas, table)

    truth_kinds = np.full(table.truth_ids.size, MISSED, np.uint8)
    prediction_kinds = np.full(table.prediction_ids.size, INVENTED, np.uint8)
    truth_kinds[divided], prediction_kinds[pieces] = SPLIT, SPLIT
    truth_kinds[merged], prediction_kinds[merger] = MERGED, MERGED
    truth_kinds[matching.truth], prediction_kinds[matching.prediction] = MATCHED, MATCHED

    order = np.argsort(table.overlaps, kind="stable")  # the largest is written last, and stays
    truth, prediction = table.truth[order], table.prediction[order]
    truth_partners = np.full(table.truth_ids.size, -1)
    prediction_partners = np.full(table.prediction_ids.size, -1)
    truth_partners[truth], prediction_partners[prediction] = prediction, truth
    truth_partners[matching.truth] = matching.prediction
    prediction_partners[matching.prediction] = matching.truth
    return ObjectKinds(
        table, truth_kinds, prediction_kinds, truth_partners, prediction_partners
    )


def _gathered(
    part: NDArray[np.int64], whole: NDArray[np.int64], areas: NDArray[Any], table: Contingency
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the wholes that contain more than half of each of several parts, and these parts."""
    inside = 2 * table.overlaps > areas[part]
    part, whole = part[inside], whole[inside]
    several = np.bincount(whole)[whole] > 1 if whole.size else np.zeros(0, bool)
    return whole[several], part[several]


def error_plane(
    found: ObjectKinds, prediction: LabelsOrMask, truth: LabelsOrMask
) -> NDArray[np.uint8]:
    """Return the type of error of every pixel.

    Parameters
    ----------
    found : Differences
        Of these labels, or of the volume that they are a slice of.
    prediction, truth : ndarray of int, any shape
        The compared labels; 0 where pixels are ignored. Unknown ids count as background.

    Returns
    -------
    ndarray of uint8, same shape
        NOTHING (0) where there is no object, MATCHED (1) where a matched pair agrees, BORDER
        (6) on the rest of these objects; MISSED (2), INVENTED (3), MERGED (4), SPLIT (5) on
        all pixels of such objects. Where objects of two kinds lie on each other the pixel
        shows the first of merged, split, missed, invented, border.
    """
    lengths, predicted, true = label_runs(prediction.ravel(), truth.ravel())
    i = _positions(found.table.truth_ids, true)
    j = _positions(found.table.prediction_ids, predicted)
    kinds = _kinds(found.truth_kinds, i), _kinds(found.prediction_kinds, j)
    shown = KIND_OF_RANK[np.maximum(RANK[kinds[0]], RANK[kinds[1]])]
    agree = (kinds[0] == MATCHED) & (kinds[1] == MATCHED)
    agree[agree] = found.truth_partners[i[agree]] == j[agree]
    shown[agree] = MATCHED
    return np.repeat(shown, lengths).reshape(truth.shape)


def _positions(ids: LabelsOrMask, wanted: LabelsOrMask) -> NDArray[np.int64]:
    """Return the position of each id in `ids`; -1 for background and unknown ids."""
    if not ids.size:
        return np.full(wanted.shape, -1)
    order = np.argsort(ids)
    place = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), ids.size - 1)]
    return np.where(ids[place] == wanted, place, -1)


def _kinds(kinds: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the kinds at these positions; NOTHING at -1, which is background."""
    return np.append(kinds, np.uint8(NOTHING))[positions]  # -1 is the last


class ErrorLayer:
    """Error planes of a stack, each computed when it is read.

    Reads like an array of uint8 of the shape of the truth: ``layer[3]``,
    ``layer[2:4, :100, :100]``, ``np.asarray(layer)``. Values are those of `error_plane`.

    Parameters
    ----------
    prediction, truth : ndarray of int, shape (..., Y, X)
        Labels as they were compared.
    kinds : mapping of tuple of int to Differences
        Of each slice that was compared, by its index. In a volume all slices have the same.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        prediction: LabelsOrMask,
        truth: LabelsOrMask,
        kinds: Mapping[tuple[int, ...], ObjectKinds],
    ):
        self.shape = truth.shape

        def plane(index: tuple[int, ...]) -> NDArray[np.uint8]:
            try:
                found = kinds[index]
            except KeyError:  # it was not compared
                return np.zeros(truth.shape[-2:], np.uint8)
            return error_plane(found, prediction[index], truth[index])

        self.plane: Callable[[tuple[int, ...]], NDArray[np.uint8]] = lru_cache(8)(plane)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, where: Any) -> NDArray[np.uint8]:
        *leading, y, x = self._every_axis(where)
        if len(leading) + 2 > self.ndim:
            raise IndexError(f"{len(leading) + 2} indices for {self.ndim} axes")
        chosen = [np.arange(n)[i] for n, i in zip(self.shape, leading, strict=False)]
        rows, columns = (np.arange(n) for n in self.shape[-2:])
        shape = [np.shape(i) for i in (*chosen, rows[y], columns[x])]
        planes = prod(n for axis in shape[:-2] for n in axis)
        painted = np.empty((planes, *shape[-2], *shape[-1]), np.uint8)
        for i, index in enumerate(product(*(np.atleast_1d(axis) for axis in chosen))):
            painted[i] = self.plane(tuple(map(int, index)))[y, x]
        return painted.reshape([n for axis in shape for n in axis])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or np.uint8, copy=False)

    def _every_axis(self, where: Any) -> tuple[Any, ...]:
        """Expand an index to one entry per axis."""
        where = where if isinstance(where, tuple) else (where,)
        missing = (slice(None),) * (self.ndim - len([i for i in where if i is not Ellipsis]))
        if not any(i is Ellipsis for i in where):
            return (*where, *missing)
        gap = next(n for n, i in enumerate(where) if i is Ellipsis)
        return (*where[:gap], *missing, *where[gap + 1 :])
