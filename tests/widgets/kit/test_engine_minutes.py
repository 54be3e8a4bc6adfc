"""How long an engine waits is chosen in the window, and comes back."""

import pytest

from napari_utile.widgets.kit import engine_minutes, memory
from napari_utile.widgets.kit.engine_minutes import EngineMinutes, warm_engine
from napari_utile.widgets.process.worker import IDLE_MINUTES, WAITING


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Begin as napari does."""
    monkeypatch.setattr(engine_minutes, "_TAKEN", [])
    monkeypatch.setattr(WAITING, "minutes", IDLE_MINUTES)


@pytest.mark.parametrize("minutes", [0, 25])
def test_a_choice_holds_at_once_and_after_a_restart(qtbot, monkeypatch, minutes):
    line = EngineMinutes()
    qtbot.addWidget(line)
    assert line.minutes.value() == IDLE_MINUTES
    line.minutes.setValue(minutes)
    line.minutes.editingFinished.emit()
    assert WAITING.minutes == minutes
    assert line.minutes.text() == ("25 min" if minutes else "never")

    monkeypatch.setattr(engine_minutes, "_TAKEN", [])
    monkeypatch.setattr(WAITING, "minutes", IDLE_MINUTES)
    warm_engine()
    assert WAITING.minutes == minutes


def test_a_file_that_was_edited_holds_no_choice(monkeypatch):
    memory.remember(engine_minutes.KEY, "soon")
    warm_engine()
    assert WAITING.minutes == IDLE_MINUTES
