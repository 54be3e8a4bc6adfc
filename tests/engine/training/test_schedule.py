"""The learning rate over a run."""

import math
from itertools import pairwise

import numpy as np
import pytest

from napari_utile.engine.training.schedule import learning_rate
from napari_utile.settings.training import TrainSettings


def test_one_cycle_by_formula():
    options = TrainSettings(learning_rate=0.01, schedule="one-cycle")

    def rate(progress):
        return learning_rate(progress, options)

    # linear from 4 % to the highest in the first tenth ...
    assert rate(0) == pytest.approx(0.01 * 0.04)
    assert rate(0.05) == pytest.approx(0.01 * (0.04 + 1) / 2)
    assert rate(0.1) == pytest.approx(0.01)
    # ... then half a cosine down to a thousandth
    assert rate(0.55) == pytest.approx(0.01 * (1 + 0.001) / 2)
    assert rate(0.1 + 0.9 / 4) == pytest.approx(
        0.01 * (0.001 + 0.999 * (1 + math.cos(math.pi / 4)) / 2)
    )
    assert rate(1) == pytest.approx(0.01 * 0.001)


def test_one_cycle_rises_then_falls_without_a_jump():
    places = np.linspace(0, 1, 1001)
    rates = [learning_rate(p, TrainSettings(learning_rate=1)) for p in places]
    steps = [b - a for a, b in pairwise(rates)]
    assert all(step > 0 for step in steps[:100])
    assert all(step < 0 for step in steps[100:])
    assert max(map(abs, steps)) < 0.011


def test_a_constant_rate_is_constant():
    options = TrainSettings(learning_rate=0.3, schedule="constant")
    assert {learning_rate(p, options) for p in (0, 0.05, 0.5, 1)} == {0.3}
