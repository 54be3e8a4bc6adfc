"""A block in fragments: pixels that are one object whatever lies outside the block.

Tables of each fragment, and of the pixels along the edge of the block, tell which fragments of
a plane or volume are one object; see `arrays.instances.assembly`.

    probabilities --fragments()--> labels of the block, tables --assemble()--> their objects
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.affinity_sums import likely_inside
from napari_utile.arrays.instances.block_edges import axis_of_side, edge_of
from napari_utile.arrays.instances.border_sums import border_sums
from napari_utile.arrays.instances.growth import gaps
from napari_utile.arrays.instances.heights import SMOOTHING_OF_AFFINITIES, landscape
from napari_utile.arrays.instances.object_rule import ObjectRule, foreground_mask
from napari_utile.arrays.instances.regions import NEVER, first_elements, neighbours, regions
from napari_utile.arrays.instances.watershed import HERE, directions, trees
from napari_utile.arrays.tiling import Sizes, Window


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
        parts, tops, leave = trees(towards[inner])
        found = _ways_out(tops, leave, block.shape, origin, shape)
        found["heights"] = np.where(leave == HERE, heights.ravel()[tops], 0)
        found |= {"edge_heights": edge_of(heights), "edge_leads": edge_of(leads)}
        within = inside if near is None else grown[inner]
        found["pairs"], found["measures"] = border_sums(parts, heights, within, block, leads)
        inside = grown[inner]
    else:
        parts, firsts = regions(inside)
        found = {"names": firsts}
    count = len(found["names"])
    found["mask_sizes"] = np.bincount(parts[mask[inner]], minlength=count + 1)[1:]
    labels = np.where(inside, parts, np.uint32(0))
    holes, of_holes = _holes(labels, origin, shape, rule.fill_holes)
    edges = {"shape": np.array(block.shape), "edge_foreground": edge_of(block)}
    edges |= {"edge_parts": edge_of(parts), "edge_holes": edge_of(holes)}
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
        return heights, *directions(heights, mask, foreground), grown
    seen = likely_inside(foreground, near)
    heights = landscape(mask, seen, SMOOTHING_OF_AFFINITIES)
    return heights, *directions(heights, grown, foreground, 0), grown


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
        here, (axis, _) = leave == side, axis_of_side(side, len(block))
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
