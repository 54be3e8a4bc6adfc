"""Watershed from given regions: they grow over a landscape, lowest pixels first.

Source: Meyer, "Un algorithme optimal pour la ligne de partage des eaux", 1991; here without
lines between the regions. Why not `skimage.segmentation.watershed`: scikit-image is no
dependency of the engine, and a queue per level is several times as fast as its heap.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

LEVELS = 2**16
"""Number of heights that are distinguished. A float16 or an image of 16 bits has no more."""
GROUP = 2**8
"""Levels that are skipped together when none of them has a waiting pixel."""


def flood(labels: NDArray[Any], height: NDArray[Any]) -> NDArray[Any]:
    """Grow regions over free pixels, from pixel to pixel across faces.

    Parameters
    ----------
    labels : ndarray of int, any shape
        Regions; 0 is free. The regions themselves do not change.
    height : ndarray of int or float, same shape
        The lowest pixel beside a region is taken first; of equal ones the one that was reached
        first, and at the start in raster order. Heights are rounded to `LEVELS` steps from the
        lowest to the highest.

    Returns
    -------
    ndarray, shape and type of `labels`
        No pixel is free, unless all are.

    Notes
    -----
    The regions are those of `skimage.segmentation.watershed`, but for its order of equal
    heights at the start, which it leaves open. Each level has its own queue, so nothing is
    sorted.
    """
    labels, height = np.ascontiguousarray(labels), np.ascontiguousarray(height)
    states = np.pad((labels == 0).view(np.uint8), 1, constant_values=2)
    steps = np.array(states.strides)
    index = np.int32 if states.size < 2**31 else np.int64
    sources = np.arange(states.size, dtype=index)
    _flood(
        states.ravel(),
        np.pad(_levels(height), 1).ravel(),
        np.concatenate([-steps, steps[::-1]]),
        sources,
        np.empty(states.size, index),
    )
    inner = (slice(1, -1),) * labels.ndim
    found: NDArray[Any] = np.pad(labels, 1).ravel()[sources.reshape(states.shape)[inner]]
    return found


def _levels(height: NDArray[Any]) -> NDArray[np.uint16]:
    """Round heights to integers from 0 to at most `LEVELS` - 1, in the same order."""
    lowest, highest = height.min(), height.max()
    rise = float(highest) - float(lowest)
    if height.dtype.kind in "iu" and rise < LEVELS:
        return (height.astype(np.int64) - int(lowest)).astype(np.uint16)
    scale = np.float32((LEVELS - 1) / rise if rise else 0)
    return np.rint((height.astype(np.float32) - np.float32(lowest)) * scale).astype(np.uint16)


@compiled
def _flood(
    states: NDArray[np.uint8],
    levels: NDArray[np.uint16],
    steps: NDArray[np.int64],
    sources: NDArray[Any],
    behind: NDArray[Any],
) -> None:
    """Write into `sources` the pixel of a region from which each free pixel is reached.

    `states`: 0 is taken, 1 is free, 2 is outside. The queue of a level is a linked list:
    `first` and `last` of each level, and `behind` of each pixel. `waiting` counts the queued
    pixels of each group of levels.
    """
    first, last = np.full(LEVELS, -1), np.full(LEVELS, -1)
    waiting = np.zeros(LEVELS // GROUP, np.int64)
    lowest = np.int64(LEVELS)
    # Queue the pixels of regions that have a free neighbour, in raster order.
    for i in range(len(states)):
        if states[i] == 0:
            for step in steps:
                if states[i + step] == 1:
                    _join(first, last, behind, waiting, levels[i], i)
                    lowest = min(lowest, np.int64(levels[i]))
                    break
    # Take the lowest queued pixel; its free neighbours join its region and are queued.
    while lowest < LEVELS:
        i = first[lowest]
        if i < 0:
            lowest += 1 if waiting[lowest // GROUP] > 0 else GROUP - lowest % GROUP
            continue
        first[lowest] = behind[i]
        waiting[lowest // GROUP] -= 1
        for step in steps:
            k = i + step
            if states[k] == 1:
                states[k], sources[k] = 0, sources[i]
                _join(first, last, behind, waiting, levels[k], k)
                lowest = min(lowest, np.int64(levels[k]))


@compiled
def _join(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    behind: NDArray[Any],
    waiting: NDArray[np.int64],
    level: int,
    i: int,
) -> None:
    """Append pixel i to the queue of its level."""
    if first[level] < 0:
        first[level] = i
    else:
        behind[last[level]] = i
    last[level], behind[i] = i, -1
    waiting[level // GROUP] += 1
