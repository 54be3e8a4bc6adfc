"""Pixels of tiles: by compiled code on the CPU, by tensor operations on other devices.

Both follow the formulas of `arrays.augmentation.warp` in float32, so the same draws give the
same tiles but for rounding: the images to about 1e-5 of a gray value per pixel of slope,
classes and weights but where a source lies in the middle between two pixels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_utile.arrays.augmentation.warp import Layers, Placement, spline_basis, warp

FRACTION, TURN_DOWN, TURN_RIGHT, BEND = (
    slice(0, 2),
    slice(2, 6, 2),
    slice(3, 6, 2),
    slice(6, 24),
)
"""Where the numbers of a placement are in a row of `_sources`: the fractions of its centre
(y, x), the columns of its turn, and the displacements of its grid, (2, 3, 3)."""

Tiles = tuple[Tensor, Tensor, Tensor]
"""Image (C, Y, X), classes (Y, X) and weights (Y, X); of many tiles with N before."""


class Renderer:
    """Cuts tiles out of planes in the memory of the CPU.

    Parameters
    ----------
    planes : sequence of (image, classes, weights)
        float32 (C, Y, X), uint8 (Y, X) and float32 (Y, X); sizes may differ.
    size, margin : int
        Side of the image of a tile, and what classes and weights lack on each side, in pixels.
    """

    def __init__(self, planes: Sequence[Tiles], size: int, margin: int):
        self.size, self.inner = size, size - 2 * margin
        self.planes = [Layers(*(part.contiguous().numpy() for part in p)) for p in planes]
        self.basis = spline_basis(size)

    def __call__(self, numbers: Sequence[int], placements: Sequence[Placement]) -> Tiles:
        """Render one tile for each placement, from the plane of that number."""
        n, channels = len(numbers), len(self.planes[0].image)
        images = np.empty((n, channels, self.size, self.size), np.float32)
        classes = np.empty((n, self.inner, self.inner), np.uint8)
        weights = np.empty((n, self.inner, self.inner), np.float32)
        tiles = map(Layers, images, classes, weights)
        for number, placement, tile in zip(numbers, placements, tiles, strict=True):
            warp(self.planes[number], placement, tile, self.basis)
        return torch.from_numpy(images), torch.from_numpy(classes), torch.from_numpy(weights)


class DeviceRenderer:
    """Cuts tiles out of planes in the memory of another device; see `Renderer`.

    The planes lie end to end in one tensor, so that one gather serves tiles of them all.
    """

    def __init__(self, planes: Sequence[Tiles], size: int, margin: int):
        self.inner = slice(margin, size - margin)
        images, classes, weights = zip(*planes, strict=True)
        self.pixels = torch.cat([image.flatten(1) for image in images], dim=1)
        self.classes = torch.cat([part.flatten() for part in classes])
        self.weights = torch.cat([part.flatten() for part in weights])
        shapes = np.array([part.shape for part in classes])
        starts = np.cumsum([0, *shapes.prod(axis=1)])[:-1]
        self.layout = np.column_stack([starts, shapes])
        self.device = self.pixels.device
        self.basis = torch.from_numpy(spline_basis(size)).to(self.device)
        self.ramp = torch.arange(size, device=self.device) - (size - 1) / 2

    def __call__(self, numbers: Sequence[int], placements: Sequence[Placement]) -> Tiles:
        """Render one tile for each placement, from the plane of that number."""
        centres = np.array([placement.centre for placement in placements])
        whole = np.floor(centres)
        layout = np.column_stack([self.layout[list(numbers)], whole]).astype(np.int64)
        start, *extent, y, x = self._columns(layout)
        local = self._sources(centres - whole, placements)

        first = local.floor()
        taps = catmull_rom(local - first)
        four = torch.arange(-1, 3, device=self.device)[:, None, None]
        corner = first.long()[:, :, None]
        rows = mirrored_places(corner[:, 0] + y + four, extent[0])
        columns = mirrored_places(corner[:, 1] + x + four, extent[1])
        images = torch.zeros((), device=self.device)
        for k in range(4):
            line = self.pixels[:, start + rows[:, k, None] * extent[1] + columns]
            images = images + taps[k, :, 0] * (line * taps[:, :, 1].transpose(0, 1)).sum(2)

        nearest = (local[..., self.inner, self.inner] + 0.5).floor().long()[:, :, None]
        row, column = (
            mirrored_places(nearest[:, 0] + y, extent[0]),
            mirrored_places(nearest[:, 1] + x, extent[1]),
        )
        index = (start + row * extent[1] + column)[:, 0]
        return images.transpose(0, 1).contiguous(), self.classes[index], self.weights[index]

    def _sources(self, fractions: np.ndarray, placements: Sequence[Placement]) -> Tensor:
        """Return where pixels come from (N, 2, Y, X), relative to the centres' whole pixels."""
        turns = np.array([placement.turn for placement in placements])
        grids = np.stack([placement.displacements for placement in placements])
        packed = [fractions, turns.reshape(-1, 4), grids.transpose(0, 3, 1, 2).reshape(-1, 18)]
        numbers = torch.from_numpy(np.hstack(packed).astype(np.float32)).to(self.device)
        fraction, down, right = (
            numbers[:, FRACTION],
            numbers[:, TURN_DOWN],
            numbers[:, TURN_RIGHT],
        )
        bend = self.basis @ numbers[:, BEND].view(-1, 2, 3, 3) @ self.basis.T
        turned = down[..., None, None] * self.ramp[:, None] + right[..., None, None] * self.ramp
        return fraction[..., None, None] + turned + bend

    def _columns(self, table: np.ndarray) -> list[Tensor]:
        """Move a table (N, K) to the device, as K tensors (N, 1, 1, 1)."""
        return list(torch.from_numpy(table).to(self.device)[..., None, None, None].unbind(1))


def catmull_rom(t: Tensor) -> Tensor:
    """Return the weights of the pixels at -1, 0, 1 and 2 for values at 0 <= t < 1.

    Parameters
    ----------
    t : Tensor of float32
        Any shape.

    Returns
    -------
    Tensor, shape (4, *t.shape)

    References
    ----------
    Catmull & Rom, "A class of local interpolating splines", 1974; Keys, "Cubic convolution
    interpolation for digital image processing", 1981, with a = -1/2.
    """
    return 0.5 * torch.stack(
        [
            t * (t * (2 - t) - 1),
            t * t * (3 * t - 5) + 2,
            t * (t * (4 - 3 * t) + 1),
            t * t * (t - 1),
        ]
    )


def mirrored_places(places: Tensor, length: Tensor) -> Tensor:
    """Mirror positions beyond the ends of a line onto it, as `warp.mirror` does."""
    period = 2 * (length - 1)
    folded = places.abs() % period.clamp_min(1)
    return folded.minimum(period - folded)
