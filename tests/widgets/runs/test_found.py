"""Trainings and comparisons of which no job tells: older versions and the shell leave them."""

import pytest

from napari_utile.events import RunDone, RunStarted, StepDone
from napari_utile.io.disk import locked
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.runs.entry import entry_of
from napari_utile.widgets.runs.found import FoundRun, found_runs
from tests.fixtures.new_run import new_run

STARTED = RunStarted(job="train", out="OUT")
STEP = StepDone(step=3, loss=1, learning_rate=1e-3, progress=0.25, rate=2, seconds_left=6)


def training(home, *events, has_checkpoint=False):
    with new_run(home / "runs" / "2026-01-02_03-04-05_em", TrainSettings()) as run:
        for event in events:
            run.record(event)
    if has_checkpoint:
        run.checkpoint.mkdir()
        (run.checkpoint / "step_00000003.pt").touch()
    return run.folder


@pytest.mark.parametrize(
    ("events", "words", "can_resume"),
    [
        ([STARTED, STEP], "interrupted at 25%", True),
        ([STARTED, STEP, RunDone(seconds=9, stopped=True)], "stopped at 25%", True),
        ([STARTED, STEP, RunDone(seconds=9, scores={"iou": 0.9})], "done", False),
    ],
)
def test_a_training_is_told_by_its_folder(home, events, words, can_resume):
    folder = training(home, *events, has_checkpoint=True)
    (found,) = found_runs(home, (), 9)
    entry = entry_of(found)
    entry.update()
    assert entry.record.title == "em → unet" and entry.record.created.hour == 3
    assert (entry.words(), entry.can_resume) == (words, can_resume)
    if words == "done":
        assert entry.details() == "Done after 9 s: IoU 0.900."
    assert [*found_runs(home, {folder}, 9)] == []  # its job tells of it
    found.remove()
    assert [*found_runs(home, (), 9)] == [] and folder.exists()


def test_without_a_checkpoint_nothing_is_resumed_and_a_lock_tells_that_it_runs(home):
    folder = training(home, STARTED, STEP)
    entry = entry_of(FoundRun(folder, "train"))
    entry.update()
    assert not entry.can_resume
    with locked(folder / "run"):
        entry.update()
        assert entry.words() == "running 25%, 6 s left"


def test_a_folder_whose_training_was_never_begun_is_left_out(home):
    training(home)
    assert entry_of(*found_runs(home, (), 9)) is None


def test_a_comparison_is_done_as_far_as_its_networks_are_scored(home):
    folder = home / "comparisons" / "mine"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(CompareSettings(networks=("unet", "fcn")).text())
    (folder / "data.json").write_text("{}")
    entry = entry_of(*found_runs(home, (), 9))
    for network, words in (("unet", "starting"), ("fcn", "done")):
        entry.update()
        assert entry.record.title == "mine → unet, fcn"
        place = folder / f"{network}-seed0" / "validation"
        place.mkdir(parents=True)
        (place / "scores.json").touch()
        entry.update()
        assert entry.words() in (words, "interrupted at 50%")
    assert entry.details() == "2 of 2 networks are trained and scored."
