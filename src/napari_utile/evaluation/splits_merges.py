"""Which objects of a volume were split or merged, by how many voxels, and where.

A predicted object that holds parts of several true ones merges them; a true object that holds
parts of several predicted ones was split. The place is where two of the parts touch.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.evaluation.inputs import LabelPair
from napari_utile.io.tables import csv_text
from napari_utile.metrics.contacts import (
    FACES,
    FIRST,
    INSIDE,
    PLACE,
    SECOND,
    Contacts,
)
from napari_utile.metrics.overlap import Contingency, as_int64
from napari_utile.metrics.volume_tables import VolumeTables

LEAST_SHARE = 0.05
"""Share of the smaller of two objects from which on their overlap is a part, not a blemish."""
LEAST_VOXELS = 27
"""Of a part, as a cube of 3 x 3 x 3 has: less is a speck."""
LEAST_CORE = 0.1
"""Share of an overlap that is no border (see `VolumeTables`) from which on it is a part."""
COLUMNS = ("kind", "slice", "y", "x", "id", "part_1", "part_2", "voxels_1", "voxels_2", "faces")
"""Of the table."""
COLUMN_TIPS = {
    "kind": "A true object in several predicted ones, or a predicted one in several true ones.",
    "slice": "Where the two parts touch in most voxels.",
    "id": "The true object that was split, or the predicted one that merges.",
    "part_1": "Of a split a predicted object, of a merge a true one.",
    "part_2": "The smaller part.",
    "voxels_1": "Voxels that the first part shares with the object.",
    "voxels_2": "Voxels that the smaller part shares with the object.",
    "faces": "Faces of voxels at which the parts touch; 0 if they lie apart.",
}

Kind = Literal["split", "merge"]


@dataclass(frozen=True)
class SplitMerge:
    """Two parts of one object that belong, or do not belong, together.

    Attributes
    ----------
    kind : {"split", "merge"}
    slice : int, tuple or str
        Name of the slice, as in `Report.rows`.
    image : int
        Number of the image.
    place : tuple of int
        Voxel at which the parts touch: along every axis of the image.
    id : int
        The true object that was split, or the predicted one that merges.
    parts : (int, int)
        Of a split the two predicted objects, of a merge the two true ones; the larger first.
    voxels : (int, int)
        That each of them shares with the object.
    faces : int
        Of voxels at which the parts touch; 0 if they lie apart, or others are between them.
    """

    kind: Kind
    slice: Any
    image: int
    place: tuple[int, ...]
    id: int
    parts: tuple[int, int]
    voxels: tuple[int, int]
    faces: int

    def row(self) -> dict[str, Any]:
        """Return it by the names of `COLUMNS`."""
        values = (
            self.kind, self.slice, *self.place[-2:], self.id, *self.parts, *self.voxels,
            self.faces,
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))

    def __str__(self) -> str:
        (one, other), (many, few) = self.parts, self.voxels
        y, x = self.place[-2:]
        at = f"at slice {self.slice}, y {y}, x {x}"
        parts = f"{one} ({many:,} px) and {other} ({few:,} px) {at}"
        if self.kind == "merge":
            return f"merge: predicted {self.id} joins true {parts}"
        return f"split: true {self.id} is divided into predicted {parts}"

    @property
    def ids(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of the true and of the predicted objects."""
        return ((self.id,), self.parts) if self.kind == "split" else (self.parts, (self.id,))


def splits_and_merges(
    pair: LabelPair,
    time: tuple[int, ...],
    image: int,
    table: Contingency,
    tables: VolumeTables,
    slices: Sequence[tuple[Any, Contingency]],
) -> list[SplitMerge]:
    """List the splits and merges of a volume.

    Parameters
    ----------
    pair : LabelPair
        The image.
    time : tuple of int
        Index of the volume in it.
    image : int
        Its number.
    table : Contingency
        Of the volume.
    tables : VolumeTables
        Of the same.
    slices : sequence of (name, Contingency)
        Names of its slices, and their tables.

    Returns
    -------
    list of SplitMerge
        An object with n parts is in n - 1 of them, which connect its parts over their largest
        surfaces. What is a part: an overlap of `LEAST_VOXELS` that is more than half of it,
        or `LEAST_SHARE` of the smaller of the two objects of which `LEAST_CORE` is no border.
    """
    core = _core_of_pairs(table, tables.core)
    return [
        *_of_kind("split", pair, time, image, table, core, tables.splits, slices),
        *_of_kind("merge", pair, time, image, table, core, tables.merges, slices),
    ]


def largest_first(found: Sequence[SplitMerge]) -> tuple[SplitMerge, ...]:
    """Return splits and merges, those of most voxels first: of the smaller part counts."""
    return tuple(sorted(found, key=lambda each: -each.voxels[1]))


def splits_merges_columns(found: Sequence[SplitMerge]) -> dict[str, NDArray[Any]]:
    """Return them as columns, by the names of `COLUMNS`; slices are objects."""
    rows = [each.row() for each in found]
    columns = {}
    for name in COLUMNS:
        values = [row[name] for row in rows]
        columns[name] = np.array(values)
        if name == "slice":  # tuples are no rows of numbers
            columns[name] = np.empty(len(values), object)
            columns[name][:] = values
    return columns


def splits_merges_csv(found: Sequence[SplitMerge]) -> str:
    """Return CSV with one line for each, below a line of names."""
    return csv_text(list(COLUMNS), [each.row() for each in found])


def _core_of_pairs(table: Contingency, core: Contingency) -> NDArray[np.int64]:
    """Return the core of each overlap of a table, in voxels."""
    width = table.prediction_ids.size
    keys = table.truth * width + table.prediction
    truth = np.searchsorted(table.truth_ids, core.truth_ids)[core.truth]
    prediction = np.searchsorted(table.prediction_ids, core.prediction_ids)[core.prediction]
    found = np.zeros(keys.size, np.int64)
    found[np.searchsorted(keys, truth * width + prediction)] = core.overlaps
    return found


def _of_kind(
    kind: Kind,
    pair: LabelPair,
    time: tuple[int, ...],
    image: int,
    table: Contingency,
    core: NDArray[np.int64],
    contacts: Contacts,
    slices: Sequence[tuple[Any, Contingency]],
) -> Iterator[SplitMerge]:
    """Yield the splits, or the merges, of a volume."""
    true = table.truth_ids, table.truth_areas, table.truth
    predicted = table.prediction_ids, table.prediction_areas, table.prediction
    (ids, areas, whole), (part_ids, part_areas, part) = (
        (true, predicted) if kind == "split" else (predicted, true)
    )
    n = table.overlaps
    is_large = n >= LEAST_SHARE * np.minimum(areas[whole], part_areas[part])
    is_inside = is_large & (core >= LEAST_CORE * n)
    is_part = (n >= LEAST_VOXELS) & ((2 * n > part_areas[part]) | is_inside)
    several = np.bincount(whole[is_part], minlength=ids.size) > 1
    chosen = np.flatnonzero(is_part & several[whole])
    groups: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for w, p, voxels in zip(whole[chosen], part[chosen], n[chosen], strict=True):
        groups[int(w)][int(as_int64(part_ids)[p])] = int(voxels)

    contacts = contacts[np.argsort(contacts[:, INSIDE], kind="stable")]
    for w, voxels in groups.items():
        number = int(as_int64(ids)[w])
        first, last = (
            np.searchsorted(contacts[:, INSIDE], number, side) for side in ("left", "right")
        )
        for row in _tree(contacts[first:last], voxels):
            parts = sorted(
                (int(row[FIRST]), int(row[SECOND])), key=lambda one: -voxels.get(one, 0)
            )
            if row[FACES]:
                z, y, x = map(int, row[PLACE])
            else:
                z, y, x = _largest_overlap(kind, pair, time, slices, number, parts[1])
            one, other = (int(np.int64(each).astype(part_ids.dtype)) for each in parts)
            yield SplitMerge(
                kind,
                slices[z][0],
                image,
                (*time, z, y, x),
                int(ids[w]),
                (one, other),
                (voxels.get(parts[0], 0), voxels.get(parts[1], 0)),
                int(row[FACES]),
            )


def _tree(contacts: Contacts, voxels: Mapping[int, int]) -> Iterator[NDArray[np.int64]]:
    """Yield the largest surfaces that connect all parts; rows without faces for those apart.

    References
    ----------
    Kruskal, "On the shortest spanning subtree of a graph", 1956.
    """
    group = {part: part for part in voxels}

    def root(part: int) -> int:
        while group[part] != part:
            part = group[part]
        return part

    for row in contacts[np.argsort(-contacts[:, FACES], kind="stable")]:
        one, other = int(row[FIRST]), int(row[SECOND])
        if one in voxels and other in voxels and root(one) != root(other):
            group[root(one)] = root(other)
            yield row
    largest = max(voxels, key=lambda part: voxels[part])
    apart: dict[int, int] = {}
    for part in sorted(voxels, key=lambda part: -voxels[part]):
        if root(part) != root(largest):
            apart.setdefault(root(part), part)
    for part in apart.values():
        yield np.array([0, largest, part, 0, 0, 0, 0, 0])


def _largest_overlap(
    kind: Kind,
    pair: LabelPair,
    time: tuple[int, ...],
    slices: Sequence[tuple[Any, Contingency]],
    whole: int,
    part: int,
) -> tuple[int, int, int]:
    """Return a voxel of a part that touches no other, in the slice where it is largest."""
    true, predicted = (whole, part) if kind == "split" else (part, whole)
    sizes = [_overlap_in(table, true, predicted) for _, table in slices]
    z = int(np.argmax(sizes))
    planes = (np.asarray(side[(*time, z)]) for side in (pair.truth, pair.prediction))
    here = [
        as_int64(plane) == number
        for plane, number in zip(planes, (true, predicted), strict=True)
    ]
    pixels = np.argwhere(here[0] & here[1])
    y, x = map(int, pixels[len(pixels) // 2])
    return z, y, x


def _overlap_in(table: Contingency, true: int, predicted: int) -> int:
    """Return the pixels that two objects share in a slice."""
    t = np.flatnonzero(as_int64(table.truth_ids) == true)
    p = np.flatnonzero(as_int64(table.prediction_ids) == predicted)
    if not t.size or not p.size:
        return 0
    return int(table.overlaps[(table.truth == t[0]) & (table.prediction == p[0])].sum())
