"""The brush is taken in one step: layer, id, size for the zoom."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.errors import UserError
from napari_utile.widgets.layers.brush import plane_in_view, take_brush

STACK = np.zeros((4, 160, 300), np.uint8)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.mark.parametrize(
    ("zoom", "scale", "size"),
    [(1, 1, 14), (2, 1, 7), (0.5, 4, 7), (50, 1, 1), (0.01, 1, 20)],  # 1/8 of 160 px at most
)
def test_the_brush_is_as_large_on_the_screen_at_any_zoom(viewer, zoom, scale, size):
    layer = viewer.add_labels(STACK, scale=(9, scale, scale))
    viewer.add_image(STACK)
    viewer.scene.camera.zoom = zoom
    take_brush(viewer, layer, 3, is_new=True)
    assert (viewer.layers.selection.active, layer.mode) == (layer, "paint")
    assert (layer.selected_label, layer.brush_size) == (3, size)


def test_an_id_that_the_type_cannot_hold_is_refused_with_the_way_out(viewer):
    layer = viewer.add_labels(STACK, name="small")
    with pytest.raises(UserError, match=r"'small' are uint8, .*255: right-click"):
        take_brush(viewer, layer, 256)
    assert layer.selected_label == 1


def test_the_plane_in_view_follows_the_sliders_and_the_place_of_the_layer(viewer):
    layer = viewer.add_labels(STACK, scale=(5, 1, 1), translate=(10, 0, 0))
    viewer.add_image(np.zeros((40, 160, 300)))
    viewer.dims.set_point(0, 21)
    assert plane_in_view(viewer, layer) == (2,)
    viewer.dims.set_point(0, 0)
    assert plane_in_view(viewer, layer) == (0,)
    assert plane_in_view(viewer, viewer.add_labels(STACK[0])) == ()
