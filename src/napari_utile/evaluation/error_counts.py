"""How many true objects were found, missed, merged and split, and how many were invented.

A table of objects has a row for every object of an error: a merge of two cells has three. Here
each true object counts, and each invented one.
"""

from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.evaluation.error_types import (
    INVENTED,
    MATCHED,
    MERGED,
    MISSED,
    SPLIT,
    ObjectKinds,
)
from napari_utile.evaluation.object_table import SIDES, ObjectTable
from napari_utile.evaluation.report import Report

ERRORS = {MISSED, INVENTED, MERGED, SPLIT}
"""Kinds of objects that are errors."""
COUNT_MEANINGS = {
    "found": "True objects with a predicted partner, one to one, at an IoU of at least 0.5.",
    "missed": "True objects without a partner.",
    "merged": "True objects without a partner that lie with others in one predicted object.",
    "split": "True objects of which several predicted objects are parts. If one of them is its "
    "partner, the true object is found, too.",
    "invented": "Predicted objects without a partner.",
}
"""What each number of a sentence counts."""


@dataclass(frozen=True)
class ErrorCounts:
    """Numbers of true objects, and of invented ones; see `COUNT_MEANINGS`.

    Examples
    --------
    >>> print(ErrorCounts(354, 8, 19, 3, 5) + ErrorCounts(found=1))
    355 found, 8 missed, 19 merged, 3 split, 5 invented
    """

    found: int = 0
    missed: int = 0
    merged: int = 0
    split: int = 0
    invented: int = 0

    @classmethod
    def of(cls, kinds: ObjectKinds, here: tuple[Any, Any] = (True, True)) -> "ErrorCounts":
        """Count the objects of a slice or volume.

        Parameters
        ----------
        kinds : ObjectKinds
        here : pair of ndarray of bool, shape (T,) and (P,)
            Which of the true and of the predicted objects count; by default all.
        """
        true, predicted = (
            np.where(is_here, kind, 0)
            for is_here, kind in zip(
                here, (kinds.truth_kinds, kinds.prediction_kinds), strict=True
            )
        )
        divided = true == SPLIT
        whole = kinds.prediction_partners[predicted == SPLIT]
        divided[whole[whole >= 0]] = True
        divided &= true != MERGED  # one that is both is merged
        numbers = (true == MATCHED, true == MISSED, true == MERGED, divided)
        return cls(*(int(each.sum()) for each in (*numbers, predicted == INVENTED)))

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, each.name):,} {each.name}" for each in fields(self))

    @property
    def errors(self) -> int:
        """Missed, merged, split and invented objects."""
        return self.missed + self.merged + self.split + self.invented


def error_counts(report: Report) -> tuple[ErrorCounts, list[ErrorCounts]]:
    """Count the objects of a report.

    Parameters
    ----------
    report : Report
        Of instances.

    Returns
    -------
    whole : ErrorCounts
        Of all slices together; of volumes, each object counts once.
    slices : list of ErrorCounts
        One per image and slice, in their order; of volumes, of the objects that are in it.
    """
    units = {id(kinds): kinds for found in report.found for kinds in found.values()}
    whole = sum(map(ErrorCounts.of, units.values()), ErrorCounts())
    return whole, list(_of_slices(report, are_volumes=len(units) < _slice_count(report)))


def _slice_count(report: Report) -> int:
    return sum(len(sides.indices) for sides in report.sides)


def _of_slices(report: Report, are_volumes: bool) -> Iterator[ErrorCounts]:
    for sides, found in zip(report.sides, report.found, strict=True):
        for index in sides.indices:
            kinds = found[index]
            if not are_volumes:
                yield ErrorCounts.of(kinds)
                continue
            ids = kinds.table.truth_ids, kinds.table.prediction_ids
            planes = (np.asarray(side[index]) for side in (sides.truth, sides.prediction))
            true, predicted = (
                np.isin(known, np.unique(plane))
                for known, plane in zip(ids, planes, strict=True)
            )
            yield ErrorCounts.of(kinds, (true, predicted))


def worst_errors(
    objects: ObjectTable, kinds: Collection[int] | None = None
) -> NDArray[np.int64]:
    """Return the rows of errors, those of most pixels first; one for each that counts.

    Parameters
    ----------
    objects : ObjectTable
    kinds : collection of int, optional
        Which of MISSED, INVENTED, MERGED and SPLIT are wanted; by default all. No other counts.

    Returns
    -------
    ndarray of int64
        Of a merge the true objects; of a split the true one, or if it is found, its largest
        part without a partner.
    """
    kind, is_true = objects.kind, objects.side != SIDES.index("prediction")
    wanted = ERRORS if kinds is None else ERRORS & {*kinds}
    listed = np.isin(kind, [*wanted]) & ((kind != MERGED) | is_true)
    order = np.argsort(-objects.area, kind="stable")
    order = np.concatenate([order[is_true[order]], order[~is_true[order]]])
    merged = {
        (int(objects.slice[row]), int(objects.truth_id[row]))
        for row in np.flatnonzero((kind == MERGED) & is_true)
    }
    seen = set(merged)
    for row in order[kind[order] == SPLIT]:
        whole = int(objects.slice[row]), int(objects.truth_id[row])
        listed[row] &= whole not in seen
        seen.add(whole)
    rows = np.flatnonzero(listed)
    return rows[np.argsort(-objects.area[rows], kind="stable")]
