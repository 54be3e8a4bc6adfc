"""How large the tiles are that a network learns from, and how many of them a step takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Self

import torch

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.arrays.tiling import Sizes
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.tiles import TileSampler
from napari_utile.networks.tileable import Network
from napari_utile.settings.training import TrainSettings

WINDOWS_PER_TILE = 16
"""Windows in place of each tile, where a network is trained on windows: of steps of 32 to 512
windows, those of 64 learnt most in the same time (width 16, four tiles, one core with bf16)."""


@dataclass(frozen=True)
class TileLayout:
    """Sizes of training tiles.

    Attributes
    ----------
    side : int
        Side of a square tile of the result, in pixels; the tile of a volume has about as many
        voxels as that square has pixels.
    output : tuple of int
        Sides of a tile of the result, in pixels per axis.
    size : tuple of int
        Sides of the network's input for it.
    margin : tuple of int
        What the output lacks on each side of the input.
    per_step : int
        Tiles of one optimizer step.
    elastic : float
        Standard deviation of the random displacements, in pixels.
    spacing : tuple of float
        Size of a voxel along (z, y, x), in any unit.
    """

    side: int
    output: Sizes
    size: Sizes
    margin: Sizes
    per_step: int
    elastic: float
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)

    @property
    def are_windows(self) -> bool:
        """Whether each tile is the window around one pixel."""
        return max(self.output) == 1

    @property
    def words(self) -> str | int:
        """The output in words: the side of a square, all sides of a box."""
        return self.output[0] if len(self.output) == 2 else " x ".join(map(str, self.output))

    @classmethod
    def of(
        cls, network: Network, settings: TrainSettings, planes: Sequence[AnnotatedPlane]
    ) -> Self:
        """Lay out the tiles of a run.

        A tile is as large as asked for, or just enough for the largest plane. A network that
        is trained on windows learns one pixel of each.
        """
        if network.trains_on_windows:
            size = network.input_size(network.ndim * (1,))
            return cls(
                side=1,
                output=network.ndim * (1,),
                size=size,
                margin=network.margin,
                per_step=settings.batch * WINDOWS_PER_TILE,
                # the grid of displacements spans a tile: as smooth on a small window
                elastic=settings.elastic * (max(size) / settings.tile),
            )
        shapes = [tuple(plane.classes.shape) for plane in planes]
        spacing = getattr(network, "spacing", (1.0, 1.0, 1.0))
        whole = cls(0, (), (), (), settings.batch, settings.elastic, spacing)
        if network.ndim == 3:
            longest = tuple(max(sides) for sides in zip(*shapes, strict=True))
            box = tile_box(settings.tile, spacing, longest)
            # as smooth as on the square, whose grid of displacements spans it
            whole = replace(whole, elastic=settings.elastic * (box[-1] / settings.tile))
            return whole._with(network, settings.tile, box)
        step = max(network.stride_alignment)
        largest = ceil(max(map(max, shapes)) / step) * step
        return whole.resized(network, min(settings.tile, largest))

    def resized(self, network: Network, side: int) -> Self:
        """Return the layout for tiles of another side of the result."""
        if network.ndim == 3:
            return self._with(network, side, tile_box(side, self.spacing, self.output))
        return self._with(network, side, (side, side))

    def _with(self, network: Network, side: int, output: Sizes) -> Self:
        """Return the layout for tiles that are at least `output`, aligned as poolings need."""
        aligned = tuple(
            ceil(each / step) * step
            for each, step in zip(output, network.stride_alignment, strict=True)
        )
        if network.padding == "valid":
            size, margin = network.input_size(output), network.margin
        else:
            size, margin = aligned, network.ndim * (0,)
        output = tuple(whole - 2 * cut for whole, cut in zip(size, margin, strict=True))
        side = output[0] if network.ndim == 2 else side
        return replace(self, side=side, output=output, size=size, margin=margin)

    def sampler(
        self, planes: Sequence[AnnotatedPlane], settings: TrainSettings, device: torch.device
    ) -> TileSampler:
        """Bring planes to a device and set up the drawing of tiles from them."""
        return TileSampler(
            planes=[plane.to(device) for plane in planes],
            size=self.size,
            margin=self.margin,
            deformation=replace(Deformation.of(settings), elastic=self.elastic),
            generator=torch.Generator().manual_seed(settings.seed),
            spacing=self.spacing,
            side=self.side,
        )


def tile_box(side: int, spacing: Sequence[float], largest: Sizes) -> Sizes:
    """Return the box with as many voxels as a square of that side has pixels.

    Parameters
    ----------
    side : int
        Of the square.
    spacing : sequence of float
        Size of a voxel along each axis: the box is as long along each, where it can be.
    largest : tuple of int
        Its largest sides. What it lacks along a short axis, it has along the others.

    Returns
    -------
    tuple of int
        At least 1 voxel along each axis.

    Examples
    --------
    >>> tile_box(256, (4, 1, 1), (100, 500, 500))
    (16, 64, 64)
    >>> tile_box(256, (4, 1, 1), (4, 500, 500))
    (4, 128, 128)
    """
    sides: dict[int, int] = {}
    for _ in largest:
        free = [axis for axis in range(len(largest)) if axis not in sides]
        wanted = side**2 / prod(sides.values()) * prod(spacing[axis] for axis in free)
        edge = wanted ** (1 / max(len(free), 1))
        short = [axis for axis in free if edge / spacing[axis] > largest[axis]]
        if not short:
            sides |= {axis: max(1, round(edge / spacing[axis])) for axis in free}
            break
        sides |= {axis: largest[axis] for axis in short}
    return tuple(sides[axis] for axis in range(len(largest)))
