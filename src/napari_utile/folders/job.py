"""The folder of a job: how windows, and the engine that one of them started, communicate.

The window writes `job.json`, and creates the files `keep` and `stop` when the user asks for
that. The engine holds the lock `running` as long as it lives; its events are in `events.jsonl`,
the rest of its output in `log.txt`. Nothing here starts or ends a process.
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
from napari_utile.events import Event, RunDone, RunFailed, parse_event
from napari_utile.io.disk import atomic_write, private_folder, room_for

RECORD = "job.json"
BEGAN = b'{"began"'
"""Beginning of the line that precedes the events of an engine."""
READ_BYTES, TAIL_BYTES = 4_000_000, 100_000_000
"""Bytes of a file of lines that are read at once, and that are read of it at all."""
LOCK_TIMEOUT = 5.0
"""Seconds that an engine waits for the lock of its folder."""


class ShownResult(BaseModel):
    """One result of a job, and how a viewer shows it."""

    model_config = ConfigDict(frozen=True)

    image: str
    """Name of the file that the engine reads; its events call the image so."""
    name: str
    """Of the layers."""
    out: Path
    place: dict[str, Any] = {}
    """Scale, position and units of the layers; if empty, those in the file."""


class JobRecord(BaseModel):
    """What a job is: enough to list it, to show its results, and to start it again."""

    model_config = ConfigDict(frozen=True)

    title: str
    arguments: tuple[str, ...]
    """Of the command `utile`."""
    output: str
    """Probabilities, classes or instances; '' for a training or comparison."""
    out: Path
    created: datetime
    results: tuple[ShownResult, ...] = ()
    """Those that are known from the start; of a folder of images there are none. Of a training
    or comparison: its folder, and where the image lies."""

    @property
    def kind(self) -> str:
        """The command: "predict", "train", "compare"."""
        return self.arguments[0] if self.arguments else ""


class EngineStart(BaseModel):
    """The line in the file of events that precedes the events of each engine."""

    model_config = ConfigDict(extra="forbid")

    began: datetime


class JobFolder:
    """The files of a job.

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
        """What the job is; None if the record is missing or damaged."""
        try:
            return JobRecord.model_validate_json(self._record.read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, record: JobRecord) -> None:
        """Create the folder, for the user alone, or reuse it for another job."""
        with room_for(self.path):
            private_folder(self.path)
        atomic_write(self._record, record.model_dump_json(indent=2).encode())

    def begin(self) -> int:
        """Prepare the start of an engine; return the length of its file of events in bytes."""
        line = f"\n{EngineStart(began=datetime.now()).model_dump_json()}\n".encode()
        with room_for(self.events, len(line)):
            private_folder(self.path)
            self._stop.unlink(missing_ok=True)
            with self.events.open("ab") as file:
                file.write(line)  # in a line of its own: the last may have been cut off
                file.flush()
                return file.tell()

    def told(self) -> list[Event]:
        """Read what the last engine has told so far, but not its end."""
        lines, events = LineReader.last(self.events), list[Event]()
        while found := lines.new():
            for line in found:
                if line.startswith(BEGAN):
                    events.clear()
                with suppress(ValueError):  # cut off, or printed by a library
                    events.append(parse_event(line))
        return [each for each in events if not isinstance(each, RunDone | RunFailed)]

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
        """Hold the lock of the engine.

        Raises
        ------
        UserError
            If another engine holds it.
        """
        private_folder(self.path)
        lock = FileLock(self._running, thread_local=False)
        try:  # a window that asks `is_running` holds the lock for a moment
            lock.acquire(timeout=LOCK_TIMEOUT)
        except Timeout:
            raise UserError(f"{self.path}: another process works on this job.") from None
        try:
            yield
        finally:
            lock.release()

    @property
    def outlives_window(self) -> bool:
        """Whether the engine continues when the window that started it closes."""
        return self._keep.exists()

    def set_outlives_window(self, outlives: bool) -> None:
        """Choose whether the engine continues when its window closes, even while it runs."""
        if outlives:
            with room_for(self._keep):
                self._keep.touch()
        else:
            self._keep.unlink(missing_ok=True)

    @property
    def is_stop_requested(self) -> bool:
        """Whether `request_stop` was called since the engine was started."""
        return self._stop.exists()

    def request_stop(self) -> None:
        """Ask the engine to save and end, whoever started it."""
        with room_for(self._stop):
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
    """List folders of jobs, the newest first: they are named after the time of creation.

    Parameters
    ----------
    place : Path
        Folder that holds the folders. It need not exist.
    most : int
        How many are listed.

    Returns
    -------
    list of JobFolder
    """
    folders = sorted((path.parent for path in place.glob(f"*/{RECORD}")), reverse=True)
    return [JobFolder(folder) for folder in folders[:most]]


class LineReader:
    """Reads the lines that another process appends to a file, each when it is complete.

    Parameters
    ----------
    path : Path
        It need not exist yet.
    start : int
        Where to begin, in bytes.

    Attributes
    ----------
    rest : bytes
        The last line, which is not complete yet.
    """

    def __init__(self, path: Path, start: int = 0):
        self._path, self._at, self.rest = path, start, b""

    @classmethod
    def last(cls, path: Path, most: int | None = None) -> "LineReader":
        """Begin so many bytes before the end, perhaps within a line; skip what is before.

        By default `TAIL_BYTES`.
        """
        length = path.stat().st_size if path.exists() else 0
        return cls(path, max(length - (TAIL_BYTES if most is None else most), 0))

    def new(self) -> list[bytes]:
        """Return new lines, of at most `READ_BYTES`; the next call returns those after."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._at)
            read = file.read(READ_BYTES)
            self._at += len(read)
            *lines, self.rest = (self.rest + read).split(b"\n")
            return lines
        return []
