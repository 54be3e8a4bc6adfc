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

from napari_utile.arrays.augmentation.volume_warp import VolumePlacement, volume_turn
from napari_utile.arrays.augmentation.warp import Placement, Turn, turned
from napari_utile.settings.training import TRAIN_DEFAULTS, TrainingOptions

_QUARTERS = (0.0, 90.0, 180.0, 270.0)
"""Degrees by which a tile turns onto pixels."""
CUBIC = 1.1
"""Ratio of the longest side of a voxel to the shortest up to which it counts as a cube."""


class Draw(NamedTuple):
    """All that is random about one tile."""

    plane: int
    """Number of the plane that it is cut from."""
    placement: Placement | VolumePlacement
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
        if kind < self.deformed:
            bend = (normal - normal[1, 1] if fixed else normal) * np.float32(self.elastic)
            return Placement(centre, self._free_turn(angle, side), bend)
        y, x = _on_pixels(centre, (size, size))
        return Placement((y, x), self._quarter_turn(angle, side), np.zeros_like(normal))

    def place_volume(
        self,
        centre: tuple[float, ...],
        size: tuple[int, ...],
        chance: NDArray[np.float64],
        normal: NDArray[np.float32],
        spacing: tuple[float, ...],
    ) -> VolumePlacement:
        """Return where the voxels of a tile of a volume come from.

        Slices are turned as in two dimensions. Their order is reversed in half of the tiles,
        and where voxels are as long along z as along y and x, z changes places with y or x in
        two of three tiles; else never: sections look otherwise from the side.

        Parameters
        ----------
        centre : (float, float, float)
            (z, y, x) of the middle of the tile in the volume, in voxels.
        size : (int, int, int)
            Sides of the tile, in voxels.
        chance : ndarray, shape (5,)
            Uniform in 0...1. They decide the angle, whether the tile is mirrored along x,
            whether it is deformed, whether it is mirrored along z, and the axis that changes
            places with z.
        normal : ndarray of float32, shape (3, 3, 3, 3)
            Normal, of standard deviation 1: displacements before they are scaled.
        spacing : (float, float, float)
            Size of a voxel along (z, y, x): displacements are as long along each axis.

        Returns
        -------
        VolumePlacement
        """
        angle, side, kind, order, axis = chance
        is_deformed = kind < self.deformed
        turn = self._free_turn(angle, side) if is_deformed else self._quarter_turn(angle, side)
        may_exchange = self.rotation >= 90 and max(spacing) <= CUBIC * min(spacing)
        exchanged = floor(3 * axis) if may_exchange else 0
        matrix = volume_turn(turn, self.flips and order < 0.5, exchanged)
        if not is_deformed:
            z, y, x = _on_pixels(centre, size)
            return VolumePlacement((z, y, x), matrix, np.zeros_like(normal))
        z, y, x = centre
        lengths = [self.elastic * spacing[-1] / each for each in spacing]
        return VolumePlacement((z, y, x), matrix, normal * np.array(lengths, np.float32))

    def _free_turn(self, angle: float, side: float) -> Turn:
        """Return a rotation by any angle, mirrored or not, by two numbers uniform in 0...1."""
        return turned((2 * angle - 1) * self.rotation, self.flips and side < 0.5)

    def _quarter_turn(self, angle: float, side: float) -> Turn:
        """Return a rotation by quarters, as by `_free_turn`."""
        quarters = [turn for turn in _QUARTERS if min(turn, 360 - turn) <= self.rotation]
        return turned(quarters[floor(len(quarters) * angle)], self.flips and side < 0.5)

    def shade(self, contrast: float, brightness: float) -> tuple[float, float]:
        """Return gain and shift of the gray values, by two numbers uniform in 0...1."""
        return 1 + self.gray * (2 * contrast - 1), self.gray * (2 * brightness - 1)


def _on_pixels(centre: tuple[float, ...], size: tuple[int, ...]) -> tuple[float, ...]:
    """Move the middle of a tile so that its pixels are pixels of the plane."""
    # the middle of a tile of even size lies between two pixels
    between = [(side - 1) / 2 % 1 for side in size]
    return tuple(
        floor(place - half + 0.5) + half for place, half in zip(centre, between, strict=True)
    )
