"""How long a run may take, by steps and by a clock that can be paused."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

PAUSE_AFTER = 0.5
"""Seconds for which a caller may keep an event before the clock is paused."""


class Budget:
    """Steps, minutes, or both: whichever is used up first.

    The clock starts when the budget is made, and whatever happens between the steps counts.

    Parameters
    ----------
    steps, minutes : int and float, or None
        The limits; None is no limit.
    """

    def __init__(self, steps: int | None, minutes: float | None):
        self.steps, self.minutes = steps, minutes
        self.start = monotonic()

    def add(self, seconds: float) -> None:
        """Count time that was used before; a negative time is left out."""
        self.start -= seconds

    @property
    def seconds(self) -> float:
        """Time since the start, without the pauses."""
        return monotonic() - self.start

    def share(self, seconds: float) -> float:
        """Return which share of the budget a time is; 0 if time does not count."""
        return seconds / (60 * self.minutes) if self.minutes else 0.0

    def progress(self, step: int) -> float:
        """Return the share that is used after `step` steps, 0 to 1."""
        by_steps = step / self.steps if self.steps else 0.0
        return min(1.0, max(by_steps, self.share(self.seconds)))

    def seconds_left(self, step: int) -> float:
        """Estimate the time until the end, at the pace so far."""
        used = self.progress(step)
        return self.seconds * (1 - used) / max(used, 1e-9)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time for which a caller keeps an event, if it is long."""
        given = monotonic()
        try:
            yield
        finally:
            held = monotonic() - given
            if held > PAUSE_AFTER:
                self.add(-held)
