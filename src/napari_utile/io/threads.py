"""Work of several threads whose results come in order."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def run_in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], object], items: Iterable[Item]
) -> Iterator[Item]:
    """Run `work` for each item in a pool, a few at a time; yield in order those that are done.

    Closing the iterator cancels what has not started.

    Parameters
    ----------
    pool : ThreadPoolExecutor
    work : callable
    items : iterable

    Yields
    ------
    object
        The items.
    """
    running: dict[Item, Future[object]] = {}
    try:
        for item in items:
            running[item] = pool.submit(work, item)
            while len(running) > 2 * usable_cores():
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


def usable_cores() -> int:
    """Return the number of cores that a batch system grants this process; 8 at most."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(8, len(allowed(0)) if allowed else os.cpu_count() or 1)
