"""The segmentation panel: which model, what is started, what is said, and when it goes on."""

import json

import numpy as np
import pytest

from napari_utile.arrays.appearance import SET_NORMALIZE
from napari_utile.events import ImageDone, RunDone, RunStarted, doubted
from napari_utile.folders.job import JobFolder
from napari_utile.folders.model import DESCRIPTION
from napari_utile.io.images import open_image
from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.paths import MODELS
from napari_utile.widgets.layers.alone import open_images, show_all, show_alone
from napari_utile.widgets.objects.panel import ObjectsPanel
from napari_utile.widgets.runs.entry import JobEntry
from napari_utile.widgets.segment import panel as module
from napari_utile.widgets.segment.panel import SegmentPanel
from tests.fixtures.segment_panel import (
    DONE,
    FINISH,
    STARTED,
    fill,
    given,
    idle,
    objects,
    run,
    text,
    tile,
)


def test_starts_the_engine_on_model_and_image(panel, script, press, qtbot, model, home):
    arguments = script(STARTED, DONE)
    panel.form.set_value("output", "instances")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    command, given_model, image, *rest = json.loads(arguments.read_text())
    (folder,) = (home / "segmentations").iterdir()
    assert (command, given_model) == ("predict", str(model))
    assert image == str(folder / "inputs" / "em.zarr")
    out = ["--out", str(folder / "instances.zarr"), "--output", "instances"]
    assert rest == [*out, "--job", str(folder)]


def test_a_copied_command_leaves_no_job(panel, press, qtbot, home):
    from qtpy.QtWidgets import QApplication

    press(panel.controls.copy)
    qtbot.waitUntil(idle(panel))
    copy = home / "commands" / "em" / "em.zarr"
    assert f" {copy} --out {home}/segmentations/2" in QApplication.clipboard().text()
    assert copy.is_dir() and not (home / "segmentations").exists()


def test_a_press_puts_the_brush_away_and_says_so_an_estimate_does_not(
    panel, script, press, qtbot, viewer
):
    layer = viewer.layers["cells"]
    viewer.layers.selection.active, layer.mode = layer, "paint"
    script(STARTED, DONE)
    press(panel.estimate)
    qtbot.waitUntil(idle(panel))
    assert layer.mode == "paint"
    run(panel, press, qtbot)
    assert layer.mode == "pan_zoom"
    assert "The brush of 'cells' was put away" in text(panel)


def test_runs_says_of_a_run_what_this_panel_does(panel, script, press, qtbot, home):
    counted = ImageDone(image="em.zarr", out="OUT", status="done", objects=12)
    script(STARTED, counted, RunDone(out="OUT", seconds=75.4))
    run(panel, press, qtbot)
    (folder,) = map(JobFolder, (home / "segmentations").iterdir())
    entry = JobEntry(folder, folder.record)
    entry.update()
    assert entry.details() == "Done after 1 min 15 s: 12 objects."
    assert entry.details() in text(panel)


def test_a_model_trained_beside_it_is_chosen(open_panel, viewer, model):
    panel = open_panel(SegmentPanel, viewer)
    assert not panel.controls.button.isEnabled()
    MODELS.announce(model)
    assert panel.model.path == model
    assert panel.controls.button.isEnabled()
    assert open_panel(SegmentPanel, viewer).model.path == model  # opened later


@pytest.mark.parametrize("name", ["model", ".model.previous"])  # left by an interrupted save
def test_the_model_of_the_last_run_is_chosen_when_the_panel_opens(
    open_panel, viewer, home, model, name
):
    folder = home / "runs" / "last"
    folder.mkdir(parents=True)
    model.rename(folder / name)
    panel = open_panel(SegmentPanel, viewer)
    assert panel.model.path == folder / "model"
    assert panel.controls.button.isEnabled()


def test_the_output_is_what_the_model_finds_until_the_user_chooses(
    open_panel, viewer, model, tmp_path
):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    assert panel.form.value("output") == "instances"
    of_classes = tmp_path / "of_classes"
    of_classes.mkdir()
    card = (model / DESCRIPTION).read_text()
    (of_classes / DESCRIPTION).write_text(card.replace('"instances"', '"classes"'))
    panel.model.set_path(of_classes)
    assert panel.form.value("output") == "classes"
    panel.form.set_value("output", "probabilities")
    panel.model.set_path(model)
    assert panel.form.value("output") == "probabilities"


def test_kept_affinities_say_how_much_room_they_take(open_panel, viewer, model):
    card = json.loads((model / DESCRIPTION).read_text())
    card["config"]["utile"] |= {"network": "unet-3d", "offsets": [[-1, 0, 0], [0, -1, 0]]}
    (model / DESCRIPTION).write_text(json.dumps(card))
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    panel.form.set_value("keep_affinities", True)
    assert "Affinities of all of 'em' take up to 24.6 kB" in panel.note.text()


def test_what_is_no_model_is_red(panel, model):
    (model / DESCRIPTION).write_text("config: 3")
    panel.model.set_path(model)
    assert "not made by U-Tile" in panel.model.line.toolTip()
    assert not panel.controls.button.isEnabled()


# while it runs, and afterwards


def test_what_it_takes_is_said_when_it_starts(panel, script, press, qtbot):
    facts = {
        "model": "m", "images": 1, "output": "instances", "blocks": 96,
        "memory": "about 1.1 GB", "disk": "up to 2 GB of 9 GB that are free",
    }  # fmt: skip
    script(RunStarted(job="predict", out="OUT", facts=facts), DONE)
    run(panel, press, qtbot)
    said = "96 blocks, memory about 1.1 GB, disk up to 2 GB of 9 GB that are free"
    assert said in text(panel)
    assert "images" not in text(panel)


def test_an_estimate_computes_and_leaves_nothing(panel, script, press, qtbot, viewer, home):
    facts = {"blocks": 96, "time": "about 3 min"}
    arguments = script(RunStarted(job="predict", out="OUT", facts=facts), DONE)
    press(panel.estimate)
    qtbot.waitUntil(idle(panel))
    images, flags = given(arguments)
    assert open_image(images[0]).shape == (3, 64, 64)
    assert "--dry-run" in flags and "--job" not in flags
    assert "96 blocks, time about 3 min" in text(panel)
    assert len(viewer.layers) == 2
    assert not home.exists()


def test_closing_the_window_lets_it_go_on_if_that_is_ticked(
    window, open_panel, model, script, press, qtbot, home
):
    panel = open_panel(SegmentPanel, window)
    panel.model.set_path(model)
    script(STARTED, fill(0.5), tile(1), {"do": "wait"}, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em probabilities" in window.layers)
    (folder,) = map(JobFolder, (home / "segmentations").iterdir())
    assert not folder.outlives_window
    panel.keep_running.setChecked(True)
    assert folder.outlives_window
    window.close()
    qtbot.wait(500)
    assert folder.is_running
    folder.request_stop()
    qtbot.waitUntil(lambda: not folder.is_running)


def test_the_objects_of_the_result_are_measured_in_their_panel(
    open_panel, window, model, script, press, qtbot, monkeypatch, npe2pm
):
    measured = []
    monkeypatch.setattr(ObjectsPanel, "measure", lambda _, layer: measured.append(layer.name))
    panel = open_panel(SegmentPanel, window)
    panel.model.set_path(model)
    panel.form.set_value("output", "instances")
    assert not panel.objects.isEnabled() and "segment first" in panel.objects.toolTip()
    script(STARTED, objects(3), tile(1), FINISH, DONE)
    run(panel, press, qtbot)
    qtbot.waitUntil(lambda: "em instances" in window.layers)
    with npe2pm.tmp_plugin(package="napari-utile"):
        press(panel.objects)
    assert measured == ["em instances"]


def test_a_warning_about_gray_values_offers_its_cure_and_the_end_is_not_green(
    panel, script, press, qtbot
):
    green = color_of(Tone.SUCCESS)
    script(STARTED, *doubted([f"em: gray values are 1. {SET_NORMALIZE}"], strict=False), DONE)
    run(panel, press, qtbot)
    said = text(panel)
    assert "Done after" in said and green not in said and "--" not in said
    assert "Choose normalize: image under Input, then segment again." in said
    panel.controls.messages.linkActivated.emit("normalize:=image")
    assert 'href="normalize:=image"' in said
    assert panel.form.settings().normalize == "image"

    arguments = script(STARTED, DONE)
    run(panel, press, qtbot)
    assert given(arguments)[1]["--normalize"] == "image"
    assert green in text(panel)


def test_a_result_is_hidden_with_its_image_and_the_message_says_where_it_is(
    panel, script, press, qtbot, viewer
):
    viewer.add_image(np.zeros((8, 9), np.uint8), name="other")
    show_alone(viewer, open_images(viewer.layers)[1])
    script(STARTED, fill(0.5), tile(1), DONE)
    run(panel, press, qtbot)
    assert not viewer.layers["em probabilities"].visible
    assert "Results of hidden images are hidden with them" in text(panel)
    show_all(viewer)
    assert viewer.layers["em probabilities"].visible


def test_a_result_without_objects_is_a_warning_with_what_helps(
    panel, script, press, qtbot, monkeypatch
):
    monkeypatch.setattr(module, "why_no_objects", lambda out: f"{out.name} is too faint.")
    panel.form.set_value("output", "instances")
    none = ImageDone(image="em.zarr", out="OUT", status="done", objects=0)
    script(STARTED, objects(0), tile(2), none, RunDone(out="OUT", seconds=1))
    run(panel, press, qtbot)
    qtbot.waitUntil(lambda: "instances.zarr is too faint." in text(panel))
    assert ": 0 objects" in text(panel) and color_of(Tone.SUCCESS) not in text(panel)
