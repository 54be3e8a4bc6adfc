"""Where objects grow back into the border that a network was trained with.

A target with a border of some pixels ends objects half of it before what was drawn, wherever
another object is near; what such a network finds ends there, too. So objects grow back, but in
gaps only: where an object lies beside wide background, it ends where it was drawn. Two objects
never meet before the middle, since every background pixel belongs to the part that it leads to;
by affinities they meet where these are lowest.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.distances import squared_distance

MOST_GROWTH = 4.0
"""By how many pixels objects grow at most: so far every background pixel knows its part."""
ROOM = 1.5
"""A gap is what is narrower than two borders or so: no ball of `ROOM` times the growth fits in.
What is found is not exactly as wide as what was learnt."""
WIDER = 1.4
"""How much wider than the border that was learnt the gaps are that a network leaves where it is
not sure: in FIB-SEM of neurites, 400 steps, growing over half of 1.4 borders finds 0.22 of the
objects (f1_50), over half of one 0.09."""
_UNITS = 2**12


def growth_of_border(width: float) -> float:
    """Return by how many pixels objects grow that were learnt with a border, 0 for one of 1 px.

    Parameters
    ----------
    width : float
        Of the border, in pixels. Pixels whose centre is less than half of ``width + 1`` from
        another object were background, see `arrays.borders`.
    """
    return min(WIDER * (width + 1) / 2, MOST_GROWTH) if width > 1 else 0.0


def growth_along_axes(along_x: float, sides: Sequence[float]) -> tuple[float, ...]:
    """Return by how many pixels objects grow along each axis; () if they do not.

    Parameters
    ----------
    along_x : float
        Along the last axis, in pixels.
    sides : sequence of float
        Of a pixel, along each axis, in any unit.

    Examples
    --------
    >>> growth_along_axes(2.0, (40, 10, 10)), growth_along_axes(0.9, (1, 1))
    ((0.5, 2.0, 2.0), ())
    """
    growth = tuple(min(along_x * sides[-1] / side, MOST_GROWTH) for side in sides)
    return growth if max(growth) >= 1 else ()


def growth_halo(growth: Sequence[float]) -> int:
    """Return how many pixels around a block decide where its objects grow.

    Parameters
    ----------
    growth : sequence of float
        See `gaps`.
    """
    return 2 * ceil(ROOM * max(growth, default=0.0))


def gaps(mask: NDArray[np.bool_], growth: Sequence[float]) -> NDArray[np.bool_]:
    """Return the background into which objects grow.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X) or (Z, Y, X)
        Where objects are.
    growth : sequence of float
        Along each axis, in pixels: none along an axis of less than 1.

    Returns
    -------
    ndarray of bool, shape of `mask`
        Background that lies so near to an object and in no ball of background of `ROOM` times
        this radius. Exact at `growth_halo` pixels or more from where the mask was cut out of a
        larger one.

    Notes
    -----
    What is in no such ball is the closing of the mask with it. Along axes of their own radii
    balls are ellipsoids. Distances are whole numbers, so blocks agree.

    Examples
    --------
    >>> gaps(np.array([[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]]) > 0, (1, 1)).astype(int)
    array([[0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]])
    """
    if max(growth, default=0.0) < 1:
        return np.zeros(mask.shape, bool)
    weights = [int(_UNITS / max(radius, 1 / _UNITS) ** 2) for radius in growth]
    farthest = int(ROOM**2 * _UNITS)
    distance = squared_distance(~mask, farthest + 1, weights)
    # no centre of a ball of background, and not within one
    narrow = squared_distance(distance <= farthest, farthest + 1, weights) > farthest
    return narrow & (distance <= _UNITS) & ~mask
