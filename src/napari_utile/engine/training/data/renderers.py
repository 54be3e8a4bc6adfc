"""Which code cuts tiles: by the number of axes, and by the device where the planes are."""

from collections.abc import Callable, Sequence
from typing import Any

from napari_utile.arrays.tiling import Sizes
from napari_utile.engine.training.data.rendering import DeviceRenderer, Renderer, Tiles
from napari_utile.engine.training.data.volume_rendering import (
    DeviceVolumeRenderer,
    VolumeRenderer,
)


def renderer(planes: Sequence[Tiles], size: Sizes, margin: Sizes) -> Callable[..., Tiles]:
    """Return what cuts tiles out of planes, or volumes, on their device.

    Parameters
    ----------
    planes : sequence of (image, classes, weights)
        float32 (C, Y, X) or (C, Z, Y, X), uint8 (or int32, of volumes) and float32 of its
        spatial shape.
    size, margin : tuple of int
        Sides of the image of a tile, and what classes and weights lack on each side, in pixels.

    Returns
    -------
    callable
        Called with the numbers of planes, and a placement for each; returns the tiles.
    """
    is_cpu = planes[0][0].device.type == "cpu"
    kind: Any
    if len(size) == 3:
        kind = VolumeRenderer if is_cpu else DeviceVolumeRenderer
        return kind(planes, size, margin)
    kind = Renderer if is_cpu else DeviceRenderer
    return kind(planes, size[0], margin[0])
