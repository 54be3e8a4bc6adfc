"""Sliders redraw the objects in view from what a result keeps; then all of it is made so."""

import json

import numpy as np
import pytest

from napari_utile.events import ImageDone, RunDone
from napari_utile.folders.job import ShownResult
from napari_utile.io.ome_zarr import mark_complete, reopen
from napari_utile.results.stored_probabilities import StoredProbabilities
from napari_utile.settings.prediction import PredictSettings
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.segment import redraw as module
from napari_utile.widgets.segment.panel import SegmentPanel
from tests.fixtures.result_store import make_result
from tests.fixtures.segment_panel import idle, text

SHAPE = (3, 64, 64)
SETTINGS = PredictSettings(output="instances")


def foreground():
    """A square of 0.9 with a fringe of 0.6, and a dot, in each slice."""
    likely = np.zeros(SHAPE, np.uint8)
    likely[:, 8:30, 8:30] = 153
    likely[:, 12:26, 12:26] = 230
    likely[:, 50:52, 50:52] = 230
    return likely


@pytest.fixture
def result(tmp_path):
    """A finished result at the threshold 0.5."""
    path = make_result(tmp_path / "r.zarr", (foreground() > 127).astype(np.uint32))
    reopen(path)[...] = foreground()
    plan = {"settings": SETTINGS.model_dump(mode="json"), "tile": [8, 8]}
    mark_complete(path, plan=plan)
    return path


@pytest.fixture
def panel(open_panel, viewer, model, result):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    place = {"scale": (50, 4, 4), "translate": (0, 100, 200), "units": ["nm"] * 3}
    shown = ShownResult(image="em", name="em", out=result, place=place)
    Result(viewer, shown, "instances").end(is_partial=False)
    viewer.layers.selection.active = viewer.layers["cells"]
    viewer.dims.set_point(0, 50)
    return panel


def drag(panel, qtbot, **values):
    """Drag sliders, and wait for what is drawn."""
    with qtbot.waitSignal(panel.redraw.drawn):
        for name, value in values.items():
            panel.form.set_value(name, value)


def expected(result, index, **values):
    box = ((index, index + 1), (0, 64), (0, 64))
    return StoredProbabilities.of(result).objects(SETTINGS.model_copy(update=values), box)


def test_a_slider_redraws_the_slice_in_view_and_takes_no_active_layer(
    panel, viewer, qtbot, result
):
    drag(panel, qtbot, threshold=0.7)
    preview, stored = viewer.layers["objects preview"], viewer.layers["em instances"]
    np.testing.assert_array_equal(preview.data, expected(result, 1, threshold=0.7))
    assert (preview.data > 0).sum() == 14 * 14 + 4
    np.testing.assert_array_equal(preview.data_to_world((0, 0, 0)), (50, 100, 200))
    assert viewer.layers.selection.active is viewer.layers["cells"]
    assert not stored.visible and "utile helper" in preview.metadata
    assert (
        "Slice 1: 2 objects with threshold 0.7 and smallest object 0"
        in panel.redraw.line.text()
    )
    assert not panel.correction.isEnabled()
    drag(panel, qtbot, threshold=0.6, min_size=5)  # the newest of both
    assert viewer.layers["objects preview"] is preview and not preview.editable
    np.testing.assert_array_equal(preview.data, expected(result, 1, threshold=0.6, min_size=5))
    with qtbot.waitSignal(panel.redraw.drawn):
        viewer.dims.set_point(0, 100)
    assert preview.data_to_world((0, 0, 0))[0] == 100
    drag(panel, qtbot, threshold=0.5, min_size=0)  # that of the result
    assert "objects preview" not in viewer.layers and stored.visible
    assert panel.correction.isEnabled()


def test_every_setting_that_objects_are_made_by_is_followed(panel, qtbot):
    for name, value in (("fill_holes", 3), ("instance_method", "components"), ("grow", "2")):
        drag(panel, qtbot, **{name: value})  # draws
        assert panel.redraw.is_shown


def test_discard_and_deleting_the_preview_show_the_result_again(panel, viewer, press, qtbot):
    drag(panel, qtbot, threshold=0.7)
    press(panel.redraw.discard)
    assert panel.form.value("threshold") == 0.5
    assert "objects preview" not in viewer.layers and viewer.layers["em instances"].visible
    drag(panel, qtbot, threshold=0.8)
    viewer.layers.remove("objects preview")
    assert viewer.layers["em instances"].visible and not panel.redraw.isVisibleTo(panel)


def test_apply_to_all_makes_the_result_anew_by_the_engine(
    panel, viewer, press, qtbot, script, result, monkeypatch
):
    asked = []
    monkeypatch.setattr(module, "edits_of", lambda path: [{}])
    monkeypatch.setattr(module.Redraw, "_may_replace", lambda *_: asked.append(1) or True)
    arguments = script(
        ImageDone(image="r", out="r", status="done", objects=6), RunDone(out="r", seconds=1)
    )
    drag(panel, qtbot, threshold=0.7, min_size=5)
    drawn = []
    viewer.layers["em instances"].events.set_data.connect(lambda: drawn.append(1))
    press(panel.redraw.apply)
    qtbot.waitUntil(idle(panel))
    options = ["--threshold", "0.7", "--min-size", "5", "--overwrite"]
    assert json.loads(arguments.read_text())[:7] == ["instances", str(result), *options]
    assert asked and drawn
    assert "objects preview" not in viewer.layers and viewer.layers["em instances"].visible
    assert "The whole result is made of these settings: 6 objects." in text(panel)


def test_what_keeps_no_probabilities_says_so(panel, qtbot, result):
    mark_complete(result, plan=None)
    drag(panel, qtbot, threshold=0.7)
    assert "no result of utile predict" in panel.redraw.line.text()
