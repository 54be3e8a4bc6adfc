"""The loop over the pixels of a window: counts, coordinates, boxes, and exposed faces."""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.objects.wide import add_wide

COUNT, Z, Y, X, ZZ, YY, XX, ZY, ZX, YX = range(10)
"""Columns of sums: of 1, of the coordinates of a pixel, and of their products."""
SUMS = 10


@compiled
def add_window(
    numbers: NDArray[np.int32],
    rows: NDArray[np.int64],
    below: NDArray[np.int32],
    below_rows: NDArray[np.int64],
    start: NDArray[np.int64],
    shape: NDArray[np.int64],
    halo: NDArray[np.int64],
    is_flat: bool,
    bit: int,
    low: NDArray[np.uint64],
    high: NDArray[np.int64],
    box: NDArray[np.int64],
    faces: NDArray[np.int64],
    seen: NDArray[np.uint64],
) -> None:
    """Add the pixels of a window to the sums of their objects, in place.

    Parameters
    ----------
    numbers : ndarray of int32, shape (Y, X)
        Of the objects, with a row and a column of neighbours where `halo` says so.
    rows : ndarray of int64
        Row of each number in the sums; -1 for background, the number 0.
    below, below_rows : ndarray
        The same of the slice before; no pixels if this is the first.
    start : ndarray of int64, shape (3,)
        z, y, x of the first pixel of the window, without the neighbours.
    shape : ndarray of int64, shape (3,)
        Of the stack.
    halo : ndarray of int64, shape (2,)
        Rows above and columns to the left that are neighbours: 0 or 1.
    is_flat : bool
        Whether faces across z do not count.
    bit : uint64
        Marks the slice in `seen`.
    low, high, box, faces, seen : ndarray
        See `ObjectSums`; changed.

    Notes
    -----
    Pixels of a row with one number, a run, are added at once: the sums of their x and x^2 are
    known, F(m) = 0 + 1 + ... + (m - 1) = m (m - 1) / 2 and the same of squares.
    """
    top, left = halo[0], halo[1]
    z, height, width = start[0], shape[1], shape[2]
    for i in range(top, numbers.shape[0]):
        y = start[1] + i - top
        a = left
        while a < numbers.shape[1]:
            number = numbers[i, a]
            row = rows[number]
            b = a + 1
            while b < numbers.shape[1] and numbers[i, b] == number:
                b += 1
            first, end = start[2] + a - left, start[2] + b - left
            if row >= 0:
                _add_run(low, high, row, z, y, first, end)
                _widen(box, row, z, y, first, end)
                seen[row] |= np.uint64(bit)
                # faces at the borders of the stack
                faces[row, 2] += (first == 0) + (end == width)
                faces[row, 1] += (b - a) * ((y == 0) + (y == height - 1))
                if not is_flat:
                    faces[row, 0] += (b - a) * ((z == 0) + (z == shape[0] - 1))
            # x: between this run and the one before it
            if a > 0 and numbers[i, a - 1] != number:
                _count_face(faces, row, rows[numbers[i, a - 1]], 2)
            # y: between this run and the pixels above
            if i > 0:
                for j in range(a, b):
                    if numbers[i - 1, j] != number:
                        _count_face(faces, row, rows[numbers[i - 1, j]], 1)
            # z: between this run and the pixels of the slice before
            if len(below) > 0 and not is_flat:
                for j in range(a, b):
                    other = below_rows[below[i, j]]
                    if other != row:
                        _count_face(faces, row, other, 0)
            a = b


@compiled
def _count_face(faces: NDArray[np.int64], row: int, other: int, axis: int) -> None:
    """Count a face between two objects, one of which may be background, for both."""
    if row >= 0:
        faces[row, axis] += 1
    if other >= 0:
        faces[other, axis] += 1


@compiled
def _widen(box: NDArray[np.int64], row: int, z: int, y: int, first: int, end: int) -> None:
    """Let the box of an object hold the pixels first, ..., end - 1 of a row."""
    box[row, 0], box[row, 3] = min(box[row, 0], z), max(box[row, 3], z + 1)
    box[row, 1], box[row, 4] = min(box[row, 1], y), max(box[row, 4], y + 1)
    box[row, 2], box[row, 5] = min(box[row, 2], first), max(box[row, 5], end)


@compiled
def _add_run(
    low: NDArray[np.uint64],
    high: NDArray[np.int64],
    row: int,
    z: int,
    y: int,
    first: int,
    end: int,
) -> None:
    """Add the pixels first, ..., end - 1 of a row to the sums of an object."""
    n = end - first
    sum_x = (end * (end - 1) - first * (first - 1)) // 2
    sum_xx = (end - 1) * end * (2 * end - 1) // 6 - (first - 1) * first * (2 * first - 1) // 6
    add_wide(low, high, row, COUNT, n)
    add_wide(low, high, row, Z, n * z)
    add_wide(low, high, row, Y, n * y)
    add_wide(low, high, row, X, sum_x)
    add_wide(low, high, row, ZZ, n * z * z)
    add_wide(low, high, row, YY, n * y * y)
    add_wide(low, high, row, XX, sum_xx)
    add_wide(low, high, row, ZY, n * z * y)
    add_wide(low, high, row, ZX, sum_x * z)
    add_wide(low, high, row, YX, sum_x * y)
