"""The folder of a job: what it holds, whether its engine lives, and what stays of it."""

import subprocess
import sys
from datetime import datetime

import pytest

from napari_utile.errors import UserError
from napari_utile.events import RunDone, RunStarted, Warned
from napari_utile.folders import job
from napari_utile.folders.job import JobFolder, JobRecord, LineReader, ShownResult


def record(tmp_path, title="em"):
    shown = ShownResult(
        image="em.zarr", name="em", out=tmp_path / "r.zarr", place={"scale": [1, 2]}
    )
    return JobRecord(
        title=title,
        arguments=("predict", "m", "em.zarr", "--out", "r.zarr"),
        output="instances",
        out=tmp_path / "r.zarr",
        created=datetime(2026, 1, 2),
        results=(shown,),
    )


@pytest.fixture
def folder(tmp_path):
    folder = JobFolder(tmp_path / "jobs" / "first")
    folder.write(record(tmp_path))
    return folder


def test_what_was_written_down_is_read(folder, tmp_path):
    assert JobFolder(folder.path).record == record(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"title": "x"}'])
def test_a_record_that_cannot_be_read_is_none(folder, text):
    (folder.path / "job.json").write_text(text)
    assert folder.record is None


def test_what_the_last_engine_told_is_read_but_not_its_end(folder):
    def say(*lines):
        with folder.events.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    folder.begin()
    say(Warned(message="first").line(), RunDone(seconds=1).line())
    folder.begin()
    last = Warned(message="last")
    say(last.line(), "a library prints", RunDone(seconds=1).line(), '{"event":"Warn')
    assert folder.told() == [last]


def test_the_newest_jobs_come_first_and_other_folders_do_not(tmp_path):
    for name in ("2026-01-01_a", "2026-01-03_c", "2026-01-02_b"):
        JobFolder(tmp_path / name).write(record(tmp_path))
    (tmp_path / "2026-01-09_result").mkdir()
    found = job.job_folders(tmp_path, most=2)
    assert [folder.path.name for folder in found] == ["2026-01-03_c", "2026-01-02_b"]
    assert job.job_folders(tmp_path / "none", most=2) == []


def test_an_engine_runs_as_long_as_its_process_lives(folder):
    assert not folder.is_running
    code = f"""
from pathlib import Path
from napari_utile.folders.job import JobFolder
with JobFolder(Path({str(folder.path)!r})).held():
    print("here", flush=True)
    input()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as engine:
        engine.stdout.readline()
        assert folder.is_running
        engine.kill()
        engine.wait()
        assert not folder.is_running


def test_a_second_engine_is_refused(folder, monkeypatch):
    monkeypatch.setattr(job, "LOCK_TIMEOUT", 0.1)
    with folder.held(), pytest.raises(UserError, match="another process works on this job"):
        folder.held().__enter__()


def test_a_start_forgets_the_last_stop_and_separates_what_was_cut_off(folder):
    folder.request_stop()
    folder.events.write_bytes(b'{"event": "TileDo')
    start = folder.begin()
    assert not folder.is_stop_requested
    with folder.events.open("a") as file:
        file.write(RunStarted(job="predict").line() + "\n")
    assert LineReader(folder.events, start).new() == [RunStarted(job="predict").line().encode()]
    cut_off, began, *_ = LineReader(folder.events).new()
    assert (cut_off, began[:8]) == (b'{"event": "TileDo', b'{"began"')


def test_whether_it_goes_on_without_its_window_may_change(folder):
    for goes_on in (True, False, False):
        folder.set_outlives_window(goes_on)
        assert folder.outlives_window is goes_on


def test_removing_a_job_leaves_its_results(folder, tmp_path):
    for name in ("inputs/em.zarr", "inputs_2/em.zarr", "instances.zarr"):
        (folder.path / name).mkdir(parents=True)
    folder.begin()
    folder.log.touch()
    folder.set_outlives_window(True)
    with folder.held():
        pass
    folder.remove()
    assert [path.name for path in folder.path.iterdir()] == ["instances.zarr"]
    (folder.path / "instances.zarr").rmdir()
    folder.remove()
    assert not folder.path.exists()


def test_lines_come_when_they_are_whole(tmp_path):
    lines = LineReader(tmp_path / "log")
    assert lines.new() == []
    with (tmp_path / "log").open("wb", buffering=0) as file:
        file.write(b"one\ntw")
        assert lines.new() == [b"one"]
        assert lines.rest == b"tw"
        assert lines.new() == []
        file.write(b"o\nthree\n")
        assert lines.new() == [b"two", b"three"]


def test_of_a_long_record_only_the_end_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "TAIL_BYTES", 10)
    (tmp_path / "log").write_bytes(b"first\nsecond\nthird\n")
    assert LineReader.last(tmp_path / "log").new() == [b"ond", b"third"]
    assert LineReader.last(tmp_path / "none").new() == []
