"""The engine's process: its events, its end, and its death."""

import pytest

from napari_utile.events import RunDone, RunFailed, Warned
from napari_utile.widgets.process import process, worker
from napari_utile.widgets.process.command_line import engine_environment
from napari_utile.widgets.process.process import AttachedEngine
from tests.fixtures.played_engine import DONE, STARTED, ended


def test_events_come_in_order_and_the_last_when_the_process_has_gone(play, qtbot, tmp_path):
    job = play(STARTED, Warned(message="small"), DONE)
    job.happened.connect(lambda e: isinstance(e, RunDone) and running.append(job.is_running))
    running = []
    qtbot.waitUntil(ended(job))
    assert [type(e).__name__ for e in job.heard] == ["RunStarted", "Warned", "RunDone"]
    assert job.heard[-1].out == str(tmp_path / "out")
    assert running == [False]


@pytest.mark.parametrize(("set_to", "policy"), [(None, "passive"), ("active", "active")])
def test_threads_of_the_engine_wait_without_spinning(monkeypatch, set_to, policy):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if set_to:
        monkeypatch.setenv("OMP_WAIT_POLICY", set_to)
    assert engine_environment()["OMP_WAIT_POLICY"] == policy


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
    monkeypatch.setattr(worker, "worker_command", lambda _: ["/no/such/python"])
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


def test_close_ends_even_a_deaf_engine(play, qtbot):
    job = play(STARTED, {"do": "deaf"})
    qtbot.waitUntil(lambda: bool(job.heard))
    job.close()
    assert not job.is_running
