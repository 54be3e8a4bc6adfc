"""An engine that may outlive the window: it writes to its job folder, the window reads it."""

from collections.abc import Sequence

from qtpy.QtCore import QTimer

from napari_utile.events import RunFailed
from napari_utile.folders.job import JobFolder, LineReader
from napari_utile.io.disk import free_disk, full_disk
from napari_utile.widgets.process.process import Engine

PAGE = 4096
"""Free bytes below which a disk takes no more lines."""
EVENT_POLL_INTERVAL = 100
"""Milliseconds between two looks at the record of the events."""


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
        self._events = LineReader(folder.events)
        self._errors = LineReader(folder.log)
        self._timer = QTimer(self)
        self._timer.setInterval(EVENT_POLL_INTERVAL)
        self._timer.timeout.connect(self._poll)

    def close(self) -> None:
        """End the process in less than five seconds, or leave it running."""
        self._timer.stop()
        if self.folder.outlives_window:
            self.blockSignals(True)
        else:
            super().close()

    def _files(self) -> dict[str, str]:
        """Begin another part of the record, and read it from there."""
        self._events = LineReader(self.folder.events, self.folder.begin())
        log = self.folder.log
        log.touch(mode=0o600)
        self._errors = LineReader(log, log.stat().st_size)
        self._timer.start()
        return {"events": str(self.folder.events), "log": str(log)}

    def _fail_to_start(self, failure: RunFailed) -> None:
        self._timer.stop()
        super()._fail_to_start(failure)

    def _finish(self, status: int) -> None:
        """Read what is left of the record, and report the last event."""
        self._timer.stop()
        self._poll()
        while lines := self._errors.new():
            self._remember(b"\n".join(lines))
        self._remember(self._errors.rest)
        if self._last is None and not self._log and free_disk(self.folder.log) < PAGE:
            self._remember(full_disk(self.folder.path).encode())  # nor could it say so
        super()._finish(status)

    def _poll(self) -> None:
        """Read the new events."""
        while lines := self._events.new():
            for line in lines:
                self._on_line(line)
