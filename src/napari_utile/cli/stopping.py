"""Stop, pause and resume of a command: by Ctrl-C, by a signal, or on its standard input."""

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

from napari_utile.folders.job import JobFolder
from napari_utile.io.processes import has_lost

PARENT = os.getppid()
"""Process that started this one."""


class StopRequest:
    """Whether a run was asked to stop or pause.

    Ctrl-C, a termination signal and the line `stop` on standard input stop it; a job also the
    file `stop` in its folder. The lines `pause` and `resume` pause it: its next event is not
    asked for, so it computes nothing. A run whose parent process has died stops, unless the
    file `keep` is in the folder of its job.
    """

    def __init__(
        self, answer: Callable[[], None] = lambda: None, job: JobFolder | None = None
    ) -> None:
        self.answer, self.job = answer, job
        self.asked = False
        self.paused = False

    def ask(self, *_: object) -> None:
        """Stop after the present step; asked twice by Ctrl-C, at once."""
        if self.asked and _:
            raise KeyboardInterrupt
        self.asked = True
        self.answer()

    @contextmanager
    def listening(self, to_stdin: bool) -> Iterator["StopRequest"]:
        """Listen to signals, and optionally to standard input, while the context lasts."""
        previous = {}
        if threading.current_thread() is threading.main_thread():
            signals = (signal.SIGINT, signal.SIGTERM)
            previous = {number: signal.signal(number, self.ask) for number in signals}
        if to_stdin:
            threading.Thread(target=self._read_stdin, daemon=True).start()
        if self.job:
            threading.Thread(target=self._watch, args=(self.job,), daemon=True).start()
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def wait(self) -> None:
        """Return when the run is not paused, or was asked to stop."""
        while self.paused and not self.asked:
            sleep(0.05)  # waiting for a lock would block the signals

    def _read_stdin(self) -> None:
        for line in sys.stdin:
            match line.strip():
                case "stop":
                    self.asked = True
                case "pause":
                    self.paused = True
                case "resume":
                    self.paused = False
        self.paused = False  # standard input is closed: no `resume` can come
        # Stop if the window died: its pipe closes a moment before its process ends. A run
        # whose input is /dev/null may outlive its shell.
        if _is_pipe(sys.stdin):
            sleep(0.5)
            goes_on = self.job is not None and self.job.outlives_window
            self.asked |= has_lost(PARENT) and not goes_on

    def _watch(self, job: JobFolder) -> None:
        while not job.is_stop_requested:
            sleep(0.5)
        self.asked = True


@contextmanager
def ignoring_stops() -> Iterator[None]:
    """Ignore signals to stop: the leading process of a training decides for all."""
    previous = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _is_pipe(stream: Any) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
