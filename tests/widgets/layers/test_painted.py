"""The counts of a layer follow the brush, undo and scripts; the window waits for none of it."""

import gc
from threading import Event
from weakref import ref

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.widgets.layers import painted
from napari_utile.widgets.layers.painted import watch_of

LABELS = np.random.default_rng(0).integers(0, 4, (3, 20, 24)).astype(np.uint16)


@pytest.fixture
def layer():
    return ViewerModel().add_labels(LABELS.copy())


def by_hand(ids):
    found, counts = np.unique(ids, return_counts=True)
    return {int(i): int(n) for i, n in zip(found, counts, strict=True) if i}


def equal(watch, layer):
    return lambda: watch.pixels.is_complete and watch.pixels.totals == by_hand(layer.data)


def test_brush_fill_polygon_and_undo_are_followed(layer, qtbot):
    watch = watch_of(layer)
    watch.look_at((1,))
    qtbot.waitUntil(equal(watch, layer))
    layer.brush_size = 5
    layer.paint((1, 8, 8), 7)
    assert watch.pixels.totals == by_hand(layer.data)  # at once, by what napari reports
    assert watch.pixels.of((1,)) == by_hand(layer.data[1])
    layer.n_edit_dimensions = 3
    layer.paint((1, 12, 12), 9)
    layer.fill((0, 0, 0), 8)
    layer.n_edit_dimensions = 2
    layer.paint_polygon([(2, 2, 2), (2, 2, 9), (2, 9, 9)], 5)
    layer.data_setitem((np.array([0, 2]), np.array([3, 3]), np.array([4, 4])), 6)
    assert watch.pixels.totals == by_hand(layer.data)
    for _ in range(5):
        layer.undo()
    assert (layer.data == LABELS).all()
    qtbot.waitUntil(equal(watch, layer))


def test_what_is_painted_while_a_plane_is_counted_is_not_lost(layer, qtbot, monkeypatch):
    counted, go_on, real = Event(), Event(), painted.count_ids

    def slow(plane):
        counts = real(plane)
        counted.set()
        assert go_on.wait(5)
        return counts

    monkeypatch.setattr(painted, "count_ids", slow)
    watch = watch_of(layer)
    qtbot.waitUntil(counted.is_set)
    layer.paint((0, 5, 5), 9)  # too late for this count
    go_on.set()
    qtbot.waitUntil(equal(watch, layer))
    assert 9 in watch.pixels.totals


def test_other_data_and_a_script_that_paints_are_noticed(layer, qtbot):
    watch = watch_of(layer)
    qtbot.waitUntil(equal(watch, layer))
    layer.data = LABELS[:2] + 1
    qtbot.waitUntil(equal(watch, layer))
    watch.look_at((0,))
    layer.data[0] = 11
    layer.refresh()
    qtbot.waitUntil(equal(watch, layer))


def test_of_huge_labels_only_planes_that_are_looked_at_are_counted(layer, qtbot, monkeypatch):
    monkeypatch.setattr(painted, "MOST_COUNTED", 10)
    watch = watch_of(layer)
    watch.look_at((2,))
    qtbot.waitUntil(lambda: watch.pixels.knows((2,)))
    assert watch.pixels.totals == by_hand(LABELS[2])
    assert not watch.pixels.is_complete


def test_panels_share_one_watch_which_ends_with_them(layer, qtbot):
    watch = watch_of(layer, is_empty=True)
    assert watch_of(layer) is watch and watch.pixels.is_complete
    layer.paint((0, 5, 5), 9)  # is to be reported a little later
    gone = ref(watch)
    del watch
    gc.collect()
    assert gone() is None
    layer.paint((0, 9, 9), 9)
    qtbot.wait(150)
