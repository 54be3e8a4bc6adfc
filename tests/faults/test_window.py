"""Faults that the window survives: with a message that names what to mend, and nothing lost."""

import gc
import json
import subprocess
import sys
import time
from weakref import ref

import dask.array as da
import numpy as np
import pytest
import zarr
from qtpy.QtWidgets import QDockWidget

from napari_utile.events import RunDone, RunStarted, TileDone, parse_event
from napari_utile.folders.job import JobFolder
from napari_utile.io.images import open_image
from napari_utile.widgets.compare.panel import ComparePanel
from napari_utile.widgets.evaluate.panel import EvaluatePanel
from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.layers import pair
from napari_utile.widgets.process import worker
from napari_utile.widgets.runs.panel import RunsPanel
from napari_utile.widgets.segment.panel import SegmentPanel
from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.weight_map.panel import WeightMapPanel

STARTED = RunStarted(job="train", out="OUT", total=2)
DONE = RunDone(out="OUT", seconds=1)
STOPPED = RunDone(out="OUT", seconds=1, stopped=True)
TILE = TileDone(done=1, total=2, image="em", index=(0,), write=((0, 16), (0, 16)), rate=1.0)
FILL = {
    "do": "fill",
    "channels": [2],
    "dtype": "float32",
    "kind": "probabilities",
    "value": 0.5,
}


@pytest.fixture
def train(open_panel, viewer):
    return open_panel(TrainPanel, viewer)


def idle(panel):
    return lambda: not panel.controls.is_running


def text(panel):
    return panel.controls.messages.text()


def inputs(arguments):
    """Open the image and the labels that the engine was given."""
    return [open_image(path) for path in json.loads(arguments.read_text())[1:3]]


@pytest.mark.parametrize(("name", "word"), [("em", "image layer"), ("cells", "labels layer")])
def test_fault_01_a_missing_layer_is_named_and_nothing_starts(train, viewer, cells, name, word):
    viewer.layers.remove(name)
    assert word in text(train)
    assert not train.controls.button.isEnabled()
    assert not train.controls.is_running
    viewer.add_image(cells[0]) if name == "em" else viewer.add_labels(cells[1])
    assert train.controls.button.isEnabled()


def test_fault_02_shapes_that_differ_are_named_and_red(train, viewer):
    train.labels_layer.choose(viewer.add_labels(np.zeros((2, 64, 64), int), name="short"))
    assert "Image 'em' (3, 64, 64) and labels 'short' (2, 64, 64)" in text(train)
    assert "differ in shape" in train.labels_layer.native.toolTip()
    assert "border" in train.labels_layer.native.styleSheet()
    assert not train.controls.button.isEnabled()


@pytest.mark.parametrize("bad", [np.nan, np.inf, "constant"])
def test_fault_03_a_useless_slice_is_refused_by_layer_and_slice(
    train, viewer, script, press, qtbot, errors, cells, bad
):
    image = cells[0].astype(np.float32)
    if bad == "constant":
        image[2] = 5
    else:
        image[2, 3, 4] = bad
    train.image.choose(viewer.add_image(image, name="bad"))
    arguments = script(STARTED, DONE)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert "'bad', slice 2" in errors[0]
    assert ("constant" if bad == "constant" else "NaN") in errors[0]
    assert not arguments.exists()
    assert train.controls.button.isEnabled()


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_fault_04_every_type_of_image_arrives_unchanged(
    train, viewer, script, press, qtbot, cells, kind
):
    image = (cells[0] > 50) if kind is bool else cells[0].astype(kind)
    train.image.choose(viewer.add_image(image, name="typed"))
    arguments = script(STARTED, DONE)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    np.testing.assert_array_equal(inputs(arguments)[0].data, image)


def test_fault_04_a_color_picture_arrives_with_three_channels(
    train, viewer, script, press, qtbot, cells
):
    colors = np.stack([cells[0][0]] * 3 + [np.full((64, 64), 255, np.uint8)], axis=-1)
    train.image.choose(viewer.add_image(colors, rgb=True))
    train.labels_layer.choose(viewer.add_labels(cells[1][0]))
    arguments = script(STARTED, DONE)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert inputs(arguments)[0].channels == 3


def test_fault_04_large_ids_arrive_unchanged(train, viewer, script, press, qtbot, cells):
    labels = cells[1].astype(np.int64)
    labels[labels == 2] = 2**40
    train.labels_layer.choose(viewer.add_labels(labels))
    arguments = script(STARTED, DONE)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert np.unique(inputs(arguments)[1].data[:]).tolist() == [0, 1, 2**40]


def test_fault_05_lazy_layers_are_never_read_whole(
    train, viewer, script, press, qtbot, cells, tmp_path
):
    largest = []

    def plane(block):
        largest.append(block.size)
        return block

    lazy = da.from_array(cells[0], chunks=(1, 64, 64)).map_blocks(plane, dtype=np.uint8)
    stored = zarr.create_array(str(tmp_path / "l.zarr"), data=cells[1], chunks=(1, 64, 64))
    levels = [lazy, lazy[:, ::2, ::2]]
    train.image.choose(
        viewer.add_image(levels, multiscale=True, name="m", contrast_limits=(0, 255))
    )
    train.labels_layer.choose(viewer.add_labels(stored, name="stored"))
    arguments = script(STARTED, DONE)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    image, labels = inputs(arguments)
    np.testing.assert_array_equal(image.data, cells[0])
    np.testing.assert_array_equal(labels.data, cells[1])
    assert labels.path == tmp_path / "l.zarr"
    assert max(largest) == 64 * 64


def test_fault_05_too_large_for_memory_says_so(open_panel, viewer, press, errors, monkeypatch):
    from napari_utile.io import memory

    monkeypatch.setattr(memory, "memory_budget", lambda: 10_000)
    panel = open_panel(WeightMapPanel, viewer)
    press(panel.controls.button)
    assert "'cells' takes 208.9 kB of memory and 10.0 kB may be used" in errors[0]
    assert panel.controls.button.isEnabled()


def test_fault_06_empty_labels_are_named(train, viewer, script, press, qtbot, errors):
    train.labels_layer.choose(viewer.add_labels(np.zeros((3, 64, 64), int), name="blank"))
    arguments = script(STARTED, DONE)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert errors == ["Labels 'blank' are empty: none of 12,288 pixels has a label."]
    assert not arguments.exists()


def test_fault_23_a_model_for_other_channels_is_said_before_anything_is_read(
    open_panel, viewer, model, press
):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    colors = viewer.add_image(np.zeros((8, 8, 3), np.uint8), rgb=True, name="photo")
    panel.image.choose(colors)
    assert "The model expects 1 channel, layer 'photo' has 3." in text(panel)
    assert "border" in panel.image.native.styleSheet()
    assert not panel.controls.button.isEnabled()


def test_fault_25_a_path_that_is_open_in_the_viewer_shows_what_is_written_next(
    open_panel, viewer, model, script, press, qtbot, tmp_path
):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    panel.output.set_path(tmp_path / "mine.zarr")
    script(STARTED, FILL, TILE, STOPPED)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert viewer.layers["em probabilities (partial)"].data[0, 0, 0] == 0.5
    script(STARTED, FILL | {"value": 0.75}, TILE, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    (layer,) = [layer for layer in viewer.layers if "probabilities" in layer.name]
    assert layer.name == "em probabilities"
    assert layer.data[0, 0, 0] == 0.75


def test_fault_34_closing_the_window_ends_a_segmentation_that_shall_not_go_on(
    window, open_panel, model, script, press, qtbot, home
):
    panel = open_panel(SegmentPanel, window)
    panel.model.set_path(model)
    script(STARTED, {"do": "wait"}, STOPPED)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: panel.controls.status.text() == "Started")
    (folder,) = map(JobFolder, (home / "segmentations").iterdir())
    assert folder.is_running
    window.close()
    qtbot.waitUntil(lambda: not folder.is_running, timeout=60_000)
    assert parse_event(folder.events.read_text().splitlines()[-1]).stopped


def test_fault_34_closing_the_panel_ends_what_nobody_would_see(
    open_panel, viewer, script, press, qtbot
):
    panel, dock = open_panel(TrainPanel, viewer), QDockWidget()
    qtbot.addWidget(dock)
    dock.setWidget(panel)
    script(STARTED, {"do": "wait"}, STOPPED)
    press(panel.look)  # a preview, which the panel Runs does not list
    qtbot.waitUntil(lambda: panel.controls.status.text() == "Started")
    press(panel.controls.pause)
    panel.setParent(None)  # what napari does
    assert panel.controls.state is State.STOPPING
    qtbot.waitUntil(idle(panel))
    assert not panel.controls._engine.is_running


def test_fault_34_a_closed_panel_is_kept_until_its_engine_has_ended(
    open_panel, viewer, script, press, qtbot, home
):
    panel, dock = open_panel(TrainPanel, viewer), QDockWidget()
    qtbot.addWidget(dock)
    dock.setWidget(panel)
    script(STARTED, {"do": "wait"}, STOPPED)
    press(panel.controls.button)
    status, closed, ended = panel.controls.status, ref(panel), []
    qtbot.waitUntil(lambda: status.text() == "Started")
    panel.controls.happened.connect(ended.append)
    panel.setParent(None)
    del panel
    gc.collect()
    assert closed() is not None
    (path,) = (home / "trainings").iterdir()
    JobFolder(path).request_stop()  # as the panel Runs does
    qtbot.waitUntil(lambda: bool(ended) and ended[-1].stopped)
    gc.collect()
    assert closed() is None


def test_fault_34_closed_panels_leave_nothing_in_memory(
    window, open_panel, script, press, model, qtbot
):
    """They worked: to the end where an engine did it, else they are closed meanwhile."""

    def opened_and_closed(kind):
        panel = open_panel(kind, window)
        if kind is SegmentPanel:
            panel.model.set_path(model)
        if kind is not RunsPanel:
            press(panel.controls.button)
        if kind in (TrainPanel, SegmentPanel, ComparePanel):
            qtbot.waitUntil(idle(panel))
        window.window.remove_dock_widget(panel)
        return ref(panel)

    script(STARTED, DONE)
    window.add_labels(np.ones((3, 64, 64), int), name="result")
    kinds = TrainPanel, SegmentPanel, ComparePanel, EvaluatePanel, WeightMapPanel, RunsPanel
    panels = [opened_and_closed(kind) for kind in kinds]

    def all_are_gone():
        gc.collect()
        assert not [type(panel()).__name__ for panel in panels if panel()]

    qtbot.waitUntil(all_are_gone)


def test_fault_34_closing_the_window_ends_the_engine(window, open_panel, script, press, qtbot):
    panel = open_panel(TrainPanel, window)
    script(STARTED, {"do": "wait"}, STOPPED)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: panel.controls.status.text() == "Started")
    job = panel.controls._engine
    window.close()
    qtbot.waitUntil(lambda: not job.is_running, timeout=60_000)


def test_fault_34_the_process_of_the_window_ends_too(tmp_path):
    code = """
import sys
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from napari_utile.widgets.process import process, worker
app = QApplication([])
code = "import time; print('here', flush=True); time.sleep(600)"
worker.worker_command = lambda _: [sys.executable, "-c", code]
job = process.AttachedEngine([])
job.start()
QTimer.singleShot(700, app.quit)
app.exec()
print("running" if job.is_running else "gone")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.strip() == "gone"


@pytest.mark.parametrize("error", [RuntimeError, ValueError, MemoryError])
def test_fault_35_an_exception_while_preparing_is_one_notification(
    train, press, qtbot, errors, monkeypatch, error
):

    def broken(*_):
        raise error("deep inside")
        yield

    monkeypatch.setattr(pair, "path_on_disk", broken)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert errors == [f"{error.__name__}: deep inside"]
    assert train.controls.button.text() == "Train"
    assert train.controls.button.isEnabled()
    assert train.controls.bar.isHidden()


def test_fault_35_an_engine_that_dies_is_one_notification(train, script, press, qtbot, errors):
    script(STARTED, {"do": "exit", "status": 1, "message": "RuntimeError: CUDA error"})
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert errors == ["The engine ended with status 1: RuntimeError: CUDA error"]
    assert train.controls.button.isEnabled()
    assert train.controls.bar.isHidden()


def test_fault_36_layers_edited_removed_and_renamed_do_not_matter_to_a_run(
    open_panel, viewer, model, script, press, qtbot, cells
):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    arguments = script(STARTED, FILL, TILE, {"do": "wait"}, DONE)
    image = viewer.layers["em"]
    press(panel.controls.button)
    image.data[:] = 0
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    image.name = "other"
    viewer.layers.remove(image)
    viewer.layers.remove("em probabilities")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    given = open_image(json.loads(arguments.read_text())[2])
    np.testing.assert_array_equal(given.data, cells[0])


def test_fault_36_the_result_comes_to_the_viewer_it_was_started_in(
    open_panel, viewer, model, script, press, qtbot, cells
):
    from napari.components import ViewerModel

    other = ViewerModel()
    other.add_image(cells[0], name="em")
    first, second = open_panel(SegmentPanel, viewer), open_panel(SegmentPanel, other)
    for panel in (first, second):
        panel.model.set_path(model)
    script(STARTED, FILL, TILE, DONE)
    press(second.controls.button)
    qtbot.waitUntil(idle(second))
    assert [layer.name for layer in viewer.layers] == ["em", "cells"]
    assert [layer.name for layer in other.layers] == ["em", "em probabilities"]


def test_fault_37_a_cancelled_result_is_kept_as_partial_and_a_new_run_works(
    open_panel, viewer, model, script, press, qtbot, home
):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    script(STARTED, FILL, TILE, {"do": "wait"}, STOPPED)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em probabilities" in viewer.layers)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert "em probabilities (partial)" in viewer.layers
    script(STARTED, FILL, TILE, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert {"em probabilities (partial)", "em probabilities"} <= {x.name for x in viewer.layers}
    assert len(list((home / "segmentations").iterdir())) == 2


def test_fault_37_a_run_is_cancelled_while_the_layers_are_still_read(
    train, press, qtbot, monkeypatch, script
):

    def slow(*_):
        while True:
            time.sleep(0.05)
            yield

    arguments = script(STARTED, DONE)
    with monkeypatch.context() as patched:
        patched.setattr(pair, "path_on_disk", slow)
        press(train.controls.button)
        qtbot.wait(200)
        press(train.controls.button)
        assert not train.controls.is_running
        qtbot.wait(200)
    assert not arguments.exists()
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert arguments.exists()


def test_a_bundle_without_python_is_said(train, press, qtbot, errors, monkeypatch):
    from napari_utile.errors import UserError

    def bundle(_):
        raise UserError("no Python here")

    monkeypatch.setattr(worker, "worker_command", bundle)
    press(train.controls.button)
    qtbot.waitUntil(idle(train))
    assert errors == ["no Python here"]
