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

PARENT = os.getppid()
"""Process that started this one."""


class StopRequest:
    """Set by Ctrl-C, by a termination signal, and by the line `stop` on standard input.

    A job is also stopped by the file `stop` in its folder; and the file `keep` there lets it go
    on when the process that started it has gone.

    The lines `pause` and `resume` let a run stand for a while: nobody asks it for its next
    event, and it does nothing before that.
    """

    def __init__(
        self, answer: Callable[[], None] = lambda: None, job: JobFolder | None = None
    ) -> None:
        self.answer, self.job = answer, job
        self.asked = False
        self.paused = False

    def ask(self, *_: object) -> None:
        """End the run after the present step; asked twice by Ctrl-C, end at once."""
        if self.asked and _:
            raise KeyboardInterrupt
        self.asked = True
        self.answer()

    @contextmanager
    def listening(self, to_stdin: bool) -> Iterator["StopRequest"]:
        """Heed signals, and standard input if told to, while the context lasts."""
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
        """Come back when the run may go on, or shall end."""
        while self.paused and not self.asked:
            sleep(0.05)  # a lock would not let the signals through

    def _read_stdin(self) -> None:
        for line in sys.stdin:
            match line.strip():
                case "stop":
                    self.asked = True
                case "pause":
                    self.paused = True
                case "resume":
                    self.paused = False
        self.paused = False  # nobody is left who could end it
        # The window died without a word: nobody is left who would ask. Its pipe ends a moment
        # before it does; a run whose input is /dev/null may outlive its shell.
        if _is_pipe(sys.stdin):
            sleep(0.5)
            goes_on = self.job is not None and self.job.outlives_window
            self.asked |= os.getppid() != PARENT and not goes_on

    def _watch(self, job: JobFolder) -> None:
        while not job.is_stop_requested:
            sleep(0.5)
        self.asked = True


@contextmanager
def ignoring_stops() -> Iterator[None]:
    """Leave it to another process to heed a signal to stop."""
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
