"""The table of all objects: kind, counterpart, position and size of each.

A hundred thousand objects are stored as a few columns of numbers, not as dictionaries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.evaluation.error_types import KINDS, MATCHED, ObjectKinds
from napari_utile.io.stack import SPATIAL
from napari_utile.io.tables import csv_text
from napari_utile.metrics.overlap import LabelsOrMask

SIDES = ("both", "truth", "prediction")
MEASURES = ("slice", "kind", "side", "truth_id", "prediction_id", "iou", "area")
"""Columns before those of the centroid and of the score."""


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """One row for each true and each predicted object; a matched pair is one row.

    Parameters
    ----------
    slices : tuple
        Names of the slices, as in `Report.rows`.
    places : tuple of (int, tuple of int)
        Of each slice: the number of its image, and its index in it.
    slice : ndarray of int64, shape (N,)
        Position in `slices`.
    kind : ndarray of uint8, shape (N,)
        MATCHED, MISSED, INVENTED, MERGED or SPLIT, see `classify_objects`.
    side : ndarray of uint8, shape (N,)
        Position in `SIDES`: whose object it is.
    truth_id, prediction_id : ndarray of uint64, shape (N,)
        The object and its counterpart: the matched object, or else the one with the largest
        overlap; 0 if there is none.
    iou : ndarray of float64, shape (N,)
        Of these two; 0 if there is no counterpart.
    area : ndarray of int64, shape (N,)
        Pixels of the object; of a matched pair, of the true one.
    centroid : ndarray of float64, shape (N, D)
        Mean position of the same pixels: (y, x) in the slice, or (z, y, x) of a volume.
    score : ndarray of float64, shape (N,)
        Mean foreground probability of the predicted object. NaN, and None in `row`, where it
        is unknown.
    """

    slices: tuple[Any, ...]
    places: tuple[tuple[int, tuple[int, ...]], ...]
    slice: NDArray[np.int64]
    kind: NDArray[np.uint8]
    side: NDArray[np.uint8]
    truth_id: NDArray[np.uint64]
    prediction_id: NDArray[np.uint64]
    iou: NDArray[np.float64]
    area: NDArray[np.int64]
    centroid: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns: of volumes the position has a z, too."""
        return (*MEASURES, *self._axes, "score")

    @property
    def _axes(self) -> str:
        return SPATIAL[-self.centroid.shape[1] :]

    def __len__(self) -> int:
        return self.kind.size

    def column(self, name: str) -> NDArray[Any]:
        """Return a column by its name. Kinds and sides are words; slices are objects."""
        match name:
            case "slice":
                named = np.empty(len(self.slices), object)
                named[:] = self.slices
                return named[self.slice]
            case "kind":
                return np.array(KINDS)[self.kind - 1]
            case "side":
                return np.array(SIDES)[self.side]
            case "t" | "z" | "y" | "x":
                return self.centroid[:, self._axes.index(name)]
        values: NDArray[Any] = getattr(self, name)
        return values

    def row(self, i: int) -> dict[str, Any]:
        """Return one object by the names of the columns, as plain Python values."""
        score = float(self.score[i])
        return {
            "slice": self.slices[self.slice[i]],
            "kind": KINDS[self.kind[i] - 1],
            "side": SIDES[self.side[i]],
            "truth_id": int(self.truth_id[i]),
            "prediction_id": int(self.prediction_id[i]),
            "iou": float(self.iou[i]),
            "area": int(self.area[i]),
            **dict(zip(self._axes, map(float, self.centroid[i]), strict=True)),
            "score": None if np.isnan(score) else score,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Iterate over the objects."""
        return map(self.row, range(len(self)))

    def image(self, i: int) -> int:
        """Return the number of the image that an object lies in."""
        return self.places[self.slice[i]][0]

    def position(self, i: int) -> tuple[float, ...]:
        """Give the centroid of an object along every axis of its image."""
        _, index = self.places[self.slice[i]]
        return (*map(float, index), *map(float, self.centroid[i]))

    def of_kind(self, kind: str) -> NDArray[np.int64]:
        """Return the numbers of the rows of one kind."""
        return np.flatnonzero(self.kind == 1 + KINDS.index(kind))

    def counts(self) -> dict[str, int]:
        """Count the rows of every kind of object."""
        counts = np.bincount(self.kind, minlength=6)[1:6]
        return dict(zip(KINDS[:5], map(int, counts), strict=True))

    def to_csv(self) -> str:
        """Return CSV with one line per object, below a line of names."""
        return csv_text(list(self.names), self.rows())


def object_table(
    name: Any,
    place: tuple[int, tuple[int, ...]],
    found: ObjectKinds,
    centroids: tuple[NDArray[np.float64], NDArray[np.float64]],
    scores: NDArray[np.float64] | None = None,
) -> ObjectTable:
    """List the objects of one slice or volume: the true ones, then unmatched predicted ones.

    Parameters
    ----------
    name, place
        Name of the slice, and where it is: number of its image, and its index there.
    found : Differences
    centroids : pair of ndarray of float64, shape (T, D) and (P, D)
        Of the true and of the predicted objects.
    scores : ndarray of float64, shape (P,), optional
        Of the predicted objects.
    """
    table = found.table
    alone = np.flatnonzero(found.prediction_kinds != MATCHED)
    n = table.truth_ids.size
    truth = np.concatenate([np.arange(n), found.prediction_partners[alone]])
    prediction = np.concatenate([found.truth_partners, alone])
    is_true = np.arange(truth.size) < n
    kind = np.concatenate([found.truth_kinds, found.prediction_kinds[alone]])
    known = np.full(table.prediction_ids.size, np.nan) if scores is None else scores
    both = kind == MATCHED
    return ObjectTable(
        slices=(name,),
        places=(place,),
        slice=np.zeros(truth.size, np.int64),
        kind=kind,
        side=np.where(both, 0, np.where(is_true, 1, 2)).astype(np.uint8),
        truth_id=_values_at(table.truth_ids.astype(np.uint64), truth, 0),
        prediction_id=_values_at(table.prediction_ids.astype(np.uint64), prediction, 0),
        iou=_pair_ious(found, truth, prediction),
        area=np.concatenate([table.truth_areas, table.prediction_areas[alone]]),
        centroid=np.concatenate([centroids[0], centroids[1][alone]]),
        score=np.where(both | ~is_true, _values_at(known, prediction, np.nan), np.nan),
    )


def _values_at(
    values: NDArray[Any], positions: NDArray[np.int64], nowhere: Any
) -> NDArray[Any]:
    """Give the values at these positions; `nowhere` at -1."""
    return np.append(values, np.asarray(nowhere, values.dtype))[positions]


def _pair_ious(
    found: ObjectKinds, truth: NDArray[np.int64], prediction: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Look up the IoUs of pairs of positions; 0 where one of them is -1."""
    table = found.table
    width = table.prediction_ids.size + 1
    keys = table.truth * width + table.prediction
    order = np.argsort(keys)
    wanted = np.where((truth < 0) | (prediction < 0), -1, truth * width + prediction)
    if not keys.size:
        return np.zeros(wanted.size)
    place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), keys.size - 1)]
    return np.where(keys[place] == wanted, table.ious[place], 0.0)


def concatenate(tables: Sequence[ObjectTable]) -> ObjectTable:
    """Concatenate tables of objects.

    Parameters
    ----------
    tables : sequence of ObjectTable
        Of different slices.
    """
    first = np.cumsum([0] + [len(table.slices) for table in tables])
    columns = {
        field.name: np.concatenate([getattr(table, field.name) for table in tables])
        for field in fields(ObjectTable)
        if field.name not in ("slices", "places", "slice")
    }
    return ObjectTable(
        slices=sum((table.slices for table in tables), ()),
        places=sum((table.places for table in tables), ()),
        slice=np.concatenate([t.slice + i for t, i in zip(tables, first, strict=False)]),
        **columns,
    )


@dataclass(frozen=True, eq=False)
class ObjectRuns:
    """Objects as runs of equal ids along the last axis, to measure all of them at once.

    Parameters
    ----------
    shape : tuple of int
        Of the labels.
    starts, lengths : ndarray of int64, shape (R,)
        First pixel of each run in the raveled labels, and its pixels. Background has none.
    objects : ndarray of int64, shape (R,)
        Object of each run, as its position among the ids.
    count : int
        Number of objects.
    """

    shape: tuple[int, ...]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    objects: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, labels: LabelsOrMask, ids: LabelsOrMask) -> "ObjectRuns":
        """Find the runs of the objects `ids` in labels of any shape."""
        flat = labels.ravel()
        is_start = np.ones(flat.size, bool)
        np.not_equal(flat[1:], flat[:-1], out=is_start[1:])
        is_start[:: labels.shape[-1]] = True
        starts = np.flatnonzero(is_start)
        lengths, run_ids = np.diff(starts, append=flat.size), flat[starts]
        real = run_ids != 0
        order = np.argsort(ids)
        objects = order[np.searchsorted(ids, run_ids[real], sorter=order)]
        return cls(labels.shape, starts[real], lengths[real], objects, ids.size)

    def centroids(self) -> NDArray[np.float64]:
        """Compute the mean position of the pixels of each object, shape (N, D)."""
        *leading, x = np.unravel_index(self.starts, self.shape)
        middles = [*leading, x + (self.lengths - 1) / 2]
        sums = [self._summed(self.lengths * middle) for middle in middles]
        mean: NDArray[np.float64] = (
            np.stack(sums, axis=-1) / self._summed(self.lengths)[:, None]
        )
        return mean

    def means(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compute the mean of `values`, of the shape of the labels, over each object."""
        total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        sums = total[self.starts + self.lengths] - total[self.starts]
        return self._summed(sums) / self._summed(self.lengths)

    def _summed(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(self.objects, values, minlength=self.count)
