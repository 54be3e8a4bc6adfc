"""The engine's process: its events, its end, and its death."""

import sys
import time
from pathlib import Path

import pytest

from napari_utile.errors import UserError
from napari_utile.events import RunDone, RunFailed, RunStarted, Warned
from napari_utile.folders.job import JobFolder
from napari_utile.widgets.process import process
from napari_utile.widgets.process.command_line import engine_command, find_python, shell_line
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.process.process import AttachedEngine

STARTED = RunStarted(job="train", out="OUT")
DONE = RunDone(out="OUT", seconds=1)


@pytest.fixture
def folder(tmp_path):
    return JobFolder(tmp_path / "job")


@pytest.fixture(params=["attached", "detached"])
def play(request, qtbot, script, tmp_path, folder):
    """Start an engine that plays the given lines, of either kind."""
    arguments = ["train", "--out", str(tmp_path / "out")]
    jobs = []

    def play(*lines):
        script(*lines)
        if request.param == "attached":
            job = AttachedEngine(arguments)
        else:
            job = DetachedEngine(arguments, folder)
        job.heard = []
        job.happened.connect(job.heard.append)
        job.start()
        jobs.append(job)
        return job

    yield play
    for job in jobs:
        job.kill()


@pytest.fixture
def detached(script, tmp_path, folder, qtbot):
    """Start an engine in a job folder, and wait for its first event."""
    jobs = []

    def detached(*lines):
        script(STARTED, *lines)
        job = DetachedEngine(["predict", "--out", str(tmp_path / "out")], folder)
        job.heard = []
        job.happened.connect(job.heard.append)
        job.start()
        jobs.append(job)
        qtbot.waitUntil(lambda: bool(job.heard))
        return job

    yield detached
    for job in jobs:
        folder.request_stop()
        job.kill()


def ended(job):
    return lambda: bool(job.heard) and isinstance(job.heard[-1], RunDone | RunFailed)


def test_events_come_in_order_and_the_last_when_the_process_has_gone(play, qtbot, tmp_path):
    job = play(STARTED, Warned(message="small"), DONE)
    job.happened.connect(lambda e: isinstance(e, RunDone) and running.append(job.is_running))
    running = []
    qtbot.waitUntil(ended(job))
    assert [type(e).__name__ for e in job.heard] == ["RunStarted", "Warned", "RunDone"]
    assert job.heard[-1].out == str(tmp_path / "out")
    assert running == [False]


@pytest.mark.parametrize(("set_to", "policy"), [(None, "passive"), ("active", "active")])
def test_threads_of_the_engine_wait_without_spinning(qtbot, monkeypatch, set_to, policy):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if set_to:
        monkeypatch.setenv("OMP_WAIT_POLICY", set_to)
    job = AttachedEngine(["train"])
    assert job._process.processEnvironment().value("OMP_WAIT_POLICY") == policy


def test_stop_ends_a_run_softly(play, qtbot):
    job = play(STARTED, {"do": "wait"}, RunDone(seconds=1, stopped=True))
    qtbot.waitUntil(lambda: bool(job.heard))
    job.stop()
    qtbot.waitUntil(ended(job))
    assert job.heard[-1].stopped


def test_what_is_no_event_is_passed_over(play, qtbot):
    job = play("a library prints", '{"event": "Unknown"}', STARTED, DONE)
    qtbot.waitUntil(ended(job))
    assert [type(e).__name__ for e in job.heard] == ["RunStarted", "RunDone"]


def test_a_crash_is_one_failure_with_the_last_line(play, qtbot):
    job = play(STARTED, {"do": "exit", "status": 3, "message": "Traceback\nMemoryError: big"})
    qtbot.waitUntil(ended(job))
    message = "The engine ended with status 3: MemoryError: big"
    assert job.heard[1:] == [RunFailed(message=message, user=False)]


def test_a_program_that_is_not_there_is_a_failure(qtbot, monkeypatch):
    monkeypatch.setattr(process, "engine_command", lambda _: ["/no/such/python"])
    job, heard = AttachedEngine(["train"]), []
    job.happened.connect(heard.append)
    job.start()
    qtbot.waitUntil(lambda: bool(heard))
    assert "did not start" in heard[0].message


def test_an_engine_that_does_not_stop_is_killed_in_the_end(play, qtbot, monkeypatch):
    monkeypatch.setattr(process, "STOP_TIMEOUT", 100)
    job = play(STARTED, {"do": "deaf"})
    qtbot.waitUntil(lambda: bool(job.heard))
    job.stop()
    qtbot.waitUntil(ended(job))
    assert "it was killed; what it had saved is kept" in job.heard[-1].message
    assert not job.is_running


def test_close_ends_even_a_deaf_engine_in_less_than_five_seconds(play, qtbot):
    job = play(STARTED, {"do": "deaf"})
    qtbot.waitUntil(lambda: bool(job.heard))
    began = time.monotonic()
    job.close()
    assert time.monotonic() - began < 5
    assert not job.is_running


def test_a_detached_engine_that_cannot_be_started_is_a_failure(qtbot, monkeypatch, folder):
    monkeypatch.setattr(process, "engine_command", lambda _: ["/no/such/python"])
    job, heard = DetachedEngine(["predict"], folder), []
    job.happened.connect(heard.append)
    job.start()
    qtbot.waitUntil(lambda: bool(heard))
    assert "did not start: /no/such/python" in heard[0].message
    assert not job.is_running


def test_a_detached_engine_goes_on_when_its_window_closes_if_it_shall(detached, qtbot, folder):
    job = detached({"do": "wait"}, DONE)
    folder.set_outlives_window(True)
    job.close()
    qtbot.wait(300)
    assert job.is_running and folder.is_running
    folder.request_stop()
    qtbot.waitUntil(lambda: not folder.is_running)
    assert b'"RunDone"' in folder.events.read_bytes()


@pytest.mark.parametrize("changed_its_mind", [False, True])
def test_a_detached_engine_ends_with_its_window_otherwise(
    detached, folder, changed_its_mind, qtbot
):
    job = detached({"do": "wait"}, DONE)
    if changed_its_mind:
        folder.set_outlives_window(True)
        folder.set_outlives_window(False)
    began = time.monotonic()
    job.close()
    assert time.monotonic() - began < 5
    assert not job.is_running and not folder.is_running


def test_only_the_events_of_this_start_are_told(detached, qtbot, folder):
    first = detached(Warned(message="first"), {"do": "wait"}, DONE)
    first.stop()
    qtbot.waitUntil(ended(first))
    second = detached(Warned(message="second"), DONE)
    qtbot.waitUntil(ended(second))
    assert [event.message for event in second.heard if isinstance(event, Warned)] == ["second"]
    assert folder.events.read_bytes().count(b"RunStarted") == 2


def test_a_line_that_is_half_written_waits(detached, qtbot, folder):
    line = Warned(message="whole").line()
    job = detached({"do": "wait"}, DONE)
    with folder.events.open("a") as file:
        file.write(line[:20])
        file.flush()
        qtbot.wait(300)
        assert len(job.heard) == 1
        file.write(line[20:] + "\n")
    qtbot.waitUntil(lambda: len(job.heard) == 2)
    assert job.heard[1].message == "whole"


def test_the_python_of_a_windowless_napari_is_the_one_beside_it(tmp_path, monkeypatch):
    for name in ("pythonw.exe", "python.exe"):
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "pythonw.exe"))
    assert find_python() == str(tmp_path / "python.exe")


def test_a_bundle_without_python_says_so(tmp_path, monkeypatch):
    (tmp_path / "napari").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "napari"))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(UserError, match="bundle without a Python"):
        find_python()


def test_the_command_runs_this_python():
    assert engine_command(["train"]) == [
        sys.executable,
        "-m",
        "napari_utile",
        "train",
        "--events",
    ]
    assert Path(sys.executable).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="another shell")
def test_the_shell_line_quotes_what_needs_it():
    assert shell_line(["train", "my image.tif"]) == "utile train 'my image.tif'"
