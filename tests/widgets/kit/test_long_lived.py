"""What stays is not searched for garbage; what may go is."""

import gc
from weakref import ref

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

from napari_utile.widgets.kit.long_lived import LongLived


class Circle:
    """Garbage that only a search finds."""

    def __init__(self):
        self.self = self


@pytest.fixture
def viewer():
    """Return a viewer with one layer; leave nothing out after the test."""
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 4)))
    yield viewer
    gc.unfreeze()


def is_found(kept):
    """Whether a search finds an object that is garbage from now on."""
    seen = ref(kept.pop())
    gc.collect()
    return seen() is None


def test_what_was_there_is_not_searched_until_the_widget_is_gone(viewer, qtbot):
    widget = QWidget()
    before, after = [Circle()], []
    LongLived(widget, viewer).leave_out()
    after.append(Circle())
    assert gc.get_freeze_count() > 0
    assert is_found(after)
    assert not is_found(before)
    with qtbot.waitSignal(widget.destroyed):
        widget.deleteLater()
    assert gc.get_freeze_count() == 0
    closed = QWidget()
    qtbot.addWidget(closed)
    spared = LongLived(closed, viewer)
    spared.leave_out()
    spared.end()
    assert gc.get_freeze_count() == 0


def test_a_layer_that_was_there_is_searched_for_when_it_is_removed(viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_utile.widgets.kit.long_lived.REST", 1)
    widget = QWidget()
    qtbot.addWidget(widget)
    spared = LongLived(widget, viewer)
    spared.leave_out()
    later = viewer.add_image(np.zeros((4, 4)))
    viewer.layers.remove(later)  # came after: found anyway
    assert gc.get_freeze_count() > 0
    viewer.layers.remove(viewer.layers[0])
    assert gc.get_freeze_count() == 0
    qtbot.waitUntil(lambda: gc.get_freeze_count() > 0)
    # and of several the next one, too
    layers = [viewer.add_image(np.zeros((4, 4))) for _ in range(2)]
    spared.leave_out()
    viewer.layers.remove(layers[0])
    assert gc.get_freeze_count() == 0
