"""Rates are measured while nothing else runs, and the machine is left to what begins."""

import json

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_utile.events import RunDone, StepDone
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit import pace
from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.step_rates import Pace, known_rate
from napari_utile.widgets.process.worker import WAITING

IMAGE = Stack(np.zeros((3, 40, 48), np.uint8), "zyx")
DONE = RunDone(seconds=1)


@pytest.fixture
def line(qtbot, home, monkeypatch):
    monkeypatch.setattr(pace, "REST", 0)
    monkeypatch.setattr(WAITING, "take", None)  # is left to what is pressed
    panel = QWidget()  # a line alone would be a window, that shows itself
    qtbot.addWidget(panel)
    line = pace.PaceLine(lambda rates: (f"rates {rates}", ""))
    line.setParent(panel)
    line.kept = panel  # Python's part of it
    return line


@pytest.fixture
def controls(qtbot):
    controls = EngineControls("Train", lambda: lambda: iter([]))
    qtbot.addWidget(controls)
    return controls


def step(number, rate):
    return StepDone(step=number, loss=1, learning_rate=1, progress=0, rate=rate)


def test_an_unknown_rate_is_measured_by_a_few_steps_once_somebody_sees_it(line, script, qtbot):
    wanted = Pace.of(TrainSettings(width=8), IMAGE)
    arguments = script(step(1, 0), step(2, 0.5), step(3, 0.75), DONE)
    line.ask([wanted])
    qtbot.wait(50)
    assert not arguments.exists()  # nobody sees it
    line.window().show()
    # 45 steps a minute, and nothing else: a run also validates, and shows previews
    qtbot.waitUntil(lambda: line.text() == "rates [38.25]", timeout=20_000)
    assert known_rate(wanted) == 38.25
    command = json.loads(arguments.read_text())
    assert (command[0], command[-2:]) == ("train", ["--dry-run", "--alone"])
    assert command[command.index("--width") + 1] == "8"
    arguments.unlink()
    line.ask([wanted])  # is known: no engine is started
    assert not line.is_measuring and not line._rest.isActive()


def test_measuring_waits_for_other_work_and_makes_way_for_it(line, controls, script, qtbot):
    script({"do": "wait"}, RunDone(seconds=1, stopped=True))
    controls.state = State.RUNNING
    line.ask([Pace.of(TrainSettings(), IMAGE)])
    line.window().show()
    qtbot.wait(100)
    assert not line.is_measuring
    controls.state = State.IDLE
    qtbot.waitUntil(lambda: line._engine is not None)
    controls.state = State.RUNNING
    qtbot.waitUntil(lambda: not line.is_measuring)
    qtbot.waitUntil(lambda: not pace._ENDING)
    line.stop()


def test_what_cannot_be_measured_is_not_tried_again(line, script, qtbot):
    script({"do": "exit", "status": 2, "message": "no"})
    line.ask([Pace.of(TrainSettings(), IMAGE)])
    line.window().show()
    qtbot.waitUntil(lambda: line.text() == "rates [None]")
    assert not line.is_measuring


def test_a_line_that_is_hidden_while_its_sample_is_written_starts_no_engine(
    line, script, qtbot
):
    arguments = script(step(1, 0), step(2, 0.5), DONE)
    line.ask([Pace.of(TrainSettings(), IMAGE)])
    line.window().show()
    line._begin()  # not by its timer, behind which the sample may be written already
    assert line.is_measuring
    line.hide()
    qtbot.waitUntil(lambda: not line.is_measuring)
    assert line._engine is None and not arguments.exists()
    line.show()  # and measures when it is seen again
    qtbot.waitUntil(arguments.exists, timeout=20_000)
    line.stop()


def test_a_panel_that_is_closed_measures_nothing_any_more(line, script, qtbot):
    arguments = script(step(1, 0), step(2, 0.5), DONE)
    panel = Panel()
    qtbot.addWidget(panel)
    panel.column().addWidget(line)
    panel.show()
    line.ask([Pace.of(TrainSettings(), IMAGE)])
    panel.leave_work()
    qtbot.wait(100)
    assert not line.is_measuring and not line._rest.isActive()
    assert not arguments.exists()
    line.setParent(None)
