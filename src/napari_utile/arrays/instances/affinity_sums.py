"""Affinities between fragments of a volume: of all pairs of voxels that lie in two of them.

A pair is a voxel and its partner, which an offset leads to. Partners may lie in other blocks:
the fragments around a block are read with it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Block, Blocks
from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.instances.pair_table import (
    FIRST_CAPACITY,
    key_of_pair,
    new_table,
    pairs_in_order,
    with_entry,
)
from napari_utile.arrays.tiling import Window


def near_and_far(offsets: Sequence[Offset]) -> tuple[list[int], list[int]]:
    """Return the numbers of the offsets to direct neighbours, and of all others.

    Parameters
    ----------
    offsets : sequence of tuple of int
        From each voxel to its partner, per axis.

    Raises
    ------
    ValueError
        If there is not one to the voxel before along each axis, in their order.

    Examples
    --------
    >>> near_and_far([(-1, 0), (0, -1), (-3, 0), (0, -9)])
    ([0, 1], [2, 3])
    """
    near = [i for i, offset in enumerate(offsets) if sum(map(abs, offset)) == 1]
    along = [tuple(-(axis == i) for axis in range(len(near))) for i in range(len(near))]
    if not near or [offsets[i] for i in near] != along:
        raise ValueError(f"offsets need the voxel before along each axis, got {offsets}")
    return near, [i for i in range(len(offsets)) if i not in near]


def affinity_halo(offsets: Sequence[Offset]) -> int:
    """Return how far partners lie at most, along any axis."""
    return max((abs(step) for offset in offsets for step in offset), default=0)


def likely_inside(foreground: NDArray[np.uint8], near: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mean of foreground and near affinities, of which each belongs to two voxels.

    Parameters
    ----------
    foreground : ndarray of uint8, shape (Z, Y, X)
        Probabilities; 255 is 1.
    near : ndarray of uint8, shape (3, Z, Y, X)
        Of each voxel and the one before it along each axis. Those of the first voxels, which
        have none before them, do not count.

    Returns
    -------
    ndarray of uint8, shape of `foreground`
        Half-way is rounded up. Exact one voxel from where it was cut out of a larger volume.
    """
    ndim = foreground.ndim
    twice = 2 * foreground.astype(np.uint16)
    for axis, affinity in enumerate(near.astype(np.uint16)):
        lines = np.moveaxis(affinity, axis, 0).copy()
        lines[:1] = lines[1:2] if len(lines) > 1 else 255
        after = np.concatenate([lines[1:], lines[-1:]])
        twice += np.moveaxis(lines + after, 0, axis)
    return ((twice + (1 + ndim)) // (2 * (1 + ndim))).astype(np.uint8)


def affinity_sums(
    parts: NDArray[np.int64],
    inner: Window,
    affinities: NDArray[np.uint8],
    offsets: Sequence[Offset],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of parts with voxels and partners in them, and sums of their affinities.

    Parameters
    ----------
    parts : ndarray of int, shape (Z, Y, X)
        Below 2**32, of a block and what lies up to `affinity_halo` around it; 0 is none.
    inner : tuple of slice
        Where the block lies in `parts`.
    affinities : ndarray of uint8, shape (offsets, Z, Y, X) of the block
        Of each voxel and its partner; 255 is 1.
    offsets : sequence of tuple of int

    Returns
    -------
    pairs : ndarray of int64, shape (E, 2)
        The lower part first, sorted.
    sums : ndarray of int64, shape (E, 2)
        Number of pairs of a voxel of the block and its partner; sum of their affinities.
    """
    shape, steps = np.array(parts.shape), np.array(offsets, np.int64).reshape(-1, parts.ndim)
    starts = np.array([side.start for side in inner])
    return pairs_in_order(
        *_affinity_sums(parts.ravel(), shape, starts, np.ascontiguousarray(affinities), steps)
    )


@compiled
def _affinity_sums(
    parts: NDArray[np.int64],
    shape: NDArray[np.int64],
    starts: NDArray[np.int64],
    affinities: NDArray[np.uint8],
    steps: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """See `affinity_sums`; `parts` are raveled from `shape`, the block begins at `starts`."""
    keys, rows = new_table(FIRST_CAPACITY, 2)
    count, last = 0, np.int64(0)
    channels, depth, height, width = affinities.shape
    for channel in range(channels):
        dz, dy, dx = steps[channel]
        ahead = (dz * shape[1] + dy) * shape[2] + dx
        # voxels whose partner is inside of what was read
        for z in range(max(0, -dz - starts[0]), min(depth, shape[0] - dz - starts[0])):
            for y in range(max(0, -dy - starts[1]), min(height, shape[1] - dy - starts[1])):
                row = ((z + starts[0]) * shape[1] + y + starts[1]) * shape[2] + starts[2]
                for x in range(max(0, -dx - starts[2]), min(width, shape[2] - dx - starts[2])):
                    here, there = parts[row + x], parts[row + x + ahead]
                    if here in (there, 0) or there == 0:
                        continue
                    key = key_of_pair(here, there)
                    if keys[last] != key:
                        keys, rows, count, last = with_entry(keys, rows, count, key)
                    rows[last, 0] += 1
                    rows[last, 1] += affinities[channel, z, y, x]
    return keys, rows


def affinity_table(
    labels: NDArray[np.uint32],
    blocks: Sequence[tuple[int, Window, int]],
    inner: Window,
    affinities: NDArray[np.uint8],
    offsets: Sequence[Offset],
) -> dict[str, NDArray[np.int64]]:
    """Return the sums of affinities of a block, between its fragments and those around it.

    Parameters
    ----------
    labels : ndarray of uint32, shape (Z, Y, X)
        Of a block and what lies up to `affinity_halo` around it: fragments, each block with its
        own numbers, and holes behind them.
    blocks : sequence of (int, tuple of slice, int)
        Number of each block in there, where it lies in `labels`, and how many fragments it has.
    inner : tuple of slice
        Where the block itself lies in `labels`.
    affinities : ndarray of uint8, shape (offsets, Z, Y, X) of the block
    offsets : sequence of tuple of int

    Returns
    -------
    dict of ndarray
        "affine_ends", shape (E, 4): block and fragment, twice; "affine_sums", shape (E, 2).
    """
    parts, numbers, starts, start = np.zeros(labels.shape, np.int64), [], [], 0
    for number, window, count in blocks:
        piece = labels[window]
        parts[window] = np.where((piece > 0) & (piece <= count), piece + np.int64(start), 0)
        numbers.append(number)
        starts.append(start)
        start += count
    pairs, sums = affinity_sums(parts, inner, affinities, offsets)
    which = np.searchsorted(starts, pairs, "left") - 1
    own = pairs - np.array(starts, np.int64)[which]
    ends = np.stack([np.array(numbers, np.int64)[which], own], axis=2).reshape(-1, 4)
    return {"affine_ends": ends, "affine_sums": sums}


def partner_blocks(blocks: Blocks, block: Block, offsets: Sequence[Offset]) -> Iterator[int]:
    """Yield the numbers of the blocks that hold voxels of a block, or partners of them.

    Parameters
    ----------
    blocks : Blocks
    block : Block
    offsets : sequence of tuple of int
    """
    moved = [
        tuple(
            slice(side.start + step, side.stop + step)
            for side, step in zip(block.window, offset, strict=True)
        )
        for offset in (*offsets, (0,) * len(block.window))
    ]
    for number in blocks.near(block, affinity_halo(offsets)):
        window = blocks[number].window
        if any(_meet(window, each) for each in moved):
            yield number


def overlapping(window: Window, wide: Window) -> tuple[Window, Window]:
    """Return where a window and another one overlap, in the first and in the second."""
    here, there = [], []
    for side, other in zip(window, wide, strict=True):
        start, stop = max(side.start, other.start), min(side.stop, other.stop)
        here.append(slice(start - side.start, stop - side.start))
        there.append(slice(start - other.start, stop - other.start))
    return tuple(here), tuple(there)


def _meet(one: Window, other: Window) -> bool:
    sides = zip(one, other, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in sides)
