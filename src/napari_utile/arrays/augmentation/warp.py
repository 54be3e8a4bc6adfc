"""Turn, mirror and bend a tile: image, classes and weights in one pass over its pixels.

Source: the U-Net paper, sec. 3.1: "random displacement vectors on a coarse 3 by 3 grid",
interpolated bicubically. Where the paper is silent: the displacements follow the cubic spline
that is level at the ends, the field of SciPy's and elasticdeform's mirrored splines.
"""

from functools import partial
from math import cos, radians, sin
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled

Array = NDArray[Any]
Turn = tuple[tuple[float, float], tuple[float, float]]


class Placement(NamedTuple):
    """Where the pixels of a square tile come from.

    Pixel (i, j) comes from ``centre + turn @ offset + displacement``, where `offset` leads
    there from the middle of the tile.
    """

    centre: tuple[float, float]
    """(y, x) of the middle of the tile in the plane, in pixels."""
    turn: Turn
    """Rotation and mirroring; its rows give y and x."""
    displacements: NDArray[np.float32]
    """(3, 3, 2), along y and x, in pixels; knots at the corners, the sides, and the middle."""


class Layers(NamedTuple):
    """What is warped alike: a plane, or a tile of it."""

    image: NDArray[np.float32]
    """(C, Y, X), read by Catmull-Rom interpolation."""
    classes: NDArray[np.uint8]
    """(Y, X), read by nearest neighbour, as the weights are."""
    weights: NDArray[np.float32]
    """(Y, X)"""


def turned(degrees: float, mirrored: bool = False) -> Turn:
    """Give the `turn` of a `Placement`; quarters in whole numbers, so that pixels meet pixels.

    >>> turned(90.0)
    ((0.0, -1.0), (1.0, 0.0))
    """
    c, s = cos(radians(degrees)), sin(radians(degrees))
    if degrees % 90 == 0:
        c, s = float(round(c)), float(round(s))
    side = -1.0 if mirrored else 1.0
    return (c, -s * side), (s, c * side)


def spline_basis(size: int) -> NDArray[np.float32]:
    """Give the cubic splines, level at the ends, that are 1 at one of three knots and 0 at two.

    Parameters
    ----------
    size : int
        Number of points, from the first knot to the last.

    Returns
    -------
    ndarray of float32, shape (size, 3)
        ``spline_basis(Y) @ grid @ spline_basis(X).T`` interpolates a grid of 3 x 3.

    Notes
    -----
    With knots p at -1, 0 and 1 the spline is cubic on each side, its slopes are 0 at the ends,
    and its second derivative is continuous, so its slope in the middle is 3/4 (p[1] - p[-1]).
    A single point is the middle knot.
    """
    t = np.linspace(-1, 1, size) if size > 1 else np.zeros(1)
    far = np.abs(t)
    step = far * far * (3 - 2 * far)  # Hermite: from 0 to 1, level at both ends
    slope = 0.75 * far * (1 - far) ** 2  # level at the end, 3/4 in the middle
    first = np.where(t < 0, step + slope, -slope)
    last = np.where(t > 0, step + slope, -slope)
    return np.stack([first, 1 - step, last], axis=-1).astype(np.float32)


def warp(plane: Layers, placement: Placement, tile: Layers, basis: Array | None = None) -> None:
    """Fill a tile with the pixels of a plane, which is mirrored at its borders.

    Parameters
    ----------
    plane : Layers
        C-contiguous.
    placement : Placement
        Where the pixels of the tile come from.
    tile : Layers
        Written. Its image is square; classes and weights are its middle, and may be smaller.
    basis : ndarray of float32, shape (size, 3), optional
        `spline_basis` of the side of the tile, for those who warp many.

    Notes
    -----
    Catmull-Rom interpolation is Keys' cubic convolution with a = -1/2 [1]_: exact where the
    source is a pixel, and for parabolas. Unlike a B-spline it needs no filter before it, so
    only the pixels of the tile cost time.

    References
    ----------
    .. [1] Keys, "Cubic convolution interpolation for digital image processing", IEEE
       Transactions on Acoustics, Speech, and Signal Processing 29, 1981.
    """
    if basis is None:
        basis = spline_basis(tile.image.shape[1])
    _warp_tile(plane, placement, basis, tile)


# Sums may be joined to products, no more: the same tile on every machine but for rounding.
_fast = partial(compiled, fastmath={"contract"})


@_fast
def _warp_tile(plane: Layers, placement: Placement, basis: Array, tile: Layers) -> None:
    channels, height, width = plane.image.shape
    size, inner = tile.image.shape[1], len(tile.classes)
    margin = (size - inner) // 2
    cy, cx = int(np.floor(placement.centre[0])), int(np.floor(placement.centre[1]))
    y, x = np.empty(size, np.float32), np.empty(size, np.float32)
    top, left = np.empty(size, np.int64), np.empty(size, np.int64)
    above, beside = np.empty((4, size), np.float32), np.empty((4, size), np.float32)
    for i in range(size):
        _sources(i, placement, basis, 0, y)
        _sources(i, placement, basis, 1, x)
        _taps(y, cy, top, above)
        _taps(x, cx, left, beside)
        for c in range(channels):
            image, row = plane.image[c], tile.image[c, i]
            for j in range(size):
                if 0 <= top[j] <= height - 4 and 0 <= left[j] <= width - 4:
                    row[j] = _interpolate_inside(image, top[j], left[j], j, above, beside)
                else:
                    row[j] = _mirrored(image, top[j], left[j], j, above, beside)
        if margin <= i < margin + inner:
            for j in range(margin, margin + inner):
                p = mirror_place(cy + int(np.floor(y[j] + np.float32(0.5))), height)
                q = mirror_place(cx + int(np.floor(x[j] + np.float32(0.5))), width)
                tile.classes[i - margin, j - margin] = plane.classes[p, q]
                tile.weights[i - margin, j - margin] = plane.weights[p, q]


@_fast
def _sources(i: int, placement: Placement, basis: Array, axis: int, found: Array) -> None:
    """Place the pixels of row `i` along an axis, counted from the whole pixels of the centre.

    So the digits of float32 are spent on the tile, however large the plane is.
    """
    middle, grid = np.float32((len(found) - 1) / 2), placement.displacements
    down, right = placement.turn[axis]
    centre = placement.centre[axis]
    start = np.float32(centre - np.floor(centre)) + np.float32(down) * (i - middle)
    step = np.float32(right)
    # the spline along the row, by its values at the three knots
    a, b, c = basis[i]
    first = a * grid[0, 0, axis] + b * grid[1, 0, axis] + c * grid[2, 0, axis]
    second = a * grid[0, 1, axis] + b * grid[1, 1, axis] + c * grid[2, 1, axis]
    third = a * grid[0, 2, axis] + b * grid[1, 2, axis] + c * grid[2, 2, axis]
    for j in range(len(found)):
        bend = basis[j, 0] * first + basis[j, 1] * second + basis[j, 2] * third
        found[j] = start + step * (np.float32(j) - middle) + bend


@_fast
def _taps(places: Array, origin: int, first: Array, weights: Array) -> None:
    """Find the first of the four pixels around each place, and their Catmull-Rom weights."""
    half, one, two = np.float32(0.5), np.float32(1), np.float32(2)
    three, four, five = np.float32(3), np.float32(4), np.float32(5)
    for j in range(len(places)):
        whole = np.floor(places[j])
        t = places[j] - whole
        first[j] = origin + int(whole) - 1
        weights[0, j] = half * t * (t * (two - t) - one)
        weights[1, j] = half * (t * t * (three * t - five) + two)
        weights[2, j] = half * t * (t * (four - three * t) + one)
        weights[3, j] = half * t * t * (t - one)


@_fast
def _interpolate_inside(
    image: Array, top: int, left: int, j: int, above: Array, beside: Array
) -> np.floating:
    """Weigh 4 x 4 pixels that all lie in the image."""
    value = np.float32(0)
    column = np.uintp(left)  # not negative: spares the compiler to count from the end
    for k in range(4):
        row = np.uintp(top + k)
        value += above[k, j] * (
            beside[0, j] * image[row, column]
            + beside[1, j] * image[row, column + np.uintp(1)]
            + beside[2, j] * image[row, column + np.uintp(2)]
            + beside[3, j] * image[row, column + np.uintp(3)]
        )
    return value


@_fast
def _mirrored(
    image: Array, top: int, left: int, j: int, above: Array, beside: Array
) -> np.floating:
    """Weigh 4 x 4 pixels that may lie anywhere."""
    width = image.shape[1]
    a, b = mirror_place(left, width), mirror_place(left + 1, width)
    c, d = mirror_place(left + 2, width), mirror_place(left + 3, width)
    value = np.float32(0)
    for k in range(4):
        row = mirror_place(top + k, image.shape[0])
        value += above[k, j] * (
            beside[0, j] * image[row, a]
            + beside[1, j] * image[row, b]
            + beside[2, j] * image[row, c]
            + beside[3, j] * image[row, d]
        )
    return value


@_fast
def mirror_place(place: int, length: int) -> int:
    """Fold a place beyond the ends of a line back onto it, the end pixels being the mirrors."""
    place = abs(place)
    period = 2 * (length - 1)
    if place < length:
        return place
    if place <= period:  # one fold is common, and needs no division
        return period - place
    if length == 1:
        return 0
    place %= period
    return min(place, period - place)
