"""Engines that run, and who shows them."""

import pytest

from napari_utile.widgets.kit.running import Running


class AnEngine:
    is_running, is_in_jobs = True, False

    def __init__(self):
        self.told = []

    def stop(self):
        self.told.append("stop")


@pytest.mark.parametrize("is_listed", [True, False])
def test_without_a_window_an_engine_whose_panel_is_gone_is_told_to_end(qapp, is_listed):
    running, engine = Running(), AnEngine()
    engine.is_in_jobs = is_listed
    running.add(engine)
    running.let_go(engine)
    assert engine.told == ["stop"]


def test_an_engine_that_has_ended_is_forgotten():
    running, engine = Running(), AnEngine()
    running.add(engine)
    assert running.engines == [engine]
    engine.is_running = False
    assert running.engines == []
