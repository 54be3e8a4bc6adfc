"""Rotated, mirrored and deformed tiles: image, classes and weights in one pass over pixels.

For each pixel of the tile (output) the place in the plane (input) is computed that it comes
from, and the plane is read there. One pass, so gray values are interpolated once only.

Source: Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 3.1: "random displacement
vectors on a coarse 3 by 3 grid", interpolated bicubically. The paper does not say which
bicubic: displacements follow the cubic spline that is level at the ends, which SciPy and
elasticdeform get by mirroring; pixels are read by Catmull-Rom interpolation, see `warp`.
"""

from functools import partial
from math import cos, radians, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import Array, compiled

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
    """Image, classes and weights of a plane, or of a tile: what is warped together."""

    image: NDArray[np.float32]
    """(C, Y, X), read by Catmull-Rom interpolation."""
    classes: NDArray[np.uint8]
    """(Y, X), read by nearest neighbour, as the weights are."""
    weights: NDArray[np.float32]
    """(Y, X)"""


def turned(degrees: float, mirrored: bool = False) -> Turn:
    """Return the rotation and mirroring of a `Placement`.

    Parameters
    ----------
    degrees : float
        Angle of the rotation. Multiples of 90 give whole numbers, so that pixels are read
        where they are.
    mirrored : bool, default False
        Whether x is mirrored before.

    Returns
    -------
    ((float, float), (float, float))
        Matrix (2, 2) from offsets (y, x) in the tile to offsets in the plane.

    Examples
    --------
    >>> turned(90.0)
    ((0.0, -1.0), (1.0, 0.0))
    """
    c, s = cos(radians(degrees)), sin(radians(degrees))
    if degrees % 90 == 0:
        c, s = float(round(c)), float(round(s))
    side = -1.0 if mirrored else 1.0
    return (c, -s * side), (s, c * side)


def spline_basis(size: int) -> NDArray[np.float32]:
    """Return the three cubic splines that are 1 at one knot and 0 at the others.

    Parameters
    ----------
    size : int
        Number of points from the first knot to the last, both included.

    Returns
    -------
    ndarray of float32, shape (size, 3)
        ``spline_basis(Y) @ grid @ spline_basis(X).T`` interpolates a grid of 3 x 3.

    Notes
    -----
    The knots are at -1, 0 and 1. The spline is cubic on each side, its slopes are 0 at the
    ends, and its second derivative is continuous: with values p at the knots its slope in the
    middle is 3/4 (p[1] - p[-1]). A single point is the middle knot.
    """
    t = np.linspace(-1, 1, size) if size > 1 else np.zeros(1)
    far = np.abs(t)
    step = far * far * (3 - 2 * far)  # Hermite: from 0 to 1, level at both ends
    slope = 0.75 * far * (1 - far) ** 2  # level at the end, 3/4 in the middle
    first = np.where(t < 0, step + slope, -slope)
    last = np.where(t > 0, step + slope, -slope)
    return np.stack([first, 1 - step, last], axis=-1).astype(np.float32)


def warp(plane: Layers, placement: Placement, tile: Layers, basis: Array | None = None) -> None:
    """Write the pixels of a tile, read from a plane that is mirrored at its borders.

    Parameters
    ----------
    plane : Layers
        C-contiguous.
    placement : Placement
        Where the pixels of the tile come from.
    tile : Layers
        Written in place. Its image is square; classes and weights are of its middle, and may
        be smaller by a margin.
    basis : ndarray of float32, shape (size, 3), optional
        `spline_basis` of the side of the tile; computed by default.

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


# A product and a sum may become one instruction, but sums keep their order: tiles are the same
# on every machine but for rounding.
_fast = partial(compiled, fastmath={"contract"})


@_fast
def _warp_tile(plane: Layers, placement: Placement, basis: Array, tile: Layers) -> None:
    """See `warp`. Row by row: places, taps, gray values, then classes and weights."""
    channels, height, width = plane.image.shape
    size, inner = tile.image.shape[1], len(tile.classes)
    margin = (size - inner) // 2
    # Places are counted from the whole pixel (cy, cx): float32 has digits for the tile only.
    cy, cx = int(np.floor(placement.centre[0])), int(np.floor(placement.centre[1]))
    y, x = np.empty(size, np.float32), np.empty(size, np.float32)
    top, left = np.empty(size, np.int64), np.empty(size, np.int64)
    above, beside = np.empty((4, size), np.float32), np.empty((4, size), np.float32)
    for i in range(size):
        _sources(i, placement, basis, 0, y)
        _sources(i, placement, basis, 1, x)
        taps(y, cy, top, above)
        taps(x, cx, left, beside)
        for c in range(channels):
            image, row = plane.image[c], tile.image[c, i]
            for j in range(size):
                # Nearly all taps lie inside, and need no mirroring.
                if 0 <= top[j] <= height - 4 and 0 <= left[j] <= width - 4:
                    row[j] = _interpolate_inside(image, top[j], left[j], j, above, beside)
                else:
                    row[j] = _mirrored(image, top[j], left[j], j, above, beside)
        # Classes are ids, and weights follow their borders: the nearest pixel.
        if margin <= i < margin + inner:
            for j in range(margin, margin + inner):
                p = mirror_place(cy + int(np.floor(y[j] + np.float32(0.5))), height)
                q = mirror_place(cx + int(np.floor(x[j] + np.float32(0.5))), width)
                tile.classes[i - margin, j - margin] = plane.classes[p, q]
                tile.weights[i - margin, j - margin] = plane.weights[p, q]


@_fast
def _sources(i: int, placement: Placement, basis: Array, axis: int, found: Array) -> None:
    """Write where the pixels of row `i` come from along an axis, from the floored centre."""
    middle, grid = np.float32((len(found) - 1) / 2), placement.displacements
    down, right = placement.turn[axis]
    centre = placement.centre[axis]
    start = np.float32(centre - np.floor(centre)) + np.float32(down) * (i - middle)
    step = np.float32(right)
    # A tensor-product spline: down the three columns of the grid first, which gives three
    # knots for this row; along the row below.
    a, b, c = basis[i]
    first = a * grid[0, 0, axis] + b * grid[1, 0, axis] + c * grid[2, 0, axis]
    second = a * grid[0, 1, axis] + b * grid[1, 1, axis] + c * grid[2, 1, axis]
    third = a * grid[0, 2, axis] + b * grid[1, 2, axis] + c * grid[2, 2, axis]
    for j in range(len(found)):
        bend = basis[j, 0] * first + basis[j, 1] * second + basis[j, 2] * third
        found[j] = start + step * (np.float32(j) - middle) + bend


@_fast
def taps(places: Array, origin: int, first: Array, weights: Array) -> None:
    """Write the first of the four pixels around each place, and their Catmull-Rom weights.

    With t, the fraction of a place between the two inner pixels, the weights are Keys' kernel
    at 1 + t, t, 1 - t and 2 - t (see `warp`), by Horner's rule.
    """
    # Constants of float32: a literal would make numba compute in float64.
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
    """Return the gray value between 4 x 4 pixels that all lie in the image."""
    value = np.float32(0)
    column = np.uintp(left)  # unsigned: numba then emits no test for negative indices
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
    """Return the gray value between 4 x 4 pixels, mirrored where they lie outside."""
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
    """Return the pixel of a line that is mirrored at its end pixels, for a place beyond it."""
    place = abs(place)
    period = 2 * (length - 1)
    if place < length:
        return place
    if place <= period:  # one reflection is common, and needs no division
        return period - place
    if length == 1:
        return 0
    place %= period
    return min(place, period - place)
