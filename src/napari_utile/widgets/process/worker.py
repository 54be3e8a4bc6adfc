"""Waiting engines: processes that have loaded all, and do one command after the other."""

import os
import subprocess
from contextlib import suppress
from threading import Thread
from typing import IO

from qtpy.QtCore import QCoreApplication, QObject, Signal

from napari_utile.errors import UserError
from napari_utile.widgets.process.command_line import engine_environment, worker_command

EXIT_TIMEOUT = 3_000
"""Milliseconds for a process to end when the window closes."""
IDLE_MINUTES = 10.0
"""How long an engine waits for a command before it ends and its memory is free, if the user
does not choose."""
MOST_BYTES = 1_500_000_000
"""Memory of an engine that has done its command, above which another replaces it."""
SWITCH = "UTILE_WARM"
"""Environment variable; 'no': each command gets a process of its own, when it is started."""
WITHOUT_CONSOLE = sum(
    getattr(subprocess, flag, 0) for flag in ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
)
"""On Windows."""
TAKEN, READY = b"TAKEN", b"READY"
"""Beginnings of the lines by which the process says that it has read a command, and done it."""


class Worker(QObject):
    """A process that does commands; threads read what it says.

    Parameters
    ----------
    minutes : float
        How long it waits for a command before it ends.

    Attributes
    ----------
    status : int or None
        Exit status, when the process has ended.

    Raises
    ------
    OSError, UserError
        If it does not start.
    """

    line = Signal(bytes)
    """A line on its standard output that is for whoever gave it the command."""
    complained = Signal(bytes)
    """A line on its standard error."""
    taken = Signal()
    """It has read a command."""
    done = Signal(int, object)
    """It has done a command: exit status, and bytes of memory that it holds now."""
    ended = Signal()
    """The process has ended, and all that it said was told."""

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self.status: int | None = None
        self._process = subprocess.Popen(
            worker_command(60 * minutes), env=engine_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            creationflags=WITHOUT_CONSOLE,
            start_new_session=True,  # a Ctrl-C in the window's terminal is not for it
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        errors = Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True)
        errors.start()
        output = self._process.stdout
        Thread(target=self._read, args=(output, errors), daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def number(self) -> int:
        """Id of the process."""
        return self._process.pid

    def write(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has just ended
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def release(self) -> None:
        """Let it end when it has done what it does."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):
            self._process.stdin.close()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def end(self) -> None:
        """Let it end, and see to it that it does in less than five seconds."""
        self.release()
        for milliseconds, end in (
            (EXIT_TIMEOUT, self._process.terminate),
            (EXIT_TIMEOUT // 4, self._process.kill),
            (EXIT_TIMEOUT // 4, lambda: None),
        ):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(milliseconds / 1000)
                return
            end()

    def _read(self, output: IO[bytes], errors: Thread) -> None:
        with suppress(RuntimeError):  # the window is gone
            for line in output:
                if line.startswith(TAKEN):
                    self.taken.emit()
                elif line.startswith(READY):
                    _, status, size = line.split()
                    self.done.emit(int(status), int(size))
                else:
                    self.line.emit(line)
            errors.join()  # its last words come before its end
            self.status = self._process.wait()
            self.ended.emit()

    def _read_errors(self, errors: IO[bytes]) -> None:
        with suppress(RuntimeError):
            for line in errors:
                self.complained.emit(line)


class _Waiting:
    """The engine of this napari that waits for a command, if there is one.

    Attributes
    ----------
    worker : Worker or None
    minutes : float
        How long it waits; 0: none does.
    """

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.minutes = IDLE_MINUTES

    def wait_for(self, minutes: float) -> None:
        """Let engines wait so long from now on; 0: none waits.

        Parameters
        ----------
        minutes : float
        """
        self.minutes = minutes
        self.end()
        self.warm()

    @property
    def _is_wanted(self) -> bool:
        return os.environ.get(SWITCH) != "no" and self.minutes > 0

    def warm(self) -> None:
        """See to it that an engine waits: somebody looks at a panel."""
        if not self._is_wanted or (self.worker and self.worker.is_alive):
            return
        with suppress(OSError, UserError):  # said when a command is given
            self._keep(Worker(self.minutes))

    def take(self) -> Worker:
        """Return the engine that waits, or start one.

        Raises
        ------
        OSError, UserError
            If none starts.
        """
        worker, self.worker = self.worker, None
        return worker if worker and worker.is_alive else Worker(self.minutes)

    def give_back(self, worker: Worker, size: int) -> None:
        """Let an engine wait for the next command, if none does and it is not too large.

        Parameters
        ----------
        worker : Worker
        size : int
            Bytes of memory that it holds.
        """
        is_kept = self._is_wanted and size <= MOST_BYTES
        if is_kept and not (self.worker and self.worker.is_alive):
            self._keep(worker)
        else:
            worker.release()
            self.warm()

    def end(self) -> None:
        """End the engine that waits: the window closes."""
        if self.worker:
            self.worker.release()
            self.worker = None

    def _keep(self, worker: Worker) -> None:
        self.worker = worker
        app = QCoreApplication.instance()
        if app is not None:
            with suppress(TypeError, RuntimeError):  # it was not connected
                app.aboutToQuit.disconnect(self.end)
            app.aboutToQuit.connect(self.end)


WAITING = _Waiting()
