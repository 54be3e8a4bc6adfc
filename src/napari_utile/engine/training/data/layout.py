"""How large the tiles are that a network learns from, and how many of them a step takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Self

import torch

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.tiles import TileSampler
from napari_utile.networks.tileable import Network
from napari_utile.settings import TrainSettings

WINDOWS_PER_TILE = 16
"""Windows in place of each tile, where a network is trained on windows: of steps of 32 to 512
windows, those of 64 learnt most in the same time (width 16, four tiles, one core with bf16)."""


@dataclass(frozen=True)
class TileLayout:
    """Sizes of training tiles.

    Attributes
    ----------
    output : int
        Side of a tile of the result, in pixels.
    size : int
        Side of the network's input for it, in pixels.
    margin : int
        What the output lacks on each side of the input, in pixels.
    per_step : int
        Tiles of one optimizer step.
    elastic : float
        Standard deviation of the random displacements, in pixels.
    """

    output: int
    size: int
    margin: int
    per_step: int
    elastic: float

    @property
    def are_windows(self) -> bool:
        """Whether each tile is the window around one pixel."""
        return self.output == 1

    @classmethod
    def of(
        cls, network: Network, settings: TrainSettings, planes: Sequence[AnnotatedPlane]
    ) -> Self:
        """Lay out the tiles of a run.

        A tile is as large as asked for, or just enough for the largest plane. A network that
        is trained on windows learns one pixel of each.
        """
        if network.trains_on_windows:
            size = max(network.input_size(network.ndim * (1,)))
            return cls(
                output=1,
                size=size,
                margin=max(network.margin),
                per_step=settings.batch * WINDOWS_PER_TILE,
                # the grid of displacements spans a tile: as smooth on a small window
                elastic=settings.elastic * (size / settings.tile),
            )
        longest, step = max(max(p.classes.shape) for p in planes), max(network.stride_alignment)
        largest = ceil(longest / step) * step
        tile = min(settings.tile, largest)
        return cls(0, 0, 0, settings.batch, settings.elastic).resized(network, tile)

    def resized(self, network: Network, output: int) -> Self:
        """Return the layout for tiles of another side of the result."""
        step = max(network.stride_alignment)
        if network.padding == "valid":
            size = max(network.input_size(network.ndim * (output,)))
            margin = max(network.margin)
        else:
            size, margin = ceil(output / step) * step, 0
        return replace(self, output=size - 2 * margin, size=size, margin=margin)

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
        )
