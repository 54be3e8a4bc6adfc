"""Augmentation in numbers: where a tile lies, how it is turned, bent and shaded.

Plain numbers, drawn on the CPU whatever trains, so that the same seed gives the same tiles
everywhere. `engine.training.data.tiles` draws them, `engine.training.data.rendering` makes
pixels of them.

An augmentation that needs no further random number is a field of `Deformation` with the name
of its option, and a line in `place` or `shade`. One that does also gets a named slice in
`tiles`, at the end: an order of its own would change every run that is resumed.

Source: the U-Net paper, sec. 3.1: shift, rotation, gray values, and "random displacement
vectors on a coarse 3 by 3 grid" from a Gaussian of 10 px.
"""

from dataclasses import dataclass, fields
from math import floor
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.augmentation.warp import Placement, turned
from napari_utile.settings import TRAIN_DEFAULTS, TrainingOptions

_QUARTERS = (0.0, 90.0, 180.0, 270.0)
"""Degrees by which a tile turns onto pixels."""


class Draw(NamedTuple):
    """All that is random about one tile."""

    plane: int
    """Number of the plane that it is cut from."""
    placement: Placement
    """Where its pixels come from."""
    gain: float
    """Factor of its normalized gray values."""
    shift: float
    """What is added to them then."""


@dataclass(frozen=True)
class Deformation:
    """Strength of the augmentation. Each field is the option of `TrainSettings` of that name.

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
    deformed : float
        Fraction of the tiles with elastic deformation and rotation by any angle. The rest is
        flipped and turned by quarters: without interpolation they keep the noise of images.
    """

    elastic: float = TRAIN_DEFAULTS.elastic
    rotation: float = TRAIN_DEFAULTS.rotation
    flips: bool = TRAIN_DEFAULTS.flips
    gray: float = TRAIN_DEFAULTS.gray
    deformed: float = TRAIN_DEFAULTS.deformed

    @classmethod
    def of(cls, settings: TrainingOptions) -> Self:
        """Return the augmentation that settings ask for."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})

    def place(
        self,
        centre: tuple[float, float],
        size: int,
        chance: NDArray[np.float64],
        normal: NDArray[np.float32],
        fixed: bool = False,
    ) -> Placement:
        """Return where the pixels of a tile come from.

        Parameters
        ----------
        centre : (float, float)
            (y, x) of the middle of the tile in the plane, in pixels.
        size : int
            Side of the tile, in pixels.
        chance : ndarray, shape (3,)
            Uniform in 0...1. They decide the angle, whether the tile is mirrored, and
            whether it is deformed.
        normal : ndarray of float32, shape (3, 3, 2)
            Normal, of standard deviation 1: displacements before they are scaled.
        fixed : bool, default False
            Bend around the middle, which stays where it is.

        Returns
        -------
        Placement
        """
        angle, side, kind = chance
        mirrored = self.flips and side < 0.5
        if kind < self.deformed:
            bend = (normal - normal[1, 1] if fixed else normal) * np.float32(self.elastic)
            return Placement(centre, turned((2 * angle - 1) * self.rotation, mirrored), bend)
        quarters = [turn for turn in _QUARTERS if min(turn, 360 - turn) <= self.rotation]
        turn = turned(quarters[floor(len(quarters) * angle)], mirrored)
        return Placement(_on_pixels(centre, size), turn, np.zeros_like(normal))

    def shade(self, contrast: float, brightness: float) -> tuple[float, float]:
        """Return gain and shift of the gray values, by two numbers uniform in 0...1."""
        return 1 + self.gray * (2 * contrast - 1), self.gray * (2 * brightness - 1)


def _on_pixels(centre: tuple[float, float], size: int) -> tuple[float, float]:
    """Move the middle of a tile so that its pixels are pixels of the plane."""
    between = (size - 1) / 2 % 1  # the middle of a tile of even size lies between two pixels
    y, x = (floor(place - between + 0.5) + between for place in centre)
    return y, x
