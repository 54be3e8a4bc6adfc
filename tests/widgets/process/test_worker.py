"""Engines that wait: one process for many commands."""

import pytest

from napari_utile.events import RunFailed, Warned
from napari_utile.widgets.process import worker
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.process.process import AttachedEngine
from napari_utile.widgets.process.worker import IDLE_MINUTES, Worker
from tests.fixtures.played_engine import ended

SLOW = 60_000  # torch alone takes seconds to load on a busy machine


def heard_of(engine, qtbot, until=None):
    heard = engine.heard = []
    engine.happened.connect(heard.append)
    engine.start()
    qtbot.waitUntil(until or ended(engine), timeout=SLOW)
    return heard


def test_one_process_does_command_after_command_attached_or_in_a_job(warm, qtbot, folder):
    warm.warm()
    waiting = warm.worker
    warm.warm()
    assert warm.worker is waiting
    engines = [
        AttachedEngine(["predict", "none", "a.tif", "--out", "a.zarr"]),
        DetachedEngine(["predict", "none", "b.tif", "--out", "b.zarr"], folder),
        AttachedEngine(["predict", "none", "c.tif", "--out", "c.zarr", "--tile", "x"]),
    ]
    told = [heard_of(engine, qtbot)[-1] for engine in engines]
    assert warm.worker is waiting
    assert [event.user for event in told] == [True] * 3
    assert told[0].message == told[1].message
    assert told[0].message.startswith("none does not exist")
    assert "tile" in told[2].message
    assert b"RunFailed" in folder.events.read_bytes()
    assert b"utile: none does not exist" in folder.log.read_bytes()
    assert not folder.is_running
    # it ends with the window, and one that has ended is replaced
    waiting.end()
    assert not waiting.is_alive
    warm.warm()
    assert warm.worker.number != waiting.number


def test_one_that_waited_long_enough_frees_its_memory_and_another_does_the_command(
    warm, qtbot, script, monkeypatch, tmp_path
):
    """Even where it ends just when a command is given."""
    script(RunFailed(message="heard", user=True))
    gone = Worker(IDLE_MINUTES)
    gone.kill()
    qtbot.waitUntil(lambda: not gone.is_alive)
    taken = [Worker(IDLE_MINUTES), gone]
    monkeypatch.setattr(warm, "take", taken.pop)
    (event,) = heard_of(AttachedEngine(["train", "--out", str(tmp_path)]), qtbot)
    assert event.message == "heard"
    assert not taken


@pytest.mark.parametrize(("size", "is_kept"), [(10, True), (worker.MOST_BYTES + 1, False)])
def test_one_that_holds_too_much_memory_is_replaced(warm, qtbot, script, size, is_kept):
    script()
    used = Worker(IDLE_MINUTES)
    warm.give_back(used, size)
    assert (warm.worker is used) is is_kept
    assert warm.worker.is_alive
    if not is_kept:
        qtbot.waitUntil(lambda: not used.is_alive)


def test_a_word_that_comes_before_the_command_begins_is_for_it(warm, qtbot, script, tmp_path):
    script({"do": "wait"}, Warned(message="went on"), RunFailed(message="end", user=True))
    engine = AttachedEngine(["train", "--out", str(tmp_path)])
    engine.happened.connect(lambda _: None)
    engine.heard = heard = []
    engine.happened.connect(heard.append)
    engine.start()
    engine.stop()
    qtbot.waitUntil(ended(engine), timeout=SLOW)
    assert [event.message for event in heard] == ["went on", "end"]


def test_the_user_chooses_how_long_one_waits(warm, qtbot, script):
    script({"wait": 60})
    warm.warm()
    first = warm.worker
    warm.wait_for(3)
    qtbot.waitUntil(lambda: not first.is_alive)
    assert warm.worker.is_alive
    second = warm.worker
    warm.wait_for(0)
    qtbot.waitUntil(lambda: not second.is_alive)
    warm.warm()
    assert warm.worker is None
    warm.give_back(warm.take(), 0)  # a command gets a process of its own
    assert warm.worker is None
