"""The engine's process: started, listened to, stopped. Nothing that is seen stands here."""

import os
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QCoreApplication, QObject, QProcess, QProcessEnvironment, QTimer, Signal

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunFailed, parse_event
from napari_utile.settings import Settings

GRACE = 60_000
"""Milliseconds that a stopped engine has to finish its step and save."""
FAREWELL = 3_000
"""Milliseconds that it has when the window closes, or to go once it has said goodbye."""


class Engine(QObject):
    """A process that reports events. The last is always one `RunDone` or `RunFailed`.

    It comes when the process has gone and its memory is free again.
    """

    happened = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._last: RunDone | RunFailed | None = None
        self._log: deque[str] = deque(maxlen=20)
        self._deadline = QTimer(self)
        self._deadline.setSingleShot(True)
        self._deadline.timeout.connect(self.kill)
        QCoreApplication.instance().aboutToQuit.connect(self.close)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process; what it has to say comes as events."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask the engine to save and end; kill it if it has not after `GRACE`."""
        self._say("stop")
        self._deadline.start(GRACE)

    def pause(self) -> None:
        """Ask the engine to stand still after its step; the time does not count."""
        self._say("pause")

    def resume(self) -> None:
        """Let a paused engine go on."""
        self._say("resume")

    def kill(self) -> None:
        """End the process now. What was saved stays."""
        if self.is_running:
            self._log.append("it was ended by force; what it had saved is kept")
            self._end_by_force()

    def close(self) -> None:
        """Let go of the process in less than five seconds: the window closes."""
        raise NotImplementedError

    def _say(self, word: str) -> None:
        raise NotImplementedError

    def _end_by_force(self) -> None:
        raise NotImplementedError

    def _on_line(self, line: bytes) -> None:
        try:
            event: Event = parse_event(line)
        except ValueError:
            self._remember(line)
            return
        if isinstance(event, RunDone | RunFailed):
            self._last = event
            self._deadline.start(FAREWELL)
        else:
            self.happened.emit(event)

    def _remember(self, text: bytes) -> None:
        lines = text.decode(errors="replace").splitlines()
        self._log.extend(line.strip() for line in lines if line.strip())

    def _fail_to_start(self, why: str) -> None:
        message = f"The engine did not start: {why}."
        self.happened.emit(RunFailed(message=message, user=False))

    def _finish(self, status: int) -> None:
        """Tell the last event, now that the process has gone and all is read."""
        self._deadline.stop()
        reason = self._log[-1] if self._log else "it left no message"
        crash = RunFailed(
            message=f"The engine ended with status {status}: {reason}", user=False
        )
        self.happened.emit(self._last or crash)


class Job(Engine):
    """One run of the engine that ends with the window.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; it prints one event per line.
    """

    def __init__(self, command: Sequence[str]):
        super().__init__()
        environment = QProcessEnvironment()
        for name, value in engine_environment().items():
            environment.insert(name, value)
        self._process = QProcess(self)
        self._process.setProcessEnvironment(environment)
        self._process.setProgram(command[0])
        self._process.setArguments(list(command[1:]))
        self._process.readyReadStandardOutput.connect(self._read_events)
        self._process.readyReadStandardError.connect(self._read_log)
        self._process.errorOccurred.connect(self._on_error)
        self._process.finished.connect(self._on_end)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self) -> None:
        """Start the process; what it has to say comes as events."""
        self._process.start()

    def close(self) -> None:
        """End the process in less than five seconds: the window closes."""
        self.blockSignals(True)
        if self.is_running:
            self._say("stop")
            self._process.closeWriteChannel()
            if not self._process.waitForFinished(FAREWELL):
                self._process.terminate()
                if not self._process.waitForFinished(FAREWELL // 4):
                    self._process.kill()
                    self._process.waitForFinished(FAREWELL // 4)

    def _say(self, word: str) -> None:
        self._process.write(f"{word}\n".encode())

    def _end_by_force(self) -> None:
        self._process.kill()

    def _read_events(self) -> None:
        while self._process.canReadLine():
            self._on_line(bytes(self._process.readLine()))

    def _read_log(self) -> None:
        self._remember(bytes(self._process.readAllStandardError()))

    def _on_error(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._fail_to_start(self._process.errorString())

    def _on_end(self, status: int) -> None:
        self._read_events()
        self._on_line(bytes(self._process.readAllStandardOutput()))  # a line cut off by a crash
        self._read_log()
        self._finish(status)


def engine_environment() -> dict[str, str]:
    """Give the environment of an engine that reports at once and leaves room for others."""
    return {
        # idle threads that spin would do so on the cores that the window needs
        "OMP_WAIT_POLICY": "passive",
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def engine_command(arguments: Sequence[str]) -> list[str]:
    """Give the command that the window starts for a command line of `utile`."""
    return [python(), "-m", "napari_utile", *arguments, "--events"]


def shell_line(arguments: Sequence[str]) -> str:
    """Write the same as a user would type it in a shell."""
    line = ["utile", *arguments]
    return subprocess.list2cmdline(line) if sys.platform == "win32" else shlex.join(line)


def python() -> str:
    """Find the Python of this napari. In a bundle it is not always `sys.executable`.

    Raises
    ------
    UserError
        If there is none.
    """
    own = Path(sys.executable or "")
    windowless = own.name.lower() == "pythonw.exe"  # has no standard input and output
    if own.is_file() and not windowless and not getattr(sys, "frozen", False):
        return str(own)
    names = ("python.exe", "python3", "python")
    for folder in (own.parent, Path(sys.prefix), Path(sys.prefix) / "bin"):
        for name in names:
            if (folder / name).is_file():
                return str(folder / name)
    raise UserError(
        "This napari is a bundle without a Python to run the engine with; "
        "install napari and napari-utile with pip or conda instead."
    )


def flags(settings: Settings) -> list[str]:
    """Write settings as flags: those that differ from what the class would fill in."""
    kind = type(settings)
    given = {n: v for n, v in settings if n == "recipe" and v != kind.model_fields[n].default}
    while missing := {n: v for n, v in settings if v != getattr(kind(**given), n)}:
        given |= missing
    return [part for name, value in given.items() for part in _flag(name, value)]


def _flag(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    if isinstance(value, tuple):
        return [f"--{option}", ",".join(map(str, value))]
    return [f"--{option}", str(value)]
