"""What a run leaves on disk: whole files or none, one process at a time. No computing here."""

import errno
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, parse_event
from napari_utile.files.names import check_name
from napari_utile.settings import Settings

FULL = {errno.ENOSPC, errno.EDQUOT}


class Run:
    """A run folder: `hold` keeps one until `close`, `begin` clears it; `Run(folder)` reads one.

    Attributes
    ----------
    folder, settings, events, model, checkpoint, previews : Path
        The folder and what is in it.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.settings = self.folder / "settings.json"
        self.events = self.folder / "events.jsonl"
        self.model = self.folder / "model"
        self.checkpoint = self.folder / "checkpoint"
        self.previews = self.folder / "previews"
        self._held = ExitStack()

    @classmethod
    def hold(cls, folder: Path | str, kind: type[Settings]) -> Self:
        """Take a new folder, or one of a run of this kind, and change nothing in it.

        Raises
        ------
        UserError
            If the folder cannot be written, is held by another process, or is no run folder.
        """
        run = cls(folder)
        check_writable(run.settings)
        if any(run.folder.glob("[!.]*")) and not run._is_of(kind):
            raise UserError(f"{folder} exists and is not a run folder; choose another name.")
        run.folder.mkdir(parents=True, exist_ok=True)
        run._held.enter_context(locked(run.folder / "run"))
        run._sweep()
        return run

    @classmethod
    def create(cls, folder: Path | str, settings: Settings, overwrite: bool = False) -> Self:
        """Hold a folder and begin a new run in it; refuse one that holds a model.

        Raises
        ------
        UserError
            As `hold`, or if there is a model and `overwrite` is off.
        """
        run = cls.hold(folder, type(settings))
        try:
            if run.model.exists() and not overwrite:
                raise UserError(f"{folder} holds a finished run; --overwrite replaces it.")
            run.begin(settings)
        except BaseException:
            run.close()
            raise
        return run

    def begin(self, settings: Settings) -> None:
        """Give up what the folder holds of another run, and write down the settings."""
        # first of all: without it the next start would take the folder for somebody else's
        atomic_write(self.settings, settings.text().encode())
        for path in (self.model, self.checkpoint, self.previews):
            shutil.rmtree(path, ignore_errors=True)
        self.events.unlink(missing_ok=True)
        self.previews.mkdir()

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end: its last event says so."""
        if not self.events.exists():
            return False
        *_, last, _ = (b"\n" + self.events.read_bytes()).rsplit(b"\n", 2)
        try:
            event = parse_event(last)
        except ValueError:  # it was cut off
            return False
        return isinstance(event, RunDone) and not event.stopped

    def _is_of(self, kind: type[Settings]) -> bool:
        """Say whether the folder is a run of this kind; many programs write a settings.json."""
        try:
            kind.read(self.settings)
        except (OSError, ValueError):
            return False
        return True

    def _sweep(self) -> None:
        """Remove what a process that was killed was just writing."""
        for draft in (*self.folder.glob(".*.draft"), *self.folder.glob("*/.*.draft")):
            draft.unlink(missing_ok=True)
        for draft in self.folder.glob(".model.*"):
            if draft.name != ".model.previous":  # it may be the only whole one
                shutil.rmtree(draft, ignore_errors=True)

    def record(self, event: Event) -> None:
        """Append an event to the record of the run."""
        with room_for(self.events), self.events.open("a", encoding="utf-8") as file:
            file.write(event.line() + "\n")

    def recorded(self) -> list[Event]:
        """Read the events of the run; a last line that was cut off is left out."""
        if not self.events.exists():
            return []
        lines = self.events.read_text(encoding="utf-8").split("\n")
        return [parse_event(line) for line in lines[:-1]]

    def length(self) -> int:
        """Bring the record safely to disk and give its length in bytes."""
        self.events.touch()
        to_disk(self.events)
        return self.events.stat().st_size

    def cut_back(self, length: int) -> None:
        """Forget the events behind the first `length` bytes of the record."""
        if self.length() > length:
            os.truncate(self.events, length)

    def close(self) -> None:
        """Let other processes have the folder."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def locked(path: Path | str, patience: float = 0) -> Iterator[None]:
    """Hold `path` against other processes, by a lock file beside it.

    The operating system ends the lock with its process, however that dies, so none is stale.
    Another process is waited for as long as the patience lasts, in seconds.

    Raises
    ------
    UserError
        If another process holds it: names process and host.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    holder = path.with_name(f".{path.name}.holder")
    try:
        with FileLock(lock, timeout=patience, thread_local=False):
            holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout:
        raise UserError(f"{path} is in use by {_who(holder)}; wait or stop it.") from None


def _who(holder: Path) -> str:
    try:
        by = json.loads(holder.read_text())
        return f"process {by['pid']} on {by['host']}"
    except (OSError, ValueError, KeyError):  # it is just being written
        return "another process"


def atomic_write(path: Path | str, content: bytes | Callable[[Path], object]) -> None:
    """Write a file whole or not at all, whatever happens meanwhile.

    Parameters
    ----------
    path : path
        An existing file is replaced in the moment the new one is safely on disk.
    content : bytes or callable
        What to write, or a function that writes it to the path it is given.

    Raises
    ------
    UserError
        If the disk is full: names the path; the file that was there is untouched.
    """
    path = Path(path)
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        try:
            if isinstance(content, bytes):
                draft.write_bytes(content)
            else:
                content(draft)
            to_disk(draft)
            os.replace(draft, path)
            to_disk(path.parent)
        finally:
            draft.unlink(missing_ok=True)


def check_output(path: Path | str, overwrite: bool = False) -> None:
    """Refuse an output that exists, unless it may be replaced, or that cannot be written."""
    path = Path(path)
    check_writable(path)
    if path.is_dir() and overwrite:
        raise UserError(f"{path} is a folder; choose another name.")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; --overwrite replaces it.")


def check_writable(path: Path | str) -> None:
    """Find out before any computing whether `path` can be written. Leaves nothing behind.

    Raises
    ------
    UserError
        Names the path and the reason.
    """
    check_name(path)
    path = Path(path).absolute()
    try:
        folder = _existing_folder(path)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for part in path.relative_to(folder).parts:  # names too long, or not allowed
            with suppress(FileNotFoundError):
                (folder / part).lstat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be written: {reason}.") from None


def check_free(path: Path | str, nbytes: int) -> None:
    """Refuse to start what will not fit on the disk.

    Raises
    ------
    UserError
        Names the path and the bytes that are missing.
    """
    free = free_disk(path)
    if free < nbytes:
        raise UserError(
            f"{path} needs up to {nbytes:,} bytes and its disk has {free:,} free: "
            f"{nbytes - free:,} are missing."
        )


def free_disk(path: Path | str) -> int:
    """Count the bytes that are free where `path` would be made."""
    return shutil.disk_usage(_existing_folder(Path(path).absolute())).free


def _existing_folder(path: Path) -> Path:
    """Find the folder, there already, in which `path` would be made."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{path} cannot be written: {folder} is not a folder.")
    return folder


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Say which file it was that found the disk full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(path.parent).free
        raise UserError(
            f"{path}: the disk is full ({free:,} bytes free); make room."
        ) from error


def to_disk(path: Path) -> None:
    """Wait until a file or the names in a folder have reached the disk."""
    if path.is_dir() and os.name == "nt":  # Windows syncs no folders
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
