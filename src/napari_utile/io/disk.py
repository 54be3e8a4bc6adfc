"""Locks, atomic writing of files, and checks of what can be written and fits on the disk."""

import errno
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from time import sleep

from filelock import FileLock, Timeout

from napari_utile.errors import UserError
from napari_utile.io.names import check_name, windows_problem
from napari_utile.io.own_files import is_own_file, not_ours
from napari_utile.json_files import read_json

IS_WINDOWS = os.name == "nt"
BESIDE = "..objects.csv.12345678.draft"
"""What the longest name of a file beside a result adds to its name."""
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
ALMOST_NOTHING = 2**20
"""Free bytes from which on a disk that takes no more must have another reason."""

_DRAFTS: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("drafts", default=None)
"""Files that wait for those they belong together with, and where they will be."""


@contextmanager
def locked(path: Path | str, timeout: float = 0) -> Iterator[None]:
    """Hold `path` against other processes, by a lock file beside it.

    The operating system ends the lock with its process, however that dies, so none is stale.

    Parameters
    ----------
    path : path
        What is protected; it need not exist.
    timeout : float, default 0
        Seconds to wait for a process that holds it.

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
        # Not thread-local: another thread may release it than acquired it.
        with FileLock(lock, timeout=timeout, thread_local=False):
            # The lock file itself is not written: on Windows a locked file cannot be read.
            with suppress(OSError):  # a full disk: the lock holds without its name
                by = {"pid": os.getpid(), "host": socket.gethostname()}
                holder.unlink(missing_ok=True)  # it may be a link that somebody put there
                with holder.open("x", encoding="utf-8") as file:
                    file.write(json.dumps(by))
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout:
        raise UserError(
            f"{path} is in use by {_holder_name(holder)}; wait or stop it."
        ) from None


def is_locked(path: Path) -> bool:
    """Whether a process holds `path`, as by `locked`."""
    lock = path.with_name(f".{path.name}.lock")
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0, thread_local=False):
            return False
    except (Timeout, OSError):
        return True


def _holder_name(holder: Path) -> str:
    try:
        by = read_json(holder)
        return f"process {by['pid']} on {by['host']}"
    except (ValueError, KeyError, TypeError):  # it is being written, or removed
        return "another process"


def atomic_write(
    path: Path | str, content: bytes | Callable[[Path], object], nbytes: int = 0
) -> None:
    """Write a file completely or not at all, even if the process is killed or power fails.

    Parameters
    ----------
    path : path
        An existing file is replaced once the new one is on the disk.
    content : bytes or callable
        What to write, or a function that writes it to the path it is given.
    nbytes : int, optional
        What the function writes at most, where it is known: for the message of a full disk.

    Raises
    ------
    UserError
        If the disk is full: names the path; the file that was there is untouched.
    """
    path = Path(path)
    with room_for(path, len(content) if isinstance(content, bytes) else nbytes):
        path.parent.mkdir(parents=True, exist_ok=True)
        # a name that nobody can foresee: where others may write, they could put a link there
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
        try:
            if isinstance(content, bytes):
                draft.write_bytes(content)
            else:
                content(draft)
            to_disk(draft)  # first the content: a power cut must leave no name without it
            if (waiting := _DRAFTS.get()) is not None:
                waiting.append((draft, path))
            else:
                _give_name(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


@contextmanager
def all_or_none() -> Iterator[None]:
    """Give the files that are written inside their names when the last one is complete.

    If one of them fails, none is there, and what was there before is untouched.
    """
    waiting: list[tuple[Path, Path]] = []
    before = _DRAFTS.set(waiting)
    try:
        yield
        for draft, path in waiting:
            _give_name(draft, path)
    finally:
        _DRAFTS.reset(before)
        for draft, _ in waiting:
            draft.unlink(missing_ok=True)


def _give_name(draft: Path, path: Path) -> None:
    _replace(draft, path)
    to_disk(path.parent)  # the content is there already


def private_folder(path: Path) -> None:
    """Create a folder for its user alone, with those above it that are missing.

    Parameters
    ----------
    path : Path
        One that exists becomes private; those above it stay as they are.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    with suppress(OSError):  # not every file system knows modes
        path.chmod(0o700)


def _replace(draft: Path, path: Path) -> None:
    """Rename `draft` to `path`. Windows refuses while somebody reads what `path` was."""
    for pause in (0.01, 0.03, 0.1, 0.3, 1.0) if IS_WINDOWS else ():
        try:
            os.replace(draft, path)
            return
        except PermissionError:
            sleep(pause)
    os.replace(draft, path)


def check_file_output(path: Path | str, overwrite: bool = False, is_ours: bool = False) -> None:
    """Refuse an output file that exists, unless it may be overwritten, or cannot be written.

    Parameters
    ----------
    path : path
    overwrite : bool, default False
        Whether an existing output of U-Tile is replaced. A folder never is, nor a file that
        says not of itself that U-Tile wrote it; see `is_own_file`.
    is_ours : bool, default False
        Whether nobody else calls a file so: it may be cut off before it says anything.

    Raises
    ------
    UserError
        Names the path and the reason.
    """
    path = Path(path)
    check_writable(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; choose another name.")
    if path.exists() and not (is_ours or is_own_file(path)):
        raise UserError(not_ours(path))
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists; overwrite replaces it.")


def check_writable(path: Path | str) -> None:
    """Refuse a path that cannot be written, before anything is computed for it.

    Leaves nothing behind.

    Parameters
    ----------
    path : path
        It need not exist, nor its folder.

    Raises
    ------
    UserError
        Names the path and the reason.
    """
    check_name(path)
    path = Path(path).absolute()
    if IS_WINDOWS and (problem := windows_problem(path.name)):
        raise UserError(f"{path} cannot be written: {problem}.")
    try:
        folder = _existing_folder(path)
        with tempfile.TemporaryFile(dir=folder):
            pass
        parts = path.relative_to(folder).parts
        for part in (*parts, parts[-1] + BESIDE):  # names too long, or not allowed
            with suppress(FileNotFoundError):
                (folder / part).lstat()
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            reason = f"its name is too long, with the {len(BESIDE)} letters of files beside it"
        raise UserError(f"{path} cannot be written: {reason}.") from None


def check_free(path: Path | str, nbytes: int) -> None:
    """Refuse to start what does not fit on the disk.

    Parameters
    ----------
    path : path
        Where it is to be written; it need not exist.
    nbytes : int
        Bytes that it needs.

    Raises
    ------
    UserError
        Names the path and the bytes that are missing.
    """
    free = free_disk(path)
    if free < nbytes:
        raise UserError(_missing_bytes(path, nbytes, free))


def _missing_bytes(path: Path | str, nbytes: int, free: int) -> str:
    return (
        f"{path} needs up to {nbytes:,} bytes and its disk has {free:,} free: "
        f"{nbytes - free:,} are missing."
    )


def free_disk(path: Path | str) -> int:
    """Return the free bytes of the disk on which `path` would be created.

    Parameters
    ----------
    path : path
        It need not exist.
    """
    return shutil.disk_usage(_existing_folder(Path(path).absolute())).free


def _existing_folder(path: Path) -> Path:
    """Return the nearest folder above `path` that exists."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{path} cannot be written: {folder} is not a folder.")
    return folder


@contextmanager
def room_for(path: Path, nbytes: int | Callable[[], int] = 0) -> Iterator[None]:
    """Report a full disk with the file that was being written.

    Parameters
    ----------
    path : Path
        The file, named in the message.
    nbytes : int or callable, optional
        What it takes at most, where it is known, or a function that is called if it does not
        fit and returns what is missing.

    Raises
    ------
    UserError
        If the disk, or the quota of the user, is full.
    """
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        missing = nbytes if isinstance(nbytes, int) else nbytes()
        raise UserError(full_disk(path, missing)) from error


def is_disk_full(error: OSError) -> bool:
    """Whether an error of writing says that the disk, or the quota of the user, is full.

    Parameters
    ----------
    error : OSError
    """
    if error.errno is None:  # NumPy counts elements in place of the system's reason
        return "requested and" in str(error)
    return error.errno in DISK_FULL


def full_disk(path: Path | str, nbytes: int = 0) -> str:
    """Return the sentence about a disk that became full, with what is missing if it is known.

    Parameters
    ----------
    path : path
        What was being written; it need not exist.
    nbytes : int, optional
        What it takes at most, where it is known.

    Returns
    -------
    str
    """
    free = free_disk(path)
    if nbytes > free:
        return _missing_bytes(path, nbytes, free)
    quota = ", or ask for a larger quota" if free > ALMOST_NOTHING else ""
    return f"{path}: the disk is full ({free:,} bytes free); make room{quota}."


def check_there(path: Path, is_there: bool) -> None:
    """Refuse to write on if what is written has vanished: it must not be made anew in silence.

    Parameters
    ----------
    path : Path
        The output, for the message.
    is_there : bool
        Whether what it began with still is.

    Raises
    ------
    UserError
        If not.
    """
    if not is_there:
        raise UserError(
            f"{path} is no longer there: it was removed, or its disk disconnected, while it "
            "was written. Bring it back, and run the same command again."
        )


def to_disk(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, have reached the disk.

    Parameters
    ----------
    path : Path
        The file or folder.
    """
    if path.is_dir() and IS_WINDOWS:  # Windows syncs no folders
        return
    handle = os.open(path, os.O_RDWR if IS_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
