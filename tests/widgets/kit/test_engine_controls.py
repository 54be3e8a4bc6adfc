"""The state of the controls decides what their buttons say and do."""

import pytest
from qtpy.QtCore import Qt

from napari_utile.events import RunDone, RunStarted, StepDone
from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.kit.engine_controls import EngineControls

STARTED = RunStarted(job="train", device="cpu")
STEP = StepDone(step=3, loss=1, learning_rate=1e-3, progress=0.25, rate=2, seconds_left=6)
STOPPED = RunDone(seconds=1, stopped=True)


@pytest.fixture
def controls(qtbot, home):
    controls = EngineControls("Train", lambda: arguments)
    qtbot.addWidget(controls)
    controls.show()
    return controls


def arguments():
    yield
    return ["train", "--out", "OUT"]


def shown(controls):
    """Return the texts of the buttons that are seen."""
    buttons = (controls.button, controls.pause, controls.copy)
    return [button.text() for button in buttons if button.isVisible()]


def test_a_run_is_prepared_paused_resumed_and_stopped(controls, script, press, qtbot):
    script(STARTED, STEP, {"do": "wait"}, STOPPED)
    assert (controls.state, shown(controls)) == (State.IDLE, ["Train", "Copy as command"])
    press(controls.button)
    assert (controls.state, shown(controls)) == (State.PREPARING, ["Stop"])
    qtbot.waitUntil(lambda: controls.bar.value() == 250)
    assert (controls.state, shown(controls)) == (State.RUNNING, ["Stop", "Pause"])
    press(controls.pause)
    assert (controls.state, shown(controls)) == (State.PAUSED, ["Stop", "Resume"])
    press(controls.pause)
    assert (controls.state, shown(controls)) == (State.RUNNING, ["Stop", "Pause"])
    press(controls.button)
    assert (controls.state, shown(controls)) == (State.STOPPING, ["Stop at once"])
    qtbot.waitUntil(lambda: controls.state is State.IDLE)
    assert shown(controls) == ["Train", "Copy as command"]


def test_a_double_click_starts_once(controls, script, press, qtbot):
    script(STARTED, STEP, {"do": "wait"}, STOPPED)
    press(controls.button)
    for second in (qtbot.mouseDClick, qtbot.mouseRelease):  # as Qt tells the second click
        second(controls.button, Qt.MouseButton.LeftButton)
    assert controls.state is State.PREPARING
    qtbot.waitUntil(lambda: controls.state is State.RUNNING)
    press(controls.button)
    qtbot.waitUntil(lambda: controls.state is State.IDLE)


def test_what_is_left_while_layers_are_read_starts_nothing(controls, script, press, qtbot):
    started = script(STARTED, STOPPED)
    press(controls.button)
    assert controls.state is State.PREPARING
    controls.leave()  # its panel is closed
    assert controls.state is State.IDLE
    qtbot.wait(300)
    assert not started.exists()
