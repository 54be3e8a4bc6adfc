"""Which parts of the foreground are one object: hills that hardly rise, and likely borders.

A leak of one weak pixel joins two cells. They are separated by the whole of their common
border: it is mostly membrane, while the parts of one cell meet in foreground.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.heights import FINENESS
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.instances.pair_table import (
    FIRST_CAPACITY,
    key_of_pair,
    larger_table,
    place_of_key,
)
from napari_utile.arrays.instances.regions import root, roots
from napari_utile.arrays.instances.watershed import REACH

RISE = {2: 1.0, 3: 1 / 64}
"""A part whose top rises less above the saddle to a higher part joins it: pixels of depth in a
plane, probability in a volume."""
RISE_OF_AFFINITIES = 1 / 512
"""The same where affinities say which parts are one: hills may be lower. Of a network trained
with them for 400 steps, 40 slices of FIB-SEM neurites had a variation of information of 1.8
bits with this rise, and 2.1 with 1/64."""
SPECK = {2: 50, 3: 268}
"""A part with fewer pixels joins a neighbour if it has one: disc or ball of radius `REACH`."""
LARGE = 55
"""A part is large that fills so many boxes whose sides are as long as affinities reach along
each axis: 40,095 voxels, if that is 9 voxels. See `surely_one_by_affinity`."""

ENDS = {2: 4 * REACH, 3: 0}
"""Pixel pairs of background that any border has, however surely it is none. In a plane it has
two ends, where it runs on for `REACH` pixels with two pairs for each pixel on a diagonal. In a
volume pairs count only between two parts, which leaves out the ring around a border."""


def surely_one(threshold: float, ndim: int = 2) -> float:
    """Return the mean foreground along a border above which its two parts are one object.

    Parameters
    ----------
    threshold : float
        Of the foreground, 0 to 1.
    ndim : int, default 2
        Axes of what the parts lie in.

    Returns
    -------
    float
        In a plane a third of the way from the threshold to 1: 2/3 at 0.5. In a volume four
        fifths of the threshold: 0.4 at 0.5. There pairs of background count only where two
        parts face each other, and across a border that is foreground they hardly do.

    Notes
    -----
    With four networks trained on 19 slices of ISBI 2012 the Rand score on five others is 0.97
    to 0.98 for 0.6 to 0.75 (0.974 here), and 0.92 for connected components.

    In 40 slices of FIB-SEM neurites that a 3D U-Net had learnt from (a border of 4 px in the
    target, 400 steps), the variation of information was 1.7 bits for 0.35, 2.0 for 0.4 and
    0.45, 2.2 for 0.5. With 0.4 it was 2.1 in 40 other slices (by the depth of the foreground,
    as in a plane: 2.6), and 2.2 where every fourth slice was kept (2.5). Synthetic balls with a
    gap of 1 to 2 px, rods and sheets came out right as often as by depth for 0.4, and less
    often for less.
    """
    return threshold + (1 - threshold) / 3 if ndim == 2 else 0.8 * threshold


def surely_one_by_affinity(threshold: float) -> tuple[float, float]:
    """Return the mean affinities above which parts are one: in general, and if both are large.

    Parameters
    ----------
    threshold : float
        Of the foreground, 0 to 1.

    Returns
    -------
    tuple of float
        A fifth of the way from the threshold to 1, and seven tenths: 0.6 and 0.85 at 0.5.

    Notes
    -----
    To join two large parts in error costs much, and they have a large border to be judged by: a
    limit that rises with the size of the smaller part is that of Zlateski and Seung, "Image
    Segmentation by Size-Dependent Single Linkage Clustering of a Watershed Basin Graph", 2015.

    With 3D U-Nets of 400 steps, the variation of information in four sets of 40 slices of
    FIB-SEM neurites, most of which they had learnt from, was 1.26 to 1.44 bits for 0.6 and 1.30
    to 1.55 for 2/3. Of 0.8, 0.85, 0.9 and no limit of their own for large parts, 0.85 was best
    in the 40 slices behind them: it made no difference in the others.
    """
    return threshold + (1 - threshold) / 5, threshold + (1 - threshold) * 0.7


def size_of_large(offsets: Sequence[Offset]) -> int:
    """Return the voxels of a part that counts as large, by how far affinities reach.

    Parameters
    ----------
    offsets : sequence of tuple of int
        Of the affinities, with one along each axis.

    Examples
    --------
    >>> size_of_large([(-1, 0, 0), (0, -1, 0), (0, 0, -1), (-3, 0, 0), (0, -9, 0), (0, 0, -9)])
    13365
    """
    return LARGE * prod(max(map(abs, steps)) for steps in zip(*offsets, strict=True))


def merge_hills(
    pairs: NDArray[np.int64],
    measures: NDArray[np.int64],
    heights: NDArray[np.integer],
    rise: float = RISE[2] * FINENESS[2],
) -> NDArray[np.int64]:
    """Merge the parts whose tops rise less above a saddle, the highest first.

    Parameters
    ----------
    pairs, measures : ndarray of int64, shapes (B, 2) and (B, 5)
        Borders as `border_sums` returns them, of parts 0, 1, ... in raster order of their tops.
    heights : ndarray of int, shape (P,)
        Of the tops.
    rise : float, optional
        In units of height; by default that of planes.

    Returns
    -------
    ndarray of int64, shape (P,)
        For each part the first of those it is merged with.
    """
    touching = measures[:, 0] > 0
    saddles = measures[touching, 4]
    order = np.argsort(-saddles, kind="stable")
    one: NDArray[np.int64] = _merge_hills(
        pairs[touching][order],
        saddles[order],
        heights.astype(np.int64),
        rise,
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
    # Highest saddles first, as water that sinks would part the hills.
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
    by_affinity: tuple[float, int] | None = None,
) -> NDArray[np.int64]:
    """Merge the parts whose common border is likeliest foreground, one border at a time.

    Parameters
    ----------
    pairs, measures : ndarray of int64, shapes (B, 2) and (B, 5)
        Borders as `border_sums` returns them, of parts 0, 1, ... in raster order of their tops.
    sizes : ndarray of int64, shape (P,)
        Of the parts, in pixels of the mask.
    threshold : float
        Mean foreground along a border above which its two parts are merged; a part smaller
        than `SPECK` always joins the neighbour in the mask with the likeliest border. In a
        plane only neighbours in the mask are merged, in a volume also those across a gap.
    ndim : int, default 2
        Axes of what the parts lie in.
    by_affinity : (float, int), optional
        What `measures` count are affinities: two parts of at least so many pixels are merged
        above this mean only. None is a speck then that has a pixel.

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
    counts = measures[:, 0] > 0
    if ndim > 2:
        counts |= measures[:, 2] > 0
    sums = measures[counts, :4].copy()
    speck = SPECK[ndim] if by_affinity is None else 1
    surer, large = by_affinity or (threshold, int(np.iinfo(np.int64).max))
    joined: NDArray[np.int64] = _agglomerate(
        pairs[counts], sums, sizes.copy(), (threshold, surer), (speck, large), ENDS[ndim]
    )
    return joined


@compiled
def _agglomerate(
    pairs: NDArray[np.int64],
    sums: NDArray[np.int64],
    sizes: NDArray[np.int64],
    limits: tuple[float, float],
    of_sizes: tuple[int, int],
    ends: int,
) -> NDArray[np.int64]:
    """Merge parts along the likeliest border until none is likely enough.

    A border is a row of `pairs`. Each part has a linked list of its borders: slot 2 b + side
    is border b seen from its part `side`. Of two parts of the second size or more, the second
    limit holds; one below the first size always joins.
    """
    parents, count = np.arange(len(sizes)), len(sizes)
    first, degrees = np.full(count, -1), np.zeros(count, np.int64)
    following = np.full(2 * len(pairs), -1)
    means, ranks = np.empty(len(pairs)), np.arange(len(pairs))
    gone = np.zeros(len(pairs), np.bool_)
    (keys, known), used = _table_of_borders(pairs), len(pairs)
    queue = [(-1.0, 0, 0) for _ in range(0)]
    # Hang each border into the lists of its two parts, and queue it by its mean.
    for border in range(len(pairs)):
        for which in range(2):
            part = pairs[border, which]
            following[2 * border + which] = first[part]
            first[part] = 2 * border + which
            degrees[part] += 1
        means[border] = _mean_foreground(sums[border], ends)
        queue.append((-means[border], border, border))
    heapify(queue)

    while queue:
        unlikely, rank, border = heappop(queue)
        if gone[border] or -unlikely != means[border] or rank != ranks[border]:
            continue  # an outdated entry: the border has grown or gone since
        a, b = root(parents, pairs[border, 0]), root(parents, pairs[border, 1])
        smaller = min(sizes[a], sizes[b])
        is_speck = smaller < of_sizes[0] and sums[border, 0] > 0
        limit = limits[1] if smaller >= of_sizes[1] else limits[0]
        if -unlikely <= limit and not is_speck:
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
                key = key_of_pair(into, other)
                place = place_of_key(keys, key)
                if keys[place] == key:
                    # Both had a border with `other`: add it to that one, and queue the sum.
                    both = known[place, 0]
                    for column in range(sums.shape[1]):
                        sums[both, column] += sums[moved, column]
                    means[both], ranks[both] = (
                        _mean_foreground(sums[both], ends),
                        min(ranks[both], ranks[moved]),
                    )
                    gone[moved] = True
                    heappush(queue, (-means[both], ranks[both], both))
                else:
                    keys[place], known[place, 0] = key, moved
                    used += 1
                    if 2 * used > len(keys):
                        keys, known = larger_table(keys, known)
                    following[slot], first[into] = first[into], slot
                    degrees[into] += 1
            slot = after

    return _first_members(parents)


@compiled
def _table_of_borders(
    pairs: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a table that finds the border of two parts; a dictionary takes long to compile."""
    capacity = FIRST_CAPACITY
    while capacity < 4 * len(pairs):
        capacity *= 2
    keys, known = np.zeros(capacity, np.uint64), np.empty((capacity, 1), np.int64)
    for border in range(len(pairs)):
        key = key_of_pair(pairs[border, 0], pairs[border, 1])
        place = place_of_key(keys, key)
        keys[place], known[place, 0] = key, border
    return keys, known


@compiled
def _first_members(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first member of the set of each part."""
    least = np.full(len(parents), -1)
    for part in range(len(parents)):
        top = root(parents, part)
        least[top] = part if least[top] < 0 else least[top]
    return least[parents]


@compiled
def _mean_foreground(border: NDArray[np.int64], ends: int) -> float:
    """Return the mean foreground along a border, without its ends in the background."""
    inside, sum_inside, outside, sum_outside = border[0], border[1], border[2], border[3]
    counted = max(0, outside - ends)
    share = counted / outside if outside else 0.0
    return (sum_inside + share * sum_outside) / (inside + counted) / (2 * 255)
