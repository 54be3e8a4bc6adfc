"""Affinities: how likely two voxels are in one object. Targets of labels, and objects of them.

An offset says which two: a voxel, and the one that lies so far from it. Between neighbours an
affinity joins; between voxels that are far apart one that is low holds objects apart, however
thin the border between them is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.instances.regions import root
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.tiling import Window

UNANNOTATED = int(np.iinfo(np.int32).min)
"""In `signed_ids`: what nobody annotated."""


def signed_ids(instances: NDArray[np.int32], classes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return instances and foreground in one array: what affinities are learnt from.

    Parameters
    ----------
    instances : ndarray of int32 >= 0, any shape
        Without borders between them.
    classes : ndarray of uint8, same shape
        1 is foreground, which has borders; `IGNORE` is unannotated.

    Returns
    -------
    ndarray of int32, same shape
        The id of an instance in its foreground, its negative in its border; 0 is background,
        `UNANNOTATED` the rest.

    Examples
    --------
    >>> signed_ids(np.array([[5, 5, 8, 0]], np.int32), np.array([[1, 0, 1, 0]], np.uint8))
    array([[ 5, -5,  8,  0]], dtype=int32)
    """
    signed = np.where(classes == 1, instances, -instances).astype(np.int32)
    signed[classes == IGNORE] = UNANNOTATED
    return signed


def pair_offsets(far: Sequence[int]) -> list[Offset]:
    """Return offsets to the neighbour before each voxel, and to one that is far, per axis.

    Parameters
    ----------
    far : sequence of int
        How far the second one is along each axis, in voxels; 1 or less for none.

    Examples
    --------
    >>> pair_offsets((1, 9, 9))
    [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (0, -9, 0), (0, 0, -9)]
    """
    axes = range(len(far))
    near = [tuple(-1 if axis == i else 0 for i in axes) for axis in axes]
    return near + [
        tuple(-far[axis] if axis == i else 0 for i in axes) for axis in axes if far[axis] > 1
    ]


def affinity_targets(
    labels: NDArray[np.integer], offsets: Sequence[Offset], ignore: int | None = None
) -> NDArray[np.uint8]:
    """Return for each voxel and offset whether the two voxels are in the same object.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X) or (Z, Y, X)
        Instances; 0 is background.
    offsets : sequence of tuple of int
        See `pair_offsets`.
    ignore : int, optional
        Id of what nobody annotated.

    Returns
    -------
    ndarray of uint8, shape (offsets, *labels.shape)
        1 for the same object; 0 for two, or if one of them is background; `IGNORE` if one of
        them is not annotated, or lies outside.

    Examples
    --------
    >>> affinity_targets(np.array([[5, 5, 0, 7]]), [(0, -1)])
    array([[[255,   1,   0,   0]]], dtype=uint8)
    """
    targets = np.full((len(offsets), *labels.shape), IGNORE, np.uint8)
    for target, offset in zip(targets, offsets, strict=True):
        here, there = pair_windows(labels.shape, offset)
        a, b = labels[here], labels[there]
        found = ((a == b) & (a != 0)).astype(np.uint8)
        if ignore is not None:
            found[(a == ignore) | (b == ignore)] = IGNORE
        target[here] = found
    return targets


def pair_windows(shape: tuple[int, ...], offset: Offset) -> tuple[Window, Window]:
    """Return the windows of voxels that have a partner inside, and of their partners.

    Parameters
    ----------
    shape : tuple of int
    offset : tuple of int
        Per axis.
    """
    here, there = [], []
    for size, step in zip(shape, offset, strict=True):
        start = max(0, -step)
        stop = max(start, min(size, size - step))
        here.append(slice(start, stop))
        there.append(slice(start + step, stop + step))
    return tuple(here), tuple(there)


def mutex_watershed(
    affinities: NDArray[np.floating],
    offsets: Sequence[Offset],
    mask: NDArray[np.bool_] | None = None,
    strides: Sequence[int] | None = None,
) -> NDArray[np.int32]:
    """Return the objects of affinities: the surest pairs decide first.

    Pairs of neighbours join two objects, unless a surer pair of voxels that are far apart has
    said that they are two. There is no threshold.

    Parameters
    ----------
    affinities : ndarray of float, shape (offsets, Y, X) or (offsets, Z, Y, X)
        0 to 1: how likely each voxel and its partner are in one object.
    offsets : sequence of tuple of int
        Those with a single step of 1 join; all others hold apart.
    mask : ndarray of bool, optional
        Where objects are; by default everywhere.
    strides : sequence of int, optional
        Only voxels at multiples of it, per axis, hold apart: less work.

    Returns
    -------
    ndarray of int32, shape of one affinity
        Objects 1, 2, ... in raster order of their first voxels; 0 is background.

    Raises
    ------
    ValueError
        If there are not as many offsets as affinities.

    Notes
    -----
    The whole is decided at once: what lies far away can change an object, so blocks give other
    objects than the whole. Of equally sure pairs those that join come first, then in the order
    of offsets and voxels. Memory takes some 30 bytes for each pair.

    References
    ----------
    Wolf et al., "The Mutex Watershed", ECCV 2018, algorithm 1.

    Examples
    --------
    >>> row = np.array([[[0, 1, 0.6, 1]], [[0, 0, 0.9, 0.1]]])
    >>> mutex_watershed(row, [(0, -1), (0, -2)])
    array([[1, 1, 2, 2]], dtype=int32)
    """
    if len(affinities) != len(offsets):
        raise ValueError(f"{len(affinities)} affinities and {len(offsets)} offsets")
    shape = affinities.shape[1:]
    inside = np.ones(shape, bool) if mask is None else mask
    holds_apart = np.zeros(shape, bool)
    holds_apart[tuple(slice(None, None, step) for step in strides or (1,) * len(shape))] = True
    places = np.arange(inside.size).reshape(shape)
    pairs, sure, joins = [], [], []
    channels = zip(affinities, offsets, strict=True)
    for affinity, offset in sorted(channels, key=lambda channel: not _joins(channel[1])):
        here, there = pair_windows(shape, offset)
        taken = inside[here] & inside[there]
        if not _joins(offset):
            taken &= holds_apart[here]
        pairs.append(np.stack([places[here][taken], places[there][taken]], axis=1))
        values = affinity[here][taken]
        sure.append(values if _joins(offset) else 1 - values)
        joins.append(np.full(len(values), _joins(offset)))
    order = np.argsort(-np.concatenate(sure), kind="stable")
    found = _mutex_watershed(
        np.concatenate(pairs)[order], np.concatenate(joins)[order], inside.size
    )
    number, firsts, which = np.unique(
        np.where(inside.ravel(), found, -1), return_index=True, return_inverse=True
    )
    ids = np.zeros(len(firsts), np.int32)
    in_order = np.argsort(firsts)
    in_order = in_order[number[in_order] >= 0]
    ids[in_order] = np.arange(1, len(in_order) + 1)
    objects: NDArray[np.int32] = ids[which].reshape(shape)
    return objects


def _joins(offset: Offset) -> bool:
    return sum(map(abs, offset)) == 1


@compiled
def _mutex_watershed(
    pairs: NDArray[np.int64], joins: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Go through pairs, the surest first; return a number for the set of each voxel.

    Each set has a linked list of the sets that it is held apart from: slot 2 p + side is pair p
    seen from its end `side`.
    """
    parents = np.arange(count)
    first, degrees = np.full(count, -1), np.zeros(count, np.int64)
    following = np.full(2 * len(pairs), -1)
    apart = dict()  # noqa: C408, of keys of two sets
    for pair in range(len(pairs)):
        a, b = root(parents, pairs[pair, 0]), root(parents, pairs[pair, 1])
        key = min(a, b) * count + max(a, b)
        if a == b or key in apart:
            continue
        if not joins[pair]:
            apart[key] = True
            for side, end in ((0, a), (1, b)):
                slot = 2 * pair + side
                following[slot], first[end] = first[end], slot
                degrees[end] += 1
            continue
        # The set that is held apart from fewer moves its list over to the other.
        into, small = (a, b) if degrees[a] >= degrees[b] else (b, a)
        parents[small] = into
        slot = first[small]
        while slot >= 0:
            after = following[slot]
            other = root(parents, pairs[slot // 2, 1 - slot % 2])
            key = min(into, other) * count + max(into, other)
            if key not in apart:
                apart[key] = True
                following[slot], first[into] = first[into], slot
                degrees[into] += 1
            slot = after
    for i in range(count):
        parents[i] = root(parents, i)
    return parents
