"""Polygons drawn as run lengths, exactly as pycocotools draws them, in little memory.

pycocotools follows the whole outline in steps of a fifth of a pixel, in a buffer whose size it
computes in 32 bits: an outline that crosses a large image thousands of times ends the process.
Here only the places are computed where an outline crosses the middle of a column.

References
----------
`common/maskApi.c` of cocoapi, rleFrPoly.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

Runs = NDArray[np.int64]
Reals = NDArray[np.float64]

SCALE = 5
"""Steps of an outline per pixel."""
MAX_CROSSINGS = 2**23
"""Columns that an outline may cross, each time counted: more than any outline of an object."""


def polygon_counts(polygon: Sequence[float], height: int, width: int) -> Runs:
    """Draw the inside of a polygon; what lies outside of the image is cut off.

    Parameters
    ----------
    polygon : sequence of float, shape (2 N,)
        x, y, x, y, ... in pixels.
    height, width : int
        Size of the image.

    Returns
    -------
    ndarray of int64, shape (N,)
        Counts, as in `coco.masks`.

    Raises
    ------
    ValueError
        If the outline has more than `MAX_CROSSINGS` crossings.
    """
    check_crossings(polygon)
    points = np.asarray(polygon, np.float64)
    counts: Runs = _counts_inside(points[::2], points[1::2], height, width)
    return counts


def check_crossings(polygon: Sequence[float]) -> None:
    """Refuse an outline that crosses too many columns.

    Parameters
    ----------
    polygon : sequence of float, shape (2 N,)
        x, y, x, y, ... in pixels.

    Raises
    ------
    ValueError
        If the outline has more than `MAX_CROSSINGS` crossings.
    """
    x = polygon[::2]
    if len(x) * (max(x) - min(x) + 1) <= MAX_CROSSINGS:
        return
    crossed = int(np.abs(np.diff(np.asarray(x, np.float64), append=x[0])).sum()) + len(x)
    if crossed > MAX_CROSSINGS:
        raise ValueError(
            f"has a polygon of {len(x):,} points whose outline crosses {crossed:,} columns: it "
            "is no outline of an object"
        )


def _counts_of_outline(x: Reals, y: Reals, height: int, width: int) -> Runs:
    """Return the counts of the inside of an outline."""
    # As the C code: conversion to whole numbers cuts off decimals, also of negative numbers.
    xs, ys = np.empty(x.size + 1, np.int64), np.empty(x.size + 1, np.int64)
    room = 2
    for i in range(x.size):
        xs[i], ys[i] = int(SCALE * x[i] + 0.5), int(SCALE * y[i] + 0.5)
        if i:
            room += abs(xs[i] - xs[i - 1]) // SCALE + 2
    xs[-1], ys[-1] = xs[0], ys[0]
    room += abs(xs[-1] - xs[-2]) // SCALE + 2
    places = np.empty(room, np.int64)
    n = 0
    for i in range(x.size):
        n = _add_crossed(places, n, xs[i], ys[i], xs[i + 1], ys[i + 1], height, width)
    places[n], pixels = height * width, height * width
    places = np.sort(places[: n + 1])
    # Pixels change at places that are crossed an odd number of times.
    counts = np.empty(n + 2, np.int64)
    m, last, i = 0, 0, 0
    while places[i] < pixels:
        j = i
        while places[j] == places[i]:
            j += 1
        if (j - i) % 2 == 1:
            counts[m] = places[i] - last
            last = places[i]
            m += 1
        i = j
    counts[m] = pixels - last
    return counts[: m + 1].copy()


def _add_crossed_places(
    places: Runs, n: int, x0: int, y0: int, x1: int, y1: int, height: int, width: int
) -> int:
    """Add the pixels, numbered down the columns, before which an edge crosses their column.

    Returns
    -------
    int
        Number of places after that.
    """
    dx, dy = abs(x1 - x0), abs(y1 - y0)
    if dx == 0:
        return n
    # From the end with the smaller coordinate along the longer axis, as the C code goes.
    if (x0 > x1) if dx >= dy else (y0 > y1):
        x0, y0, x1, y1 = x1, y1, x0, y0
    slope = (y1 - y0) / dx if dx >= dy else (x1 - x0) / dy
    # The middle of column c lies between the steps 5 c + 2 and 5 c + 3.
    first = max((min(x0, x1) + 2) // SCALE, 0)
    last = min((max(x0, x1) - 3) // SCALE, width - 1)
    for column in range(first, last + 1):
        step = SCALE * column + 2
        if dx >= dy:
            t = step - x0
            low = min(int(y0 + slope * t + 0.5), int(y0 + slope * (t + 1) + 0.5))
        else:
            # Search where that step is passed: x rises or falls all along the edge.
            a, b = 0, dy
            while b - a > 1:
                middle = (a + b) // 2
                if (int(x0 + slope * middle + 0.5) <= step) == (slope > 0):
                    a = middle
                else:
                    b = middle
            low = y0 + a
        row = np.ceil((low + 0.5) / SCALE - 0.5)
        places[n] = column * height + int(min(max(row, 0.0), float(height)))
        n += 1
    return n


_add_crossed = compiled(_add_crossed_places)
_counts_inside = compiled(_counts_of_outline)
