"""Regions of a layer: what is in view, and what rectangles enclose."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.widgets.layers.regions import drawn_on, view_of


def rectangle(viewer, top, left, bottom, right, **place):
    corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
    place = {"scale": (4, 4), "translate": (100, 200)} | place
    return viewer.add_shapes([corners], shape_type="rectangle", name="mine", **place)


def test_a_rectangle_takes_the_pixels_that_it_touches(viewer):
    shapes = rectangle(viewer, 9.6, 20, 20.2, 30)  # pixel 10 goes from 9.5 to 10.5
    assert drawn_on(shapes, viewer.layers["em"]) == ((0, 3), (10, 21), (20, 31))


def test_what_reaches_beyond_the_layer_is_cut_and_what_lies_outside_refused(viewer):
    assert drawn_on(rectangle(viewer, -5, 60, 3, 99), viewer.layers["em"])[1:] == (
        (0, 4),
        (60, 64),
    )
    with pytest.raises(UserError, match=r"The rectangle in 'mine.*' lies outside layer 'em'"):
        drawn_on(rectangle(viewer, 70, 0, 80, 9), viewer.layers["em"])


def test_only_rectangles_count(viewer):
    shapes = viewer.add_shapes([[[0, 0], [9, 9]]], shape_type="line", name="lines")
    with pytest.raises(UserError, match="no rectangle in 'lines'"):
        drawn_on(shapes, viewer.layers["em"])


def test_the_view_is_around_the_center_of_the_camera(viewer):
    layer = viewer.layers["em"]
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    viewer.scene.camera.zoom = height / (4 * 10)  # 10 pixels are in view
    viewer.scene.camera.center = (0, 100 + 4 * 25, 200 + 4 * 20)
    viewer.dims.set_current_step(0, 2)
    z, y, x = view_of(viewer, layer)
    assert (z, y) == ((2, 3), (20, 31))
    assert np.mean(x) == 20.5 and abs((x[1] - x[0]) - 10 * width / height) <= 2
    viewer.dims.ndisplay = 3
    with pytest.raises(UserError, match="switch from 3D to 2D"):
        view_of(viewer, layer)
