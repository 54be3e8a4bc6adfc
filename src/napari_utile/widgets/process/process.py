"""The engine's process: started, listened to, stopped. No widgets here."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QCoreApplication, QObject, QProcess, QProcessEnvironment, QTimer, Signal

from napari_utile.events import Event, RunDone, RunFailed, parse_event
from napari_utile.widgets.process.command_line import engine_command, engine_environment

STOP_TIMEOUT = 60_000
"""Milliseconds that a stopped engine has to finish its step and save."""
EXIT_TIMEOUT = 3_000
"""Milliseconds for the process to end after its last event, or when the window closes."""


class Engine(QObject):
    """A process that reports events. The last one is always a `RunDone` or `RunFailed`.

    The last event comes when the process has ended and its memory is free again.

    Parameters
    ----------
    arguments : sequence of str
        Of the command `utile`.

    Raises
    ------
    UserError
        If there is no Python to run it with.

    Attributes
    ----------
    is_in_jobs : bool
        Whether the panel Runs lists it and can stop it.
    """

    happened = Signal(object)
    is_in_jobs = False

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__()
        self._command = engine_command(arguments)
        self._last: RunDone | RunFailed | None = None
        self._log: deque[str] = deque(maxlen=20)
        self._deadline = QTimer(self)
        self._deadline.setSingleShot(True)
        self._deadline.timeout.connect(self.kill)
        QCoreApplication.instance().aboutToQuit.connect(self.close)

    # Qt's metaclass allows no abstract class: these are for the children

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process. A failure to start is reported as an event."""
        raise NotImplementedError

    def close(self) -> None:
        """Detach from the process, or end it in less than five seconds: the window closes."""
        raise NotImplementedError

    def _send(self, word: str) -> None:
        """Write a word to the standard input of the process."""
        raise NotImplementedError

    def _kill(self) -> None:
        raise NotImplementedError

    # the same for all

    def stop(self) -> None:
        """Ask the engine to save and end; kill it if it has not after `STOP_TIMEOUT`."""
        self._send("stop")
        self._deadline.start(STOP_TIMEOUT)

    def pause(self) -> None:
        """Ask the engine to pause after its step; the time budget pauses too."""
        self._send("pause")

    def resume(self) -> None:
        """Ask a paused engine to resume."""
        self._send("resume")

    def kill(self) -> None:
        """End the process now. What was saved stays."""
        if self.is_running:
            self._log.append("it was killed; what it had saved is kept")
            self._kill()

    def _on_line(self, line: bytes) -> None:
        try:
            event: Event = parse_event(line)
        except ValueError:  # a library prints
            self._remember(line)
            return
        if isinstance(event, RunDone | RunFailed):
            self._last = event
            self._deadline.start(EXIT_TIMEOUT)
        else:
            self.happened.emit(event)

    def _remember(self, text: bytes) -> None:
        lines = text.decode(errors="replace").splitlines()
        self._log.extend(line.strip() for line in lines if line.strip())

    def _fail_to_start(self, why: str) -> None:
        message = f"The engine did not start: {why}."
        self.happened.emit(RunFailed(message=message, user=False))

    def _finish(self, status: int) -> None:
        """Report the last event, now that the process has ended and all is read."""
        self._deadline.stop()
        reason = self._log[-1] if self._log else "it left no message"
        crash = RunFailed(
            message=f"The engine ended with status {status}: {reason}", user=False
        )
        self.happened.emit(self._last or crash)


class AttachedEngine(Engine):
    """An engine that ends with the window; its events come through a pipe.

    Parameters
    ----------
    arguments : sequence of str
        Of the command `utile`.
    """

    def __init__(self, arguments: Sequence[str]):
        super().__init__(arguments)
        environment = QProcessEnvironment()
        for name, value in engine_environment().items():
            environment.insert(name, value)
        self._process = QProcess(self)
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read_events)
        self._process.readyReadStandardError.connect(self._read_log)
        self._process.errorOccurred.connect(self._on_error)
        self._process.finished.connect(self._on_end)

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self) -> None:
        """Start the process. A failure to start is reported as an event."""
        self._process.start(self._command[0], self._command[1:])

    def close(self) -> None:
        """End the process in less than five seconds: the window closes."""
        self.blockSignals(True)
        if self.is_running:
            self._send("stop")
            self._process.closeWriteChannel()
            if not self._process.waitForFinished(EXIT_TIMEOUT):
                self._process.terminate()
                if not self._process.waitForFinished(EXIT_TIMEOUT // 4):
                    self._process.kill()
                    self._process.waitForFinished(EXIT_TIMEOUT // 4)

    def _send(self, word: str) -> None:
        self._process.write(f"{word}\n".encode())

    def _kill(self) -> None:
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
