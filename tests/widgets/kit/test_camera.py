"""The camera goes to a slice, and to an object."""

import numpy as np
import pytest

from napari_utile.widgets.kit.camera import MIN_BOX_SIDE, VIEW_SHARE, go_to, look_at


def test_the_sliders_go_to_the_slice_and_the_camera_stays(viewer):
    camera = viewer.scene.camera
    before = (camera.zoom, camera.center)
    go_to(viewer, viewer.layers["em"], (2, 5, 5))
    assert viewer.dims.point[0] == 2 * 50
    assert (camera.zoom, camera.center) == before


def test_a_layer_of_fewer_axes_moves_its_own_sliders_only(viewer):
    viewer.add_image(np.zeros((4, 3, 8, 8)))
    viewer.dims.set_point(0, 3)
    go_to(viewer, viewer.layers["em"], (1, 5, 5))
    assert viewer.dims.point[:2] == (3, 50)


@pytest.mark.parametrize(("last", "side"), [((1, 62, 24), 53), ((1, 11, 24), MIN_BOX_SIDE)])
def test_an_object_is_in_the_middle_and_fills_a_share_of_the_view(viewer, last, side):
    first = (1, 10, 20)
    look_at(viewer, viewer.layers["em"], first, last)
    y, x = (np.array(first[1:]) + last[1:]) / 2
    camera = viewer.scene.camera
    np.testing.assert_allclose(camera.center[-2:], (100 + 4 * y, 200 + 4 * x))
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    expected = VIEW_SHARE * min(height / (4 * side), width / (4 * MIN_BOX_SIDE))
    assert camera.zoom == pytest.approx(expected)
    assert viewer.dims.point[0] == 50
