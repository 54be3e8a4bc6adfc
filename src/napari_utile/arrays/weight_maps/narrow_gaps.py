"""Widths of gaps, exact up to a width: all that the border term needs, and faster."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import Array, compiled
from napari_utile.arrays.weight_maps.two_nearest import (
    SHORT,
    gaps_between,
    inlined,
    sweep_back,
    sweep_forth,
)

WIDEST = 127
"""Width whose square still fits beside an id, px."""
OUT_OF_REACH = np.int32(2 ** (2 * SHORT - 2))
"""Key of no object; with the square of `WIDEST` on top it is below 2^31."""
ID_BITS = np.int32(2**SHORT - 1)
BLOCK = 64
"""Neighbouring pixels that are merged together: a few vectors of the processor."""


def narrow_gaps(
    labels: NDArray[np.int32],
    spacing: Sequence[float] | None,
    widest: float,
    out: NDArray[np.float32],
) -> None:
    """Write the sum of both distances of `two_nearest` where it is less than `widest`.

    Parameters
    ----------
    labels, spacing
        As in `two_nearest`.
    widest : float
        Of the gaps that matter, in the unit of `spacing`.
    out : ndarray of float32, shape of `labels`, contiguous
        Overwritten: ``inf`` on objects, and at least `widest` where the gap is that wide.

    Notes
    -----
    A pixel has two keys, of the nearest object and of the nearest other one: the high bits are
    the squared distance, the low bits the id. Two sweeps find them along the first axis, as in
    `two_nearest`. Along a further axis the keys of the pixels 1, 2, 3 ... away on both sides,
    with 1, 4, 9 ... added, are merged with the pixel's own, until that is more than its second
    squared distance or the square of `widest`. So the work grows with the width of gaps, but
    it is on integers without a branch, several pixels at once.

    Where that does not work, `gaps_between` measures all gaps: for a `spacing`, ids from 2^16
    on, more than three axes, a `widest` of more than `WIDEST`.
    """
    is_short = len(labels) < 2 ** (SHORT - 2) and labels.min(initial=0) >= 0
    is_short = is_short and labels.max(initial=0) < 2**SHORT
    if not (is_short and spacing is None and widest <= WIDEST and labels.ndim in (2, 3)):
        gaps_between(labels, spacing, out)
        return
    shape = (labels.shape[0], *(1,) * (3 - labels.ndim), *labels.shape[1:])
    planes, gaps = np.ascontiguousarray(labels).reshape(shape), out.reshape(shape)
    keys = gaps.view(np.int32), np.empty(shape, np.int32)
    _measure_planes(planes, int(np.ceil(widest)), keys[0], keys[1], gaps)


@compiled
def _measure_planes(labels: Array, reach: int, keys0: Array, keys1: Array, gaps: Array) -> None:
    """Sweep forth; then back, and in each plane that is passed along its columns and rows."""
    n, height, width = labels.shape
    before = np.full((2, height * width), OUT_OF_REACH, np.int64)
    for i in range(n):
        sweep_forth(
            labels[i].ravel(), SHORT, before[0], before[1], keys0[i].ravel(), keys1[i].ravel()
        )
    before[:] = OUT_OF_REACH

    plane = np.empty((2, height, width), np.int32)
    wide = np.full((2, width + 2 * reach), OUT_OF_REACH, np.int32)  # a row, and beyond its ends
    row = slice(reach, reach + width)
    merged = np.empty((2, width), np.int32)
    for i in range(n - 1, -1, -1):
        sweep_back(SHORT, before[0], before[1], keys0[i].ravel(), keys1[i].ravel())
        for rank in range(2):
            _square(before[rank], reach, plane[rank].ravel())
        for y in range(height):
            merged[:] = plane[:, y]
            if height > 1:
                _merge_rows(plane, y, reach, merged)
            wide[:, row] = merged
            _merge_pixels(labels[i, y], reach, wide, merged)
            _write_widths(labels[i, y], merged[0], merged[1], gaps[i, y])


@compiled
def _square(keys: Array, reach: int, out: Array) -> None:
    """Write the keys of squared distances."""
    for j in range(len(keys)):
        away = np.int32(keys[j] >> SHORT)
        key = np.int32((away * away << SHORT) + (keys[j] & ID_BITS))
        out[j] = key if away <= reach else OUT_OF_REACH


@compiled
def _merge_rows(plane: Array, y: int, reach: int, merged: Array) -> None:
    """Merge the keys of row y with those of the rows above and below."""
    _, height, width = plane.shape
    for begin in range(0, width, BLOCK):
        here = slice(begin, min(begin + BLOCK, width))
        first, second = merged[0, here], merged[1, here]
        for away in range(1, reach + 1):
            step = np.int32(away * away << SHORT)
            if step >= _largest(second):
                break
            if y >= away:
                _merge(plane[0, y - away, here], plane[1, y - away, here], step, first, second)
            if y + away < height:
                _merge(plane[0, y + away, here], plane[1, y + away, here], step, first, second)


@compiled
def _merge_pixels(labels: Array, reach: int, wide: Array, merged: Array) -> None:
    """Merge the keys of background with those of the pixels on both sides, in a row."""
    width = len(labels)
    for begin in range(0, width, BLOCK):
        end = min(begin + BLOCK, width)
        first, second = merged[0, begin:end], merged[1, begin:end]
        for away in range(1, reach + 1):
            step = np.int32(away * away << SHORT)
            if step >= _largest_of_background(labels[begin:end], second):
                break
            for shift in (reach - away, reach + away):
                there = slice(begin + shift, end + shift)
                _merge(wide[0, there], wide[1, there], step, first, second)


# As in `two_nearest`, loops that become vector code. NumPy's int32 keeps them from int64.


@inlined
def _largest(keys: Array) -> np.int32:
    largest = np.int32(0)
    for j in range(len(keys)):
        largest = max(largest, keys[j])
    return largest


@inlined
def _largest_of_background(labels: Array, keys: Array) -> np.int32:
    largest = np.int32(0)
    for j in range(len(keys)):
        largest = max(largest, keys[j] if labels[j] == 0 else np.int32(0))
    return largest


@inlined
def _merge(there0: Array, there1: Array, step: int, here0: Array, here1: Array) -> None:
    """Merge both keys of pixels with those of others, whose squared distance is `step`."""
    for j in range(len(here0)):
        key0, key1 = np.int32(there0[j] + step), np.int32(there1[j] + step)
        own0, own1 = here0[j], here1[j]
        is_same = np.int32((key0 ^ own0) & ID_BITS) == np.int32(0)
        behind = own1 if own0 <= key0 else key1
        here0[j] = min(own0, key0)
        here1[j] = min(own1, key1) if is_same else min(max(own0, key0), behind)


@compiled
def _write_widths(labels: Array, first: Array, second: Array, out: Array) -> None:
    for j in range(len(labels)):
        nearest, other = np.float32(first[j] >> SHORT), np.float32(second[j] >> SHORT)
        width = np.sqrt(nearest) + np.sqrt(other)
        out[j] = width if labels[j] == 0 else np.float32(np.inf)
