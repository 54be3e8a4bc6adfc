"""The stages of one result in their order: network, objects, numbers, pyramid.

They yield events. What an event reports is on disk, and is not done again.
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event as Flag
from time import monotonic
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.fragments import HALO
from napari_utile.engine.devices import is_lost
from napari_utile.engine.prediction.instances import FOUND, Objects
from napari_utile.engine.prediction.pipeline import Failed, Written, pipelined
from napari_utile.engine.prediction.task import NETWORK, PredictionTask
from napari_utile.errors import UserError
from napari_utile.events import BlockDone, Event, TileDone, Waiting
from napari_utile.folders.journal import Journal

MAX_CONSECUTIVE_FAILURES = 8
"""Blocks that may fail one after the other before a run is given up."""
PAUSE = 0.2
"""Seconds between two looks at what the threads have done."""

Stage = Literal["objects", "numbers", "pyramid"]
Failures = dict[int, Exception]


@dataclass
class Pace:
    """Counts what is done of a stage, and says how fast it goes and how long it will."""

    total: int
    done: int = 0
    began: float = field(default_factory=monotonic)
    now: int = 0

    def step(self) -> dict[str, Any]:
        """Count one more."""
        self.done, self.now = self.done + 1, self.now + 1
        rate = self.now / max(monotonic() - self.began, 1e-9)
        left = (self.total - self.done) / rate
        return {"done": self.done, "total": self.total, "rate": rate, "seconds_left": left}


def network(
    made: PredictionTask,
    numbers: Iterable[int],
    journal: Journal,
    on_written: Callable[[int], object] = id,
) -> Generator[Event, None, Failures]:
    """Send blocks through the network; those that are done are left out.

    A block that fails is tried once more at the end. It is given back with its error if it
    fails again; the others are done.

    Raises
    ------
    UserError
        If not even the smallest tile fits into the memory, the disk is full or the GPU gone.
    Exception
        What a block raised, if too many failed one after the other.
    """
    done = made.work.done(NETWORK, len(made.blocks))
    todo = [number for number in numbers if not done[number]]
    pace = Pace(len(todo) + int(done.sum()), int(done.sum()))

    def write(number: int, probabilities: NDArray[np.float32]) -> None:
        made.write(number, probabilities)
        journal.write(NETWORK, [number])

    failures: Failures = {}
    for _ in range(2):
        row = 0
        # closed at once whatever happens, so that what was computed is written down
        with closing(pipelined(todo, made.read, made.compute, write)) as events:
            for event in events:
                match event:
                    case Written(number):
                        row = 0
                        failures.pop(number, None)
                        on_written(number)
                        yield tile_done(made, number, pace)
                    case Failed(number, error, was_read):
                        row += 1
                        failures[number] = error
                        refuse_to_go_on(error, was_read)
                        if row == MAX_CONSECUTIVE_FAILURES:
                            raise error
                    case _:
                        yield event
        todo = list(failures)
    if failures and not pace.done:
        raise next(iter(failures.values()))
    return failures


def refuse_to_go_on(error: Exception, was_read: bool) -> None:
    """Raise what would meet the next block, too: too little memory, or no GPU any more."""
    if is_lost(error):
        raise UserError(
            "The GPU no longer answers. What was written is kept; start again to go on: "
            f"{first_line(error)}"
        ) from error
    if was_read and isinstance(error, UserError):
        raise error


def first_line(error: Exception) -> str:
    """Say in one line what went wrong."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def tile_done(made: PredictionTask, number: int, pace: Pace) -> TileDone:
    """Report a block that the network has done."""
    block = made.blocks[number]
    return TileDone(
        image=made.name,
        index=block.index,
        write=tuple((side.start, side.stop) for side in block.window),
        **pace.step(),
    )


def fragments_of(
    made: PredictionTask, objects: Objects, numbers: Iterable[int]
) -> Iterator[BlockDone]:
    """Find the fragments of blocks whose surroundings are there; leave out the others."""
    there = made.work.done(NETWORK, len(made.blocks))
    found = made.work.done(FOUND, len(made.blocks))
    todo = (
        number
        for number in numbers
        if not found[number] and there[list(made.blocks.near(made.blocks[number], HALO))].all()
    )
    pace = Pace(len(made.blocks), int(found.sum()))
    with ThreadPoolExecutor(cores()) as pool:
        for _ in in_turn(pool, objects.find, todo):
            yield block_done(made, "objects", pace)
            if not made.is_current:  # another part has finished the result
                return


def in_turn(
    pool: ThreadPoolExecutor, work: Callable[[int], object], numbers: Iterable[int]
) -> Iterator[int]:
    """Do something for each number, a few at a time; what is not begun can be left."""
    running: dict[int, Future[object]] = {}
    try:
        for number in numbers:
            running[number] = pool.submit(work, number)
            while len(running) > 2 * cores():
                first = next(iter(running))
                running.pop(first).result()
                yield first
        while running:
            first = next(iter(running))
            running.pop(first).result()
            yield first
    finally:
        for future in running.values():
            future.cancel()


def cores() -> int:
    """Count the cores that this process may use, as a batch system allows them; 8 at most."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(8, len(allowed(0)) if allowed else os.cpu_count() or 1)


def finish(
    made: PredictionTask, objects: Objects | None, began: float | None = None
) -> Generator[Event, None, None]:
    """Do what is left when every block went through the network, and say that it is done.

    The seconds since `began` are written down with the result.
    """
    made.announce_the_end()
    facts: dict[str, Any] = {}
    if objects is not None:
        yield from fragments_of(made, objects, range(len(made.blocks)))
        first = objects.resume()
        pace = Pace(made.blocks.planes, first)
        for plane in range(first, made.blocks.planes):
            objects.number(plane)
            yield block_done(made, "numbers", pace)
        final = Pace(made.blocks.planes)
        for done, _ in objects.finals():
            final.done = done - 1
            yield block_done(made, "numbers", final)
        objects.write_links()
        facts["objects"] = objects.count
    pyramid = Pace(0)
    for done, total in made.output.pyramids():
        pyramid.total, pyramid.done = total, done - 1
        yield block_done(made, "pyramid", pyramid)
    if began is not None:
        facts["seconds"] = round(monotonic() - began, 1)
    made.complete(facts)


def block_done(made: PredictionTask, stage: Stage, pace: Pace) -> BlockDone:
    """Report a block, or a plane of blocks, that went through a later stage."""
    return BlockDone(stage=stage, image=made.name, **pace.step())


class Following:
    """Finds and numbers objects in a thread, plane by plane, while the network goes on.

    Parameters
    ----------
    made : PredictionTask
    objects : Objects
    """

    def __init__(self, made: PredictionTask, objects: Objects):
        self.made, self.objects = made, objects
        self._left = self._missing()
        self._next = objects.resume()
        self._there = made.work.done(FOUND, len(made.blocks))
        self._found = Pace(len(made.blocks), int(self._there.sum()))
        self._numbered = Pace(made.blocks.planes, self._next)
        self._news: SimpleQueue[BlockDone] = SimpleQueue()
        self._thread = ThreadPoolExecutor(1, "objects")
        self._finders = ThreadPoolExecutor(cores(), "fragments")
        self._planes: list[Future[None]] = []
        self._stopped = Flag()

    def __enter__(self) -> Self:
        self._submit()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
        self._finders.shutdown()

    def heed(self, number: int) -> None:
        """Take note that a block went through the network."""
        self._left[self.made.blocks[number].plane] -= 1
        self._submit()

    def news(self) -> Iterator[BlockDone]:
        """Give what has been done since; raise what went wrong."""
        while self._planes and self._planes[0].done():
            self._planes.pop(0).result()
        while not self._news.empty():
            yield self._news.get()

    def rest(self) -> Iterator[BlockDone | Waiting]:
        """Wait for the planes that are complete; yield what is done."""
        while self._planes:
            yield from self.news()
            yield Waiting()
            self._stopped.wait(PAUSE)
        yield from self.news()

    def _missing(self) -> NDArray[np.intp]:
        """Count the blocks of each plane that the network has not done."""
        done = self.made.work.done(NETWORK, len(self.made.blocks))
        return (~done).reshape(self.made.blocks.planes, -1).sum(1)

    def _submit(self) -> None:
        """Have the planes that are complete numbered, in order."""
        while self._next < len(self._left) and not self._left[self._next]:
            self._planes.append(self._thread.submit(self._plane, self._next))
            self._next += 1

    def _plane(self, plane: int) -> None:
        """Number a plane; those after it wait for ever if that fails."""
        if self._stopped.is_set():
            return
        try:
            self._number(plane)
        except BaseException:
            self._stopped.set()
            raise

    def _number(self, plane: int) -> None:
        numbers = self.made.blocks.of_plane(plane)
        todo = [number for number in numbers if not self._there[number]]
        for _ in in_turn(self._finders, self.objects.find, todo):
            self._news.put(block_done(self.made, "objects", self._found))
            if self._stopped.is_set():
                return
        self.objects.number(plane)
        self._news.put(block_done(self.made, "numbers", self._numbered))
