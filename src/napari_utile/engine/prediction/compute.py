"""The loop over blocks: read ahead, compute, write behind, and try once more what failed.

    time ->      1        2        3        4
    reader    read 0   read 1   read 2   read 3
    network            compute 0 ... 1  ...  2        the caller, or as many threads as asked
    writer                       write 0 ... write 1

Every prediction, in memory or on disk, runs through `compute_blocks`. It knows neither
networks nor files, and holds no more than a few blocks.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any, TypeVar

from napari_utile.engine.devices import is_lost
from napari_utile.errors import UserError
from napari_utile.events import drain

AHEAD, BEHIND = 2, 2
"""Blocks that are read before they are computed, and that wait to be written."""
MAX_CONSECUTIVE_FAILURES = 8
"""Blocks that may fail one after the other before a run is given up."""

Pixels = TypeVar("Pixels")
Computed = TypeVar("Computed")
Report = TypeVar("Report")


def compute_blocks(
    numbers: Iterable[int],
    read: Callable[[int], Pixels],
    compute: Callable[[Pixels], Generator[Report, None, Computed]],
    write: Callable[[int, Computed], object],
    report: Callable[[int], Iterable[Report]],
    failures: "Failures",
    at_once: int = 1,
) -> Generator[Report, None, None]:
    """Read, compute and write blocks; yield what `compute` and `report` yield.

    Closing the generator waits until everything that was computed is written.

    Parameters
    ----------
    numbers : iterable of int
        Blocks, in the order of computation.
    read, write : callable
        Run in one thread each. An error of `write` ends the run: the next block would meet
        the same full disk.
    compute : callable
        A generator that runs here, and returns the values of a block.
    report : callable
        Returns the events of a block that is on disk.
    failures : Failures
        Collects what `read` and `compute` raise; raises it if the run is to be given up.
    at_once : int, default 1
        With 2 or more, as many threads run `compute`, each on a block of its own. What it
        yields comes when the block is computed.
    """
    with (
        ThreadPoolExecutor(1, "reader") as reader,
        ThreadPoolExecutor(at_once, "network") as network,
        ThreadPoolExecutor(1, "writer") as writer,
    ):
        for attempt in failures.attempts(numbers):
            writing: deque[tuple[int, Future[object]]] = deque()
            reading = _read_ahead(reader, read, attempt)
            work = _computations(network, at_once, compute, reading)
            with closing(reading), closing(work):
                for number, pixels, computation in work:
                    try:
                        values: Any = yield from computation
                    except Exception as error:  # of this block; others may do
                        failures.add(number, error, was_read=not pixels.exception())
                        continue
                    writing.append((number, writer.submit(write, number, values)))
                    yield from _written(writing, BEHIND, report, failures)
            yield from _written(writing, 0, report, failures)


def _computations(
    network: ThreadPoolExecutor,
    at_once: int,
    compute: Callable[[Pixels], Generator[Report, None, Computed]],
    reading: Iterable[tuple[int, Future[Pixels]]],
) -> Generator[
    tuple[int, Future[Pixels], Generator[Report, None, Computed]],
    None,
    None,
]:
    """Yield each block and the run that computes it: here, or begun before in a thread."""
    if at_once == 1:
        for number, pixels in reading:
            yield number, pixels, _computed_here(compute, pixels)
        return
    begun: deque[tuple[int, Future[Pixels], Future[Computed], list[Report]]] = deque()

    def first() -> tuple[int, Future[Pixels], Generator[Report, None, Computed]]:
        number, pixels, computed, events = begun.popleft()
        return number, pixels, _awaited(computed, events)

    try:
        for number, pixels in reading:
            events: list[Report] = []
            computed = network.submit(_computed_there, compute, pixels, events)
            begun.append((number, pixels, computed, events))
            if len(begun) > at_once:  # one is there for the first thread that is free
                yield first()
        while begun:
            yield first()
    finally:
        for _, _, computed, _ in begun:
            computed.cancel()


def _computed_here(
    compute: Callable[[Pixels], Generator[Report, None, Computed]], pixels: Future[Pixels]
) -> Generator[Report, None, Computed]:
    return (yield from compute(pixels.result()))


def _computed_there(
    compute: Callable[[Pixels], Generator[Report, None, Computed]],
    pixels: Future[Pixels],
    events: list[Report],
) -> Computed:
    return drain(compute(pixels.result()), events.append)


def _awaited(
    future: Future[Computed], events: list[Report]
) -> Generator[Report, None, Computed]:
    """Wait for a block that a thread computes; yield what it told, return its values."""
    wait([future])
    yield from events
    return future.result()


def _read_ahead(
    reader: ThreadPoolExecutor, read: Callable[[int], Pixels], numbers: Iterable[int]
) -> Generator[tuple[int, Future[Pixels]], None, None]:
    """Yield each block while up to `AHEAD` after it are being read."""
    reading: deque[tuple[int, Future[Pixels]]] = deque()
    try:
        for number in numbers:
            reading.append((number, reader.submit(read, number)))
            if len(reading) > AHEAD:
                yield reading.popleft()
        while reading:
            yield reading.popleft()
    finally:
        for _, future in reading:
            future.cancel()


def _written(
    writing: deque[tuple[int, Future[object]]],
    waiting: int,
    report: Callable[[int], Iterable[Report]],
    failures: "Failures",
) -> Iterator[Report]:
    """Report blocks that are on disk; wait until no more than `waiting` are not."""
    while writing and (len(writing) > waiting or writing[0][1].done()):
        number, future = writing.popleft()
        future.result()
        failures.remove(number)
        yield from report(number)


class Failures(dict[int, Exception]):
    """Blocks that failed, by number, with their errors; decides when a run is given up.

    Parameters
    ----------
    max_consecutive : int
        As many failures in a row raise the last error. With 1 every error is raised.
    """

    def __init__(self, max_consecutive: int = MAX_CONSECUTIVE_FAILURES):
        super().__init__()
        self._max_consecutive, self._in_a_row = max_consecutive, 0

    def attempts(self, numbers: Iterable[int]) -> Iterator[Iterable[int]]:
        """Yield all blocks and, when these are through, those that failed."""
        yield numbers
        self._in_a_row = 0
        yield list(self)

    def add(self, number: int, error: Exception, was_read: bool = False) -> None:
        """Note a failed block.

        Raises
        ------
        UserError
            If the next block would fail as well: the GPU is lost, or `error` is a `UserError`
            of the computation, as when not even the smallest tile fits into the memory.
        Exception
            The error itself, if too many blocks failed in a row.
        """
        self[number] = error
        self._in_a_row += 1
        if is_lost(error):
            raise UserError(
                "The GPU no longer answers. What was written is kept; start again to resume: "
                f"{first_line(error)}"
            ) from error
        if was_read and isinstance(error, UserError):
            raise error
        if self._in_a_row == self._max_consecutive:
            raise error

    def remove(self, number: int) -> None:
        """Note a block that succeeded, perhaps after it had failed."""
        self._in_a_row = 0
        self.pop(number, None)


def first_line(error: Exception) -> str:
    """Return the first line of the message of an error, or the name of its type.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    str
    """
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
