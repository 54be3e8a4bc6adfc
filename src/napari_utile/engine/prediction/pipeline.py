"""Reading, computing and writing at the same time, with a few blocks in memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

AHEAD, BEHIND = 2, 2
"""Blocks that are read before they are computed, and that wait to be written."""

Read = TypeVar("Read")
Made = TypeVar("Made")
Told = TypeVar("Told")


@dataclass(frozen=True)
class Written:
    """A block has come to its end, on disk."""

    number: int


@dataclass(frozen=True)
class Failed:
    """A block could not be read or computed; others may."""

    number: int
    error: Exception
    was_read: bool


def pipelined(
    numbers: Iterable[int],
    read: Callable[[int], Read],
    compute: Callable[[int, Read], Generator[Told, None, Made]],
    write: Callable[[int, Made], object],
) -> Generator[Written | Failed | Told, None, None]:
    """Bring blocks from disk to disk; the computing waits for neither end.

    Parameters
    ----------
    numbers : iterable of int
        The blocks, in the order in which they are computed.
    read : callable
        Called in a thread of its own, a few blocks ahead.
    compute : callable
        A generator function, called here; what it yields is passed on.
    write : callable
        Called in a thread of its own, in order. It alone may not fail: what it raises ends
        everything, because the next block would meet the same full disk.

    Yields
    ------
    Written
        In order, a little after `compute`; closing the generator waits for what is being
        written, so nothing that was computed is lost.
    Failed
        For what `read` or `compute` raised.
    """
    source = iter(numbers)
    reading: deque[tuple[int, Future[Read]]] = deque()
    writing: deque[tuple[int, Future[object]]] = deque()
    with (
        ThreadPoolExecutor(1, "writer") as writer,
        ThreadPoolExecutor(1, "reader") as reader,
    ):

        def look_ahead() -> None:
            for number in islice(source, AHEAD - len(reading)):
                reading.append((number, reader.submit(read, number)))

        def written(waiting: int) -> Generator[Written, None, None]:
            while writing and (len(writing) > waiting or writing[0][1].done()):
                number, future = writing.popleft()
                future.result()
                yield Written(number)

        try:
            look_ahead()
            while reading:
                number, future = reading.popleft()
                look_ahead()
                was_read = False
                try:
                    pixels = future.result()
                    was_read = True
                    made: Any = yield from compute(number, pixels)
                except Exception as error:  # whatever it is, it is of this block
                    yield Failed(number, error, was_read)
                    continue
                writing.append((number, writer.submit(write, number, made)))
                yield from written(BEHIND)
            yield from written(0)
        finally:
            for _, waiting in reading:
                waiting.cancel()
