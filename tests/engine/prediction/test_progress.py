"""Rate and time left of a stage, with a clock of its own."""

import pytest

from napari_utile.engine.prediction.progress import StageProgress


def test_the_rate_is_that_of_the_blocks_of_this_run():
    now = iter([100.0, 102.0, 104.0])
    progress = StageProgress(total=10, done=4, clock=lambda: next(now))
    assert progress.step() == {"done": 5, "total": 10, "rate": 0.5, "seconds_left": 10}
    assert progress.step() == {"done": 6, "total": 10, "rate": 0.5, "seconds_left": 8}


def test_a_stage_may_jump_and_change_its_length():
    now = iter([0.0, 1.0, 4.0])
    progress = StageProgress(total=0, clock=lambda: next(now))
    assert progress.reach(3, 8)["done"] == 3
    second = progress.reach(6, 12)
    assert (second["total"], second["rate"]) == (12, pytest.approx(0.5))
    assert second["seconds_left"] == pytest.approx(12)
