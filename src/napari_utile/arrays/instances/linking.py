"""Number the objects of a stack, plane by plane: which of neighbouring planes are one.

Only the plane below is kept, and by a graph a window of tables, so a stack may have any number
of planes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.assembly import PlaneObjects
from napari_utile.arrays.instances.graph import GraphLinking
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.arrays.instances.regions import united
from napari_utile.arrays.instances.runs import Runs

Overlap = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Pairs of objects (below, above), (M, 2), and the number of pixels that they share, (M,)."""

_Link = tuple[int, int, int, int, float, bool]
"""See `Numbering.links`."""


def overlaps(below: NDArray[np.integer[Any]], above: NDArray[np.integer[Any]]) -> Overlap:
    """Return how many pixels the objects of two neighbouring planes share.

    Parameters
    ----------
    below, above : ndarray of int, shape (Y, X)
        Objects of two neighbouring planes in the same block, ids below 2**32; 0 is background.

    Returns
    -------
    pairs : ndarray of int64, shape (M, 2)
        Objects (below, above) that share pixels, sorted.
    counts : ndarray of int64, shape (M,)
        Number of pixels they share.

    Examples
    --------
    >>> overlaps(np.array([[1, 1, 2, 2]]), np.array([[0, 1, 1, 1]]))
    (array([[1, 1],
           [2, 1]]), array([1, 2]))
    """
    return overlaps_of_runs(Runs.of(below), Runs.of(above))


def overlaps_of_runs(below: Runs, above: Runs) -> Overlap:
    """Return `overlaps` of objects that are given as runs."""
    return _sum_pairs(*below.shared(above))


def sum_overlaps(overlaps: Iterable[Overlap]) -> Overlap:
    """Return the overlaps of two neighbouring planes, summed over their blocks.

    Parameters
    ----------
    overlaps : iterable of (ndarray, ndarray)
        `overlaps` of each block, with the ids of the planes; none gives no pairs.

    Returns
    -------
    pairs : ndarray of int64, shape (M, 2)
        Objects (below, above) that share pixels, sorted.
    counts : ndarray of int64, shape (M,)
        Number of pixels they share.
    """
    pairs, counts = zip((np.empty((0, 2), int), np.empty(0, int)), *overlaps, strict=True)
    return _sum_pairs(np.concatenate(pairs), np.concatenate(counts))


def _sum_pairs(pairs: NDArray[np.int64], counts: NDArray[np.int64]) -> Overlap:
    # One uint64 per pair: sorting numbers is faster than sorting rows.
    keys = pairs[:, 0].astype(np.uint64) << np.uint64(32) | pairs[:, 1].astype(np.uint64)
    unique, which = np.unique(keys, return_inverse=True)
    pairs = np.stack([unique >> np.uint64(32), unique & np.uint64(2**32 - 1)], axis=1)
    sums = np.bincount(which, counts, len(unique))  # exact to 2**53
    return pairs.astype(np.int64), sums.astype(np.int64)


class Numbering:
    """Ids over the whole stack for the objects of each plane.

    Parameters
    ----------
    rule : ObjectRule
        Its `linking` decides which objects become one:

        - "none": none; every object gets a new id.
        - "overlap": two objects of neighbouring planes that overlap each other more than any
          other (of equals, the one with the lower id), if their IoU is at least `link_iou`.
          The upper one takes the id of the lower, so an id is final at once.
        - "graph": the sets of a signed graph over all of them, see `graph`. Ids are final
          after the last plane.
        - "touch": all that share a pixel of the plane. Ids are final after the last plane.
    count : int, default 0
        The ids start after it.

    Attributes
    ----------
    count : int
        The last id so far.
    links : list of tuple
        Decisions of "overlap": for each object that overlaps objects below, the one with the
        largest overlap: plane above, object below, object above, pixels shared, IoU, and
        whether they are one. It may be emptied at any time.
    graph : GraphLinking or None
        What decides by "graph".

    Examples
    --------
    >>> plane = PlaneObjects(maps=(), count=2, sizes=np.array([0, 4, 4]))
    >>> numbering = Numbering(ObjectRule(linking="overlap"))
    >>> numbering.plane(plane, None)
    array([0, 1, 2], dtype=uint64)
    >>> numbering.plane(plane, (np.array([[1, 1], [2, 1]]), np.array([1, 3])))
    array([0, 2, 3], dtype=uint64)
    >>> numbering.links
    [(1, 2, 2, 3, 0.6, True)]
    """

    def __init__(self, rule: ObjectRule, count: int = 0):
        self.rule, self.count, self.links = rule, count, list[_Link]()
        self._start, self._planes = count, 0
        self._below, self._sizes = np.zeros(1, np.uint64), np.zeros(1, np.int64)
        self._voxels, self._touching = [np.zeros(1, np.int64)], [np.empty((0, 2), np.int64)]
        self.graph = GraphLinking(rule.costs) if rule.linking == "graph" else None

    @property
    def is_final(self) -> bool:
        """Whether ids are final at once."""
        return self.rule.linking not in ("graph", "touch")

    def plane(
        self, objects: PlaneObjects, overlap: Overlap | None, skipped: Overlap | None = None
    ) -> NDArray[np.uint64]:
        """Return the ids of the objects of the next plane.

        Parameters
        ----------
        objects : PlaneObjects
        overlap : tuple of ndarray, optional
            Overlaps with the objects of the plane before (see `overlaps`); None if that is not
            its neighbour: at the start of a volume, and at each time point.
        skipped : tuple of ndarray, optional
            Overlaps with the objects of the plane before that one, for "graph"; None if there
            is none in the volume.

        Returns
        -------
        ndarray of uint64, shape (count of the plane + 1,)
            Id of each object; 0 for background.
        """
        ids = np.zeros(objects.count + 1, np.uint64)
        is_new = np.arange(len(ids)) > 0
        if overlap is not None and self.rule.linking == "overlap":
            below, above, shared, iou, joined = self._decided(overlap, objects)
            ids[above[joined]] = self._below[below[joined]]
            is_new[above[joined]] = False
        # Those not linked to an object below get the next ids.
        ids[is_new] = np.uint64(self.count + 1) + np.arange(is_new.sum(), dtype=np.uint64)
        if overlap is not None and self.rule.linking == "overlap":
            rows = (self._below[below], ids[above], shared, iou, joined)
            columns = (column.tolist() for column in rows)
            self.links += [(self._planes, *row) for row in zip(*columns, strict=True)]
        if self.graph is not None:
            self.graph.plane(objects.sizes, overlap, skipped)
        if self.rule.linking == "touch":
            self._voxels.append(objects.sizes[1:])
            if overlap is not None:
                places = self._below[overlap[0][:, 0]], ids[overlap[0][:, 1]]
                touching = np.stack(places, axis=1) - np.uint64(self._start)
                self._touching.append(touching.astype(np.int64))
        self.count += int(is_new.sum())
        self._planes += 1
        self._below, self._sizes = ids, objects.sizes
        return ids

    def _decided(self, overlap: Overlap, objects: PlaneObjects) -> tuple[NDArray[Any], ...]:
        """Return for each object above its best partner below, and whether they are linked."""
        pairs, shared = overlap
        best_of_above, best_of_below = (
            _largest_partner(pairs, shared, side) for side in (1, 0)
        )
        below, above = pairs[best_of_above].T
        shared = shared[best_of_above]
        iou = shared / (self._sizes[below] + objects.sizes[above] - shared)
        is_mutual = np.isin(best_of_above, best_of_below)
        return below, above, shared, iou, is_mutual & (iou >= self.rule.link_iou)

    def final(self) -> NDArray[np.uint64] | None:
        """Return the final id of each id so far, after the last plane.

        Returns
        -------
        ndarray of uint64, shape (ids + 1,), or None
            Final ids, counted on from the start in raster order of the stack; 0 for background
            and by "touch" for objects of fewer than `min_size` voxels. None if ids are final
            at once.
        """
        if self.graph is not None:
            sets = self.graph.sets()
            is_least = sets == np.arange(len(sets))
            ids = np.uint64(self._start) + np.cumsum(is_least, dtype=np.uint64)
            return np.concatenate([np.zeros(1, np.uint64), ids[sets]])
        if self.rule.linking != "touch":
            return None
        voxels = np.concatenate(self._voxels)
        # Sets are numbered by their least member, which comes first in the stack.
        one = united(len(voxels), np.concatenate(self._touching))
        sizes = np.bincount(one, voxels, len(voxels))
        kept = np.flatnonzero(sizes >= max(1, self.rule.min_size))
        ids = np.zeros(len(voxels), np.uint64)
        ids[kept] = np.uint64(self._start + 1) + np.arange(len(kept), dtype=np.uint64)
        return ids[one]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state from which `from_arrays` resumes with the next plane."""
        *numbers, iou, joined = zip(*self.links, strict=True) if self.links else [()] * 6
        return {
            "progress": np.array([self._start, self.count, self._planes], np.uint64),
            "below": self._below,
            "sizes": self._sizes,
            "voxels": np.concatenate(self._voxels),
            "touching": np.concatenate(self._touching),
            "links": np.array(numbers, np.uint64),
            "link_iou": np.array(iou, np.float64),
            "link_joined": np.array(joined, bool),
        } | (self.graph.to_arrays() if self.graph else {})

    @classmethod
    def from_arrays(cls, rule: ObjectRule, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Resume from the state that `to_arrays` returned."""
        start, count, planes = arrays["progress"].tolist()
        numbering = cls(rule, start)
        numbering.count, numbering._planes = count, planes
        numbering._below, numbering._sizes = arrays["below"], arrays["sizes"]
        numbering._voxels, numbering._touching = [arrays["voxels"]], [arrays["touching"]]
        columns = (*arrays["links"], arrays["link_iou"], arrays["link_joined"])
        rows = zip(*(column.tolist() for column in columns), strict=True)
        numbering.links = list(rows)
        if numbering.graph is not None:
            numbering.graph = GraphLinking.from_arrays(rule.costs, arrays)
        return numbering


def _largest_partner(
    pairs: NDArray[np.int64], shared: NDArray[np.int64], side: int
) -> NDArray[np.intp]:
    """Return for each object of one side the row of its largest overlap, the first of ties."""
    order = np.lexsort((pairs[:, 1 - side], -shared, pairs[:, side]))
    return order[np.unique(pairs[order, side], return_index=True)[1]]
