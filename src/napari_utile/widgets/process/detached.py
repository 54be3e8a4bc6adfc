"""An engine that may outlive the window: it writes to its job folder, the window reads it."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress

from qtpy.QtCore import QTimer

from napari_utile.folders.job import JobFolder, LineReader
from napari_utile.widgets.process.process import (
    FAREWELL,
    Engine,
    engine_command,
    engine_environment,
)

LOOK = 100
"""Milliseconds between two looks at the record of the events."""
WITHOUT_CONSOLE = sum(
    getattr(subprocess, flag, 0) for flag in ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
)
"""On Windows."""


class DetachedJob(Engine):
    """One run of the engine in a job folder; it goes on when the window closes, if it shall.

    Whether it shall, says `JobFolder.outlives_window`.

    Parameters
    ----------
    arguments : sequence of str
        Of the command `utile`.
    folder : JobFolder

    Raises
    ------
    UserError
        If there is no Python to run it with.
    """

    def __init__(self, arguments: Sequence[str], folder: JobFolder):
        super().__init__()
        self.folder = folder
        self._command = engine_command([*arguments, "--job", str(folder.path)])
        self._process: subprocess.Popen[bytes] | None = None
        self._events, self._errors = LineReader(folder.events), LineReader(folder.log)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK)
        self._timer.timeout.connect(self._look)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; what it has to say comes as events."""
        try:
            self._events = LineReader(self.folder.events, self.folder.begin())
            with self.folder.events.open("ab") as events, self.folder.log.open("ab") as log:
                self._errors = LineReader(self.folder.log, log.tell())
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=events,
                    stderr=log,
                    env=engine_environment(),
                    creationflags=WITHOUT_CONSOLE,
                    start_new_session=True,  # a Ctrl-C in the window's terminal is not for it
                )
        except OSError as error:
            why = f"{error.filename or self._command[0]}: {error.strerror or error}"
            QTimer.singleShot(0, lambda: self._fail_to_start(why))
        else:
            self._timer.start()

    def close(self) -> None:
        """End the process in less than five seconds, or let it go on without this window."""
        self.blockSignals(True)
        self._timer.stop()
        process = self._process
        if process is None or not self.is_running or self.folder.outlives_window:
            return
        self._say("stop")
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        for milliseconds, end in (
            (FAREWELL, process.terminate),
            (FAREWELL // 4, process.kill),
            (FAREWELL // 4, lambda: None),
        ):
            with suppress(subprocess.TimeoutExpired):
                process.wait(milliseconds / 1000)
                return
            end()

    def _say(self, word: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # it has just ended
                self._process.stdin.write(f"{word}\n".encode())
                self._process.stdin.flush()

    def _end_by_force(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _look(self) -> None:
        """Read the events that have come; if the process has gone, all of them."""
        is_over = not self.is_running  # asked first: what it wrote last is read below
        while lines := self._events.new():
            for line in lines:
                self._on_line(line)
        if is_over and self._process is not None:
            self._timer.stop()
            while lines := self._errors.new():
                self._remember(b"\n".join(lines))
            self._remember(self._errors.rest)
            self._finish(self._process.returncode)
