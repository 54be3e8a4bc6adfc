"""Objects of one plane or volume, found block by block, the same as if it had been one block.

A block is divided into fragments: pixels that are one object whatever lies outside the block.
Tables of each fragment, and of the pixels along the edge of the block, tell which fragments are
one object. So memory holds the pixels of one block and the tables of all.

    probabilities --fragments()--> labels of the block, tables --assemble()--> their objects
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances import watershed
from napari_utile.arrays.instances.affinity_sums import likely_inside, near_and_far
from napari_utile.arrays.instances.border_sums import are_between
from napari_utile.arrays.instances.growth import MOST_GROWTH, gaps, growth_halo
from napari_utile.arrays.instances.heights import (
    FINENESS,
    SMOOTHING_OF_AFFINITIES,
    halo,
    landscape,
)
from napari_utile.arrays.instances.link_costs import DEFAULT_COSTS, LinkCosts
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.instances.regions import (
    NEVER,
    first_elements,
    neighbours,
    regions,
    roots,
    unite,
)
from napari_utile.arrays.instances.watershed import HERE
from napari_utile.arrays.tiling import Sizes, Window
from napari_utile.settings import PREDICT_DEFAULTS, InstanceMethod, Linking

__all__ = ["Fragments", "ObjectRule", "PlaneObjects", "assemble", "fragments"]

_Table = Mapping[str, NDArray[Any]]
_Sides = tuple[NDArray[Any], NDArray[Any]]


CHOICES = {
    "method": get_args(get_args(InstanceMethod)[0]),
    "linking": get_args(get_args(Linking)[0]),
}
"""What the options of `ObjectRule` can be."""


@dataclass(frozen=True)
class ObjectRule:
    """Rule by which foreground becomes objects.

    Attributes
    ----------
    threshold : float
        A pixel is foreground if its probability is higher.
    min_size : int
        Smaller objects are dropped: in pixels of the plane, or if `linking` is "touch", in
        voxels of the whole object.
    fill_holes : int
        Background of up to this many pixels becomes part of the object around it, if there is
        only one and it does not touch the border of the plane.
    method : {"watershed", "components"}
        Watershed and merging, which separates objects that only a narrow neck joins, see
        `arrays.instances.watershed`; or connected components.
    linking : {"overlap", "graph", "touch", "none"}
        How objects of neighbouring planes become one, see `arrays.instances.linking`.
    link_iou : float
        Least IoU of two objects that become one by "overlap".
    costs : LinkCosts
        By which "graph" decides.
    growth : tuple of float
        By how many pixels objects of a "watershed" grow into narrow gaps, along each axis of
        the plane; empty for none. See `arrays.instances.growth`.
    offsets : tuple of tuple of int
        Of affinities that were found beside the foreground of a volume: a "watershed" then
        joins fragments by the affinities between them. See `arrays.instances.affinity_sums`.

    Raises
    ------
    ValueError
        If an option is out of range.
    """

    threshold: float = PREDICT_DEFAULTS.threshold
    min_size: int = PREDICT_DEFAULTS.min_size
    fill_holes: int = PREDICT_DEFAULTS.fill_holes
    method: InstanceMethod = PREDICT_DEFAULTS.instance_method
    linking: Linking = PREDICT_DEFAULTS.linking
    link_iou: float = PREDICT_DEFAULTS.link_iou
    costs: LinkCosts = DEFAULT_COSTS
    growth: tuple[float, ...] = ()
    offsets: tuple[Offset, ...] = ()

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} can be {', '.join(choices)}, not {getattr(self, name)!r}"
                )
        for name in ("threshold", "link_iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} should be 0 to 1, not {getattr(self, name)}")
        for name in ("min_size", "fill_holes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} should be 0 or more, not {getattr(self, name)}")
        if not all(0 <= width <= MOST_GROWTH for width in self.growth):
            raise ValueError(f"growth should be 0 to {MOST_GROWTH:g}, not {self.growth}")
        if self.offsets:
            near_and_far(self.offsets)

    def reach(self, ndim: int) -> int:
        """Return how many pixels around a block of so many axes decide about its fragments."""
        if self.method != "watershed":
            return 0
        if not self.offsets:
            return max(halo(ndim), growth_halo(self.growth))
        return 1 + max(halo(ndim, SMOOTHING_OF_AFFINITIES), growth_halo(self.growth))


@dataclass(frozen=True)
class Fragments:
    """A block in fragments.

    Attributes
    ----------
    labels : ndarray of uint32, shape of the block
        Fragments 1, 2, ... of the block, and holes numbered after them; 0 is background.
    tables : dict of ndarray
        What `assemble` needs to know; some numbers for each fragment and pixel of the edge.
    """

    labels: NDArray[np.uint32]
    tables: dict[str, NDArray[Any]]


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


def foreground_mask(foreground: NDArray[np.uint8], threshold: float) -> NDArray[np.bool_]:
    """Return the mask of the foreground.

    Parameters
    ----------
    foreground : ndarray of uint8, any shape
        Foreground probabilities; 255 is 1.
    threshold : float
        Foreground is what is higher, 0 to 1.

    Returns
    -------
    ndarray of bool, shape of `foreground`
    """
    return foreground > int(threshold * 255)


def fragments(
    foreground: NDArray[np.uint8],
    inner: Window,
    origin: Sizes,
    shape: Sizes,
    rule: ObjectRule,
    near: NDArray[np.uint8] | None = None,
) -> Fragments:
    """Return the fragments of a block, and the tables from which objects are assembled.

    Parameters
    ----------
    foreground : ndarray of uint8, shape (Y, X) or (Z, Y, X); any for "components"
        Foreground probabilities of the block and a halo of at least `rule.reach` pixels (fewer
        only at the borders of the plane); 255 is 1.
    inner : tuple of slice
        Where the block lies in `foreground`, per axis.
    origin : tuple of int
        First pixel of the block in the plane, per axis.
    shape : tuple of int
        Size of the plane, per axis.
    rule : ObjectRule
    near : ndarray of uint8, shape (3, Z, Y, X), optional
        Affinities of each voxel and the one before it along each axis, with the same halo; for
        a rule with offsets.

    Returns
    -------
    Fragments

    Raises
    ------
    ValueError
        If the halo is too narrow, or for "watershed" the axes are not those.
    """
    mask = foreground_mask(foreground, rule.threshold)
    block, inside = foreground[inner], mask[inner].copy()
    if rule.method == "watershed":
        if foreground.ndim not in (2, 3):
            raise ValueError(
                f"a watershed needs the axes (Y, X) or (Z, Y, X), got {foreground.shape}"
            )
        _refuse_narrow_halo(rule.reach(len(shape)), foreground.shape, inner, origin, shape)
        heights, towards, leads, grown = _ways(foreground, mask, rule, near)
        heights, leads = heights[inner], leads[inner]
        parts, tops, leave = watershed.trees(towards[inner])
        found = _ways_out(tops, leave, block.shape, origin, shape)
        found["heights"] = np.where(leave == HERE, heights.ravel()[tops], 0)
        found |= {"edge_heights": _edge(heights), "edge_leads": _edge(leads)}
        within = inside if near is None else grown[inner]
        found["pairs"], found["measures"] = watershed.borders(
            parts, heights, within, block, leads
        )
        inside = grown[inner]
    else:
        parts, firsts = regions(inside)
        found = {"names": firsts}
    count = len(found["names"])
    found["mask_sizes"] = np.bincount(parts[mask[inner]], minlength=count + 1)[1:]
    labels = np.where(inside, parts, np.uint32(0))
    holes, of_holes = _holes(labels, origin, shape, rule.fill_holes)
    edges = {"shape": np.array(block.shape), "edge_foreground": _edge(block)}
    edges |= {"edge_parts": _edge(parts), "edge_holes": _edge(holes)}
    tables = {**found, **_extents(labels, count, origin, shape), **of_holes, **edges}
    return Fragments(np.where(holes > 0, holes + np.uint32(count), labels), tables)


def _ways(
    foreground: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    rule: ObjectRule,
    near: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.uint16], NDArray[np.int8], NDArray[np.int16], NDArray[np.bool_]]:
    """Return the landscape, the ways up in it (see `watershed.directions`), and the mask grown.

    With affinities the landscape has a floor in narrow gaps, too: there objects meet where it
    is lowest. Without, what lies in a gap belongs to the nearest of the mask.
    """
    grown = mask | gaps(mask, rule.growth)
    if near is None:
        heights = landscape(mask, foreground)
        return heights, *watershed.directions(heights, mask, foreground), grown
    seen = likely_inside(foreground, near)
    heights = landscape(mask, seen, SMOOTHING_OF_AFFINITIES)
    return heights, *watershed.directions(heights, grown, foreground, 0), grown


def _refuse_narrow_halo(
    least: int, given: tuple[int, ...], inner: Window, origin: Sizes, shape: Sizes
) -> None:
    for size, part, start, whole in zip(given, inner, origin, shape, strict=True):
        stop = start + part.stop - part.start
        if part.start < min(least, start) or size - part.stop < min(least, whole - stop):
            raise ValueError(
                f"A block needs a halo of {least} pixels; {inner} of {given} has fewer."
            )


def _ways_out(
    tops: NDArray[np.int64],
    leave: NDArray[np.int64],
    block: Sizes,
    origin: Sizes,
    shape: Sizes,
) -> dict[str, NDArray[Any]]:
    """Name the parts by the raster index of their top, or `NEVER` if they leave by an exit.

    An exit is (part, side, raster index in the side).
    """
    places = np.unravel_index(tops, block)
    stays = leave == HERE
    names = np.where(stays, _raster_index(places, origin, shape), NEVER)
    along = np.zeros(len(tops), np.int64)
    for side in range(2 * len(block)):
        here, (axis, _) = leave == side, _axis_and_step(side, len(block))
        sizes, others = (_without(values, axis) for values in (block, places))
        along[here] = np.ravel_multi_index([place[here] for place in others], sizes)
    exits = np.stack([1 + np.arange(len(tops)), leave, along], axis=1)
    return {"names": names, "exits": exits[~stays]}


def _without(values: Sequence[Any], axis: int) -> tuple[Any, ...]:
    return (*values[:axis], *values[axis + 1 :])


def _extents(
    labels: NDArray[np.uint32], count: int, origin: Sizes, shape: Sizes
) -> dict[str, NDArray[np.int64]]:
    """Count the pixels of each fragment, and find the first of them in the plane."""
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    firsts, is_there = np.full(count, NEVER), sizes > 0
    elements = first_elements(labels, count)[1:][is_there]
    firsts[is_there] = _raster_index(np.unravel_index(elements, labels.shape), origin, shape)
    return {"sizes": sizes, "firsts": firsts}


def _raster_index(
    places: Sequence[NDArray[np.intp]], origin: Sizes, shape: Sizes
) -> NDArray[np.intp]:
    """Return the raster index in the plane of places in a block, given per axis."""
    inside = tuple(place + start for place, start in zip(places, origin, strict=True))
    return np.ravel_multi_index(inside, shape)


def _holes(
    labels: NDArray[np.uint32], origin: Sizes, shape: Sizes, most: int
) -> tuple[NDArray[np.uint32], dict[str, NDArray[Any]]]:
    """Number the connected background, and measure what may be a hole of `most` pixels.

    Returns
    -------
    holes : ndarray of uint32, shape of `labels`
        1, 2, ...; 0 in fragments, and everywhere if holes are not asked for.
    tables : dict of ndarray
        Their sizes, whether they are too large or touch the border of the plane, and the
        fragments beside those that are neither: (hole, fragment).
    """
    if not most:
        nothing = np.empty(0, np.int64)
        tables = {"hole_sizes": nothing, "hole_open": nothing.astype(bool)}
        return np.zeros_like(labels), {**tables, "beside_hole": nothing, "beside_part": nothing}
    holes, _ = regions(labels == 0)
    sizes = np.bincount(holes.ravel())
    is_open = sizes > most
    for axis in range(labels.ndim):
        line = np.moveaxis(holes, axis, 0)
        if origin[axis] == 0:
            is_open[line[0]] = True
        if origin[axis] + len(line) == shape[axis]:
            is_open[line[-1]] = True
    is_open[0] = True
    sides = []
    for here, there in neighbours(labels.ndim):
        for hole, fragment in (holes[here], labels[there]), (holes[there], labels[here]):
            beside = ~is_open[hole] & (fragment > 0)
            sides.append(np.stack([hole[beside], fragment[beside]], axis=1))
    hole, part = np.unique(np.concatenate(sides).astype(np.int64), axis=0).T
    tables = {"hole_sizes": sizes[1:], "hole_open": is_open[1:]}
    return holes, {**tables, "beside_hole": hole, "beside_part": part}


def _axis_and_step(side: int, ndim: int) -> tuple[int, int]:
    """Return the axis of a side, and the step (-1 or 1) that leads out of the block there.

    Sides are where the axes 0, 1, ... begin, then in reverse order where they end, so that
    ``2 * ndim - 1 - side`` is the opposite one. In a plane: up, left, right, down.
    """
    return (side, -1) if side < ndim else (2 * ndim - 1 - side, 1)


def _edge(block: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels along all sides of a block, one side after the other."""
    sides = (_axis_and_step(side, block.ndim) for side in range(2 * block.ndim))
    ends = (block.take(0 if step < 0 else -1, axis) for axis, step in sides)
    return np.concatenate([end.ravel() for end in ends])


def _side_of(line: NDArray[Any], shape: NDArray[np.integer], side: int) -> NDArray[Any]:
    """Return one side of the edge of a block of `shape`; see `_edge`."""
    sizes = shape.prod() // shape
    ends = np.cumsum([0, *sizes, *sizes[::-1]])
    return line[ends[side] : ends[side + 1]]


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
        The sides of a block, see `_axis_and_step`.
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
                    axis, _ = _axis_and_step(side, len(self.grid))
                    yield (
                        axis,
                        [
                            (self.side(block, side, name), self.side(other, back, name))
                            for name in names
                        ],
                    )

    def neighbour(self, block: int, side: int) -> int | None:
        """Return the number of the block beyond a side; None at the border of the plane."""
        axis, step = _axis_and_step(side, len(self.grid))
        apart = prod(self.grid[axis + 1 :])  # how far neighbours are in the order of blocks
        is_there = 0 <= block // apart % self.grid[axis] + step < self.grid[axis]
        return block + step * apart if is_there else None

    def side(self, block: int, side: int, name: str) -> NDArray[Any]:
        """Return the pixels along one side of a block."""
        table = self.tables[block]
        line = _side_of(table[name], table["shape"], side)
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
    rise = watershed.RISE_OF_AFFINITIES if rule.offsets else watershed.RISE[ndim]
    hill = watershed.merge_hills(ends, measures, heights, rise * FINENESS[ndim])
    part = hill[part[1:]]
    # Of what is left, parts whose common border is likely foreground are one object.
    sizes = np.bincount(part, plane.column("mask_sizes"), len(tops)).astype(np.int64)
    if rule.offsets:
        borders = _all_affinities(plane, affinities, part)
        sizes[sizes > 0] = watershed.SPECK[3]  # also small parts are what affinities say
        sure = watershed.surely_one(rule.threshold)
    else:
        borders = _between_parts(hill[ends], measures)
        sure = watershed.surely_one(rule.threshold, ndim)
    one = watershed.agglomerate(*borders, sizes, sure, ndim)
    return np.append(0, tops[one[part]])


def _between_parts(
    ends: NDArray[np.int64], measures: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put together the borders of what is one part, and leave out those within it."""
    apart = ends[:, 0] != ends[:, 1]
    return watershed.sum_borders(ends[apart], measures[apart])


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
        measures = watershed.pixel_pair_measures(heights, masks, shares, between)
        ends = part[np.stack([side[meet] for side in parts], axis=1)]
        found.append(_between_parts(ends, measures))
    return watershed.sum_borders(
        *(np.concatenate(of_all) for of_all in zip(*found, strict=True))
    )


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
    return watershed.sum_borders(
        *(np.concatenate(of_all) for of_all in zip(*found, strict=True))
    )


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
