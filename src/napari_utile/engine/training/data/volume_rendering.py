"""Voxels of tiles: by compiled code on the CPU, by tensor operations on other devices.

Both follow the formulas of `arrays.augmentation.volume_warp` in float32; see `rendering`.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from napari_utile.arrays.augmentation.volume_warp import VolumePlacement, warp_volume
from napari_utile.arrays.augmentation.warp import Layers, spline_basis
from napari_utile.arrays.tiling import Sizes
from napari_utile.engine.training.data.rendering import Tiles, catmull_rom, mirrored_places


class VolumeRenderer:
    """Cuts tiles out of volumes in the memory of the CPU.

    Parameters
    ----------
    volumes : sequence of (image, classes, weights)
        float32 (C, Z, Y, X), uint8 or int32 (Z, Y, X) and float32 (Z, Y, X); sizes may differ.
    size, margin : (int, int, int)
        Sides of the image of a tile, and what classes and weights lack on each side, in voxels.
    """

    def __init__(self, volumes: Sequence[Tiles], size: Sizes, margin: Sizes):
        self.size = size
        self.inner = tuple(side - 2 * cut for side, cut in zip(size, margin, strict=True))
        self.volumes = [Layers(*(part.contiguous().numpy() for part in v)) for v in volumes]

    def __call__(self, numbers: Sequence[int], placements: Sequence[VolumePlacement]) -> Tiles:
        """Render one tile for each placement, from the volume of that number."""
        n, channels = len(numbers), len(self.volumes[0].image)
        images = np.empty((n, channels, *self.size), np.float32)
        classes = np.empty((n, *self.inner), self.volumes[0].classes.dtype)
        weights = np.empty((n, *self.inner), np.float32)
        tiles = map(Layers, images, classes, weights)
        for number, placement, tile in zip(numbers, placements, tiles, strict=True):
            warp_volume(self.volumes[number], placement, tile)
        return torch.from_numpy(images), torch.from_numpy(classes), torch.from_numpy(weights)


class DeviceVolumeRenderer:
    """Cuts tiles out of volumes in the memory of another device; see `VolumeRenderer`."""

    def __init__(self, volumes: Sequence[Tiles], size: Sizes, margin: Sizes):
        self.volumes = [tuple(part.contiguous() for part in volume) for volume in volumes]
        self.inner = tuple(
            slice(cut, side - cut) for side, cut in zip(size, margin, strict=True)
        )
        self.device = volumes[0][0].device
        self.bases = [torch.from_numpy(spline_basis(side)).to(self.device) for side in size]
        ramps = [torch.arange(side, device=self.device) - (side - 1) / 2 for side in size]
        self.offsets = torch.stack(torch.meshgrid(*ramps, indexing="ij"))

    def __call__(self, numbers: Sequence[int], placements: Sequence[VolumePlacement]) -> Tiles:
        """Render one tile for each placement, from the volume of that number."""
        tiles = [self._tile(*pair) for pair in zip(numbers, placements, strict=True)]
        images, classes, weights = (torch.stack(parts) for parts in zip(*tiles, strict=True))
        return images, classes, weights

    def _tile(self, number: int, placement: VolumePlacement) -> Tiles:
        image, classes, weights = self.volumes[number]
        extent = torch.tensor(classes.shape, device=self.device)
        whole = np.floor(placement.centre)
        local = self._sources(np.array(placement.centre) - whole, placement)
        origin = torch.from_numpy(whole.astype(np.int64)).to(self.device)[:, None, None, None]

        first = local.floor()
        taps = catmull_rom(local - first)  # (4, 3, Z, Y, X)
        corner = first.long() + origin
        found = torch.zeros((), device=self.device)
        for a, b in product(range(4), repeat=2):
            z = mirrored_places(corner[0] + a - 1, extent[0])
            y = mirrored_places(corner[1] + b - 1, extent[1])
            line = torch.zeros((), device=self.device)
            for c in range(4):
                x = mirrored_places(corner[2] + c - 1, extent[2])
                line = line + taps[c, 2] * image[:, z, y, x]
            found = found + taps[a, 0] * taps[b, 1] * line

        nearest = (local[:, *self.inner] + 0.5).floor().long() + origin
        places = [mirrored_places(nearest[axis], extent[axis]) for axis in range(3)]
        return found, classes[*places], weights[*places]

    def _sources(self, fraction: np.ndarray, placement: VolumePlacement) -> Tensor:
        """Return where voxels come from (3, Z, Y, X), relative to the centre's whole voxel."""
        packed = [fraction, placement.turn.ravel(), placement.displacements.ravel()]
        numbers = torch.from_numpy(np.concatenate(packed).astype(np.float32)).to(self.device)
        turn, grid = numbers[3:12].view(3, 3), numbers[12:].view(3, 3, 3, 3)
        turned = torch.einsum("ab,bzyx->azyx", turn, self.offsets)
        bend = torch.einsum("za,yb,xc,abcd->dzyx", *self.bases, grid)
        return numbers[:3, None, None, None] + turned + bend
