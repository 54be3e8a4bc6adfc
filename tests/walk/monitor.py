"""How long the window does not answer: the CPU time of its own thread between two ticks."""

from dataclasses import dataclass
from time import monotonic, thread_time

from qtpy.QtCore import QTimer

TICK = 5
"""Milliseconds between two ticks of a window that has nothing to do."""


@dataclass(frozen=True)
class Gap:
    """The longest pauses of the event loop, in seconds.

    `cpu` is the time that the window's own thread worked in one pause: what remains of it on a
    machine that does nothing else. `wall` is what the user waited.
    """

    cpu: float
    wall: float


class EventLoopMonitor:
    """Watches the event loop of the thread that it is made in."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._tick)
        self.begin()
        self._timer.start()

    def begin(self) -> None:
        """Begin to watch anew."""
        self._last, self._worst, self._wall = (thread_time(), monotonic()), 0.0, 0.0

    def end(self) -> Gap:
        """Return the longest gap since `begin`, and begin anew."""
        self._tick()
        found = Gap(self._worst, self._wall)
        self.begin()
        return found

    def stop(self) -> None:
        """Watch no more."""
        self._timer.stop()

    def _tick(self) -> None:
        now = thread_time(), monotonic()
        cpu, wall = (after - before for after, before in zip(now, self._last, strict=True))
        self._last = now
        self._worst, self._wall = max(self._worst, cpu), max(self._wall, wall)
