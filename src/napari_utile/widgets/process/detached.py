"""An engine that may outlive the window: it writes to its job folder, the window reads it."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress

from qtpy.QtCore import QTimer

from napari_utile.errors import UserError
from napari_utile.folders.job import JobFolder, LineReader
from napari_utile.io.disk import free_disk, full_disk
from napari_utile.widgets.process.command_line import engine_environment
from napari_utile.widgets.process.process import EXIT_TIMEOUT, Engine

PAGE = 4096
"""Free bytes below which a disk takes no more lines."""
EVENT_POLL_INTERVAL = 100
"""Milliseconds between two looks at the record of the events."""
WITHOUT_CONSOLE = sum(
    getattr(subprocess, flag, 0) for flag in ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
)
"""On Windows."""


class DetachedEngine(Engine):
    """An engine in a job folder. It outlives the window if `JobFolder.outlives_window`.

    Parameters
    ----------
    arguments : sequence of str
        Of the command `utile`.
    folder : JobFolder
        Where its events are written.
    """

    is_in_jobs = True

    def __init__(self, arguments: Sequence[str], folder: JobFolder):
        super().__init__([*arguments, "--job", str(folder.path)])
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._events, self._errors = LineReader(folder.events), LineReader(folder.log)
        self._timer = QTimer(self)
        self._timer.setInterval(EVENT_POLL_INTERVAL)
        self._timer.timeout.connect(self._poll)

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. A failure to start is reported as an event."""
        try:
            self._events = LineReader(self.folder.events, self.folder.begin())
            with self.folder.events.open("ab") as events, self.folder.log.open("ab") as log:
                self._errors = LineReader(self.folder.log, log.tell())
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=events, stderr=log,
                    env=engine_environment(), creationflags=WITHOUT_CONSOLE,
                    start_new_session=True,  # a Ctrl-C in the window's terminal is not for it
                )  # fmt: skip
        except (OSError, UserError) as error:
            why = str(error).removesuffix(".")
            if isinstance(error, OSError):
                why = f"{error.filename or self._command[0]}: {error.strerror or error}"
            QTimer.singleShot(0, lambda: self._fail_to_start(why))
        else:
            self._timer.start()

    def close(self) -> None:
        """End the process in less than five seconds, or leave it running."""
        self.blockSignals(True)
        self._timer.stop()
        process = self._process
        if process is None or not self.is_running or self.folder.outlives_window:
            return
        self._send("stop")
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        for milliseconds, end in (
            (EXIT_TIMEOUT, process.terminate),
            (EXIT_TIMEOUT // 4, process.kill),
            (EXIT_TIMEOUT // 4, lambda: None),
        ):
            with suppress(subprocess.TimeoutExpired):
                process.wait(milliseconds / 1000)
                return
            end()

    def _send(self, word: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # it has just ended
                self._process.stdin.write(f"{word}\n".encode())
                self._process.stdin.flush()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _poll(self) -> None:
        """Read the new events; if the process has ended, all that are left."""
        is_over = not self.is_running  # asked first: what it wrote last is read below
        while lines := self._events.new():
            for line in lines:
                self._on_line(line)
        if is_over and self._process is not None:
            self._timer.stop()
            while lines := self._errors.new():
                self._remember(b"\n".join(lines))
            self._remember(self._errors.rest)
            if self._last is None and not self._log and free_disk(self.folder.log) < PAGE:
                self._remember(full_disk(self.folder.path).encode())  # nor could it say so
            if self._process.stdin:
                with suppress(OSError):  # what it was still told
                    self._process.stdin.close()
            self._finish(self._process.returncode)
