"""Annotated planes on the training device, and the random tiles drawn from them."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from napari_utile.arrays.augmentation.draws import Deformation, Draw
from napari_utile.arrays.augmentation.volume_warp import VolumePlacement
from napari_utile.arrays.augmentation.warp import Placement
from napari_utile.arrays.tiling import Sizes
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.renderers import renderer

PLANE = 0
"""Of the uniform random numbers of a tile, the one that decides its plane."""


class Numbers(NamedTuple):
    """How many random numbers a tile takes, and what each of the uniform ones decides.

    Their order is part of what a seed means: another one changes every run that is resumed.
    """

    uniform: int
    normal: tuple[int, ...]
    """The displacements of a grid of 3 knots per axis."""
    centre: slice
    """The pixel, and the place in it, of the centre."""
    placement: slice
    """The deformation; see `Deformation.place` and `place_volume`."""
    shade: slice
    """Contrast and brightness."""


NUMBERS = {
    2: Numbers(9, (3, 3, 2), slice(1, 4), slice(4, 7), slice(7, 9)),
    3: Numbers(12, (3, 3, 3, 3), slice(1, 5), slice(5, 10), slice(10, 12)),
}
"""By the number of spatial axes."""


class Batch(NamedTuple):
    """Tiles ready for the network: its input, and the truth of its output pixels."""

    images: Tensor
    """float32, (N, C, Y, X); with unpadded convolutions the margin is included."""
    classes: Tensor
    """uint8, (N, y, x); where affinities are learnt int32, see `signed_ids`."""
    weights: Tensor
    """float32, (N, y, x)"""


class TileSampler:
    """Draws deformed tiles at random places of the planes.

    The centres are drawn in proportion to the density of the planes, then kept so far inside
    that a tile hangs over the border by a quarter at most: mirrored context, not copies.
    A tile of one output pixel is centred on the very pixel that was drawn.

    Parameters
    ----------
    planes : sequence of Plane
        All on the device that trains.
    size, margin : tuple of int
        Sides of the network's input, and what its output lacks on each side, in pixels per
        axis. The tiles of planes are squares.
    deformation : Deformation
        Strength of the augmentation.
    generator : Generator
        Source of everything random, on the CPU.
    spacing : tuple of float, optional
        Size of a voxel along (z, y, x), in any unit.
    side : int, optional
        What the size is called where it changes, see `TileLayout`; by default that of the
        output.

    Raises
    ------
    ValueError
        If there is no plane, or no density.
    """

    def __init__(
        self,
        planes: Sequence[AnnotatedPlane],
        size: Sizes,
        margin: Sizes,
        deformation: Deformation,
        generator: Generator,
        spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
        side: int | None = None,
    ):
        if not planes:
            raise ValueError("no plane to draw tiles from")
        self.size, self.spacing = size, spacing
        self.output = tuple(side - 2 * eaten for side, eaten in zip(size, margin, strict=True))
        self.side = side or max(self.output)
        self.numbers = NUMBERS[len(size)]
        self.deformation, self.generator = deformation, generator
        self.device = planes[0].image.device
        self.renderer = renderer(
            [(plane.image, plane.learnt, plane.weights) for plane in planes], size, margin
        )
        self.shapes = [tuple(plane.classes.shape) for plane in planes]
        self.densities = [cumulated(plane.density) for plane in planes]
        self.totals = np.cumsum(
            [
                prod(shape) if density is None else density[-1]
                for shape, density in zip(self.shapes, self.densities, strict=True)
            ]
        )
        if not self.totals[-1] > 0:
            raise ValueError("the sampling density is 0 everywhere")

    def batch(self, count: int) -> Batch:
        """Draw `count` tiles and render them."""
        return self.render(self.draw(count))

    def draw(self, count: int) -> list[Draw]:
        """Draw all that is random about `count` tiles, one after the other."""
        return [self._draw(*self._numbers()) for _ in range(count)]

    def render(self, draws: Sequence[Draw]) -> Batch:
        """Cut tiles, deform and shade them, on the device of the planes."""
        images, classes, weights = self.renderer(
            [draw.plane for draw in draws], [draw.placement for draw in draws]
        )
        shades = torch.tensor([(draw.gain, draw.shift) for draw in draws]).to(self.device)
        gain, shift = shades.T[(..., *[None] * (images.ndim - 1))]
        return Batch(images.mul_(gain).add_(shift), classes, weights)

    def state(self) -> dict[str, Tensor]:
        """Return the state of the random numbers, which decides the next tiles."""
        return {"generator": self.generator.get_state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore a `state`."""
        self.generator.set_state(state["generator"])

    def _numbers(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Draw the uniform and the normal random numbers of one tile."""
        uniform, normal = self.numbers.uniform, self.numbers.normal
        chance = torch.rand(uniform, generator=self.generator, dtype=torch.float64)
        return chance.numpy(), torch.randn(*normal, generator=self.generator).numpy()

    def _draw(self, chance: NDArray[np.float64], normal: NDArray[np.float32]) -> Draw:
        numbers = self.numbers
        plane = _pick(self.totals, chance[PLANE])
        gain, shift = self.deformation.shade(*chance[numbers.shade])
        centre = self._centre(plane, *chance[numbers.centre])
        placement = self._place(centre, chance[numbers.placement], normal)
        return Draw(plane, placement, float(gain), float(shift))

    def _place(
        self,
        centre: tuple[float, ...],
        chance: NDArray[np.float64],
        normal: NDArray[np.float32],
    ) -> Placement | VolumePlacement:
        if len(self.size) == 3:
            return self.deformation.place_volume(
                centre, self.size, chance, normal, self.spacing
            )
        y, x = centre
        fixed = self.output == (1, 1)
        return self.deformation.place((y, x), self.size[0], chance, normal, fixed=fixed)

    def _centre(self, plane: int, which: float, *where: float) -> tuple[float, ...]:
        """Choose the centre (y, x) of a tile by numbers that are uniform in 0...1."""
        shape, density = np.array(self.shapes[plane]), self.densities[plane]
        inset = np.minimum(np.array(self.output) / 4, (shape - 1) / 2)
        farthest = shape - 1 - inset
        if density is not None:
            pixel = np.array(np.unravel_index(_pick(density, which), shape))
            place = np.clip(pixel + where - 0.5, inset, farthest)
        else:
            pixel = np.floor(where * shape)
            place = inset + where * (farthest - inset)
        chosen = pixel if max(self.output) == 1 else place
        return tuple(chosen.astype(float).tolist())


def cumulated(density: Tensor | None) -> NDArray[np.float64] | None:
    """Return the cumulative sum of a density (Y, X) over its pixels, row by row.

    Raises
    ------
    ValueError
        If a density is negative, or not a number.
    """
    if density is None:
        return None
    if not (density >= 0).all():
        raise ValueError("a sampling density is negative, or not a number")
    return density.flatten().double().cumsum(0).numpy()


def _pick(cumulative: NDArray[np.float64], share: float) -> int:
    """Choose an entry with a probability in proportion to its part of the sum."""
    found = int(np.searchsorted(cumulative, share * cumulative[-1], side="right"))
    return min(found, len(cumulative) - 1)
