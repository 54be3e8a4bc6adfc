"""An engine that may outlive its window."""

import pytest

from napari_utile.events import Warned
from napari_utile.widgets.process import worker
from napari_utile.widgets.process.detached import DetachedEngine
from tests.fixtures.played_engine import DONE, ended


def test_a_detached_engine_that_cannot_be_started_is_a_failure(qtbot, monkeypatch, folder):
    monkeypatch.setattr(worker, "worker_command", lambda _: ["/no/such/python"])
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
    job.close()
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
