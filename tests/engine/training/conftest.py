"""A tiny model, trained once, and a clock."""

import pytest

from napari_utile.engine.training import budget
from tests.fixtures.trained import files, model, saved  # noqa: F401


class Clock:
    """Time that passes only when told to."""

    now = 100.0

    def __call__(self):
        return self.now

    def passing(self, seconds):
        """Let time pass, later."""

        def take_time():
            self.now += seconds

        return take_time


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(budget, "monotonic", clock)
    return clock
