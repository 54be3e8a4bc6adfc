"""Watershed and merging: separate objects that only a leak in a membrane connects.

A leak of one weak pixel joins two cells. They are separated by the whole of their common
border: it is mostly membrane, while the parts of one cell meet in foreground.

Which part a pixel belongs to depends on pixels at most `halo` away. So the parts of a plane
are the same in whatever blocks they are computed; `arrays.instances.fragments` assembles them.
The README beside this file has the picture.

What is said of a plane (Y, X) holds for a volume (Z, Y, X), too. Neighbours share a face, and
lengths are voxels along every axis, whatever the distance of the slices.
"""

from heapq import heapify, heappop, heappush
from math import pi, prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.border_sums import border_sums
from napari_utile.arrays.instances.regions import root, roots

DEEPEST = {2: 32, 3: 16}
"""Depths are cut off here, in pixels, for each number of axes. In a volume what lies around a
block costs most, and deep inside of an object there are no leaks."""
SMOOTHING = 2.0
"""Standard deviation of the Gaussian that smooths the depth, in pixels."""
FINENESS = 1024
"""Units of depth per pixel: depth is in whole numbers, so sums have one order."""
RISE = 1.0
"""A part whose top rises less above the saddle to a deeper part joins it, in pixels."""
REACH = 4
"""How far into the background a border is followed, in pixels: about half a membrane."""
SPECK = {2: 50, 3: 268}
"""A part with fewer pixels joins a neighbour if it has one: disc or ball of radius `REACH`."""

_WINDOW = np.arange(-round(4 * SMOOTHING), round(4 * SMOOTHING) + 1)
_WEIGHTS = np.rint(2**12 * np.exp(-((_WINDOW / SMOOTHING) ** 2) / 2))

NOWHERE, OUTSIDE, HERE = -1, -2, 6
"""Where a pixel points to if not to a neighbour: it is in no part, not in the block, a top.

Neighbours are numbered in raster order, 0 to 3 in a plane: up, left, right, down. In a volume
they are 0 to 5. `2 * ndim - 1 - side` is the opposite of a side.
"""


def halo(ndim: int) -> int:
    """Return how many pixels around a block decide where its own pixels lead to.

    Parameters
    ----------
    ndim : int
        Axes of the block, 2 or 3.

    Returns
    -------
    int
        41 in a plane, 25 in a volume.
    """
    return DEEPEST[ndim] + len(_WINDOW) // 2 + 1


def surely_one(threshold: float) -> float:
    """Return the mean foreground along a border above which its two parts are one object.

    Parameters
    ----------
    threshold : float
        Of the foreground, 0 to 1.

    Returns
    -------
    float
        A third of the way from the threshold to 1: 2/3 at 0.5.

    Notes
    -----
    With four networks trained on 19 slices of ISBI 2012 the Rand score on five others is 0.97
    to 0.98 for 0.6 to 0.75 (0.974 here), and 0.92 for connected components.
    """
    return threshold + (1 - threshold) / 3


def depth(mask: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return the smoothed distance of each pixel to the background, up to `DEEPEST`.

    Beyond the border the plane is mirrored.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X) or (Z, Y, X)
        Where objects are.

    Returns
    -------
    ndarray of uint16, shape of `mask`
        In units of 1 / `FINENESS` pixel. Whole numbers: the sum does not depend on its order.
    """
    most = DEEPEST[mask.ndim]
    distances = np.rint(2**4 * np.sqrt(np.arange(most**2 + 1)))
    depths = distances[_squared_distance(mask, most)]
    for axis in range(mask.ndim):  # all sums stay below 2**53, so their order does not matter
        depths = _smoothed(depths, axis)
    unit = 2**4 * _WEIGHTS.sum() ** mask.ndim / FINENESS
    return np.rint(depths / unit).astype(np.uint16)


def _as_rows(array: NDArray[Any], shape: tuple[int, ...], axis: int) -> NDArray[Any]:
    """Return an array of that shape with one of its axes in the middle of three."""
    return array.reshape(-1, shape[axis], prod(shape[axis + 1 :]))


def _squared_distance(mask: NDArray[np.bool_], most: int) -> NDArray[np.int32]:
    """Return the squared Euclidean distance to the background, at most `most` squared.

    One pass for each axis, as in Felzenszwalb & Huttenlocher, Theory of Computing 8, 2012,
    sec. 4. The distance is cut off, so a search along the axis that ends where no nearer pixel
    can be replaces their lower envelope.
    """
    rows = len(mask)
    squared: NDArray[np.int32] = _squared_along_first(mask.reshape(rows, -1), most)
    for axis in range(1, mask.ndim):
        squared = _least_along_middle(_as_rows(squared, mask.shape, axis))
    return squared.reshape(mask.shape)


@compiled
def _squared_along_first(mask: NDArray[np.bool_], most: int) -> NDArray[np.int32]:
    """Square the distance to the background along the columns: downwards, then upwards."""
    height, width = mask.shape
    squared = np.empty(mask.shape, np.int32)
    above = np.full(width, most, np.int32)
    for y in range(height):
        for x in range(width):
            above[x] = min(above[x] + 1, most) if mask[y, x] else 0
            squared[y, x] = above[x]
    below = np.full(width, most, np.int32)
    for y in range(height - 1, -1, -1):
        for x in range(width):
            below[x] = min(squared[y, x], below[x] + 1)
            squared[y, x] = below[x] ** 2
    return squared


@compiled
def _least_along_middle(before: NDArray[np.int32]) -> NDArray[np.int32]:
    """Add the distance along the middle axis: the least sum of squares wins.

    Pixels farther aside than the least distance so far cannot improve it.
    """
    outer, length, inner = before.shape
    squared = np.empty(before.shape, np.int32)
    for i in range(outer):
        for y in range(length):
            for x in range(inner):
                least, aside = before[i, y, x], 1
                while aside * aside < least:
                    if y >= aside:
                        least = min(least, aside**2 + before[i, y - aside, x])
                    if y + aside < length:
                        least = min(least, aside**2 + before[i, y + aside, x])
                    aside += 1
                squared[i, y, x] = least
    return squared


def _smoothed(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Smooth an array along one axis; beyond the border it is mirrored."""
    if axis == array.ndim - 1:
        smooth = _correlated_along_rows(array.reshape(-1, array.shape[axis]), _WEIGHTS)
    else:
        smooth = _correlated_across_rows(_as_rows(array, array.shape, axis), _WEIGHTS)
    return smooth.reshape(array.shape)


@compiled
def _correlated_across_rows(
    rows: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate the middle axis with even weights: rows are added up, many pixels at once."""
    outer, length, inner = rows.shape
    result, reach = np.empty(rows.shape), len(weights) // 2
    for i in range(outer):
        for y in range(length):
            sums = result[i, y]
            sums[:] = weights[reach] * rows[i, y]
            for k in range(reach):
                weight = weights[k]
                one = rows[i, _mirrored_place(y + k - reach, length)]
                other = rows[i, _mirrored_place(y - k + reach, length)]
                for x in range(inner):
                    sums[x] += weight * (one[x] + other[x])
    return result


@compiled
def _correlated_along_rows(
    rows: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate rows with even weights: they are shifted and added up, many pixels at once."""
    count, length = rows.shape
    result, reach = np.empty(rows.shape), len(weights) // 2
    wide = np.empty(length + 2 * reach)
    for i in range(count):
        for x in range(len(wide)):
            wide[x] = rows[i, _mirrored_place(x - reach, length)]
        sums = result[i]
        sums[:] = weights[reach] * rows[i]
        for k in range(reach):
            weight, one, other = weights[k], wide[k:], wide[2 * reach - k :]
            for x in range(length):
                sums[x] += weight * (one[x] + other[x])
    return result


@compiled
def _mirrored_place(place: int, length: int) -> int:
    """Return what lies at a place before or behind a row that is mirrored there."""
    within = place % (2 * length)
    return min(within, 2 * length - 1 - within)


def directions(
    depths: NDArray[np.uint16], mask: NDArray[np.bool_], foreground: NDArray[np.uint8]
) -> NDArray[np.int8]:
    """Return which neighbour each pixel points to, on the way to the top of its part.

    In the mask that is the deepest neighbour, or `HERE`, a top, where none is deeper. In the
    background up to `REACH` steps from the mask it is the most likely foreground of those
    one step nearer. Ties go to the first in raster order.

    Parameters
    ----------
    depths : ndarray of uint16, shape (Y, X) or (Z, Y, X)
        See `depth`.
    mask : ndarray of bool, shape of `depths`
    foreground : ndarray of uint8, shape of `depths`
        Probabilities; 255 is 1.

    Returns
    -------
    ndarray of int8, shape of `depths`
        The number of a neighbour, `HERE` or `NOWHERE`. Exact at `halo` pixels or more from
        where the arrays were cut out of a larger plane.
    """
    rings = np.where(mask, np.int8(0), np.int8(REACH + 1))
    heights, rings, shares = (
        np.pad(depths, 1),
        np.pad(rings, 1, constant_values=-1),
        np.pad(foreground, 1),
    )
    towards = _point(heights.ravel(), rings.ravel(), shares.ravel(), _offsets(rings.shape))
    within = (slice(1, -1),) * mask.ndim
    return np.ascontiguousarray(towards.reshape(rings.shape)[within])


def _offsets(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return how far each neighbour is in an array of that shape, in raster order."""
    back = [-prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return np.array([*back, *(-step for step in reversed(back))])


@compiled
def _point(
    depths: NDArray[np.uint16],
    rings: NDArray[np.int8],
    foreground: NDArray[np.uint8],
    steps: NDArray[np.int64],
) -> NDArray[np.int8]:
    """See `directions`. Rings are steps from the mask, as far as known; -1 is a frame."""
    sides = len(steps)
    towards = np.full(len(rings), NOWHERE, np.int8)
    ring, count = np.empty(len(rings), np.int64), 0
    # The mask points uphill; the background beside it is the first ring.
    for i in range(len(rings)):
        if rings[i] == 0:
            deepest, best = depths[i], HERE
            for side in range(sides):
                j = i + steps[side]
                if rings[j] == 0:
                    is_before = best == HERE and side < sides // 2
                    if depths[j] > deepest or (is_before and depths[j] == deepest):
                        deepest, best = depths[j], side
                elif rings[j] > REACH:
                    rings[j], ring[count] = 1, j
                    count += 1
            towards[i] = best
    # Each ring points to the one before it, step by step from the edge of the mask.
    first = 0
    for step in range(1, REACH + 1):
        last = count
        for k in range(first, last):
            i, likeliest = ring[k], -1
            for side in range(sides):
                j = i + steps[side]
                if rings[j] == step - 1:
                    if foreground[j] > likeliest:
                        towards[i], likeliest = side, foreground[j]
                elif rings[j] > REACH and step < REACH:
                    rings[j], ring[count] = step + 1, j
                    count += 1
        first = last
    return towards


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


def borders(
    labels: NDArray[np.integer],
    depths: NDArray[np.uint16],
    mask: NDArray[np.bool_],
    foreground: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the borders of parts, and sums of the pixel pairs along them.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X) or (Z, Y, X)
        Parts; 0 is none.
    depths, mask, foreground : ndarray of uint16, bool and uint8, shape of `labels`
        As in `directions`.

    Returns
    -------
    pairs : ndarray of int64, shape (B, 2)
        Parts that have neighbouring pixels, the lower first.
    measures : ndarray of int64, shape (B, 5)
        Of their pixel pairs inside the mask, and of those not: their number, and the sum of
        the probabilities of both pixels. And the depth of their saddle, where it is deepest.
    """
    return border_sums(labels, depths, mask, foreground)


def pixel_pair_measures(
    depth_here: NDArray[np.uint16],
    depth_there: NDArray[np.uint16],
    mask_here: NDArray[np.bool_],
    mask_there: NDArray[np.bool_],
    here: NDArray[np.uint8],
    there: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Return what single pairs of pixels add to the measures of a border (see `borders`).

    Parameters
    ----------
    depth_here, depth_there : ndarray of uint16, shape (M,)
        Depths of both pixels, see `depth`.
    mask_here, mask_there : ndarray of bool, shape (M,)
        Whether they are foreground.
    here, there : ndarray of uint8, shape (M,)
        Their foreground probabilities; 255 is 1.

    Returns
    -------
    ndarray of int64, shape (M, 5)
    """
    inside = mask_here & mask_there
    both = here.astype(np.int64) + there
    saddle = inside * np.minimum(depth_here, depth_there)
    columns = (inside, inside * both, ~inside, ~inside * both, saddle)
    return np.stack([column.astype(np.int64) for column in columns], axis=1)


def sum_borders(
    pairs: NDArray[np.int64], measures: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return borders with the measures of the same two parts summed.

    Parameters
    ----------
    pairs, measures : ndarray of int64, shapes (M, 2) and (M, 5)
        Parts that meet, in any order and any number of times; see `borders`.

    Returns
    -------
    pairs, measures : ndarray of int64, shapes (B, 2) and (B, 5)
        Each pair once, the lower part first, sorted; the saddle is the deepest of all.
    """
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    base = high.max(initial=0) + 1
    unique, which = np.unique(low * base + high, return_inverse=True)
    totals = np.zeros((len(unique), 5), np.int64)
    for column in range(4):
        totals[:, column] = np.bincount(which, measures[:, column], len(unique))  # to 2**53
    np.maximum.at(totals[:, 4], which, measures[:, 4])
    return np.stack(np.divmod(unique, base), axis=1), totals


def merge_hills(
    pairs: NDArray[np.int64], measures: NDArray[np.int64], heights: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Merge the parts whose tops rise less than `RISE` above a saddle, the deepest first.

    Parameters
    ----------
    pairs, measures : ndarray of int64, shapes (B, 2) and (B, 5)
        Borders as `borders` returns them, of parts 0, 1, ... in raster order of their tops.
    heights : ndarray of int, shape (P,)
        Depth of the tops.

    Returns
    -------
    ndarray of int64, shape (P,)
        For each part the first of those it is merged with.
    """
    touching = measures[:, 0] > 0
    saddles = measures[touching, 4]
    order = np.argsort(-saddles, kind="stable")
    one: NDArray[np.int64] = _merge_hills(
        pairs[touching][order], saddles[order], heights.astype(np.int64), RISE * FINENESS
    )
    return one


@compiled
def _merge_hills(
    pairs: NDArray[np.int64],
    saddles: NDArray[np.int64],
    heights: NDArray[np.int64],
    rise: float,
) -> NDArray[np.int64]:
    parents = np.arange(len(heights))
    # Deepest saddles first, as water that sinks would part the hills.
    for i in range(len(pairs)):
        a, b = root(parents, pairs[i, 0]), root(parents, pairs[i, 1])
        if min(heights[a], heights[b]) < saddles[i] + rise:
            parents[max(a, b)] = min(a, b)
            heights[min(a, b)] = max(heights[a], heights[b])
    return roots(parents)


def agglomerate(
    pairs: NDArray[np.int64],
    measures: NDArray[np.int64],
    sizes: NDArray[np.int64],
    threshold: float,
    ndim: int = 2,
) -> NDArray[np.int64]:
    """Merge the parts whose common border is likeliest foreground, one border at a time.

    Parameters
    ----------
    pairs, measures : ndarray of int64, shapes (B, 2) and (B, 5)
        Borders as `borders` returns them, of parts 0, 1, ... in raster order of their tops.
    sizes : ndarray of int64, shape (P,)
        Of the parts, in pixels of the mask.
    threshold : float
        Mean foreground along a border above which its two parts are merged; a part smaller
        than `SPECK` always joins the neighbour with the likeliest border.
    ndim : int, default 2
        Axes of what the parts lie in.

    Returns
    -------
    ndarray of int64, shape (P,)
        For each part the first of those it is merged with.

    Notes
    -----
    Of equal borders the one with the first pair of parts is merged first. So the result
    depends on the measures only.

    References
    ----------
    Watershed and agglomeration by the mean of the border are the usual last steps for EM,
    for instance in Nunez-Iglesias et al., "Machine Learning of Hierarchical Clustering to
    Segment 2D and 3D Images", PLoS ONE 2013.
    """
    touching = measures[:, 0] > 0
    sums = measures[touching, :4].copy()
    joined: NDArray[np.int64] = _agglomerate(
        pairs[touching], sums, sizes.copy(), threshold, SPECK[ndim], *ends_of_border(ndim)
    )
    return joined


def ends_of_border(ndim: int) -> tuple[float, float]:
    """Return how many pixel pairs of background any border has, however surely it is none.

    At its ends a border runs on for `REACH` pixels. In a plane it has two of them, with two
    pairs for each pixel on a diagonal. In a volume its ends are a ring of that width, at least
    that around a disc, with three pairs for each pixel on a diagonal.

    Parameters
    ----------
    ndim : int
        2 or 3.

    Returns
    -------
    always, per_root : float
        The number is `always`, and `per_root` times the root of the pairs in the mask.
    """
    if ndim == 2:
        return 4.0 * REACH, 0.0
    return 3 * pi * REACH**2, 2 * REACH * sqrt(3 * pi)


@compiled
def _agglomerate(
    pairs: NDArray[np.int64],
    sums: NDArray[np.int64],
    sizes: NDArray[np.int64],
    threshold: float,
    speck: int,
    always: float,
    per_root: float,
) -> NDArray[np.int64]:
    """Merge parts along the likeliest border until none is likely enough.

    A border is a row of `pairs`. Each part has a linked list of its borders: slot 2 b + side
    is border b seen from its part `side`.
    """
    parents, count = np.arange(len(sizes)), len(sizes)
    first, degrees = np.full(count, -1), np.zeros(count, np.int64)
    following = np.full(2 * len(pairs), -1)
    means, ranks = np.empty(len(pairs)), np.arange(len(pairs))
    gone = np.zeros(len(pairs), np.bool_)
    known, queue = dict(), [(-1.0, 0, 0) for _ in range(0)]  # noqa: C408
    # Hang each border into the lists of its two parts, and queue it by its mean.
    for border in range(len(pairs)):
        for which in range(2):
            part = pairs[border, which]
            following[2 * border + which] = first[part]
            first[part] = 2 * border + which
            degrees[part] += 1
        known[pairs[border, 0] * count + pairs[border, 1]] = border
        means[border] = _mean_foreground(sums[border], always, per_root)
        queue.append((-means[border], border, border))
    heapify(queue)

    while queue:
        unlikely, rank, border = heappop(queue)
        if gone[border] or -unlikely != means[border] or rank != ranks[border]:
            continue  # an outdated entry: the border has grown or gone since
        a, b = root(parents, pairs[border, 0]), root(parents, pairs[border, 1])
        if -unlikely <= threshold and min(sizes[a], sizes[b]) >= speck:
            continue
        # The part with fewer borders moves its list over to the other.
        into, small = (a, b) if degrees[a] >= degrees[b] else (b, a)
        gone[border], parents[small] = True, into
        sizes[into] += sizes[small]
        slot = first[small]
        while slot >= 0:
            after, moved = following[slot], slot // 2
            if not gone[moved]:
                other = root(parents, pairs[moved, 1 - slot % 2])
                key = min(into, other) * count + max(into, other)
                if key in known:
                    # Both had a border with `other`: add it to that one, and queue the sum.
                    both = known[key]
                    sums[both] += sums[moved]
                    means[both], ranks[both] = (
                        _mean_foreground(sums[both], always, per_root),
                        min(ranks[both], ranks[moved]),
                    )
                    gone[moved] = True
                    heappush(queue, (-means[both], ranks[both], both))
                else:
                    known[key] = moved
                    following[slot], first[into] = first[into], slot
                    degrees[into] += 1
            slot = after

    # Name each set by its first part.
    least = np.full(count, -1)
    for part in range(count):
        top = root(parents, part)
        least[top] = part if least[top] < 0 else least[top]
    return least[parents]


@compiled
def _mean_foreground(border: NDArray[np.int64], always: float, per_root: float) -> float:
    """Return the mean foreground along a border, without its ends in the background.

    See `ends_of_border` for the last two.
    """
    inside, sum_inside, outside, sum_outside = border
    counted = max(0.0, outside - always - per_root * np.sqrt(inside))
    share = counted / outside if outside else 0.0
    return (sum_inside + share * sum_outside) / (inside + counted) / (2 * 255)
