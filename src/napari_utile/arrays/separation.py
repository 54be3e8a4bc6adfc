"""Foreground that is connected by accident, taken apart where its parts barely touch.

A gap of one weak pixel in a membrane joins two cells. They are told apart by the whole of
their common border: it is mostly membrane, while the parts of one cell meet in foreground.
"""

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.feature import peak_local_max
from skimage.measure import label as connected
from skimage.segmentation import watershed

REACH = 4
"""How far into the background a border is followed, in pixels: about half a membrane."""
ENDS = 4 * REACH
"""Pixel pairs of background that any border has, however surely its parts are one: at each
of its two ends it runs on for `REACH` pixels, with two pairs for each on a diagonal."""
SMOOTHING = 2.0
"""Of the depth whose peaks start a part, in pixels; more parts only take more time."""
APART = 5
"""Least distance of two such peaks, in pixels."""


def separated(
    mask: NDArray[np.bool_], foreground: NDArray[np.floating], threshold: float = 0.5
) -> NDArray[np.int32]:
    """Number the objects of one plane, also those that a leak in a border joins.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)
        Where objects are: as a rule, where `foreground` is above `threshold`.
    foreground : ndarray of float, shape (Y, X)
        Probabilities.
    threshold : float, default 0.5
        A border is none if the mean along it is higher by a third of what is missing to 1,
        so 2/3 at 0.5.

    Returns
    -------
    ndarray of int32, shape (Y, X)
        Connected instances 1, 2, ...; 0 off the mask.

    Notes
    -----
    The foreground is divided into a part for each peak of its depth by a watershed that
    flows over its edge up to `REACH`. Then the two parts with the most likely foreground
    along their common border become one, again and again, until no border is left that is
    surely none. Parts that do not touch inside the foreground stay apart, so no object is
    larger than a connected component.

    The third was found on networks trained for two minutes on 19 slices of ISBI 2012: their
    Rand score on five others is 0.95 for 0.65 to 0.7, 0.94 for 0.6 and 0.75, and 0.88 for
    connected components.

    References
    ----------
    Watershed and agglomeration by the mean of the border are the usual last steps for EM,
    for instance in Nunez-Iglesias et al., "Machine Learning of Hierarchical Clustering to
    Segment 2D and 3D Images", PLoS ONE 2013.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    parts = parts_of(mask, foreground)
    sure = threshold + (1 - threshold) / 3
    one = merged(*borders(parts, mask, foreground), int(parts.max()), sure)
    objects: NDArray[np.int32] = connected(one[parts] * mask, background=0, connectivity=1)
    return objects.astype(np.int32, copy=False)


def parts_of(mask: NDArray[np.bool_], foreground: NDArray[np.floating]) -> NDArray[np.integer]:
    """Divide the mask, and what is near it, at its narrow places: parts 1, 2, ..."""
    depth = distance_transform_edt(mask)
    peaks = peak_local_max(
        gaussian_filter(depth, SMOOTHING),
        min_distance=APART,
        labels=mask,
        exclude_border=False,
    )
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    relief = np.where(mask, -depth, 1 - foreground)
    near = distance_transform_edt(~mask) <= REACH
    return watershed(relief, seeds, mask=near)


def borders(
    parts: NDArray[np.integer], mask: NDArray[np.bool_], foreground: NDArray[np.floating]
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Measure where parts meet.

    Returns
    -------
    pairs : ndarray of int, shape (B, 2)
        Parts that touch inside the mask.
    sums : ndarray of float, shape (B, 4)
        Of their pixel pairs inside the mask, and of those not: their number, and the sum
        of the probabilities.
    """
    pairs, values, inside = [], [], []
    for here, there in (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]):
        a, b = parts[here], parts[there]
        meet = (a != b) & (a > 0) & (b > 0)
        pairs.append(np.sort(np.stack([a[meet], b[meet]], axis=1), axis=1))
        values.append((foreground[here][meet] + foreground[there][meet]) / 2)
        inside.append(mask[here][meet] & mask[there][meet])
    unique, which = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    value, within, which = np.concatenate(values), np.concatenate(inside), which.ravel()

    def total(weights: NDArray) -> NDArray:
        return np.bincount(which, weights, len(unique))

    sums = np.stack(
        [total(within), total(within * value), total(~within), total(~within * value)], axis=1
    )
    touching = sums[:, 0] > 0
    return unique[touching], sums[touching]


def merged(
    pairs: NDArray[np.integer], sums: NDArray[np.floating], count: int, threshold: float
) -> NDArray[np.int32]:
    """Join the parts whose common border is likeliest foreground, one pair at a time.

    Returns
    -------
    ndarray of int32, shape (count + 1,)
        For each part the one that it has become a part of.
    """
    neighbours: list[dict[int, NDArray[np.floating]]] = [{} for _ in range(count + 1)]
    for (a, b), border in zip(pairs.tolist(), sums, strict=True):
        neighbours[a][b] = neighbours[b][a] = border
    queue = [(-mean(s), a, b) for (a, b), s in zip(pairs.tolist(), sums, strict=True)]
    heapify(queue)
    into = np.arange(count + 1, dtype=np.int32)
    while queue and -queue[0][0] > threshold:
        likely, a, b = heappop(queue)
        if b not in neighbours[a] or -likely != mean(neighbours[a][b]):
            continue  # one of the two, or their border, has changed since
        into[into == b] = a
        del neighbours[a][b], neighbours[b][a]
        while neighbours[b]:
            other, border = neighbours[b].popitem()
            del neighbours[other][b]
            both = neighbours[a].get(other, 0) + border
            neighbours[a][other] = neighbours[other][a] = both
            heappush(queue, (-mean(both), min(a, other), max(a, other)))
    return into


def mean(border: NDArray[np.floating]) -> float:
    """Average the foreground along a border, without its two ends in the background."""
    inside, sum_inside, outside, sum_outside = border.tolist()
    counted = max(0.0, outside - ENDS)
    share = counted / outside if outside else 0.0
    return (sum_inside + share * sum_outside) / (inside + counted)
