"""The segmentation panel: a result layer that fills tile by tile, where its image lies."""

import json

import numpy as np
import pytest

from napari_utile.events import RunDone, RunFailed, RunStarted, TileDone
from napari_utile.widgets._paths import MODELS
from napari_utile.widgets.predict import SegmentPanel

STARTED = RunStarted(job="predict", out="OUT", total=2)
DONE = RunDone(out="OUT", seconds=1)


def tile(done):
    return TileDone(
        done=done, total=2, image="em", index=(0,), write=((0, 16), (0, 16)), rate=1.0
    )


def fill(value, channels=(2,), dtype="float32", kind="probabilities"):
    return {"do": "fill", "channels": channels, "dtype": dtype, "kind": kind, "value": value}


@pytest.fixture
def panel(open_panel, viewer, model):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    return panel


def idle(panel):
    return lambda: not panel.controls.is_running


def test_starts_the_engine_on_model_and_image(panel, script, press, qtbot, model, home):
    arguments = script(STARTED, DONE)
    panel.form.set_value("output", "instances")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    command, given_model, image, *rest = json.loads(arguments.read_text())
    (folder,) = (home / "segmentations").iterdir()
    assert (command, given_model) == ("predict", str(model))
    assert image == str(folder / "inputs" / "em.zarr")
    assert rest == ["--out", str(folder / "instances.zarr"), "--output", "instances"]


def test_probabilities_appear_with_the_first_tile_and_grow(panel, script, press, qtbot, viewer):
    script(
        STARTED, fill(0.25), tile(1), {"do": "sleep", "seconds": 2}, fill(0.75), tile(2),
        {"do": "wait"}, DONE,
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em probabilities" in viewer.layers)
    layer = viewer.layers["em probabilities"]
    assert np.asarray(layer.data[0, :16, :16]).max() == 0.25
    np.testing.assert_array_equal(layer.scale, (50, 4, 4))
    np.testing.assert_array_equal(layer.translate, (0, 100, 200))
    assert layer.units == viewer.layers["em"].units
    assert tuple(layer.contrast_limits) == (0, 1)

    drawn = []
    layer.events.set_data.connect(lambda: drawn.append(layer.data[0, 0, 0]))
    qtbot.waitUntil(lambda: 0.75 in drawn)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert "Done" in panel.controls.messages.text()


def test_the_next_result_needs_another_path(panel, script, press, qtbot, tmp_path):
    script(STARTED, fill(0.25), tile(1), DONE)
    panel.output.set_path(tmp_path / "mine.zarr")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert f"The result is in {tmp_path / 'mine.zarr'}" in panel.controls.messages.text()
    assert panel.output.path is None
    assert panel.controls.button.isEnabled()


def test_instances_are_a_labels_layer(panel, script, press, qtbot, viewer):
    script(STARTED, fill(7, (), "uint32", "instances"), tile(1), DONE)
    panel.form.set_value("output", "instances")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    layer = viewer.layers["em instances"]
    assert layer.data[2, 3, 3] == 7


def test_several_classes_are_a_layer_each(panel, script, press, qtbot, viewer):
    script(STARTED, fill(0.5, (4,)), tile(1), DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    names = [layer.name for layer in viewer.layers if "prob" in layer.name]
    assert names == [f"em probabilities {i}" for i in (1, 2, 3)]


def test_a_failure_keeps_what_was_done_and_says_so(panel, script, press, qtbot, viewer, errors):
    script(STARTED, fill(0.5), tile(1), RunFailed(message="The disk is full.", user=True))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert errors == ["The disk is full."]
    assert "em probabilities (partial)" in viewer.layers


def test_a_refusal_leaves_the_result_of_the_last_run_as_it_is(
    panel, script, press, qtbot, viewer, errors, tmp_path
):
    script(STARTED, fill(0.5), tile(1), DONE)
    panel.output.set_path(tmp_path / "mine.zarr")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    panel.output.set_path(tmp_path / "mine.zarr")
    assert not panel.controls.button.isEnabled()
    assert "mine.zarr exists" in panel.output.line.toolTip()
    panel.controls.button.setEnabled(True)
    press(panel.controls.button)
    assert "exists" in errors[0]
    assert [x.name for x in viewer.layers if "prob" in x.name] == ["em probabilities"]


def test_a_result_of_channels_lies_where_they_lie(panel, script, press, qtbot, viewer, model):
    text = "config: {utile: {arguments: {in_channels: 2}}}"
    (model / "bioimageio.yaml").write_text(text)
    pixels = np.zeros((2, 64, 64), np.uint8)
    panel.image.choose(
        viewer.add_image(pixels, name="two", scale=(1, 4, 5), translate=(0, 7, 8), rotate=30)
    )
    script(STARTED, fill(0.5), tile(1), DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    layer = viewer.layers["two probabilities"]
    np.testing.assert_array_equal(layer.scale, (4, 5))
    np.testing.assert_allclose(
        layer.data_to_world((3, 9)), viewer.layers["two"].data_to_world((0, 3, 9))[1:]
    )


def test_a_layer_of_five_axes_is_said(panel, viewer):
    panel.image.choose(viewer.add_image(np.zeros((2, 2, 2, 2, 2)), name="five"))
    assert "Layer 'five'" in panel.controls.messages.text()
    assert not panel.controls.button.isEnabled()


def test_a_model_trained_beside_it_is_chosen(open_panel, viewer, model):
    panel = open_panel(SegmentPanel, viewer)
    assert not panel.controls.button.isEnabled()
    MODELS.trained.emit(model)
    assert panel.model.path == model
    assert panel.controls.button.isEnabled()


def test_the_model_of_the_last_run_is_chosen_when_the_panel_opens(
    open_panel, viewer, home, model
):
    folder = home / "runs" / "last"
    folder.mkdir(parents=True)
    model.rename(folder / "model")
    assert open_panel(SegmentPanel, viewer).model.path == folder / "model"


@pytest.mark.parametrize("card", ["", "config: 3", "a: [", "config: {utile: {}}"])
def test_what_is_no_model_is_red(panel, model, card):
    (model / "bioimageio.yaml").write_text(card)
    panel.model.set_path(model)
    assert "not made by U-Tile" in panel.model.line.toolTip()
    assert not panel.controls.button.isEnabled()


def test_an_output_that_exists_is_red(panel, tmp_path):
    (tmp_path / "there.zarr").mkdir()
    panel.output.set_path(tmp_path / "there.zarr")
    assert "exists" in panel.output.line.toolTip()
    assert not panel.controls.button.isEnabled()
