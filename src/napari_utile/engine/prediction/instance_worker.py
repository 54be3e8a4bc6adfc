"""A background thread that builds instances while the network computes the next planes.

    caller                block_done(number) ----+            +---- poll(), drain(): events
                                                 v            |
    thread "instances"    plane complete? -> fragments -> ids of the plane
    pool "fragments"                         of its blocks, several at a time

A volume is a single plane, and complete only at the end. So fragments of its blocks are found
as soon as the blocks around them are computed.

No lock is needed. `_events` is a queue and `_stopped` a flag: both may be used from anywhere.
`_left`, `_around`, `_next`, `_planes` and `_unchecked` are touched by the caller alone; in
`_early` the thread looks up what the caller has put there before. `_found`, `_numbered` and the
numbering of the builder are touched by the thread "instances" alone; there is one, so planes
are numbered in order. The pool writes files of its own blocks, and the journal, which has a
lock.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event as Flag
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_utile.engine.prediction.instances import InstanceBuilder
from napari_utile.engine.prediction.progress import StageProgress
from napari_utile.engine.prediction.stages import (
    block_done,
    number_plane,
    numbering_progress,
)
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.events import BlockDone, Waiting
from napari_utile.io.threads import run_in_order, usable_cores

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
        self._early: dict[int, Future[None]] = {}
        self._unchecked: list[Future[None]] = []
        self._around = self._uncomputed_around() if task.blocks.ndim > 2 else None

    def __enter__(self) -> Self:
        if self._around is not None:
            self._find_early(np.flatnonzero(self._around == 0).tolist())
        self._submit()
        return self

    def __exit__(self, *_: object) -> None:
        # planes that have not started are cancelled; the one in work ends after a block
        self._stopped.set()
        for future in self._early.values():
            future.cancel()
        self._thread.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)

    def block_done(self, number: int) -> None:
        """Note that the network has computed a block; start its plane if that is complete."""
        blocks = self.task.blocks
        if self._around is not None:
            near = [*blocks.near(blocks[number], self.builder.reach)]
            self._around[near] -= 1
            self._find_early([each for each in near if not self._around[each]])
        self._left[blocks[number].plane] -= 1
        self._submit()

    def poll(self) -> Iterator[BlockDone]:
        """Yield what has been done since the last call; raise what went wrong."""
        for futures in (self._unchecked, self._planes):
            while futures and futures[0].done():
                futures.pop(0).result()
        while not self._events.empty():
            yield self._events.get()

    def drain(self) -> Iterator[BlockDone | Waiting]:
        """Yield what is done until all complete planes are through."""
        while self._planes:
            yield from self.poll()
            yield Waiting()
            self._stopped.wait(POLL_SECONDS)
        yield from self.poll()

    def _uncomputed_around(self) -> NDArray[np.int64]:
        """Count the blocks that decide about fragments of each block and are not computed."""
        blocks, computed = self.task.blocks, self.task.computed
        each = (blocks[number] for number in range(len(blocks)))
        near = ([*blocks.near(block, self.builder.reach)] for block in each)
        return np.array([(~computed[numbers]).sum() for numbers in near])

    def _find_early(self, numbers: list[int]) -> None:
        """Find fragments of blocks before their plane is complete."""
        for number in numbers:
            if not self._has_fragments[number]:
                future = self._pool.submit(self.builder.find_fragments, number)
                self._early[number] = future
                self._unchecked.append(future)

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
        in_order = run_in_order(self._pool, self.builder.find_fragments, missing)
        early = (self._early[number].result() for number in missing)
        for _ in in_order if self._around is None else early:
            self._events.put(block_done(self.task, "objects", self._found.step()))
            if self._stopped.is_set():
                return
        for event in number_plane(self.task, self.builder, plane, self._numbered):
            self._events.put(event)
            if self._stopped.is_set():
                return
