"""The brush: which layer and which id it paints, how large it is, and in which plane."""

from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_utile.arrays.painted import PlaneIndex
from napari_utile.errors import UserError
from napari_utile.widgets.layers.edits import open_edit
from napari_utile.widgets.layers.stacks import level_0

ON_SCREEN = 14
"""Diameter of a new brush, px of the screen."""
LARGEST_SHARE = 1 / 8
"""Of the shorter side of a plane, that a new brush covers at most."""
PAINTING = ("paint", "erase", "fill", "polygon")
"""Modes of labels in which the mouse changes their pixels."""
LOOK_FOR_END = 100
"""Milliseconds between two looks whether a stroke has ended."""


def take_brush(viewer: Viewer, layer: Labels, id_: int, is_new: bool = False) -> None:
    """Make a layer the active one, and seen, with the brush in hand and an id to paint.

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
    layer.visible = True  # a panel may have hidden it to show a result
    if layer.editable:
        layer.mode = "paint"


def has_brush(viewer: Viewer, layer: Labels) -> bool:
    """Return whether a stroke in the canvas would paint into a layer."""
    return layer is viewer.layers.selection.active and layer.mode in PAINTING


def put_brush_away(viewer: Viewer) -> list[Labels]:
    """Let the mouse move the picture again, where it would paint into labels.

    A copy of a result that is corrected keeps its brush, and a stroke is ended first.

    Parameters
    ----------
    viewer : Viewer

    Returns
    -------
    list of Labels
        Those whose brush was put away.
    """
    painted = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels) and layer.mode in PAINTING and open_edit(layer) is None
    ]
    if painted and QApplication.mouseButtons() != Qt.MouseButton.NoButton:
        QTimer.singleShot(LOOK_FOR_END, partial(put_brush_away, viewer))
        return []
    for layer in painted:
        layer.mode = "pan_zoom"
    return painted


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
