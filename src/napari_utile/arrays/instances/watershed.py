"""Parts of the foreground: pixels whose way uphill ends at one top.

Which part a pixel belongs to depends on pixels at most `halo` away. So the parts of a plane
are the same in whatever blocks they are computed. `arrays.instances.merging` says which parts
are one object. The README beside this file has the picture.

What is said of a plane (Y, X) holds for a volume (Z, Y, X), too. Neighbours share a face, and
lengths are voxels along every axis, whatever the distance of the slices.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.border_sums import DIGIT

REACH = 4
"""How far into the background a border is followed, in pixels: about half a membrane."""

NOWHERE, OUTSIDE, HERE = -1, -2, 6
"""Where a pixel points to if not to a neighbour: it is in no part, not in the block, a top.

Neighbours are numbered in raster order, 0 to 3 in a plane: up, left, right, down. In a volume
they are 0 to 5. `2 * ndim - 1 - side` is the opposite of a side.
"""


def directions(
    heights: NDArray[np.uint16],
    mask: NDArray[np.bool_],
    foreground: NDArray[np.uint8],
    reach: int = REACH,
) -> tuple[NDArray[np.int8], NDArray[np.int16]]:
    """Return which neighbour each pixel points to, on the way to the top of its part.

    In the mask that is the highest neighbour, or `HERE`, a top, where none is higher. In the
    background up to `reach` steps from the mask it is the most likely foreground of those
    one step nearer. Ties go to the first in raster order.

    Parameters
    ----------
    heights : ndarray of uint16, shape (Y, X) or (Z, Y, X)
        See `heights.landscape`.
    mask : ndarray of bool, shape of `heights`
    foreground : ndarray of uint8, shape of `heights`
        Probabilities; 255 is 1.
    reach : int, default `REACH`

    Returns
    -------
    towards : ndarray of int8, shape of `heights`
        The number of a neighbour, `HERE` or `NOWHERE`. Exact at `halo` pixels or more from
        where the arrays were cut out of a larger plane.
    leads : ndarray of int16, shape of `heights`
        From each pixel to the first of the mask that it leads to: steps along each axis as
        the digits of one number, see `border_sums.is_between`.
    """
    ndim = mask.ndim
    rings = np.where(mask, np.int8(0), np.int8(reach + 1))
    landscape, rings, shares = (
        np.pad(heights, 1),
        np.pad(rings, 1, constant_values=-1),
        np.pad(foreground, 1),
    )
    digits = [DIGIT**axis for axis in range(ndim)]
    step_leads = np.array([*(-digit for digit in digits), *reversed(digits)], np.int16)
    flat = (array.ravel() for array in (landscape, rings, shares))
    found = _point(*flat, _offsets(rings.shape), step_leads, reach)
    within = (slice(1, -1),) * ndim
    towards, leads = (
        np.ascontiguousarray(array.reshape(rings.shape)[within]) for array in found
    )
    return towards, leads


def _offsets(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return how far each neighbour is in an array of that shape, in raster order."""
    back = [-prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return np.array([*back, *(-step for step in reversed(back))])


@compiled
def _point(
    heights: NDArray[np.uint16],
    rings: NDArray[np.int8],
    foreground: NDArray[np.uint8],
    steps: NDArray[np.int64],
    step_leads: NDArray[np.int16],
    reach: int,
) -> tuple[NDArray[np.int8], NDArray[np.int16]]:
    """See `directions`. Rings are steps from the mask, as far as known; -1 is a frame."""
    sides = len(steps)
    towards, leads = np.full(len(rings), NOWHERE, np.int8), np.zeros(len(rings), np.int16)
    ring, count = np.empty(len(rings), np.int64), 0
    # The mask points uphill; the background beside it is the first ring.
    for i in range(len(rings)):
        if rings[i] == 0:
            highest, best = heights[i], HERE
            for side in range(sides):
                j = i + steps[side]
                if rings[j] == 0:
                    is_before = best == HERE and side < sides // 2
                    if heights[j] > highest or (is_before and heights[j] == highest):
                        highest, best = heights[j], side
                elif rings[j] > reach:
                    rings[j], ring[count] = 1, j
                    count += 1
            towards[i] = best
    # Each ring points to the one before it, step by step from the edge of the mask.
    first = 0
    for step in range(1, reach + 1):
        last = count
        for k in range(first, last):
            i, likeliest = ring[k], -1
            for side in range(sides):
                j = i + steps[side]
                if rings[j] == step - 1:
                    if foreground[j] > likeliest:
                        towards[i], likeliest = side, foreground[j]
                        leads[i] = leads[j] + step_leads[side]
                elif rings[j] > reach and step < reach:
                    rings[j], ring[count] = step + 1, j
                    count += 1
        first = last
    return towards, leads


def trees(
    towards: NDArray[np.int8],
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    """Return the fragments of a block: pixels that lead to one top, or leave over one pixel.

    Parameters
    ----------
    towards : ndarray of int8, shape (Y, X) or (Z, Y, X)
        `directions` of the block.

    Returns
    -------
    labels : ndarray of uint32, shape of `towards`
        Fragments 1, 2, ...; 0 where pixels point nowhere.
    tops : ndarray of int64, shape (F,)
        Raster index of the top of each in the block, or of the pixel they leave it over.
    leave : ndarray of int64, shape (F,)
        The side they leave the block to, or `HERE`.
    """
    framed = np.pad(towards, 1, constant_values=OUTSIDE)
    labels, ends, count = _trees(framed.ravel(), _offsets(framed.shape))
    places = (place - 1 for place in np.unravel_index(ends[:count], framed.shape))
    tops = np.ravel_multi_index(tuple(places), towards.shape)
    within = labels.reshape(framed.shape)[(slice(1, -1),) * towards.ndim]
    leave = framed.ravel()[ends[:count]].astype(np.int64)
    return np.ascontiguousarray(within), tops, leave


@compiled
def _trees(
    towards: NDArray[np.int8], steps: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64], int]:
    """See `trees`. A frame of one pixel is `OUTSIDE`."""
    labels = np.zeros(len(towards), np.uint32)
    way, ends, count = np.empty(len(towards), np.int64), np.empty(len(towards), np.int64), 0
    for start in range(len(towards)):
        i, passed = start, 0
        if towards[i] < 0:  # NOWHERE, OUTSIDE
            continue
        # Follow the arrows to a pixel with a label, to a top, or out of the block.
        while labels[i] == 0:
            way[passed] = i
            passed += 1
            j = i + steps[towards[i]] if towards[i] != HERE else i
            if j == i or towards[j] == OUTSIDE:
                ends[count] = i
                count += 1
                labels[i] = count
            else:
                i = j
        # All pixels on the way get the label of its end.
        for k in range(passed):
            labels[way[k]] = labels[i]
    return labels, ends, count
