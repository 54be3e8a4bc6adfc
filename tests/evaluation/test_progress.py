"""Progress of an evaluation."""

import pytest

from napari_utile.evaluation import progress
from napari_utile.evaluation.progress import SliceCounter


def test_steps_per_second_and_the_time_that_is_left(monkeypatch):
    times = iter([100.0, 104.0, 108.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    counter = SliceCounter(total=5, image="em", started=98.0)
    first, second, third = (counter.step() for _ in range(3))
    assert (first.done, first.total, first.image) == (1, 5, "em")
    assert (first.rate, first.seconds_left) == (1 / 2, 4 * 2)
    assert (second.rate, second.seconds_left) == (2 / 6, 3 * 3)
    assert third.seconds_left == pytest.approx(2 * 10 / 3)
