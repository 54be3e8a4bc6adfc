"""Regions of a layer: what is in view, and what rectangles enclose."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Layer, Shapes
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.widgets.layers.stacks import level_0

Region = tuple[tuple[int, int], ...]
"""First pixel and one past the last, in full resolution, along each axis of a layer."""


def view_of(viewer: Viewer, layer: Layer) -> Region:
    """Return the part of a layer that is in view on the current slice.

    Raises
    ------
    UserError
        If none of it is, or the view is not of a slice.
    """
    if viewer.dims.ndisplay != 2:
        raise UserError("The view is not of one slice: switch from 3D to 2D.")
    # What a layer says of its own corners is, with several levels, as large as its chunks.
    half = np.array(viewer.canvas.viewbox_size(viewer.layers)) / viewer.scene.camera.zoom / 2
    center = np.array(viewer.scene.camera.center)[-2:]
    corners = []
    for signs in product((-1, 1), repeat=2):
        corner = np.array(viewer.dims.point, dtype=float)
        corner[list(viewer.dims.displayed)] = center + signs * half
        corners.append(layer.world_to_data(corner))
    return _region_around(corners, layer, "The view")


def drawn_on(shapes: Shapes, layer: Layer) -> Region:
    """Return the box around the selected rectangles, or around all if none is selected.

    A rectangle goes through all slices of a stack, unless it was drawn on one of them.

    Raises
    ------
    UserError
        If there is no rectangle, or it lies outside.
    """
    kinds = shapes.shape_type
    chosen = sorted(shapes.selected_data) or range(len(kinds))
    rectangles = [shapes.data[i] for i in chosen if kinds[i] == "rectangle"]
    if not rectangles:
        where = "among the selected shapes of" if shapes.selected_data else "in"
        raise UserError(f"There is no rectangle {where} '{shapes.name}': draw one.")
    world = [shapes.data_to_world(point) for shape in rectangles for point in shape]
    corners = [layer.world_to_data(point) for point in world]
    all_slices = range(max(layer.ndim - shapes.ndim, 0))
    return _region_around(corners, layer, f"The rectangle in '{shapes.name}'", all_slices)


def _region_around(
    points: Sequence[Any], layer: Layer, name: str, whole: Sequence[int] = ()
) -> Region:
    """Return the pixels of a layer that the box around some points touches.

    Parameters
    ----------
    points : sequence of array-like, shape (N,)
        In pixels of the layer; the middle of a pixel is a whole number.
    layer : Layer
    name : str
        What a message calls the box.
    whole : sequence of int
        Axes along which all of the layer is taken.

    Raises
    ------
    UserError
        If there is no such pixel.
    """
    box: NDArray[np.float64] = np.round(np.asarray(points, float), 6)  # of many scalings
    low, high = np.floor(box.min(0) + 0.5), np.ceil(box.max(0) + 0.5)
    region = []
    for axis, size in enumerate(level_0(layer).shape[: layer.ndim]):
        first, end = int(low[axis]), int(max(high[axis], low[axis] + 1))
        if axis in whole:
            first, end = 0, size
        if first >= size or end <= 0:
            raise UserError(f"{name} lies outside layer '{layer.name}'.")
        region.append((max(first, 0), min(end, size)))
    return tuple(region)
