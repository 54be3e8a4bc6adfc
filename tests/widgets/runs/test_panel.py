"""The list of jobs: of this window, of others, and of those that are closed."""

import json
from datetime import datetime

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication
from qtpy.QtGui import QDesktopServices

from napari_utile.events import (
    BlockDone,
    ImageDone,
    PreviewReady,
    RunDone,
    RunFailed,
    RunStarted,
)
from napari_utile.folders.job import JobFolder, JobRecord, ShownResult
from napari_utile.folders.run import Run
from napari_utile.io.images import write_tiff
from napari_utile.io.ome_zarr import mark_complete, reopen
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.paths import CHOSEN
from napari_utile.widgets.kit.running import RUNNING
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.runs import panel as module
from napari_utile.widgets.runs.panel import RunsPanel
from napari_utile.widgets.segment.panel import SegmentPanel
from tests.fixtures.known_job import DONE, FAILED, PLACE, STARTED, STOPPED, instances, say, tile
from tests.fixtures.new_run import new_run
from tests.fixtures.segment_panel import fill

FULL_PLACE = PLACE | {"rotate": np.eye(3).tolist(), "shear": np.eye(3).tolist()}


@pytest.fixture
def panel(open_panel, viewer):
    panel = open_panel(RunsPanel, viewer)
    panel.show()
    return panel


def rows(panel):
    """Read the list: titles and states."""
    panel.update_list()
    items = [panel.list.topLevelItem(i) for i in range(panel.list.topLevelItemCount())]
    states = [item.text(1).replace("\nat", " at").replace("\n", ", ") for item in items]
    return [
        (item.text(0).split("\n")[0], words) for item, words in zip(items, states, strict=True)
    ]


def show(panel, qtbot):
    """Press Show, and wait for what is opened in a thread."""
    assert panel.show_it.isEnabled()
    panel.show_it.click()
    assert not panel.show_it.isEnabled()
    qtbot.waitUntil(lambda: panel._opening is None)
    qtbot.wait(50)


def choose(panel, row=0, child=None):
    panel.update_list()
    item = panel.list.topLevelItem(row)
    panel.list.setCurrentItem(item if child is None else item.child(child))


def enabled(panel):
    buttons = (panel.stop, panel.resume, panel.show_it, panel.remove)
    return [button.text() for button in buttons if button.isEnabled()]


def test_an_empty_list_offers_nothing(panel, home):
    assert rows(panel) == []
    assert enabled(panel) == []
    assert not home.exists()


@pytest.mark.parametrize(
    ("events", "words", "buttons"),
    [
        ([STARTED, tile(1), DONE], "done", ["Remove"]),
        ([STARTED, tile(1), STOPPED], "stopped at 25%", ["Resume", "Remove"]),
        ([STARTED, FAILED], "failed: No room.", ["Resume", "Remove"]),
        ([STARTED, tile(1), tile(3)], "interrupted at 75%", ["Resume", "Remove"]),
        ([], "interrupted", ["Resume", "Remove"]),
        (
            [STARTED, RunDone(out="OUT", seconds=1, failed=("a.tif: torn", "b.tif: torn"))],
            "done, 2 failed",
            ["Resume", "Remove"],
        ),
    ],
)  # fmt: skip
def test_a_job_that_no_engine_works_on(panel, job, events, words, buttons):
    job(*events)
    assert rows(panel) == [("em → instances", words)]
    choose(panel)
    assert enabled(panel) == buttons
    assert panel.keep_running.isHidden()


def test_a_job_that_another_window_runs(panel, job):
    folder = job(STARTED, tile(1))
    with folder.held():
        assert rows(panel) == [("em → instances", "running 25%, 2 min 5 s left")]
        choose(panel)
        assert enabled(panel) == ["Stop"]
        assert panel.details.text() == "tile 1 of 4 · 1 tiles/s · 2 min 5 s left\nModel: m"
        assert not panel.keep_running.isHidden() and not panel.keep_running.isChecked()
        panel.keep_running.click()
        assert folder.outlives_window
        found = BlockDone(stage="objects", done=1, total=4, image="em.zarr", rate=1)
        say(folder, tile(2), found)  # while the network goes on, that is what counts
        assert rows(panel)[0][1] == "running 50%, 2 min 5 s left"
        panel.stop.click()
        assert folder.is_stop_requested
        assert rows(panel)[0][1] == "stopping"
        assert enabled(panel) == []
        say(folder, STOPPED)
    assert rows(panel)[0][1] == "stopped at 50%"


def test_a_job_that_was_just_started_is_not_taken_for_interrupted(panel, job):
    job(made=1)
    assert rows(panel)[0][1] == "starting"


def test_what_a_lost_engine_said_last_is_shown(panel, job):
    folder = job(STARTED, tile(1))
    folder.log.write_text("loading\nTraceback\nMemoryError: 4 GB\n\n")
    choose(panel)
    assert "MemoryError: 4 GB" in panel.details.text()


def test_the_newest_are_on_top_and_rows_come_and_go(panel, job):
    job(DONE, name="2026-01-01_a")
    job(DONE, name="2026-01-03_c")
    assert [title[0] for title, _ in rows(panel)] == ["c", "a"]
    choose(panel, 1)
    folder = job(DONE, name="2026-01-02_b")
    assert [title[0] for title, _ in rows(panel)] == ["c", "b", "a"]
    assert panel.chosen.record.title[0] == "a"
    job(DONE, name="2026-01-04_d")
    assert [title[0] for title, _ in rows(panel)] == ["d", "c", "b", "a"]
    assert panel.chosen.record.title[0] == "d"  # it was just started
    folder.remove()
    assert [title[0] for title, _ in rows(panel)] == ["d", "c", "a"]


def test_each_image_of_a_batch_has_a_row_and_says_what_failed(
    panel, job, viewer, tmp_path, qtbot
):
    good, bad = tmp_path / "a.zarr", tmp_path / "b.zarr"
    instances(good)
    folder = job(
        RunStarted(job="predict", out="OUT", facts={"images": 3}),
        tile(4, "a.tif"),
        ImageDone(image="in/a.tif", out=str(good), status="done", objects=1, seconds=3),
        ImageDone(image="in/b.tif", out=str(bad), status="failed", message="It is torn."),
        tile(2, "c.tif"),
        batch=True,
    )
    with folder.held():
        assert rows(panel)[0][1] == "running 83%, 2 min 5 s left"  # (1 + 1 + 2 / 4) of 3
        item = panel.list.topLevelItem(0)
        assert [item.child(i).text(1) for i in range(item.childCount())] == ["done", "failed"]
        choose(panel)
        assert "b.tif: failed: It is torn." in panel.details.text()
        choose(panel, 0, child=1)
        assert panel.details.text() == "b.tif: failed: It is torn."
        assert enabled(panel) == ["Stop"]
        choose(panel, 0, child=0)
        assert panel.details.text() == "a.tif: done in 3 s, 1 object"
        show(panel, qtbot)
        assert viewer.layers["a instances"].data[0, 0, 0] == 7
        np.testing.assert_array_equal(viewer.layers["a instances"].scale, (1, 2, 3))


def test_a_result_that_was_moved_away_is_said(panel, job, tmp_path):
    out = tmp_path / "2026-01-01_em.zarr"
    job(STARTED, ImageDone(image="em.zarr", out=str(out), status="done", objects=22), DONE)
    choose(panel)
    assert panel.details.text().startswith("Done after 1 min 20 s: 22 objects.\n")
    assert f"Not found, so moved or removed: {out}. Open it" in panel.details.text()
    out.mkdir()
    choose(panel)
    assert panel.details.text() == "Done after 1 min 20 s: 22 objects.\nModel: m"


def test_a_result_that_lost_chunks_is_shown_with_a_word(panel, job, viewer, tmp_path, qtbot):
    out = tmp_path / "2026-01-01_em.zarr"
    instances(out)
    mark_complete(out)
    (out / "labels/instances/0/c/0/0/0").unlink()
    job(STARTED, ImageDone(image="em.zarr", out=str(out), status="done"), DONE)
    choose(panel)
    show(panel, qtbot)
    assert f"{out} has 47 of 48 chunks" in panel.messages.text()
    assert "47 of 48" in viewer.layers["em instances"].metadata["utile_doubts"][0]


def test_many_results_are_not_opened_at_once(panel, job, viewer, tmp_path):
    ends = []
    for i in range(5):
        instances(tmp_path / f"{i}.zarr")
        ends.append(ImageDone(image=f"{i}.tif", out=str(tmp_path / f"{i}.zarr"), status="done"))
    started = RunStarted(job="predict", out="OUT", facts={"images": 5})
    job(started, *ends, DONE, batch=True)
    choose(panel)
    panel.show_it.click()
    assert "There are 5 results: choose one in the list, then Show." in panel.messages.text()
    assert len(viewer.layers) == 2


def test_a_result_that_still_grows_is_shown_and_followed(panel, job, viewer, tmp_path, qtbot):
    out = tmp_path / "2026-01-01_em.zarr"
    instances(out, value=0)
    folder = job(STARTED, tile(1))
    with folder.held():
        choose(panel)
        show(panel, qtbot)
        labels = viewer.layers["em instances"]
        np.testing.assert_array_equal(labels.translate, (0, 100, 200))
        drawn = []
        labels.events.set_data.connect(lambda: drawn.append(labels.data[0, 0, 0]))
        panel.hide()  # the layers are followed all the same
        reopen(out, "instances")[:] = 9
        say(folder, tile(2))
        qtbot.waitUntil(lambda: 9 in drawn)
        say(folder, STOPPED)
    qtbot.waitUntil(lambda: labels.name == "em instances (partial)")
    assert not panel._timer.isActive()


def test_a_list_that_is_not_seen_does_nothing(panel, job, qtbot, monkeypatch):
    assert panel._timer.isActive()
    panel.hide()
    assert not panel._timer.isActive()
    panel.show()
    assert panel._timer.isActive()


def test_a_stopped_job_goes_on_with_the_same_command(panel, job, script, qtbot, press):
    folder = job(STARTED, tile(1), STOPPED)
    arguments = script(STARTED, tile(2), {"do": "wait"}, DONE)
    choose(panel)
    press(panel.resume)
    qtbot.waitUntil(lambda: rows(panel)[0][1].startswith("running 50%"))
    assert json.loads(arguments.read_text()) == [
        *folder.record.arguments, "--job", str(folder.path),
    ]  # fmt: skip
    press(panel.stop)
    qtbot.waitUntil(lambda: rows(panel)[0][1] == "done")


def test_a_job_that_cannot_go_on_says_why(panel, job, script, qtbot, press):
    job(STARTED, tile(1), STOPPED)
    script(RunFailed(message="The model is another.", user=True))
    choose(panel)
    press(panel.resume)
    qtbot.waitUntil(lambda: "The model is another." in panel.messages.text())
    assert rows(panel)[0][1] == "failed: The model is another."


def test_closing_the_list_does_not_end_what_it_started(
    open_panel, viewer, job, script, qtbot, press
):
    panel = RunsPanel(viewer)
    panel.show()
    folder = job(STARTED, tile(1), STOPPED)
    script(STARTED, {"do": "wait"}, DONE)
    choose(panel)
    press(panel.resume)
    qtbot.waitUntil(lambda: folder.is_running)
    panel.close()
    panel.deleteLater()
    del panel
    qtbot.wait(500)
    assert folder.is_running
    for running in QCoreApplication.instance().children():
        if isinstance(running, DetachedEngine):
            running.close()
    assert not folder.is_running


def test_removing_takes_the_job_off_the_list_and_leaves_its_result(
    panel, job, qtbot, press, tmp_path
):
    folder = job(STARTED, DONE)
    instances(tmp_path / "2026-01-01_em.zarr")
    (folder.path / "inputs" / "em.zarr").mkdir(parents=True)
    choose(panel)
    press(panel.remove)
    qtbot.waitUntil(lambda: rows(panel) == [])
    qtbot.waitUntil(lambda: not folder.path.exists())
    assert (tmp_path / "2026-01-01_em.zarr").exists()


def test_a_segmentation_appears_in_the_list(
    panel, open_panel, viewer, model, script, press, qtbot
):
    segment = open_panel(SegmentPanel, viewer)
    segment.model.set_path(model)
    script(STARTED, fill(0.5), tile(1), {"do": "wait"}, STOPPED)
    press(segment.controls.button)
    qtbot.waitUntil(lambda: any("running 25%" in state for _, state in rows(panel)))
    assert rows(panel)[0][0] == "em → instances"
    choose(panel)
    press(panel.stop)
    qtbot.waitUntil(lambda: not segment.controls.is_running)
    assert rows(panel)[0][1] == "stopped at 25%"


@pytest.fixture
def trained(home, viewer):
    """Make the job of a training of the layer "em" that was stopped, with its run folder."""
    run = Run(home / "runs" / "2026-01-02_03-04-05_em")
    run.model.mkdir(parents=True)
    run.settings.write_text(TrainSettings().text())
    write_tiff(run.folder / "p.tif", np.full((32, 64), 0.5, np.float32))
    write_tiff(run.inputs / "other.tif", viewer.layers["em"].data)
    preview = PreviewReady(path=str(run.folder / "p.tif"), step=1, index=(2,), origin=(32, 0))
    folder = JobFolder(home / "trainings" / "2026-01-02_03-04-05_em")
    shown = ShownResult(image="other.tif", name="other", out=run.folder, place=FULL_PLACE)
    arguments = "train", str(run.inputs / "other.tif"), "l.tif", "--out", str(run.folder)
    folder.write(
        JobRecord(
            title="other → unet", arguments=arguments, output="", out=run.folder,
            created=datetime(2026, 1, 2), results=(shown,),
        )
    )  # fmt: skip
    say(folder, RunStarted(job="train", out="OUT"), preview, STOPPED)
    return folder, run


def test_a_training_is_shown_by_its_preview_on_its_image_and_its_model_is_chosen(
    panel, open_panel, trained, viewer, qtbot
):
    _, run = trained
    segment, chosen = open_panel(SegmentPanel, viewer), []
    CHOSEN.run.connect(lambda *given: chosen.append(given))
    assert rows(panel) == [("other → unet", "stopped")]
    choose(panel)
    assert enabled(panel) == ["Resume", "Show", "Remove"]
    shown = []
    for _ in range(2):  # the second time nothing is added
        show(panel, qtbot)
        shown.append(viewer.layers["training preview"])
    assert shown[0] is shown[1]
    assert [layer.name for layer in viewer.layers].count("training preview") == 1
    image, preview = viewer.layers["other"], viewer.layers["training preview"]
    np.testing.assert_array_equal(image.translate, (0, 100, 200))
    np.testing.assert_array_equal(preview.translate, (2 * 50, 100 + 32 * 4, 200))
    assert segment.model.path == run.model
    assert chosen[0] == ("train", run.folder)  # for the panel that shows its curves


def test_the_window_goes_on_between_an_image_and_the_result_on_it(
    panel, trained, viewer, qtbot, monkeypatch
):
    monkeypatch.setattr(module, "PAUSE", 200)
    choose(panel)
    panel.show_it.click()
    qtbot.waitUntil(lambda: "other" in viewer.layers)
    assert "training preview" not in viewer.layers
    qtbot.waitUntil(lambda: "training preview" in viewer.layers)


def test_a_training_is_resumed_by_its_command_and_its_job_is_removed_for_good(
    panel, trained, script, qtbot, press
):
    folder, run = trained
    arguments = script(RunStarted(job="train", out="OUT"), {"do": "wait"}, STOPPED)
    choose(panel)
    press(panel.resume)
    qtbot.waitUntil(lambda: rows(panel)[0][1] == "running")
    assert json.loads(arguments.read_text())[:-2] == list(folder.record.arguments)
    qtbot.waitUntil(lambda: RUNNING.unseen("train") is not None)  # for the next panel Train
    press(panel.stop)
    qtbot.waitUntil(lambda: rows(panel)[0][1] == "stopped")
    press(panel.remove)
    qtbot.waitUntil(lambda: rows(panel) == [])
    assert run.model.exists()


def test_a_run_without_a_command_is_handed_to_its_panel_and_the_folder_is_opened(
    panel, home, monkeypatch, press
):
    with new_run(home / "runs" / "2026-01-02_03-04-05_em", TrainSettings()) as run:
        run.record(RunStarted(job="train", out="OUT"))
    run.checkpoint.mkdir()
    (run.checkpoint / "step_00000003.pt").touch()
    opened, chosen = [], []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    CHOSEN.run.connect(lambda *given: chosen.append(given))
    choose(panel)
    press(panel.open)
    press(panel.resume)
    assert [url.toLocalFile() for url in opened] == [str(run.folder)]
    assert chosen == [("train", run.folder)]
    assert "chosen in the panel Train on layers" in panel.messages.text()
