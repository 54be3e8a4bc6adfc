"""Which blocks of a partial result are done: one line per block, in files beside the result.

A line is written after its block has reached the disk , so after a
crash every block that is listed is complete; one that is not listed is computed again. Several
processes may work on one result: each writes a journal of its own, and reads those of all.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write, locked, room_for
from napari_utile.json_files import read_json_object

PLAN, FINISHED = "plan.json", "finished.json"
PART_TIMEOUT = 20.0
"""Seconds that one part waits while another creates the result or finishes it."""
JOURNAL_READ_BYTES = 2**18
"""Bytes of a journal that are in memory at once."""


class WorkFolder:
    """The hidden folder beside a partial result: its plan, journals, and intermediate data.

    Parameters
    ----------
    result : Path
        The result; the folder of ``cells.zarr`` is ``.cells.zarr.utile``.
    """

    def __init__(self, result: Path):
        self.result = result
        self.path = result.with_name(f".{result.name}.utile")

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def plan(self) -> dict[str, Any]:
        """The plan of the partial result; empty if there is none, or it cannot be read."""
        return _read_json(self / PLAN)

    def facts(self, name: str) -> dict[str, Any]:
        """Read a JSON object in the folder; empty if it is missing or damaged."""
        return _read_json(self / name)

    @property
    def finished(self) -> dict[str, Any]:
        """Facts about a complete result that its file cannot hold.

        Empty if the file was replaced by another since.
        """
        facts = _read_json(self / FINISHED)
        file = facts.pop("file", None)
        return facts if file is None or file == _state(self.result) else {}

    def finish(self, facts: dict[str, Any], of: Path | None = None) -> None:
        """Record facts about a complete result.

        Parameters
        ----------
        facts : dict of plain JSON types
        of : Path, optional
            The file that has yet to be renamed to the result, if it is not there already.
        """
        if file := _state(of or self.result):
            facts = facts | {"file": file}
        atomic_write(self / FINISHED, (json.dumps(facts, indent=2) + "\n").encode())

    def begin(self, plan: dict[str, Any]) -> None:
        """Remove what is here of another result, and record the plan of this one."""
        self.clear()
        (self / FINISHED).unlink(missing_ok=True)
        atomic_write(self / PLAN, (json.dumps(plan, indent=2) + "\n").encode())

    def clear(self) -> None:
        """Remove all but the locks of processes and the facts about a complete result."""
        if not self.path.exists():
            return
        (self / PLAN).unlink(missing_ok=True)  # first: without it the rest counts for nothing
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix not in (".lock", ".holder") and path.name != FINISHED:
                path.unlink()
        if not any(path.suffix != ".lock" for path in self.path.iterdir()):
            shutil.rmtree(self.path)

    def done(self, stage: str, count: int) -> NDArray[np.bool_]:
        """Return which blocks of a stage are complete, according to all journals.

        Parameters
        ----------
        stage : str
            Name of the stage.
        count : int
            Number of blocks; higher numbers in a journal are ignored.

        Returns
        -------
        ndarray of bool, shape (count,)
        """
        done = np.zeros(count, bool)
        for journal in self.path.glob("journal*.txt"):
            for numbers in _numbers(journal, stage):
                done[numbers[numbers < count]] = True
        return done

    def journal(self, name: str = "") -> "Journal":
        """Open the journal of this process for writing."""
        return Journal(self / f"journal{name and '-'}{name}.txt")

    # Locks. One is beside the result, and one per part is in this folder. Whoever works on
    # the whole holds the former all the time. Whoever works on a part holds the latter all
    # the time, and the former only for a moment: to create the result, to look whether all
    # parts are done, and to add or remove the lock of a part. So no process
    # can find the folder without part locks, and remove it, while another is about to lock a
    # part in it.

    @contextmanager
    def held(self, part: tuple[int, int] | None = None) -> Iterator[None]:
        """Keep other processes from this result, or from this part of it.

        Parameters
        ----------
        part : (int, int), optional
            Number of the part, and how many there are. The whole result if left out.

        Raises
        ------
        UserError
            If another process has it, or a part of it: names process and host.
        """
        if part is None:
            with locked(self.result):
                # While this lock is held no part can begin; those that began earlier hold
                # theirs: `_free_locks` raises at the first of them.
                for _ in self._free_locks():
                    pass
                yield
        else:
            with ExitStack() as mine:
                with self.shared():
                    # Callbacks run last to first: the lock of the part is released before
                    # `_leave` asks whether any part is still held.
                    mine.callback(self._leave)
                    mine.enter_context(locked(self / f"part-{part[0]}-of-{part[1]}"))
                yield

    def _leave(self) -> None:
        """Remove the locks and the folder, if all is finished and no part is held."""
        if (self / PLAN).exists():  # the result is not complete: the others need the folder
            return
        # UserError: another part is still held, or another process is just leaving.
        # OSError: the folder is not empty, or is gone already.
        with suppress(UserError, OSError), self.shared():
            if not (self / PLAN).exists():  # another result may have begun
                for lock in list(self._free_locks()):
                    lock.unlink(missing_ok=True)
                self.path.rmdir()

    def _free_locks(self) -> Iterator[Path]:
        """Yield the lock file of each part; raise `UserError` at one that is held."""
        for lock in sorted(self.path.glob(".part-*.lock")):
            with locked(self / lock.name[1:].removesuffix(".lock")):
                pass
            yield lock

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Do what only one part at a time may do; wait for another that does.

        Raises
        ------
        UserError
            If the other one takes longer than `PART_TIMEOUT`.
        """
        with locked(self.result, PART_TIMEOUT):
            yield


class Journal:
    """The list of blocks that this process has completed. Any thread may write.

    Parameters
    ----------
    path : Path
        A line that a crash cut off is removed from its end.
    """

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.truncate(path, _complete_length(path))
        # Without a buffer: what did not fit on a full disk must not follow later lines.
        self._file = path.open("ab", buffering=0)
        self._lock = Lock()

    def write(self, stage: str, numbers: Iterable[int]) -> None:
        """Add blocks that have reached the disk, and wait until the lines have, too.

        Parameters
        ----------
        stage : str
            Name of the stage.
        numbers : iterable of int
            Of the blocks.

        Raises
        ------
        UserError
            If the disk is full.
        """
        rest = memoryview(b"".join(b"%s %d\n" % (stage.encode(), n) for n in numbers))
        with self._lock, room_for(self.path, len(rest)):
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _numbers(journal: Path, stage: str) -> Iterator[NDArray[np.int64]]:
    """Read the block numbers of a stage piece by piece; skip a line that was cut off."""
    # A newline before and after: neither the end of another stage's name nor the first digits
    # of a number that was cut off can match. The newline after it is not consumed, because it
    # is the one before the next line.
    line = re.compile(rb"\n%s ([0-9]{1,18})(?=\n)" % re.escape(stage.encode()))
    with journal.open("rb") as file:
        rest = b"\n"
        while piece := file.read(JOURNAL_READ_BYTES):
            piece = rest + piece
            yield np.array([int(number) for number in line.findall(piece)], np.int64)
            rest = piece[piece.rindex(b"\n") :]


def _complete_length(journal: Path) -> int:
    """Return the bytes up to the end of the last complete line, searching from the end."""
    with journal.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - JOURNAL_READ_BYTES)
            file.seek(start)
            if newline := file.read(end - start).rfind(b"\n") + 1:
                return start + newline
            end = start
    return 0


def _state(file: Path) -> dict[str, int]:
    """Return what changes when a file is written, and not when it is renamed."""
    try:
        status = file.stat()
    except OSError:
        return {}
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if it is missing or damaged."""
    try:
        return read_json_object(path, finite=False)
    except UserError:
        return {}
