"""An engine that waits: all is loaded, commands come on standard input, one after the other.

The window starts it, so that a press of a button need not wait for a process to start. Each
line on standard input is a `WarmCommand`, or a word for the command that runs. Each command
is answered by `TAKEN` at once, its events, and `READY` when it has ended.
"""

import ctypes
import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from queue import Empty, SimpleQueue
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_utile.cli.display import DEFECT
from napari_utile.cli.main import main, parsed_command
from napari_utile.io.processes import bytes_in_use

TAKEN, READY = "TAKEN", "READY"
"""First words of the lines that are no events; a status, and bytes in use, follow `READY`."""


class WarmCommand(BaseModel):
    """A command line for a waiting engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arguments: tuple[str, ...]
    """Of the command `utile`."""
    folder: str
    """Working folder: relative paths among the arguments are in it."""
    events: str = ""
    """File that standard output is appended to; empty: it stays where it is."""
    log: str = ""
    """Likewise, of standard error."""


class _Words:
    """Standard input as the command that runs sees it: the words that are for it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._words: SimpleQueue[str | None] = SimpleQueue()

    def fileno(self) -> int:
        """Return the descriptor of the pipe that the words come through."""
        return self._descriptor

    def put(self, word: str | None) -> None:
        """Add a word; None is the end."""
        self._words.put(word)

    def __iter__(self) -> Iterator[str]:
        return iter(self._words.get, None)


class _Input:
    """Reads standard input in a thread: commands, and the words that follow each."""

    def __init__(self) -> None:
        self.commands: SimpleQueue[tuple[WarmCommand, _Words] | None] = SimpleQueue()
        self._stdin = sys.stdin
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        words = _Words(self._stdin.fileno())
        for line in self._stdin:
            try:
                command = WarmCommand.model_validate_json(line)
            except ValidationError:  # after the end of a command nobody reads it
                words.put(line)
            else:
                words = _Words(self._stdin.fileno())
                self.commands.put((command, words))
        words.put(None)
        self.commands.put(None)


def wait_for_commands(idle_seconds: float | None = None) -> int:
    """Load the engine; do the commands that come on standard input until it is closed.

    Parameters
    ----------
    idle_seconds : float, optional
        Ends when no command came for so long: its memory is free again.

    Returns
    -------
    int
        Exit status.
    """
    given = _Input()
    for load in _LOADS:
        if not given.commands.empty():
            break  # what is not loaded yet will be when it is needed
        with suppress(Exception):  # the command that needs it says what is wrong
            load()
    _say(READY, 0, bytes_in_use())
    while True:
        try:
            taken = given.commands.get(timeout=idle_seconds)
        except Empty:
            return 0
        if taken is None:
            return 0
        _say(TAKEN)
        status = _do(*taken)
        _free()
        _say(READY, status, bytes_in_use())


def _do(command: WarmCommand, words: _Words) -> int:
    """Do one command, as a process of its own would."""
    with suppress(OSError):  # it is gone; absolute paths do not need it
        os.chdir(command.folder)
    sys.stdin = words
    try:
        with _sent_to(command.events, 1, sys.stdout), _sent_to(command.log, 2, sys.stderr):
            return main(command.arguments)
    except OSError as error:
        print(f"{error.filename}: {error.strerror or error}", file=sys.stderr, flush=True)
        return DEFECT
    finally:
        words.put(None)


@contextmanager
def _sent_to(path: str, descriptor: int, stream: Any) -> Iterator[None]:
    """Append what is written to a descriptor, by libraries too, to a file."""
    if not path:
        yield
        return
    stream.flush()
    kept = os.dup(descriptor)
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
        yield
    finally:
        with suppress(OSError):  # the disk is full
            stream.flush()
        os.dup2(kept, descriptor)
        os.close(kept)


def _say(*words: object) -> None:
    print(*words, flush=True)


def _load_training() -> None:
    from napari_utile.engine.training import front  # noqa: F401


def _load_prediction() -> None:
    from napari_utile.engine.prediction import front  # noqa: F401


def _load_options() -> None:
    """Make the flags of the commands from the classes of their options, which takes a while."""
    with redirect_stdout(StringIO()):
        parsed_command(["predict", "model", "image", "--out", "out"])


def _rehearse() -> None:
    from napari_utile.engine.prediction.rehearsal import rehearse

    rehearse()


_LOADS: tuple[Callable[[], object], ...] = (
    _load_options, _load_prediction, _load_training, _rehearse,
)  # fmt: skip
"""In the order in which commands need them."""


def _free() -> None:
    """Give memory back to the system and the GPU: other programs need it now."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    status = wait_for_commands(**options)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # at once: nothing is left to do, and to take torch apart takes seconds
