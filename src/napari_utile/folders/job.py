"""The folder of a job: what windows, and the engine that one of them started, tell each other.

The window writes `job.json`, and the files `keep` and `stop` when the user says so. The engine
holds the lock `running` as long as it lives; its events are in `events.jsonl`, what else it
says in `log.txt`. Nothing here starts or ends a process.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write

RECORD = "job.json"
READ_BYTES, RECENT = 4_000_000, 100_000_000
"""Bytes of a record that are read at once, and that are read of it at all."""
LOCK_TIMEOUT = 5.0
"""Seconds that an engine waits for the lock of its folder."""


class Shown(BaseModel):
    """One result of a job, and how a viewer shows it."""

    model_config = ConfigDict(frozen=True)

    image: str
    """Name of the file that the engine reads; its events call the image so."""
    name: str
    """Of the layers."""
    out: Path
    place: dict[str, Any] = {}
    """Scale, position and units of the layers; where there are none, the file tells them."""


class JobRecord(BaseModel):
    """What a job is: enough to list it, to show its results, and to start it again."""

    model_config = ConfigDict(frozen=True)

    title: str
    arguments: tuple[str, ...]
    """Of the command `utile`."""
    output: str
    """Probabilities, classes or instances."""
    out: Path
    created: datetime
    results: tuple[Shown, ...] = ()
    """Those that are known from the start; of a folder of images there are none."""


class Beginning(BaseModel):
    """The line in the record that precedes the events of each start of the engine."""

    model_config = ConfigDict(extra="forbid")

    began: datetime


class JobFolder:
    """A folder and what is in it.

    Attributes
    ----------
    path, events, log, inputs : Path
        The folder and what is in it; the window copies layers to `inputs`.
    """

    def __init__(self, path: Path):
        self.path = path
        self.events, self.log = path / "events.jsonl", path / "log.txt"
        self.inputs = path / "inputs"
        self._record, self._running = path / RECORD, path / "running"
        self._keep, self._stop = path / "keep", path / "stop"

    @property
    def record(self) -> JobRecord | None:
        """What was written down; None if that cannot be read, or was removed."""
        try:
            return JobRecord.model_validate_json(self._record.read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, record: JobRecord) -> None:
        """Make the folder, or take it over for another job."""
        atomic_write(self._record, record.model_dump_json(indent=2).encode())

    def begin(self) -> int:
        """Make ready for the start of an engine; give the length of the record."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._stop.unlink(missing_ok=True)
        with self.events.open("ab") as file:
            line = Beginning(began=datetime.now()).model_dump_json()
            file.write(f"\n{line}\n".encode())  # the last line may have been cut off
            return file.tell()

    @property
    def is_running(self) -> bool:
        """Whether an engine lives: the system ends its lock with it, however it dies."""
        if not self._running.exists():
            return False
        try:
            with FileLock(self._running, timeout=0, thread_local=False):
                return False
        except Timeout:
            return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Say, as long as the context lasts, that an engine lives.

        Raises
        ------
        UserError
            If another one does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._running, thread_local=False)
        try:  # a window that looks whether an engine lives holds the lock for a moment
            lock.acquire(timeout=LOCK_TIMEOUT)
        except Timeout:
            raise UserError(f"{self.path}: another process works on this job.") from None
        try:
            yield
        finally:
            lock.release()

    @property
    def goes_on(self) -> bool:
        """Whether the engine goes on when the window closes that started it."""
        return self._keep.exists()

    def set_goes_on(self, goes_on: bool) -> None:
        """Let the engine go on when its window closes, or end; it may run already."""
        if goes_on:
            self._keep.touch()
        else:
            self._keep.unlink(missing_ok=True)

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether somebody has called `ask_to_stop` since the engine was started."""
        return self._stop.exists()

    def ask_to_stop(self) -> None:
        """Let an engine save and end, whoever started it."""
        self._stop.touch()

    def remove(self) -> None:
        """Remove what belongs to the job alone: record and copies of layers, not results."""
        self._record.unlink(missing_ok=True)  # first: without it there is no job
        for copies in self.path.glob(f"{self.inputs.name}*"):
            shutil.rmtree(copies, ignore_errors=True)
        for file in (self.events, self.log, self._keep, self._stop, self._running):
            file.unlink(missing_ok=True)
        with suppress(OSError):  # results are in it
            self.path.rmdir()


def job_folders(place: Path, most: int) -> list[JobFolder]:
    """List the folders in `place` that hold a job, the newest first.

    They are called after the time at which they were made.
    """
    folders = sorted((path.parent for path in place.glob(f"*/{RECORD}")), reverse=True)
    return [JobFolder(folder) for folder in folders[:most]]


class Lines:
    """What is new in a file of lines that another process writes.

    A line that is not whole waits.

    Parameters
    ----------
    path : Path
        It need not exist yet.
    start : int
        Where to begin, in bytes.

    Attributes
    ----------
    rest : bytes
        The line that is not whole.
    """

    def __init__(self, path: Path, start: int = 0):
        self._path, self._at, self.rest = path, start, b""

    @classmethod
    def last(cls, path: Path) -> "Lines":
        """Begin `RECENT` before the end, perhaps within a line; what is far back is left."""
        length = path.stat().st_size if path.exists() else 0
        return cls(path, max(length - RECENT, 0))

    def new(self) -> list[bytes]:
        """Read on, at most `PIECE`; what is left is read the next time."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._at)
            read = file.read(READ_BYTES)
            self._at += len(read)
            *lines, self.rest = (self.rest + read).split(b"\n")
            return lines
        return []
