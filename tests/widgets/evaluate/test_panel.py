"""The evaluation panel: how it runs, is stopped, fails, and what it saves."""

import json
import shlex

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_utile.evaluation import evaluate
from napari_utile.events import SliceDone
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.widgets.evaluate import inputs
from napari_utile.widgets.evaluate.panel import EvaluatePanel
from tests.fixtures.evaluate_panel import SLOW, clipboard, idle

# what is compared


def test_the_command_of_files_is_the_one_that_does_the_same(panel, press, tmp_path):
    assert panel.command.isHidden()  # layers have no names in a shell
    panel.inputs.kind.setCurrentText("files")
    for name, choice in (
        ("a b.tif", panel.inputs.prediction_file),
        ("t.tif", panel.inputs.truth_file),
    ):
        (tmp_path / name).touch()
        choice.set_path(tmp_path / name)
    panel.form.set_value("ignore", "7")
    panel.form.set_value("threshold", "0.3")
    press(panel.command)
    paths = [str(tmp_path / "a b.tif"), str(tmp_path / "t.tif")]
    words = shlex.split(clipboard())
    assert words[:4] == ["utile", "evaluate", *paths]
    assert sorted(words[4:]) == sorted(["--ignore", "7", "--threshold", "0.3"])


def test_every_option_is_there(panel):
    for name in EvaluateSettings.model_fields:
        assert panel.form.widget(name).toolTip() == (
            EvaluateSettings.model_fields[name].description
        )


# while it runs


@pytest.fixture
def slow(monkeypatch):
    """Let the evaluation stand at its second step until `finish` is called."""
    import threading

    real, go_on, begun = inputs.score_images, threading.Event(), threading.Event()

    def score_images(*given):
        work = real(*given)
        yield next(work)
        yield next(work)
        begun.set()
        while not go_on.wait(0.01):
            yield SliceDone(done=1, total=2, rate=1.0, seconds_left=1.0)
        return (yield from work)

    monkeypatch.setattr(inputs, "score_images", score_images)
    score_images.finish, score_images.begun = go_on.set, begun
    yield score_images
    go_on.set()


def test_says_how_far_it_is_and_how_long_it_takes(panel, press, qtbot, slow):
    press(panel.button)
    text = panel.controls.status.text
    qtbot.waitUntil(lambda: text().startswith("step 1 of 2 · ") and text().endswith(" left"))
    assert panel.controls.bar.value() == panel.controls.bar.maximum() / 2
    slow.finish()
    qtbot.waitUntil(idle(panel), timeout=SLOW)
    assert panel.controls.status.isHidden() and panel.controls.bar.isHidden()


def test_stop_ends_it_at_once_and_it_can_begin_again(panel, press, qtbot, slow, run):
    press(panel.button)
    assert panel.button.text() == "Stop"
    qtbot.waitUntil(slow.begun.is_set)
    worker = panel.controls._work.worker
    with qtbot.waitSignal(worker.aborted, timeout=SLOW):
        press(panel.button)
        assert panel.button.text() == "Evaluate"
    assert panel.report is None
    assert "Stopped" in panel.messages.text()
    slow.finish()
    assert run(panel)["false_negatives"] == 1


def test_layers_that_are_painted_on_or_removed_meanwhile_do_not_matter(
    panel, press, qtbot, slow, viewer, cells, result
):
    expected = dict(evaluate(result, cells[1], pixel_um2=0.004**2))
    press(panel.button)
    qtbot.waitUntil(slow.begun.is_set)
    viewer.layers["cells"].data[:] = 0
    viewer.layers["result"].data[:] = 9
    viewer.layers.clear()
    slow.finish()
    qtbot.waitUntil(idle(panel), timeout=SLOW)
    assert dict(panel.report) == expected
    np.testing.assert_array_equal(viewer.layers["errors"].scale, (50, 4, 4))


def test_the_window_goes_on_meanwhile(panel, press, qtbot, slow):
    from qtpy.QtCore import QTimer

    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(panel.controls.is_running))
    timer.start(5)
    press(panel.button)
    qtbot.waitUntil(lambda: len(ticks) > 20)
    assert ticks[-1]


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_any_error_reaches_the_user(panel, press, qtbot, monkeypatch, errors, error):
    def broken(*_):
        raise error("deep inside")
        yield

    monkeypatch.setattr(inputs, "score_images", broken)
    press(panel.button)
    qtbot.waitUntil(idle(panel))
    assert errors == [f"{error.__name__}: deep inside"]
    assert panel.button.isEnabled() and panel.button.text() == "Evaluate"


def test_what_the_settings_cannot_do_is_said(panel, run, errors):
    panel.form.set_value("score_thresholds", True)  # labels have no probabilities
    run(panel)
    assert len(errors) == 1 and "probabilities" in errors[0]


def test_a_closed_panel_ends_its_work(viewer, press, home, cells, slow, qtbot):
    from qtpy import sip

    viewer.add_labels(cells[1].copy(), name="result")
    panel = EvaluatePanel(viewer)
    press(panel.button)
    worker = panel.controls._work.worker
    qtbot.waitUntil(slow.begun.is_set)
    with qtbot.waitSignal(worker.aborted, timeout=SLOW):
        sip.delete(panel)


def test_a_panel_that_is_taken_out_of_its_dock_ends_its_work(
    docked, window, press, slow, qtbot
):
    press(docked.button)
    qtbot.waitUntil(slow.begun.is_set)
    with qtbot.waitSignal(docked.controls._work.worker.aborted, timeout=SLOW):
        window.window.remove_dock_widget(docked)


# what is saved


@pytest.fixture
def save(monkeypatch, tmp_path, qtbot):
    """Choose an entry of the menu, and a file to save in."""

    def save(panel, entry, name):
        chosen = str(tmp_path / name), ""
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: chosen)
        (action,) = (a for a in panel.save.menu().actions() if entry in a.text())
        action.trigger()
        qtbot.waitUntil(idle(panel), timeout=SLOW)
        return tmp_path / name

    return save


def test_scores_and_objects_are_saved_as_tables(panel, run, save):
    report = run(panel)
    assert save(panel, "scores", "a.csv").read_text() == report.to_csv()
    assert save(panel, "objects", "b.csv").read_text() == report.objects_csv()
    assert save(panel, "splits", "c.csv").read_text() == report.splits_merges_csv()
    assert "Saved" in panel.messages.text() and panel.button.isEnabled()


def test_all_numbers_are_saved_as_json(panel, run, save):
    report = run(panel)
    assert json.loads(save(panel, "JSON", "a.json").read_text())["iou"] == report["iou"]


@pytest.mark.parametrize(("entry", "name"), [("HTML", "a.html"), ("PNG", "a.png")])
def test_the_report_is_saved_with_what_was_compared(panel, run, save, monkeypatch, entry, name):
    from napari_utile.widgets.evaluate import panel as module

    given, real = [], module.write_report

    def write_report(*args):
        given.append(args)
        real(*args)

    monkeypatch.setattr(module, "write_report", write_report)
    panel.form.set_value("ignore", "9")
    run(panel)
    assert save(panel, entry, name).stat().st_size > 1000
    ((_, report, title, images, facts),) = given
    assert report is panel.report
    assert title == "result against cells"
    assert [image.name for image in images] == ["em"]
    assert facts == {"prediction": "result", "truth": "cells", "ignore id": "9"}


def test_a_suffix_that_was_left_out_is_added(panel, run, save, tmp_path):
    run(panel)
    save(panel, "JSON", "scores")
    assert (tmp_path / "scores.json").exists()


def test_a_place_that_cannot_be_written_is_named(panel, run, save, errors, tmp_path):
    run(panel)
    (tmp_path / "file").touch()
    save(panel, "JSON", "file/a.json")
    assert len(errors) == 1 and str(tmp_path / "file") in errors[0]
    assert panel.report is not None and panel.button.isEnabled()
