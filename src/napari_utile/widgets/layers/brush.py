"""The brush: which layer and which id it paints, how large it is, and in which plane."""

from typing import Any

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer

from napari_utile.arrays.painted import PlaneIndex
from napari_utile.errors import UserError
from napari_utile.widgets.layers.stacks import level_0

ON_SCREEN = 14
"""Diameter of a new brush, px of the screen."""
LARGEST_SHARE = 1 / 8
"""Of the shorter side of a plane, that a new brush covers at most."""


def take_brush(viewer: Viewer, layer: Labels, id_: int, is_new: bool = False) -> None:
    """Make a layer the active one, with the brush in hand and an id to paint.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels
    id_ : int
    is_new : bool, default False
        Whether the brush gets a size that suits the zoom.

    Raises
    ------
    UserError
        If the type of the pixels holds no such id.
    """
    largest = np.iinfo(layer.data.dtype).max if layer.data.dtype.kind in "iu" else 2**31
    if id_ > largest:
        raise UserError(
            f"Labels '{layer.name}' are {layer.data.dtype}, whose largest id is {largest}: "
            "right-click the layer in the list and choose Convert data type."
        )
    layer.selected_label = id_
    viewer.layers.selection.active = layer
    if is_new:
        layer.brush_size = _brush_size(viewer, layer)
    if layer.editable and layer.visible:
        layer.mode = "paint"


def plane_in_view(viewer: Viewer, layer: Labels) -> PlaneIndex:
    """Return the leading indices of the plane (Y, X) of a layer that the viewer shows.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels

    Returns
    -------
    tuple of int
        The nearest plane where the viewer is beyond the layer.
    """
    point = layer.world_to_data(viewer.dims.point)
    lengths = level_0(layer).shape[:-2]
    return tuple(int(np.clip(round(x), 0, n - 1)) for x, n in zip(point, lengths, strict=False))


def _brush_size(viewer: Any, layer: Labels) -> int:
    """Return a diameter in pixels of the layer that is `ON_SCREEN` px now."""
    largest = max(1, min(level_0(layer).shape[-2:]) * LARGEST_SHARE)
    pixel = abs(float(layer.scale[-1])) * viewer.scene.camera.zoom
    return round(np.clip(ON_SCREEN / pixel, 1, largest))
