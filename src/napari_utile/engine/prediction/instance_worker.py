"""A background thread that builds instances while the network computes the next planes.

    caller                block_done(number) ----+            +---- poll(), drain(): events
                                                 v            |
    thread "instances"    plane complete? -> fragments -> ids of the plane
    pool "fragments"                         of its blocks, several at a time

No lock is needed. `_events` is a queue and `_stopped` a flag: both may be used from anywhere.
`_left`, `_next` and `_planes` are touched by the caller alone. `_found`, `_numbered` and the
numbering of the builder are touched by the thread "instances" alone; there is one, so planes
are numbered in order. The pool writes files of its own blocks, and the journal, which has a
lock.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event as Flag
from typing import Self

from napari_utile.engine.prediction.instances import InstanceBuilder
from napari_utile.engine.prediction.progress import StageProgress
from napari_utile.engine.prediction.stages import (
    block_done,
    number_plane,
    numbering_progress,
    run_in_order,
    usable_cores,
)
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.events import BlockDone, Waiting

POLL_SECONDS = 0.2
"""Time between two looks at what the threads have done."""


class InstanceWorker:
    """Finds fragments and gives ids in a thread, plane by plane, while the network computes.

    Parameters
    ----------
    task : PredictionTask
    builder : InstanceBuilder
    """

    def __init__(self, task: PredictionTask, builder: InstanceBuilder):
        self.task, self.builder = task, builder
        # blocks of each plane that the network has not computed
        self._left = (~task.computed).reshape(task.blocks.planes, -1).sum(1)
        self._next = builder.resume()
        self._has_fragments = builder.found
        self._found = StageProgress(len(task.blocks), int(self._has_fragments.sum()))
        self._numbered = numbering_progress(task, self._next)
        self._events: SimpleQueue[BlockDone] = SimpleQueue()
        self._thread = ThreadPoolExecutor(1, "instances")
        self._pool = ThreadPoolExecutor(usable_cores(), "fragments")
        self._planes: list[Future[None]] = []
        self._stopped = Flag()

    def __enter__(self) -> Self:
        self._submit()
        return self

    def __exit__(self, *_: object) -> None:
        # planes that have not started are cancelled; the one in work ends after a block
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
        self._pool.shutdown()

    def block_done(self, number: int) -> None:
        """Note that the network has computed a block; start its plane if that is complete."""
        self._left[self.task.blocks[number].plane] -= 1
        self._submit()

    def poll(self) -> Iterator[BlockDone]:
        """Yield what has been done since the last call; raise what went wrong."""
        while self._planes and self._planes[0].done():
            self._planes.pop(0).result()
        while not self._events.empty():
            yield self._events.get()

    def drain(self) -> Iterator[BlockDone | Waiting]:
        """Yield what is done until all complete planes are through."""
        while self._planes:
            yield from self.poll()
            yield Waiting()
            self._stopped.wait(POLL_SECONDS)
        yield from self.poll()

    def _submit(self) -> None:
        """Submit the planes that are complete, in order: ids depend on the plane below."""
        while self._next < len(self._left) and not self._left[self._next]:
            self._planes.append(self._thread.submit(self._build, self._next))
            self._next += 1

    def _build(self, plane: int) -> None:
        """Build the instances of a plane. If that fails, the planes after it are skipped."""
        if self._stopped.is_set():
            return
        try:
            self._find_and_number(plane)
        except BaseException:
            self._stopped.set()
            raise

    def _find_and_number(self, plane: int) -> None:
        numbers = self.task.blocks.of_plane(plane)
        missing = [number for number in numbers if not self._has_fragments[number]]
        for _ in run_in_order(self._pool, self.builder.find_fragments, missing):
            self._events.put(block_done(self.task, "objects", self._found.step()))
            if self._stopped.is_set():
                return
        for event in number_plane(self.task, self.builder, plane, self._numbered):
            self._events.put(event)
            if self._stopped.is_set():
                return
