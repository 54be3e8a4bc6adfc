"""Layers that come one after the other."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_utile.widgets.layers.in_turn import in_turn, remove_layers, renew


@pytest.mark.parametrize("fresh", [
    Image(np.full((4, 5), 7, np.uint8), contrast_limits=(0, 9), scale=(2, 3), colormap="green"),
    Labels(np.ones((2, 3), np.uint8), scale=(4, 4), translate=(1, 2), units=("nm", "nm")),
])  # fmt: skip
def test_a_layer_takes_the_pixels_of_another_and_keeps_what_the_user_chose(fresh):
    layer = type(fresh)(np.zeros((3, 3), np.uint8), opacity=0.3, visible=False)
    renew(layer, fresh)
    assert layer.data is fresh.data
    assert [*layer.scale, *layer.translate] == [*fresh.scale, *fresh.translate]
    assert layer.units == fresh.units
    assert (layer.opacity, layer.visible) == (0.3, False)
    if isinstance(fresh, Image):
        assert layer.contrast_limits == [0, 9] and layer.colormap.name == "green"


def test_without_a_window_all_is_done_at_once_and_what_is_gone_is_passed_over(viewer):
    done = []
    in_turn(viewer, [lambda: done.append(1), lambda: done.append(2)])
    assert done == [1, 2]
    gone = viewer.layers["em"]
    viewer.layers.remove(gone)
    remove_layers(viewer, [gone, viewer.layers["cells"]])
    assert not viewer.layers


def test_in_a_window_the_event_loop_goes_on_between_two_steps(viewer, qtbot):
    from types import SimpleNamespace

    from qtpy.QtCore import QTimer

    window, done = SimpleNamespace(layers=viewer.layers, window=None), []
    in_turn(window, iter([lambda: done.append(1), lambda: done.append(2)]))
    QTimer.singleShot(0, lambda: done.append("event"))
    assert done == [1]
    qtbot.waitUntil(lambda: len(done) == 3)
    assert done == [1, "event", 2]
