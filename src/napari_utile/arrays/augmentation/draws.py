"""What chance decides about a tile: where it lies, how it is turned, bent and shaded.

Plain numbers, drawn on the CPU whatever trains, so that the same seed gives the same tiles
everywhere. `rendering` makes pixels of them.

Source: the U-Net paper, sec. 3.1: shift, rotation, gray values, and "random displacement
vectors on a coarse 3 by 3 grid" from a Gaussian of 10 px.
"""

from dataclasses import dataclass
from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.augmentation.warp import Placement, turned

QUARTERS = (0.0, 90.0, 180.0, 270.0)
"""Degrees by which a tile turns onto pixels."""


class Draw(NamedTuple):
    """All that is random about one tile."""

    plane: int
    """Which of the planes it is cut from."""
    placement: Placement
    """Where its pixels come from."""
    gain: float
    """By which its normalized gray values are multiplied."""
    shift: float
    """What is then added to them."""


@dataclass(frozen=True)
class Deformation:
    """How strongly tiles are changed.

    Parameters
    ----------
    elastic : float
        Standard deviation of the displacements of the 3 x 3 grid, in pixels.
    rotation : float
        Largest angle, in degrees.
    flips : bool
        Mirror half of the tiles.
    gray : float
        Largest relative change of contrast, and of brightness in standard deviations.
    share : float
        Of the tiles that are rotated by any angle and deformed. The others are flipped and
        turned by quarters: no pixel of theirs is interpolated, so they keep the noise that
        the images to come will have.
    """

    elastic: float = 10.0
    rotation: float = 180.0
    flips: bool = True
    gray: float = 0.2
    share: float = 1.0

    def place(
        self,
        centre: tuple[float, float],
        size: int,
        chance: NDArray[np.float64],
        normal: NDArray[np.float32],
        fixed: bool = False,
    ) -> Placement:
        """Turn and bend a tile.

        Parameters
        ----------
        centre : (float, float)
            (y, x) of the middle of the tile in the plane, in pixels.
        size : int
            Side of the tile, in pixels.
        chance : ndarray, shape (3,)
            Uniform in 0...1; they choose the angle, the side and the kind.
        normal : ndarray of float32, shape (3, 3, 2)
            Of standard deviation 1.
        fixed : bool
            Bend around the middle, which stays where it is.
        """
        angle, side, kind = chance
        mirrored = self.flips and side < 0.5
        if kind < self.share:
            bend = (normal - normal[1, 1] if fixed else normal) * np.float32(self.elastic)
            return Placement(centre, turned((2 * angle - 1) * self.rotation, mirrored), bend)
        quarters = [turn for turn in QUARTERS if min(turn, 360 - turn) <= self.rotation]
        turn = turned(quarters[floor(len(quarters) * angle)], mirrored)
        return Placement(on_pixels(centre, size), turn, np.zeros_like(normal))

    def shade(self, contrast: float, brightness: float) -> tuple[float, float]:
        """Choose gain and shift of the gray values by two numbers, uniform in 0...1."""
        return 1 + self.gray * (2 * contrast - 1), self.gray * (2 * brightness - 1)


def on_pixels(centre: tuple[float, float], size: int) -> tuple[float, float]:
    """Move the middle of a tile to the nearest place where its pixels are the plane's."""
    between = (size - 1) / 2 % 1  # the middle of an even tile lies between two pixels
    y, x = (floor(place - between + 0.5) + between for place in centre)
    return y, x
