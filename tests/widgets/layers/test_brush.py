"""The brush is taken in one step: layer, id, size for the zoom."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_utile.errors import UserError
from napari_utile.widgets.layers.brush import (
    has_brush,
    plane_in_view,
    put_brush_away,
    take_brush,
)
from napari_utile.widgets.layers.edits import EDIT, OpenEdit, StoredLabels

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


def test_the_brush_is_put_away_of_all_labels_but_a_copy_that_is_corrected(viewer):
    painted, erased, seen = (viewer.add_labels(STACK.copy()) for _ in range(3))
    copy = viewer.add_labels(STACK.copy())
    stored = StoredLabels(Path("r.zarr"), "instances")
    copy.metadata[EDIT] = OpenEdit(stored, ((0, 4), (0, 160), (0, 300)), STACK, 1)
    for layer, mode in ((painted, "fill"), (erased, "erase"), (seen, "pick"), (copy, "paint")):
        layer.mode = mode
    assert put_brush_away(viewer) == [painted, erased]
    assert [each.mode for each in viewer.layers] == ["pan_zoom", "pan_zoom", "pick", "paint"]
    assert put_brush_away(viewer) == []


def test_a_stroke_is_ended_before_the_brush_is_put_away(viewer, qtbot, monkeypatch):
    layer = viewer.add_labels(STACK.copy())
    take_brush(viewer, layer, 1)
    pressed = Qt.MouseButton.LeftButton
    monkeypatch.setattr(QApplication, "mouseButtons", lambda: pressed)
    assert put_brush_away(viewer) == []
    qtbot.wait(150)
    assert layer.mode == "paint"
    pressed = Qt.MouseButton.NoButton
    qtbot.waitUntil(lambda: layer.mode == "pan_zoom")


def test_labels_that_are_hidden_are_shown_when_their_brush_is_taken(viewer):
    layer, other = viewer.add_labels(STACK.copy(), visible=False), viewer.add_labels(STACK)
    take_brush(viewer, layer, 1)
    assert layer.visible and has_brush(viewer, layer)
    viewer.layers.selection.active = other
    assert not has_brush(viewer, layer)
