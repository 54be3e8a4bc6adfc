"""The training panel: what it starts, and what it shows of the run."""

import json
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image

from napari_utile.errors import UserError
from napari_utile.events import (
    EpochDone,
    PreviewReady,
    RunDone,
    RunFailed,
    RunStarted,
    StepDone,
    Warned,
)
from napari_utile.io.images import open_image, write_tiff
from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.paths import CHOSEN, MODELS, new_run_folder
from napari_utile.widgets.kit.step_rates import keep_rate
from napari_utile.widgets.layers.meaning import say_meaning
from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.train.source import What
from tests.fixtures.new_run import new_run
from tests.fixtures.window import write_card

STARTED = RunStarted(job="train", out="OUT", device="cpu", total=100)


def step(number):
    return StepDone(
        step=number, loss=1 / number, learning_rate=1e-3, progress=number / 100, rate=2.5,
        seconds_left=80,
    )  # fmt: skip


def epoch(number, val_loss, is_best):
    return EpochDone(
        epoch=number, step=10 * number, train_loss=0.5, val_loss=val_loss,
        scores={"iou": 0.8, "f1_50": 0.7}, is_best=is_best, seconds=1,
    )  # fmt: skip


@pytest.fixture
def panel(open_panel, viewer):
    return open_panel(TrainPanel, viewer)


@pytest.fixture
def finished(home):
    """A run that is done, with its model."""
    with new_run(home / "old", TrainSettings(width=8, steps=10)) as run:
        write_model(run)
        for event in (STARTED, epoch(1, 0.5, True), RunDone(out="OUT", seconds=1)):
            run.record(event)
    return run.folder


@pytest.fixture
def stopped(home):
    """A run that was stopped, with its model."""
    with new_run(home / "old", TrainSettings(steps=10)) as run:
        write_model(run)
        run.record(STARTED)
        run.checkpoint.mkdir()
        (run.checkpoint / "step_00000001.pt").touch()
    return run.folder


def write_model(run):
    run.model.mkdir()
    write_card(run.model, channels=1)


def text(panel):
    return panel.controls.messages.text()


def idle(panel):
    return lambda: not panel.controls.is_running


def test_starts_the_engine_on_what_the_layers_hold(panel, script, press, qtbot, cells, home):
    arguments = script(STARTED, RunDone(out="OUT", seconds=1))
    assert panel.form.settings().minutes == 5  # the budget that the window proposes
    panel.form.set_value("minutes", "")
    panel.form.set_value("steps", "5")
    panel.form.set_value("sigma", "3")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))

    command, image, labels, *rest = json.loads(arguments.read_text())
    assert (command, rest[0], rest[2:]) == (
        "train",
        "--out",
        ["--steps", "5", "--sigma", "3.0", "--job", *map(str, (home / "trainings").iterdir())],
    )
    np.testing.assert_array_equal(open_image(image).data, cells[0])
    np.testing.assert_array_equal(open_image(labels).data, cells[1])
    assert open_image(image).scale == (50, 4, 4)
    (run,) = (home / "runs").iterdir()
    assert rest[1] == str(run)
    assert (run / "settings.json").read_text() == TrainSettings(steps=5, sigma=3).text()


def test_nothing_is_made_before_a_run(panel, home):
    assert not home.exists()


def test_shows_progress_curves_and_warnings_while_it_runs(panel, script, press, qtbot):
    script(
        STARTED, step(1), step(10), epoch(1, 0.5, True), epoch(2, 0.7, False),
        Warned(message="The image is small."), {"do": "wait"}, RunDone(seconds=1, stopped=True),
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "small" in text(panel))
    assert panel.controls.button.text() == "Stop"
    assert panel.controls.status.text() == "step 10 · 2.5 steps/s · 1 min 20 s left"
    assert panel.controls.bar.value() == 100
    assert len(panel.curves.steps) == 2
    assert panel.curves.best.epoch == 1
    assert panel.pace.text() and panel.pace.isHidden()

    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert panel.controls.button.text() == "Train"
    assert panel.controls.bar.isHidden() and not panel.pace.isHidden()


def test_says_the_scores_and_announces_the_model(panel, script, press, qtbot, tmp_path):
    announced = []
    MODELS.trained.connect(announced.append)
    run = tmp_path / "my run"
    script(STARTED, epoch(1, 0.5, True), RunDone(out="OUT", seconds=75))
    panel.folder.set_path(run)
    panel.controls.happened.connect(lambda _: (run / "model").mkdir(exist_ok=True))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    MODELS.trained.disconnect(announced.append)
    assert "Done after 1 min 15 s. Validation: the foreground overlaps" in text(panel)
    assert "objects 0.70: usable." in text(panel) and color_of(Tone.SUCCESS) in text(panel)
    assert panel.controls.messages.toolTip() == "IoU 0.800, F1 of objects 0.700"
    assert announced == [run / "model"]


def test_curves_and_messages_name_the_layers_that_they_are_of(
    panel, script, press, qtbot, viewer, home
):
    script(STARTED, step(1), epoch(1, 0.5, True), RunDone(out="OUT", seconds=75))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    of_em = "On 'em' with 'cells', today"
    assert panel.curves.caption.text().startswith(of_em) and of_em not in text(panel)
    other = viewer.add_image(viewer.layers["em"].data.copy(), name="other")
    panel.image.choose(other)
    assert text(panel).startswith(f"<b>{of_em}") and "no model was saved" in text(panel)
    panel.image.choose(viewer.layers["em"])
    assert of_em not in text(panel)
    viewer.layers.remove("em")
    assert of_em in text(panel)
    panel.source.what.setCurrentText("several layers")
    assert of_em in text(panel) and panel.curves.caption.text().startswith(of_em)


def test_the_preview_lies_on_the_slice_and_place_it_was_made_of(
    panel, script, press, qtbot, tmp_path, viewer
):
    write_tiff(tmp_path / "p.tif", np.full((32, 64), 0.5, np.float32))
    preview = PreviewReady(path=str(tmp_path / "p.tif"), step=1, index=(2,), origin=(32, 0))
    script(STARTED, preview, preview, RunDone(out="OUT", seconds=1))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    (layer,) = [x for x in viewer.layers if "preview" in x.name]
    assert layer.data.shape == (1, 32, 64)
    np.testing.assert_allclose(layer.translate, (2 * 50, 100 + 32 * 4, 200))
    np.testing.assert_allclose(viewer.layers["em"].translate, (0, 100, 200))


def test_the_copied_command_is_what_would_run(panel, press, qtbot, home, script):
    from qtpy.QtWidgets import QApplication

    panel.form.set_value("minutes", "2")
    press(panel.controls.copy)
    qtbot.waitUntil(idle(panel))
    press(panel.controls.copy)  # uses the same copies again
    qtbot.waitUntil(idle(panel))
    copies, command = home / "commands" / "em", QApplication.clipboard().text()
    inputs = f"utile train {copies}/image/em.zarr {copies}/labels/cells.zarr"
    assert command.startswith(f"{inputs} --out {home}/runs/2")
    assert command.endswith("_em --minutes 2.0")
    kept = [path.relative_to(home) for path in home.rglob("*.zarr")]
    assert {*map(str, kept)} == {"commands/em/image/em.zarr", "commands/em/labels/cells.zarr"}
    assert not (home / "runs").exists()


def test_a_folder_that_holds_something_else_is_red_and_left_alone(panel, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "settings.json").write_text('{"editor.fontSize": 12}')
    panel.folder.set_path(tmp_path / "mine")
    assert "no run folder" in panel.folder.line.toolTip()
    assert not panel.controls.button.isEnabled()
    with pytest.raises(UserError, match="no run folder"):
        new_run_folder(tmp_path / "mine", TrainSettings())
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["settings.json"]


def test_a_finished_run_leaves_its_folder(panel, script, press, qtbot, tmp_path):
    script(STARTED, RunDone(out="OUT", seconds=1))
    panel.folder.set_path(tmp_path / "mine")
    panel.controls.happened.connect(
        lambda _: (tmp_path / "mine" / "model").mkdir(exist_ok=True)
    )
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert panel.folder.path is None  # the next run needs another
    assert panel.controls.button.isEnabled()


def test_a_finished_run_is_trained_on(panel, script, press, qtbot, finished, home):
    panel.folder.set_path(finished)
    assert panel.controls.button.text() == "Train on"
    assert panel.form.settings().width == 8
    assert len(panel.curves.epochs) == 1
    arguments = script(STARTED, RunDone(out="OUT", seconds=1))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    command = json.loads(arguments.read_text())
    (run,) = (home / "runs").iterdir()
    assert command[command.index("--out") + 1] == str(run)
    assert command[command.index("--warm-start") + 1] == str(finished / "model")


def test_a_run_that_is_done_offers_to_train_on(panel, script, press, qtbot, finished, home):
    script(RunDone(out=str(finished), seconds=75, scores={"iou": 0.8}))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert "Train on: begin a new run from this model." in text(panel)
    arguments = script(STARTED, RunDone(seconds=1))
    panel.controls.messages.linkActivated.emit(f"train on:{finished}")
    qtbot.waitUntil(idle(panel))
    command = json.loads(arguments.read_text())
    assert command[command.index("--warm-start") + 1] == str(finished / "model")
    assert command[command.index("--out") + 1] != str(finished)


@pytest.mark.parametrize(
    ("link", "flag"), [("train on", "--warm-start"), ("discard", "--overwrite")]
)
def test_labels_that_have_changed_leave_two_ways(
    panel, script, press, qtbot, stopped, errors, link, flag
):
    panel.folder.set_path(stopped)
    script(RunFailed(message="no flag", user=True, differs=["the labels have changed"]))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert errors == ["This run cannot be resumed: the labels have changed."]
    assert "Begin a new run from its model." in text(panel)
    assert "Discard it and start anew." in text(panel)
    assert "no flag" not in text(panel)
    arguments = script(STARTED, RunDone(seconds=1, stopped=True))
    panel.controls.messages.linkActivated.emit(f"{link}:{stopped}")
    qtbot.waitUntil(idle(panel))
    command = json.loads(arguments.read_text())
    is_there = command[command.index("--out") + 1] == str(stopped)
    assert flag in command and is_there is (flag == "--overwrite")
    assert ("--warm-start" in command) is (flag == "--warm-start")
    press(panel.controls.button)  # the next press overwrites nothing
    qtbot.waitUntil(idle(panel))
    assert "--overwrite" not in json.loads(arguments.read_text())


def test_the_line_above_the_button_says_what_the_minutes_come_to(
    panel, script, press, qtbot, finished
):
    assert "How many steps fit into these minutes is measured when" in panel.pace.text()
    keep_rate(panel._pace(), 30)
    panel.form.set_value("minutes", "5,0")
    assert "About 30 steps a minute here: 5 minutes are about 150 steps." in panel.pace.text()
    assert "hundreds of steps: train 7 minutes or longer" in panel.pace.text()
    panel.form.set_value("minutes", "x")
    assert panel.pace.text() == ""
    panel.form.set_value("minutes", "20")
    done = RunDone(out=str(finished), seconds=20)
    script(RunStarted(job="train", out=str(finished)), step(40), done)  # the run itself tells
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert "About 120 steps a minute here: 20 minutes" in panel.pace.text()


def test_a_folder_whose_command_was_copied_can_be_trained_in(
    panel, script, press, qtbot, errors, tmp_path
):
    panel.folder.set_path(tmp_path / "mine")
    press(panel.controls.copy)
    qtbot.waitUntil(idle(panel))
    assert not (tmp_path / "mine").exists()
    panel.form.set_value("steps", "5")
    arguments = script(STARTED, RunDone(seconds=1, stopped=True))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert errors == []
    assert json.loads(arguments.read_text())[1] == f"{tmp_path}/mine/inputs/image/em.zarr"
    assert TrainSettings.read(tmp_path / "mine" / "settings.json").steps == 5
    assert (tmp_path / "mine" / "inputs" / "image" / "em.zarr").is_dir()


def test_a_layer_of_five_axes_is_said_and_the_panel_opens(open_panel, viewer):
    viewer.layers.insert(0, Image(np.zeros((2, 2, 2, 2, 2)), name="five"))
    panel = open_panel(TrainPanel, viewer)
    assert "Layer 'five'" in text(panel)
    assert not panel.controls.button.isEnabled()


def test_a_run_that_was_finished_before_is_no_error(panel, script, press, qtbot, home):
    run = home / "runs" / "old"
    with new_run(run, TrainSettings()):
        (run / "model").mkdir()
    reason = "It was finished before, with the same settings and data."
    script(RunDone(out=str(run), seconds=0, kept=True, reason=reason, scores={"iou": 0.9}))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert f"{reason} Validation: the foreground" in text(panel)


def test_a_useless_model_is_no_success_and_names_a_way_on(
    panel, script, press, qtbot, finished
):
    warned = Warned(message="The network calls every pixel background.")
    script(warned, RunDone(out=str(finished), seconds=75, scores={"iou": 0.011}))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert warned.message in text(panel)
    assert "finds next to nothing" in text(panel) and "Train on for more minutes" in text(panel)
    assert color_of(Tone.SUCCESS) not in text(panel)
    for kind in What:  # no button is named that is not there
        panel.source.choose(kind)
        panel.controls.messages.clear()
        panel._show_result(RunDone(out=str(finished), seconds=75, scores={"iou": 0.011}))
        assert ("Preview" in text(panel)) != panel.look.isHidden()


def test_the_verdict_stands_last_and_warnings_that_are_past_go(
    panel, script, press, qtbot, finished
):
    warned = Warned(message="The network calls every pixel background.")
    done = RunDone(out=str(finished), seconds=75, scores={"iou": 0.95}, past=[warned.message])
    script(warned, done)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert warned.message not in text(panel)
    assert "IoU 0.95): good." in text(panel).split("<br>")[-1]


def test_doubts_about_the_layers_are_shown_before_the_start(panel, viewer):
    assert panel.pair.note.text() == ""
    viewer.layers["cells"].translate = (0, 900, 200)
    panel.form.set_value("sigma", "3")
    assert "200 px apart (in translate)" in panel.pair.note.text()
    assert panel.controls.button.isEnabled()


def test_a_partial_run_is_shown_with_its_start_and_what_its_record_lacks(panel, tmp_path):
    with new_run(tmp_path / "mine", TrainSettings()) as run:
        run.record(STARTED.model_copy(update={"warm_start": "other"}))
        run.record(step(1))
        run.events.write_bytes(run.events.read_bytes() + b"{}\n")
        (run.checkpoint).mkdir()
        (run.checkpoint / "step_00000001.pt").touch()
    panel.folder.set_path(run.folder)
    assert panel.start_from.path == Path("other")
    assert "1 of 3 lines of" in panel.controls.messages.text()


def test_several_slices_are_not_seen_in_an_image_without_them(panel, viewer, cells):
    panel.form.set_value("context", 1)
    assert panel.controls.button.isEnabled()
    panel.image.choose(viewer.add_image(cells[0][0], name="flat"))
    panel.labels_layer.choose(viewer.add_labels(cells[1][0], name="flat cells"))
    assert "'flat' (64, 64) has no other slices: give a stack" in text(panel)
    assert not panel.controls.button.isEnabled()
    panel.form.set_value("context", 0)
    assert panel.controls.button.isEnabled()


def test_affinities_are_offered_for_networks_of_volumes_alone(panel):
    targets, status = panel.form.widget("target"), panel.controls.status

    def offered():
        return [targets.itemText(i) for i in range(targets.count())]

    assert offered() == ["instances", "classes"]
    panel.form.set_value("network", "unet-3d")
    assert offered() == ["instances", "classes", "affinities"]
    panel.form.set_value("target", "affinities")
    assert status.isHidden() and panel.controls.button.isEnabled()
    panel.form.set_value("network", "unet")
    assert (targets.currentText(), offered()) == ("instances", ["instances", "classes"])
    assert not status.isHidden()
    assert status.text().startswith("The target is instances again: unet sees slices")
    assert panel.form.settings().target == "instances" and panel.controls.button.isEnabled()
    panel.form.set_value("target", "classes")
    panel.form.set_value("network", "fcn")
    assert targets.currentText() == "classes" and status.isHidden()
    panel.form.show_settings(TrainSettings(network="unet-3d", target="affinities"))
    assert (targets.currentText(), len(offered())) == ("affinities", 3)


def test_a_network_of_volumes_needs_slices(panel, viewer):
    panel.form.set_value("network", "unet-3d")
    assert panel.controls.button.isEnabled()
    flat = viewer.add_image(np.random.default_rng(0).random((32, 32)), name="flat")
    ids = viewer.add_labels(np.eye(32, dtype=int), name="ids")
    panel.image.choose(flat)
    panel.labels_layer.choose(ids)
    assert not panel.controls.button.isEnabled()
    assert "'flat' has one slice but no z axis" in text(panel)
    panel.form.set_value("network", "unet")
    assert panel.controls.button.isEnabled()


def test_strokes_without_background_keep_the_button_off_until_there_is_some(
    panel, viewer, qtbot
):
    layer = viewer.layers["cells"]
    say_meaning(layer, LabelSettings(sparse=True))  # as the panel Label does
    assert panel.form.settings().sparse
    layer.data = np.where(layer.data == 1, 3, layer.data)
    qtbot.waitUntil(lambda: "Give the background a stroke" in text(panel))
    assert not panel.controls.button.isEnabled()
    panel.pair.needs.linkActivated.emit("select 1")
    layer.paint((0, 4, 32), layer.selected_label)
    qtbot.waitUntil(panel.controls.button.isEnabled)


def test_a_mistake_is_no_longer_told_once_the_labels_are_painted(panel, viewer):
    panel.controls.messages.add_mistake("Labels 'cells' are wrong.")
    viewer.layers["cells"].paint((0, 4, 4), 1)
    assert text(panel) == ""


def test_a_panel_that_was_closed_takes_over_no_run(panel, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(panel.launch, "take_over", lambda *_: asked.append(1))
    CHOSEN.run.emit("train", tmp_path)
    panel.leave_work()
    CHOSEN.run.emit("train", tmp_path)
    assert asked == [1]
