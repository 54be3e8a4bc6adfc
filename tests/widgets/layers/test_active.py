"""Layers of U-Tile come without taking the brush from the user."""

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_utile.events import PreviewReady
from napari_utile.widgets.layers.active import active_kept, add_helper, put_above
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.results import Preview
from napari_utile.widgets.layers.stacks import placement, stack_of


@pytest.mark.parametrize("selected", [["a"], ["a", "b"], []])
def test_what_was_selected_is_selected_again(viewer, selected):
    layers = {name: viewer.add_image(np.zeros((4, 4)), name=name) for name in "abc"}
    viewer.layers.selection = {layers[name] for name in selected}
    with active_kept(viewer):
        viewer.layers.remove(layers["c"])
        new = viewer.add_image(np.ones((4, 4)), name="new")
    found = {layer.name for layer in viewer.layers.selection}
    assert found == ({*selected} or {"new"})
    active = viewer.layers.selection.active
    assert active == (layers["a"] if selected == ["a"] else None if selected else new)


def test_helpers_lie_below_the_labels_and_there_is_one_preview(viewer, tmp_path):
    em, cells = viewer.layers
    viewer.add_labels(cells.data, name="more")
    place = placement(em, stack_of(em).axes)
    tifffile.imwrite(tmp_path / "p.tif", np.ones((64, 64), np.float32))
    shown = PreviewReady(path=str(tmp_path / "p.tif"), index=(1,), origin=(0, 0), step=1)
    for preview in (Preview(viewer, place), Preview(viewer, place)):  # of two panels
        preview.show(shown)
    add_helper(viewer, Image(np.ones((4, 4)), name="weight map"))
    aid = {"metadata": {HELPER: True}}
    add_helper(viewer, Labels(np.ones((4, 4), int), name="errors", **aid))
    names = [layer.name for layer in viewer.layers]
    assert names == ["em", "training preview", "weight map", "cells", "more", "errors"]


def dragged(canvas, places):
    """Move the mouse over these places with its button down."""
    for place in places:
        moved = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(place),
            QPointF(canvas.mapToGlobal(place)),
            Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(canvas, moved)
        QApplication.processEvents()


def test_a_stroke_goes_on_when_a_preview_comes(make_napari_viewer, qtbot, tmp_path):
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.zeros((64, 64)), name="em")
    labels = viewer.add_labels(np.zeros((64, 64), int), name="painted")
    labels.mode, labels.brush_size = "paint", 3
    viewer.reset_view()
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(lambda: canvas.width() > 200)
    tifffile.imwrite(tmp_path / "p.tif", np.ones((64, 64), np.float32))
    preview = Preview(viewer, placement(image, stack_of(image).axes))

    way = [canvas.rect().center() + QPoint(step, 0) for step in range(0, 100, 5)]
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=way[0])
    dragged(canvas, way[1:10])
    before = np.count_nonzero(labels.data)
    preview.show(PreviewReady(path=str(tmp_path / "p.tif"), index=(), origin=(0, 0), step=1))
    dragged(canvas, way[10:])
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=way[-1])
    assert preview.layer in viewer.layers
    assert viewer.layers.selection.active is labels
    assert np.count_nonzero(labels.data) > before > 0


def test_a_helper_comes_right_above_its_image_and_stays_there(viewer):
    helper = add_helper(viewer, Image(np.zeros((4, 4)), name="helper"))
    top = viewer.add_image(np.zeros((4, 4)), name="top")
    put_above(viewer, helper, top)
    assert [layer.name for layer in viewer.layers] == ["em", "cells", "top", "helper"]
    put_above(viewer, helper, viewer.layers["em"])
    assert viewer.layers[-1] is helper and viewer.layers.selection.active is top
