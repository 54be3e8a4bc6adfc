"""An engine that does one command: started, listened to, stopped. No widgets here."""

import json
import os
from collections import deque
from collections.abc import Sequence

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunFailed, parse_event
from napari_utile.widgets.process.worker import WAITING, Worker

STOP_TIMEOUT = 60_000
"""Milliseconds that a stopped engine has to finish its step and save."""
LAST_TIMEOUT = 30_000
"""Milliseconds for the process to be ready for the next command after its last event."""


class Engine(QObject):
    """A command that a process does. The last event is always a `RunDone` or `RunFailed`.

    The process is one that waits, where there is one. The last event comes when it has freed
    its memory, and waits again, or has ended.

    Parameters
    ----------
    arguments : sequence of str
        Of the command `utile`.
    is_apart : bool, default False
        Whether it gets a new process, and leaves that which waits to what is pressed.

    Attributes
    ----------
    is_in_jobs : bool
        Whether the panel Runs lists it and can stop it.
    """

    happened = Signal(object)
    is_in_jobs = False

    def __init__(self, arguments: Sequence[str], is_apart: bool = False) -> None:
        super().__init__()
        self._is_apart = is_apart
        self._arguments = [*arguments, "--events"]
        self._worker: Worker | None = None
        self._is_new = self._is_taken = False
        self._last: RunDone | RunFailed | None = None
        self._log: deque[str] = deque(maxlen=20)
        self._deadline = QTimer(self)
        self._deadline.setSingleShot(True)
        self._deadline.timeout.connect(self.kill)
        QCoreApplication.instance().aboutToQuit.connect(self.close)

    @property
    def is_running(self) -> bool:
        """Whether the process works on the command."""
        return self._worker is not None and self._worker.is_alive

    def start(self) -> None:
        """Give the command to a process. A failure to start is reported as an event."""
        try:
            files = self._files()
            is_apart = self._is_apart
            self._use(Worker(WAITING.minutes) if is_apart else WAITING.take(), files)
        except UserError as error:
            failure = RunFailed(message=str(error), user=True)
            QTimer.singleShot(0, lambda: self._fail_to_start(failure))
        except OSError as error:
            why = f"{error.filename or error.errno}: {error.strerror or error}"
            failure = RunFailed(message=f"The engine did not start: {why}.", user=False)
            QTimer.singleShot(0, lambda: self._fail_to_start(failure))

    def stop(self) -> None:
        """Ask the engine to save and end; kill it if it has not after `STOP_TIMEOUT`."""
        self.tell("stop")
        self._deadline.start(STOP_TIMEOUT)

    def pause(self) -> None:
        """Ask the engine to pause after its step; the time budget pauses too."""
        self.tell("pause")

    def resume(self) -> None:
        """Ask a paused engine to resume."""
        self.tell("resume")

    def tell(self, line: str) -> None:
        """Write a line to the standard input of the process."""
        if self._worker is not None:
            self._worker.write(line)

    def kill(self) -> None:
        """End the process now. What was saved stays."""
        if self.is_running:
            self._log.append("it was killed; what it had saved is kept")
            self._worker.kill()  # type: ignore[union-attr]

    def close(self) -> None:
        """End the process in less than five seconds: the window closes."""
        self.blockSignals(True)
        if self._worker is not None and self.is_running:
            self._worker.write("stop")
            self._worker.end()

    def _files(self) -> dict[str, str]:
        """Prepare the start; return files that the engine writes to in place of the pipes."""
        return {}

    def _use(self, worker: Worker, files: dict[str, str]) -> None:
        """Let this process do the command."""
        command = {"arguments": self._arguments, "folder": _working_folder(), **files}
        self._worker, self._is_taken = worker, False
        worker.taken.connect(self._on_taken)
        worker.line.connect(self._on_line)
        worker.complained.connect(self._remember)
        worker.done.connect(self._on_done)
        worker.ended.connect(self._on_end)
        worker.write(json.dumps(command))
        if worker.status is not None:  # it ended before anybody listened
            QTimer.singleShot(0, self._on_end)

    def _leave(self) -> Worker | None:
        """Let go of the process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            for signal in (worker.taken, worker.line, worker.complained, worker.done):
                signal.disconnect()
            worker.ended.disconnect(self._on_end)
        return worker

    def _on_taken(self) -> None:
        self._is_taken = True

    def _on_done(self, status: int, size: int) -> None:
        if self._is_taken and (worker := self._leave()):  # else it has only loaded
            WAITING.give_back(worker, size)
            self._finish(status)

    def _on_end(self) -> None:
        if self._worker is None or self._worker.status is None:
            return  # it is another process that ended, and this was said before
        status = self._worker.status
        self._leave()
        if self._is_taken or self._is_new:
            self._finish(status)
        else:  # it had waited long enough, just when it was to begin
            self._is_new = True
            self.start()

    def _on_line(self, line: bytes) -> None:
        try:
            event: Event = parse_event(line)
        except ValueError:  # a library prints
            self._remember(line)
            return
        if isinstance(event, RunDone | RunFailed):
            self._last = event
            self._deadline.start(LAST_TIMEOUT)
        else:
            self.happened.emit(event)

    def _remember(self, text: bytes) -> None:
        lines = text.decode(errors="replace").splitlines()
        self._log.extend(line.strip() for line in lines if line.strip())

    def _fail_to_start(self, failure: RunFailed) -> None:
        self.happened.emit(failure)

    def _finish(self, status: int) -> None:
        """Report the last event, now that all is read."""
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
    is_apart : bool, default False
        See `Engine`.
    """


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return os.path.expanduser("~")
