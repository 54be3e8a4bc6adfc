"""Objects of one plane or volume from the fragments of its blocks, as if it were one block.

Memory holds the tables of all blocks, and pixels of none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.block_edges import axis_of_side, side_of_edge
from napari_utile.arrays.instances.border_sums import (
    are_between,
    pixel_pair_measures,
    sum_borders,
)
from napari_utile.arrays.instances.heights import FINENESS
from napari_utile.arrays.instances.merging import (
    RISE,
    RISE_OF_AFFINITIES,
    agglomerate,
    merge_hills,
    size_of_large,
    surely_one,
    surely_one_by_affinity,
)
from napari_utile.arrays.instances.object_rule import ObjectRule, foreground_mask
from napari_utile.arrays.instances.regions import NEVER, roots, unite

_Table = Mapping[str, NDArray[Any]]
_Sides = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class PlaneObjects:
    """The objects 1, 2, ... of a plane, in raster order of their first pixels.

    Attributes
    ----------
    maps : tuple of ndarray of uint32
        For each block the object of each of its labels, 0 for background: the objects of
        block b are ``maps[b][labels]``.
    count : int
        Number of objects.
    sizes : ndarray of int64, shape (count + 1,)
        Of the objects, in pixels; 0 for background.
    """

    maps: tuple[NDArray[np.uint32], ...]
    count: int
    sizes: NDArray[np.int64]


def assemble(
    tables: Sequence[_Table],
    grid: tuple[int, ...],
    rule: ObjectRule,
    affinities: Iterable[_Table] = (),
) -> PlaneObjects:
    """Return the objects of a plane, assembled from the fragments of its blocks.

    Parameters
    ----------
    tables : sequence of mapping of str to ndarray
        `Fragments.tables` of all blocks of the plane, in raster order. They may be read when
        they are asked for: what is large is needed block by block.
    grid : tuple of int
        Number of blocks along each axis.
    rule : ObjectRule
        The same as for the fragments.
    affinities : iterable of mapping of str to ndarray, optional
        `affinity_table` of each block, of the offsets that are not to direct neighbours; for a
        rule with offsets.

    Returns
    -------
    PlaneObjects

    Notes
    -----
    However the plane is divided, its tables add up to the same parts and the same borders, in
    whole numbers, and they come in raster order. So the objects are the same, too.
    """
    plane = _Plane(tables, grid)
    group = (
        _groups_by_watershed(plane, rule, affinities)
        if rule.method == "watershed"
        else _groups_by_contact(plane)
    )
    owner = _owners(plane, group, rule.fill_holes)

    count = len(group)
    sizes = np.bincount(group[1:], plane.column("sizes"), count)
    sizes = sizes + np.bincount(owner[1:], plane.column("hole_sizes"), count)
    firsts = np.full(count, NEVER)
    np.minimum.at(firsts, group[1:], plane.column("firsts"))
    # By "touch" an object may be small here and large through the stack: linking drops it.
    least = 1 if rule.linking == "touch" else max(1, rule.min_size)
    sure = np.bincount(group[1:], plane.column("mask_sizes"), count)
    kept = 1 + np.flatnonzero((sizes[1:] >= least) & (sure[1:] > 0))
    kept = kept[np.argsort(firsts[kept])]
    number = np.zeros(count, np.uint32)
    number[kept] = np.arange(1, len(kept) + 1)
    maps = tuple(
        np.concatenate([number[:1], number[group[part]], number[owner[hole]]])
        for part, hole in zip(plane.parts, plane.holes, strict=True)
    )
    return PlaneObjects(maps, len(kept), np.append(0, sizes[kept]).astype(np.int64))


class _Plane:
    """The tables of all blocks as one, with numbers counted on from block to block; 0 is none.

    A table may be a mapping that reads from disk: what is large, borders and edges, is asked
    for block by block.

    Attributes
    ----------
    parts, holes : list of slice
        For each block the range of numbers of its own fragments and holes.
    sides : range
        The sides of a block, see `axis_of_side`.
    """

    def __init__(self, tables: Sequence[_Table], grid: tuple[int, ...]):
        self.tables, self.grid = tables, grid
        self.sides = range(2 * len(grid))
        self.parts, self.holes = _own(tables, "sizes"), _own(tables, "hole_sizes")

    def column(self, name: str, own: Sequence[slice] | None = None) -> NDArray[Any]:
        """Return a table of all blocks in a row; with `own`, its numbers are shifted."""
        columns = [table[name] for table in self.tables]
        if own is not None:
            columns = [_numbered(*both) for both in zip(columns, own, strict=True)]
        return np.concatenate(columns)

    def faces(self, *names: str) -> Iterator[tuple[int, list[_Sides]]]:
        """Yield for each face between blocks its axis, its pixels here, and those beyond.

        Each time there is a pair for each name of an edge.
        """
        for block in range(len(self.tables)):
            for side in self.sides[len(self.grid) :]:
                if (other := self.neighbour(block, side)) is not None:
                    back = self.sides[-1] - side
                    axis, _ = axis_of_side(side, len(self.grid))
                    yield (
                        axis,
                        [
                            (self.side(block, side, name), self.side(other, back, name))
                            for name in names
                        ],
                    )

    def neighbour(self, block: int, side: int) -> int | None:
        """Return the number of the block beyond a side; None at the border of the plane."""
        axis, step = axis_of_side(side, len(self.grid))
        apart = prod(self.grid[axis + 1 :])  # how far neighbours are in the order of blocks
        is_there = 0 <= block // apart % self.grid[axis] + step < self.grid[axis]
        return block + step * apart if is_there else None

    def side(self, block: int, side: int, name: str) -> NDArray[Any]:
        """Return the pixels along one side of a block."""
        table = self.tables[block]
        line = side_of_edge(table[name], table["shape"], side)
        numbers = {"edge_parts": self.parts, "edge_holes": self.holes}
        return _numbered(line, numbers[name][block]) if name in numbers else line


def _own(tables: Sequence[_Table], name: str) -> list[slice]:
    stops = 1 + np.cumsum([len(table[name]) for table in tables])
    return [slice(a, b) for a, b in zip([1, *stops.tolist()], stops.tolist(), strict=False)]


def _numbered(numbers: NDArray[np.integer], own: slice) -> NDArray[np.int64]:
    return np.where(numbers > 0, numbers.astype(np.int64) + own.start - 1, 0)


def _groups_by_contact(plane: _Plane) -> NDArray[np.int64]:
    """Return the group of each fragment: those that touch across a face are one."""
    sets = np.arange(plane.parts[-1].stop)
    for _, (parts,) in plane.faces("edge_parts"):
        pairs = np.stack(parts, axis=1)
        unite(sets, pairs[pairs.all(axis=1)])
    return roots(sets)


def _groups_by_watershed(
    plane: _Plane, rule: ObjectRule, affinities: Iterable[_Table]
) -> NDArray[np.int64]:
    """Return the group of each fragment: one top, then merged hills, then agglomeration."""
    # Fragments on both sides of an exit lead to the same top: one part.
    tree = np.arange(plane.parts[-1].stop)
    for pairs in _crossings(plane):
        unite(tree, pairs)
    tree = roots(tree)
    names = np.full(len(tree), NEVER)
    np.minimum.at(names, tree[1:], plane.column("names"))
    # Parts are numbered in raster order of their tops, as in a plane of one block.
    tops = np.flatnonzero(tree == np.arange(len(tree)))[1:]
    tops = tops[np.argsort(names[tops])]
    rank = np.zeros(len(tree), np.int64)
    rank[tops] = np.arange(len(tops))
    part = rank[tree]

    # A top that hardly rises above its saddle is no hill of its own.
    ends, measures = _all_borders(plane, part, rule)
    heights = np.zeros(len(tops), np.int64)
    np.maximum.at(heights, part[1:], plane.column("heights"))
    ndim = len(plane.grid)
    rise = RISE_OF_AFFINITIES if rule.offsets else RISE[ndim]
    hill = merge_hills(ends, measures, heights, rise * FINENESS[ndim])
    part = hill[part[1:]]
    # Of what is left, parts whose common border is likely foreground are one object.
    sizes = np.bincount(part, plane.column("mask_sizes"), len(tops)).astype(np.int64)
    if rule.offsets:
        borders = _all_affinities(plane, affinities, part)
        grown = np.bincount(part, plane.column("sizes"), len(tops)).astype(np.int64)
        sizes = np.where(sizes > 0, grown, 0)
        sure, surer = surely_one_by_affinity(rule.threshold)
        by_affinity = surer, size_of_large(rule.offsets)
        one = agglomerate(*borders, sizes, sure, ndim, by_affinity)
    else:
        borders = _between_parts(hill[ends], measures)
        one = agglomerate(*borders, sizes, surely_one(rule.threshold, ndim), ndim)
    return np.append(0, tops[one[part]])


def _between_parts(
    ends: NDArray[np.int64], measures: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put together the borders of what is one part, and leave out those within it."""
    apart = ends[:, 0] != ends[:, 1]
    return sum_borders(ends[apart], measures[apart])


def _crossings(plane: _Plane) -> Iterator[NDArray[np.int64]]:
    """Pair each fragment that leaves its block with the one behind the exit, side by side."""
    for block, table in enumerate(plane.tables):
        exits = table["exits"]
        for side in plane.sides:
            part, _, along = exits[exits[:, 1] == side].T
            if len(part) and (other := plane.neighbour(block, side)) is not None:
                beyond = plane.side(other, plane.sides[-1] - side, "edge_parts")[along]
                yield np.stack([_numbered(part, plane.parts[block]), beyond], axis=1)


def _all_borders(
    plane: _Plane, part: NDArray[np.int64], rule: ObjectRule
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum up the borders of parts, within blocks and across their faces."""
    found = []
    for table, own in zip(plane.tables, plane.parts, strict=True):
        ends = part[_numbered(table["pairs"], own)]
        found.append(_between_parts(ends, table["measures"]))
    names = ("edge_parts", "edge_heights", "edge_foreground", "edge_leads")
    for axis, (parts, *pixels) in plane.faces(*names):
        meet = (parts[0] > 0) & (parts[1] > 0)
        heights, shares, leads = ((here[meet], there[meet]) for here, there in pixels)
        all_count = np.ones(len(leads[0]), bool)
        if rule.offsets:  # parts are in the grown mask only
            masks = all_count, all_count
        else:
            one, other = (foreground_mask(share, rule.threshold) for share in shares)
            masks = one, other
        between = are_between(*leads, axis) if len(plane.grid) > 2 else all_count
        measures = pixel_pair_measures(heights, masks, shares, between)
        ends = part[np.stack([side[meet] for side in parts], axis=1)]
        found.append(_between_parts(ends, measures))
    return sum_borders(*(np.concatenate(of_all) for of_all in zip(*found, strict=True)))


def _all_affinities(
    plane: _Plane, tables: Iterable[_Table], part: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum up the affinities of parts as if they were borders."""
    starts = np.array([own.start for own in plane.parts])
    found = [(np.empty((0, 2), np.int64), np.empty((0, 5), np.int64))]
    for table in tables:
        blocks, fragments = table["affine_ends"][:, ::2], table["affine_ends"][:, 1::2]
        count, total = table["affine_sums"].T
        # a border counts both pixels of a pair, an affinity is one number
        measures = np.stack([count, 2 * total, *np.zeros((3, len(count)), np.int64)], axis=1)
        found.append(_between_parts(part[starts[blocks] + fragments - 2], measures))
    return sum_borders(*(np.concatenate(of_all) for of_all in zip(*found, strict=True)))


def _owners(plane: _Plane, group: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the group that fills each piece of background; 0 for none."""
    count = plane.holes[-1].stop
    # Pieces of background that meet across a face are one hole; it is open if any piece is.
    hole = np.arange(count)
    beside = [plane.column("beside_hole", plane.holes)]
    around = [plane.column("beside_part", plane.parts)]
    for _, (holes, parts) in plane.faces("edge_holes", "edge_parts") if most else ():
        pairs = np.stack(holes, axis=1)
        unite(hole, pairs[pairs.all(axis=1)])
        for here, there in (0, 1), (1, 0):
            at_face = (holes[here] > 0) & (holes[there] == 0)
            touching = np.stack([holes[here][at_face], parts[there][at_face]])
            one_of_each = np.unique(touching, axis=1)
            beside.append(one_of_each[0])
            around.append(one_of_each[1])
    hole = roots(hole)
    sizes = np.bincount(hole[1:], plane.column("hole_sizes"), count)
    is_open = np.bincount(hole[1:], plane.column("hole_open"), count) > 0
    # A hole is filled if all that lies beside it is one group.
    pieces, groups = hole[np.concatenate(beside)], group[np.concatenate(around)]
    lowest, highest = np.full(count, NEVER), np.zeros(count, np.int64)
    np.minimum.at(lowest, pieces, groups)
    np.maximum.at(highest, pieces, groups)
    is_filled = ~is_open & (sizes <= most) & (lowest == highest)
    return np.where(is_filled, highest, 0)[hole]
