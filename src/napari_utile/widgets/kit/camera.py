"""The camera of the viewer: slice, center and zoom."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from napari.layers import Layer
from napari.viewer import Viewer

VIEW_SHARE = 0.5
"""Share of the view that the box fills."""
MIN_BOX_SIDE = 48
"""Least side of the box, px: closer, nothing around it would be seen."""


def look_at(
    viewer: Viewer,
    layer: Layer,
    low: Sequence[float],
    high: Sequence[float],
    share: float = VIEW_SHARE,
) -> None:
    """Center the view on a box of pixels, and zoom in on it.

    Parameters
    ----------
    viewer : Viewer
    layer : Layer
        Whose pixels they are: turned, scaled and moved as it may be.
    low, high : sequence of float, one per axis of the layer
        The middle of the first pixel and of the last.
    share : float, optional
        Of the view that the box fills.
    """
    first, last = np.asarray(low, float), np.asarray(high, float)
    middle, half = (first + last) / 2, (last - first + 1) / 2
    half[-2:] = np.maximum(half[-2:], MIN_BOX_SIDE / 2)
    go_to(viewer, layer, middle)

    leading = viewer.dims.ndim - layer.ndim
    shown = [axis - leading for axis in viewer.dims.displayed if axis >= leading]
    half[[axis for axis in range(layer.ndim) if axis not in shown]] = 0
    corners = [
        layer.data_to_world(middle + half * signs)
        for signs in product((-1, 1), repeat=layer.ndim)
    ]
    extent = np.ptp(np.array(corners)[:, shown], axis=0)
    canvas = np.array(viewer.canvas.viewbox_size(viewer.layers), float)
    if len(shown) != 2:  # in 3D it may be seen from any side
        extent = extent.max(initial=0)
    camera = viewer.scene.camera
    camera.center = tuple(np.array(layer.data_to_world(middle))[shown])
    camera.zoom = float(share * (canvas / extent).min())


def go_to(viewer: Viewer, layer: Layer, pixel: Sequence[float]) -> None:
    """Move the sliders to the slice of a pixel of `layer`; keep center and zoom.

    Parameters
    ----------
    viewer : Viewer
    layer : Layer
    pixel : sequence of float, one per axis of the layer
        In pixels of the layer, at full resolution.
    """
    place = layer.data_to_world(pixel)
    leading = viewer.dims.ndim - layer.ndim
    axes = [axis for axis in viewer.dims.not_displayed if axis >= leading]
    viewer.dims.set_point(axes, [place[axis - leading] for axis in axes])
