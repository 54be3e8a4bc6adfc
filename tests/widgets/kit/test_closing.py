"""Runs go on when their panel is closed; before the last window is, the user is asked."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QWidget

from napari_utile.events import EpochDone, RunDone, RunStarted, StepDone
from napari_utile.folders.job import JobFolder
from napari_utile.widgets.kit import closing, engine_controls
from napari_utile.widgets.kit.closing import AtClose
from napari_utile.widgets.kit.running import RUNNING
from napari_utile.widgets.train.panel import TrainPanel

STARTED = RunStarted(job="train", out="OUT", device="cpu", total=100)
STEP = StepDone(step=3, loss=1, learning_rate=1e-3, progress=0.25, rate=2, seconds_left=6)
EPOCH = EpochDone(
    epoch=1, step=3, train_loss=1, val_loss=1, scores={"iou": 0.5}, is_best=True, seconds=1
)
STOPPED = RunDone(out="OUT", seconds=1, stopped=True)


@pytest.fixture
def docked(home, viewer, qtbot):
    """Dock a training panel in a window of its own."""

    def docked():
        window, dock = QMainWindow(), QDockWidget()
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.setCentralWidget(QWidget())
        QLabel("canvas", window.centralWidget())
        panel = TrainPanel(viewer)
        dock.setWidget(panel)
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        window.show()
        windows.append(window)
        return window, panel

    windows = []
    yield docked
    RUNNING.end_all()
    qtbot.waitUntil(lambda: not RUNNING.engines)


@pytest.fixture
def train(docked, script, press, qtbot, home):
    """Train in a window; return window, panel, engine and folder of the job."""

    def train():
        script(STARTED, STEP, EPOCH, {"do": "wait"}, STOPPED)
        window, panel = docked()
        press(panel.controls.button)
        qtbot.waitUntil(lambda: bool(panel.curves.epochs))
        (path,) = (home / "trainings").iterdir()
        return window, panel, panel.controls._engine, JobFolder(path)

    return train


def test_a_training_whose_panel_is_closed_goes_on_and_the_next_panel_shows_and_stops_it(
    train, docked, qtbot, press, monkeypatch
):
    told = []
    monkeypatch.setattr(engine_controls, "show_info", told.append)
    _, panel, engine, folder = train()
    press(panel.controls.pause)
    for _ in range(2):
        panel.setParent(None)
    assert told == ["Training goes on: see Runs."]  # once
    assert engine.is_running and panel.controls.button.text() == "Stop"

    _, other = docked()
    qtbot.waitUntil(lambda: [e.step for e in other.curves.steps] == [3])
    assert other.controls.status.text() == "step 3 · 2 steps/s · 6 s left"
    assert other.curves.epochs == [EPOCH]
    assert not panel.controls.is_running  # the closed one has let go
    assert not docked()[1].controls.is_running  # nor does a third take it
    other.launch.keep_running.click()
    assert folder.outlives_window
    other.launch.keep_running.click()
    press(other.controls.button)
    qtbot.waitUntil(lambda: not other.controls.is_running)
    assert other.controls.messages.text().startswith("Stopped after 1 s")


@pytest.mark.parametrize("answer", [AtClose.CANCEL, AtClose.KEEP, AtClose.STOP, None])
def test_the_user_who_closes_the_last_window_is_asked(train, qtbot, monkeypatch, answer):
    asked = []
    monkeypatch.setattr(closing, "ask_at_close", lambda _, runs: asked.append(runs) or answer)
    window, _, engine, folder = train()
    if answer is None:  # a program closes it: napari closes the canvas first
        window.centralWidget().findChild(QLabel).close()
    window.close()
    assert asked == ([] if answer is None else [["em → unet"]])
    assert engine.is_running  # nobody has waited for its end
    if answer is AtClose.CANCEL:
        assert window.isVisible()
        monkeypatch.setattr(closing, "ask_at_close", lambda *_: AtClose.STOP)
        window.close()
    if answer is AtClose.KEEP:
        qtbot.wait(300)
        assert folder.is_running and folder.outlives_window
        folder.set_outlives_window(False)
        folder.request_stop()
    qtbot.waitUntil(lambda: not folder.is_running)


def test_a_run_whose_panel_was_closed_ends_with_the_last_window(train, qtbot, monkeypatch):
    monkeypatch.setattr(closing, "ask_at_close", lambda *_: AtClose.STOP)
    window, panel, engine, folder = train()
    panel.setParent(None)
    assert engine.is_running
    window.close()
    qtbot.waitUntil(lambda: not folder.is_running)


def test_a_window_beside_another_is_closed_at_once_and_its_run_is_shown_in_the_other(
    train, docked, qtbot, monkeypatch
):
    monkeypatch.setattr(closing, "ask_at_close", lambda *_: pytest.fail("asked"))
    other, idle = docked()
    window, _, engine, _ = train()
    assert not idle.controls.is_running
    window.close()
    qtbot.wait(100)
    assert engine.is_running
    _, panel = docked()
    qtbot.waitUntil(lambda: bool(panel.curves.epochs))
    assert other.isVisible()
