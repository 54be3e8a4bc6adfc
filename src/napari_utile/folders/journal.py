"""What is done of a result that is made block by block: written down block by block.

A line is written after what it tells of has reached the disk, so whatever happens, a block
that is written down is whole. Several processes may work on one result: each writes a journal
of its own, and reads those of all.
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

PLAN, FINISHED = "plan.json", "finished.json"
PART_TIMEOUT = 20.0
"""Seconds that one part waits while another makes the result or looks whether all is done."""
JOURNAL_READ_BYTES = 2**18
"""Bytes of a journal that are in memory at once."""


class WorkFolder:
    """The hidden folder beside an unfinished result: its plan, journals, and what is half done.

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
        """What was begun here; empty if nothing was, or it cannot be read."""
        return _read_json(self / PLAN)

    @property
    def finished(self) -> dict[str, Any]:
        """What is known of a result that is complete and cannot hold it itself.

        Empty if another file has taken its place since.
        """
        facts = _read_json(self / FINISHED)
        file = facts.pop("file", None)
        return facts if file is None or file == _state(self.result) else {}

    def finish(self, facts: dict[str, Any], of: Path | None = None) -> None:
        """Write down what is known of a complete result.

        Parameters
        ----------
        facts : dict of plain JSON types
        of : Path, optional
            The file that it is told by, if it has yet to be renamed to the result.
        """
        if file := _state(of or self.result):
            facts = facts | {"file": file}
        atomic_write(self / FINISHED, (json.dumps(facts, indent=2) + "\n").encode())

    def begin(self, plan: dict[str, Any]) -> None:
        """Give up what is here of another result, and write down what is begun."""
        self.clear()
        (self / FINISHED).unlink(missing_ok=True)
        atomic_write(self / PLAN, (json.dumps(plan, indent=2) + "\n").encode())

    def clear(self) -> None:
        """Remove all but the locks of processes."""
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
        """Say which of the first `count` numbers of a stage are done, by whomever."""
        done = np.zeros(count, bool)
        for journal in self.path.glob("journal*.txt"):
            for numbers in _numbers(journal, stage):
                done[numbers[numbers < count]] = True
        return done

    def journal(self, name: str = "") -> "Journal":
        """Open a journal of one's own to write in."""
        return Journal(self / f"journal{name and '-'}{name}.txt")

    @contextmanager
    def held(self, part: tuple[int, int] | None = None) -> Iterator[None]:
        """Keep other processes from this result, or from this part of it.

        Raises
        ------
        UserError
            If another process has it, or a part of it: names process and host.
        """
        if part is None:
            with locked(self.result):
                for _ in self._free_locks():
                    pass
                yield
        else:
            with ExitStack() as mine:
                with self.shared():  # no lock is made while others remove what is left
                    mine.callback(self._leave)
                    mine.enter_context(locked(self / f"part-{part[0]}-of-{part[1]}"))
                yield

    def _leave(self) -> None:
        """Remove the locks and the folder, if all is finished and nobody holds a part."""
        if (self / PLAN).exists():
            return
        with suppress(UserError, OSError), self.shared():
            if not (self / PLAN).exists():
                for lock in list(self._free_locks()):
                    lock.unlink(missing_ok=True)
                self.path.rmdir()

    def _free_locks(self) -> Iterator[Path]:
        """Give the lock of each part, and see that nobody holds it."""
        for lock in sorted(self.path.glob(".part-*.lock")):
            with locked(self / lock.name[1:].removesuffix(".lock")):
                pass
            yield lock

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Do what only one part at a time may do; wait for another that does."""
        with locked(self.result, PART_TIMEOUT):
            yield


class Journal:
    """A list of what this process has done, line by line. Any thread may write."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.truncate(path, _complete_length(path))
        self._file = path.open("ab")
        self._lock = Lock()

    def write(self, stage: str, numbers: Iterable[int]) -> None:
        """Write down blocks that have reached the disk, and see that this does, too."""
        with self._lock, room_for(self.path):
            self._file.write(b"".join(b"%s %d\n" % (stage.encode(), n) for n in numbers))
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def _numbers(journal: Path, stage: str) -> Iterator[NDArray[np.int64]]:
    """Read the numbers of a stage piece by piece; a line that is not whole is none."""
    line = re.compile(rb"\n%s ([0-9]{1,18})(?=\n)" % re.escape(stage.encode()))
    with journal.open("rb") as file:
        rest = b"\n"
        while piece := file.read(JOURNAL_READ_BYTES):
            piece = rest + piece
            yield np.array([int(number) for number in line.findall(piece)], np.int64)
            rest = piece[piece.rindex(b"\n") :]


def _complete_length(journal: Path) -> int:
    """Count the bytes up to the end of the last line that is whole, looking from behind."""
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
    """Give what changes when a file is written; renaming keeps it."""
    try:
        status = file.stat()
    except OSError:
        return {}
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
