"""How many pixels of labels have which id, plane by plane, kept up while they are painted."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.arrays.labels import Labels

PlaneIndex = tuple[int, ...]
"""Leading indices of a plane (Y, X); () in a single image."""
IdCounts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Ids in ascending order, without 0, and the pixels of each."""
AT_ONCE = 2**20
"""Pixels that are counted before other threads get their turn."""
LARGEST_TABLE = 2**20
"""Largest id that is counted in a table and not by sorting."""


def count_ids(ids: Labels) -> IdCounts:
    """Count the pixels of each id.

    Parameters
    ----------
    ids : ndarray of int, any shape

    Returns
    -------
    ids : ndarray of int64
        Those that occur, in ascending order, without 0.
    counts : ndarray of int64

    Examples
    --------
    >>> count_ids(np.array([[0, 7, 7], [2, 0, 0]]))
    (array([2, 7]), array([1, 2]))
    """
    flat = np.asarray(ids).reshape(-1)
    parts = [_count_part(flat[at : at + AT_ONCE]) for at in range(0, flat.size, AT_ONCE)]
    return _added(parts)


def _count_part(flat: Labels) -> IdCounts:
    if flat.min() >= 0 and flat.max() <= LARGEST_TABLE:
        table = np.bincount(flat.astype(np.intp, copy=False))
        table[0] = 0
        found = np.flatnonzero(table)
        return found.astype(np.int64), table[found].astype(np.int64)
    found, counts = np.unique(flat, return_counts=True)
    return found[found != 0].astype(np.int64), counts[found != 0].astype(np.int64)


def _added(parts: Iterable[IdCounts]) -> IdCounts:
    """Return the sums of counts by id; ids without a pixel are left out."""
    many = list(parts)
    if len(many) == 1:
        return many[0]
    ids = np.concatenate([part[0] for part in many] or [np.zeros(0, np.int64)])
    counts = np.concatenate([part[1] for part in many] or [np.zeros(0, np.int64)])
    found, of = np.unique(ids, return_inverse=True)
    sums = np.zeros(len(found), np.int64)
    np.add.at(sums, of, counts)
    return found[sums != 0], sums[sums != 0]


class PaintedPixels:
    """Pixels of each id in labels, in each plane and in all.

    Parameters
    ----------
    shape : tuple of int
        Of the labels, (..., Y, X).
    is_empty : bool, default False
        Whether all pixels are known to be 0; otherwise no plane is known until it is counted.

    Attributes
    ----------
    totals : dict of int to int
        Pixels of each id but 0, in all planes that are known.
    count : int
        Pixels that are not 0, in all planes that are known.
    """

    def __init__(self, shape: tuple[int, ...], is_empty: bool = False):
        self.shape = shape
        self.totals: dict[int, int] = {}
        self.count = 0
        self._ids: list[int] | None = None  # sorted, until others occur
        nothing = np.zeros(0, np.int64), np.zeros(0, np.int64)
        known = np.ndindex(*shape[:-2]) if is_empty else ()
        self._planes: dict[PlaneIndex, IdCounts] = dict.fromkeys(known, nothing)

    @property
    def plane_size(self) -> int:
        """Pixels of a plane."""
        return prod(self.shape[-2:])

    @property
    def is_complete(self) -> bool:
        """Whether every plane is known."""
        return len(self._planes) == prod(self.shape[:-2])

    @property
    def ids(self) -> Sequence[int]:
        """Ids that occur, but 0, in ascending order: there may be very many."""
        if self._ids is None:
            self._ids = sorted(self.totals)
        return self._ids

    @property
    def painted(self) -> list[PlaneIndex]:
        """Known planes with an id other than 0, in their order."""
        return sorted(index for index, (ids, _) in self._planes.items() if len(ids))

    def knows(self, index: PlaneIndex) -> bool:
        """Whether a plane was counted."""
        return index in self._planes

    def of(self, index: PlaneIndex) -> Mapping[int, int]:
        """Return the pixels of each id but 0 in a plane; nothing if it is not known."""
        ids, counts = self._planes.get(index, ((), ()))
        return dict(zip(map(int, ids), map(int, counts), strict=True))

    def set_plane(self, index: PlaneIndex, counted: IdCounts) -> None:
        """Take the counts of a plane, see `count_ids`."""
        if index in self._planes:
            self._add_to_totals(self._planes[index], -1)
        self._planes[index] = counted
        self._add_to_totals(counted, 1)

    def paint(self, index: PlaneIndex, old: ArrayLike, new: ArrayLike) -> None:
        """Take a change of pixels of a known plane; one of an unknown plane is left out.

        Parameters
        ----------
        index : tuple of int
        old, new : array_like of int
            Ids of the changed pixels before and after; `new` may be one id for all.
        """
        if index not in self._planes:
            return
        before = np.asarray(old).reshape(-1)
        after = np.broadcast_to(np.asarray(new).reshape(-1), before.shape)
        gone_ids, gone = count_ids(before)
        change = _added([(gone_ids, -gone), count_ids(after)])
        self._planes[index] = _added([self._planes[index], change])
        self._add_to_totals(change, 1)

    def copy(self) -> "PaintedPixels":
        """Return what is known now, for another thread."""
        other = PaintedPixels(self.shape)
        other.totals, other._planes = dict(self.totals), dict(self._planes)
        other.count = self.count
        return other

    def _add_to_totals(self, counted: IdCounts, sign: int) -> None:
        ids, counts = counted
        self.count += sign * int(counts.sum())
        for id_, count in zip(ids.tolist(), counts.tolist(), strict=True):
            before = self.totals.get(id_, 0)
            rest = before + sign * count
            if rest:
                self.totals[id_] = rest
            else:
                self.totals.pop(id_, None)
            if not (before and rest):
                self._ids = None
