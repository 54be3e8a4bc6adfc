"""Where a result is written, and what becomes of one that is there."""

import json

import numpy as np
import pytest
import tifffile

from napari_utile.events import ImageDone, RunDone, RunFailed
from napari_utile.folders.job import JobFolder
from tests.fixtures.segment_panel import (
    DONE,
    FINISH,
    STARTED,
    fill,
    given,
    idle,
    run,
    text,
    tile,
)


def test_the_next_result_needs_another_path(panel, script, press, qtbot, tmp_path):
    script(STARTED, fill(0.25), tile(1), DONE)
    panel.output.set_path(tmp_path / "mine.zarr")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert f"The result is in {tmp_path / 'mine.zarr'}" in panel.controls.messages.text()
    assert panel.output.path is None
    assert panel.controls.button.isEnabled()


def test_a_refusal_leaves_the_result_of_the_last_run_as_it_is(
    panel, script, press, qtbot, viewer, errors, tmp_path
):
    script(STARTED, fill(0.5), tile(1), FINISH, DONE)
    panel.output.set_path(tmp_path / "mine.zarr")
    run(panel, press, qtbot)
    panel.output.set_path(tmp_path / "mine.zarr")
    assert "mine.zarr is finished: it is kept if model, image" in panel.note.text()
    assert panel.controls.button.text() == "Segment"
    script(STARTED, RunFailed(message="mine.zarr was made with other settings", user=True))
    run(panel, press, qtbot)
    assert "other settings" in errors[0]
    assert [x.name for x in viewer.layers if "prob" in x.name] == ["em probabilities"]


def test_a_finished_result_is_kept_and_shown(panel, script, press, qtbot, viewer, tmp_path):
    script(STARTED, fill(0.5), tile(1), FINISH, DONE)
    panel.output.set_path(tmp_path / "mine.zarr")
    run(panel, press, qtbot)
    panel.output.set_path(tmp_path / "mine.zarr")
    script(STARTED, ImageDone(image="em.zarr", out="OUT", status="kept"), DONE)
    run(panel, press, qtbot)
    assert "Done after 1 s: kept, as it was finished." in text(panel)
    assert [x.name for x in viewer.layers if "prob" in x.name] == ["em probabilities"]


def test_an_output_that_exists_is_red(panel, tmp_path):
    (tmp_path / "there.zarr").mkdir()
    panel.output.set_path(tmp_path / "there.zarr")
    assert "exists" in panel.output.line.toolTip()
    assert not panel.controls.button.isEnabled()


# while it runs, and afterwards


def test_what_it_writes_itself_is_not_red(panel, script, press, qtbot, tmp_path, viewer):
    panel.output.set_path(tmp_path / "mine.zarr")
    script(STARTED, fill(0.5), tile(1), {"do": "wait"}, FINISH, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em probabilities" in viewer.layers)
    assert "border" not in panel.output.line.styleSheet()
    assert not panel.note.text()
    run(panel, press, qtbot)


# what is segmented


@pytest.fixture
def folder_of_three(tmp_path):
    folder = tmp_path / "stacks"
    folder.mkdir()
    for i in range(3):
        tifffile.imwrite(folder / f"{i}.tif", np.zeros((16, 16), np.uint8))
    return folder


def test_a_folder_is_given_as_it_is_and_needs_a_folder(
    panel, script, press, qtbot, viewer, tmp_path, folder_of_three
):
    panel.source.kind.setCurrentText("a folder or files")
    panel.source.files.set_paths([str(folder_of_three)])
    panel.output.set_path(tmp_path / "one.zarr")
    assert "one.zarr is one file; name a folder for several images." in text(panel)
    panel.output.set_path(tmp_path / "results")
    arguments = script(STARTED, DONE)
    run(panel, press, qtbot)
    images, flags = given(arguments)
    assert images == [str(folder_of_three)]
    assert flags["--out"] == str(tmp_path / "results")
    assert len(viewer.layers) == 2


def test_one_file_is_shown_while_it_grows_where_it_says_it_is(
    panel, script, press, qtbot, viewer, folder_of_three
):
    panel.source.kind.setCurrentText("a folder or files")
    panel.source.files.set_paths([str(folder_of_three / "1.*")])
    path = str(folder_of_three / "1.tif")
    arguments = script(STARTED, fill(0.5, image=path), tile(1, "1.tif"), DONE)
    run(panel, press, qtbot)
    assert given(arguments)[0] == [str(folder_of_three / "1.*")]
    assert "1 probabilities" in viewer.layers


# going on


def test_an_unfinished_output_goes_on_with_the_same_copy_of_the_layer(
    panel, script, press, qtbot, tmp_path, home
):
    panel.output.set_path(tmp_path / "mine.zarr")
    stopped = RunDone(out="OUT", seconds=1, stopped=True)
    arguments = script(STARTED, fill(0.5), tile(1), stopped)
    run(panel, press, qtbot)
    first = json.loads(arguments.read_text())
    assert "mine.zarr is partial: what is missing is computed." in panel.note.text()
    assert panel.controls.button.text() == "Resume"
    arguments = script(STARTED, FINISH, DONE)
    run(panel, press, qtbot)
    assert json.loads(arguments.read_text()) == first
    assert len(list((home / "segmentations").iterdir())) == 1
    assert panel.controls.button.text() == "Segment"


def test_a_stopped_result_is_offered_to_go_on_with(panel, script, press, qtbot, home):
    arguments = script(STARTED, fill(0.5), tile(1), RunDone(out="OUT", seconds=1, stopped=True))
    run(panel, press, qtbot)
    out = given(arguments)[1]["--out"]
    assert f'href="{out}"' in text(panel)
    panel.controls.messages.linkActivated.emit(out)
    assert str(panel.output.path) == out
    assert panel.controls.button.text() == "Resume"


def test_an_output_that_another_window_writes_is_refused(
    panel, script, press, qtbot, tmp_path, home
):
    panel.output.set_path(tmp_path / "mine.zarr")
    script(STARTED, fill(0.5), tile(1), RunDone(out="OUT", seconds=1, stopped=True))
    run(panel, press, qtbot)
    (folder,) = map(JobFolder, (home / "segmentations").iterdir())
    with folder.held():
        panel.output.set_path(tmp_path / "mine.zarr")
        assert "is being written; see the panel Runs" in text(panel)
        assert not panel.controls.button.isEnabled()


def test_what_is_finished_in_a_folder_is_kept(panel, tmp_path, folder_of_three):
    panel.source.kind.setCurrentText("a folder or files")
    panel.source.files.set_paths([str(folder_of_three)])
    (tmp_path / "results").mkdir()
    panel.output.set_path(tmp_path / "results")
    assert not panel.note.text()
    (tmp_path / "results" / "0.zarr").mkdir()
    panel.output.set_path(tmp_path / "results")
    assert "What is finished in results is kept" in panel.note.text()
