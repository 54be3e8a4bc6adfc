"""The same blocks on other processes and machines: a dask scheduler hands them out.

A worker opens model and image itself, by the paths in the plan, and writes the block where it
belongs: only numbers travel. So all must see the same files, and have U-Tile installed. This
process keeps the journal; a worker that dies costs the block it was at.
"""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from napari_utile.engine.objects import FOUND, Objects
from napari_utile.engine.prediction import told
from napari_utile.engine.segmentation import NETWORK, Segmentation, reopened
from napari_utile.engine.stages import (
    Failures,
    Pace,
    block_done,
    refuse_to_go_on,
    tile_done,
)
from napari_utile.errors import UserError
from napari_utile.events import Event, Warned
from napari_utile.files.journal import Journal

QUEUE = 3
"""Blocks that wait at each worker, so that none waits for this process."""
PATIENCE = 30
"""Seconds in which a scheduler must answer, and a first worker come."""

Client = Any


def through_workers(
    made: Segmentation,
    journal: Journal,
    objects: Objects | None,
    scheduler: str | None = None,
    workers: int = 0,
) -> Generator[Event, None, Failures]:
    """Send blocks through the network, and find their objects, on the workers of a scheduler.

    Parameters
    ----------
    made : Segmentation
        Begun: its plan is beside the result.
    journal : Journal
        Where this process writes down what the workers have done.
    objects : Objects, optional
        Those of instances.
    scheduler : str, optional
        Its address, tcp://host:8786.
    workers : int
        Start so many on this machine, in its place. They listen on 127.0.0.1 only.

    Returns
    -------
    dict
        Blocks that failed twice, and their errors.

    Raises
    ------
    UserError
        If dask is not installed, or no scheduler or worker answers.
    """
    with ExitStack() as held:
        client = connected(held, scheduler, workers)
        failures = yield from network(client, made, journal)
        if objects is not None and not failures:
            yield from find(client, made, journal)
    return failures


def network(
    client: Client, made: Segmentation, journal: Journal
) -> Generator[Event, None, Failures]:
    """Send the blocks that are missing through the network; try those that fail once more."""
    done = made.work.done(NETWORK, len(made.blocks))
    pace = Pace(len(done), int(done.sum()))
    todo = [number for number in range(len(done)) if not done[number]]
    failures: Failures = {}
    for _ in range(2):
        for number, warnings in shared_out(client, compute_block, made, todo):
            if isinstance(warnings, Exception):
                refuse_to_go_on(warnings, was_read=False)
                failures[number] = warnings
                continue
            failures.pop(number, None)
            journal.write(NETWORK, [number])
            for message in warnings:
                yield Warned(message=message)
            yield tile_done(made, number, pace)
        todo = list(failures)
    if failures and not pace.done:
        raise next(iter(failures.values()))
    return failures


def find(client: Client, made: Segmentation, journal: Journal) -> Generator[Event, None, None]:
    """Find the objects in the blocks where that is missing."""
    found = made.work.done(FOUND, len(made.blocks))
    pace = Pace(len(found), int(found.sum()))
    todo = [number for number in range(len(found)) if not found[number]]
    for number, error in shared_out(client, find_block, made, todo):
        if isinstance(error, Exception):
            raise error
        journal.write(FOUND, [number])
        yield block_done(made, "objects", pace)


def shared_out(
    client: Client,
    work: Callable[[str, str, str, int], Any],
    made: Segmentation,
    numbers: Iterable[int],
) -> Generator[tuple[int, Any], None, None]:
    """Hand out blocks, a few per worker; yield each number and what came back."""
    from distributed import as_completed

    waiting, running = iter(numbers), as_completed(loop=client.loop)
    where, token = str(made.result.absolute()), str(hash(repr(made.plan)))
    number_of: dict[str, int] = {}

    def hand_out() -> None:
        for number in waiting:
            future = client.submit(work, where, token, made.settings.device, number, pure=False)
            number_of[future.key] = number
            running.add(future)
            if len(number_of) >= QUEUE * max(1, len(client.scheduler_info()["workers"])):
                break

    try:
        hand_out()
        for future in running:
            number = number_of.pop(future.key)
            error = future.exception()
            yield number, future.result() if error is None else error
            hand_out()
    finally:
        client.cancel(running.futures)


def compute_block(result: str, token: str, device: str, number: int) -> list[str]:
    """Do one block, in a worker; give back what is to be warned of."""
    made = _opened(result, token, device)
    warnings: list[str] = []
    plane = made.read(number)
    with _ONE_AT_A_TIME:  # other threads of the worker read and write meanwhile
        found = told(made.compute(number, plane), warnings.append)
    made.write(number, found)
    return warnings


def find_block(result: str, token: str, device: str, number: int) -> None:
    """Find the objects of one block, in a worker."""
    objects = Objects(_opened(result, token, device), None)
    objects.begin()
    objects.find(number)


def _opened(result: str, token: str, device: str) -> Segmentation:
    """Open a result once in a worker, not once for each block."""
    with _ONE_AT_A_TIME:
        if (result, token) not in _OPENED:
            _OPENED.clear()
            _OPENED[result, token] = reopened(Path(result), device_here(device))
        return _OPENED[result, token]


_ONE_AT_A_TIME = Lock()
_OPENED: dict[tuple[str, str], Segmentation] = {}
"""In a worker: the result that it helps with."""


def device_here(name: str) -> str:
    """Give each worker of a machine a GPU of its own, where they are numbered."""
    from distributed import get_worker

    number = get_worker().name
    if name in ("auto", "cuda") and isinstance(number, int) and torch.cuda.is_available():
        return f"cuda:{number % torch.cuda.device_count()}"
    return name


def connected(held: ExitStack, scheduler: str | None, workers: int) -> Client:
    """Reach a scheduler, or start one with workers on this machine, until `held` ends."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UserError(
            'Workers need dask: pip install "napari-utile[cluster]", here and on every worker.'
        ) from None
    if scheduler is None:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=2,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        )
        address = held.enter_context(cluster)
    else:
        address = scheduler
    try:
        client = held.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(f"No scheduler answers at {scheduler}: {error}.") from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise UserError(
            f"The scheduler at {scheduler} has no worker: start one with "
            f"`dask worker {scheduler} --nthreads 1`."
        ) from None
    if scheduler is None:  # dask would give each of them one thread to compute with
        client.run(torch.set_num_threads, max(1, (os.cpu_count() or 1) // workers))
    return client
