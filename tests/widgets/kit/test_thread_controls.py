"""Work in a thread: its result, its stop, and its fault."""

import pytest

from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.kit.progress import Step
from napari_utile.widgets.kit.thread_controls import ThreadControls


@pytest.fixture
def results():
    return []


@pytest.fixture
def controls(qtbot, results):
    def make(work):
        controls = ThreadControls("Compute", lambda: work, results.append)
        qtbot.addWidget(controls)
        return controls

    return make


def test_the_result_comes_when_all_is_done(controls, results, press, qtbot):
    def work():
        yield Step("slice", 1, 4, 1.0)
        return 7

    panel = controls(work)
    press(panel.button)
    qtbot.waitUntil(lambda: results == [7])
    assert panel.state is State.IDLE
    assert panel.progress.share == 1 / 4


def test_what_is_stopped_has_no_result(controls, results, press, qtbot):
    going_on = True

    def work():
        while going_on:
            yield Step("slice", 1, 4, 1.0)
        return 7

    panel = controls(work)
    press(panel.button)
    qtbot.waitUntil(lambda: panel.state is State.RUNNING)
    worker = panel._work.worker
    with qtbot.waitSignal(worker.finished):
        press(panel.button)
        assert panel.state is State.IDLE
    going_on = False
    assert results == []
    assert "Stopped." in panel.messages.text()


def test_a_fault_is_told_and_the_button_is_back(controls, results, press, qtbot, errors):
    def work():
        yield
        raise ValueError("deep inside")

    panel = controls(work)
    press(panel.button)
    qtbot.waitUntil(lambda: bool(errors))
    assert "deep inside" in errors[0]
    assert panel.state is State.IDLE and results == []
