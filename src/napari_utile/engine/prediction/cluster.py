"""The same blocks on other processes and machines: a dask scheduler hands them out.

A worker opens model and image itself, by the paths in the plan, and writes the block where it
belongs: only numbers travel. So all must see the same files, and have U-Tile installed. This
process keeps the journal; a worker that dies costs the block it was at.
"""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any

import torch

from napari_utile.engine.prediction.in_memory import told
from napari_utile.engine.prediction.instances import FOUND, Objects
from napari_utile.engine.prediction.stages import (
    MAX_CONSECUTIVE_FAILURES,
    Failures,
    Pace,
    block_done,
    first_line,
    tile_done,
)
from napari_utile.engine.prediction.task import NETWORK, PredictionTask, reopened
from napari_utile.errors import EngineError, UserError
from napari_utile.events import Event, Waiting, Warned
from napari_utile.folders.journal import Journal

QUEUE = 3
"""Blocks that wait at each worker, so that none waits for this process."""
PATIENCE = 30
"""Seconds in which a scheduler must answer, and a first worker come."""
GATHER = 2.0
"""Seconds in which the answer of a block that is done must come from its worker."""
SILENCE, PAUSE = 1.0, 0.01
"""Seconds without a block after which one may want to stop; and between two looks."""

Client = Any


def through_workers(
    client: Client, made: PredictionTask, journal: Journal, objects: Objects | None
) -> Generator[Event, None, Failures]:
    """Send blocks through the network, and find their objects, on the workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler, see `connected`.
    made : PredictionTask
        Begun: its plan is beside the result.
    journal : Journal
        Where this process writes down what the workers have done.
    objects : Objects, optional
        Those of instances.

    Returns
    -------
    dict
        Blocks that failed twice, and their errors.
    """
    failures = yield from network(client, made, journal)
    if objects is not None and not failures:
        yield from find(client, made, journal)
    return failures


def network(
    client: Client, made: PredictionTask, journal: Journal
) -> Generator[Event, None, Failures]:
    """Send the blocks that are missing through the network; try those that fail once more."""
    done = made.work.done(NETWORK, len(made.blocks))
    pace = Pace(len(done), int(done.sum()))
    todo = [number for number in range(len(done)) if not done[number]]
    failures: Failures = {}
    for _ in range(2):
        row = 0
        for number, outcome in shared_out(client, compute_block, made, todo):
            if outcome is None:
                yield waiting(client)
                continue
            if isinstance(outcome, Exception):
                row += 1
                failures[number] = outcome
                if row == MAX_CONSECUTIVE_FAILURES:
                    raise outcome
                continue
            row = 0
            failures.pop(number, None)
            journal.write(NETWORK, [number])
            for message in outcome:
                yield Warned(message=message)
            yield tile_done(made, number, pace)
        todo = list(failures)
    if failures and not pace.done:
        raise next(iter(failures.values()))
    return failures


def find(
    client: Client, made: PredictionTask, journal: Journal
) -> Generator[Event, None, None]:
    """Find the objects in the blocks where that is missing."""
    found = made.work.done(FOUND, len(made.blocks))
    pace = Pace(len(found), int(found.sum()))
    todo = [number for number in range(len(found)) if not found[number]]
    for number, outcome in shared_out(client, find_block, made, todo):
        if outcome is None:
            yield waiting(client)
            continue
        if isinstance(outcome, Exception):
            raise outcome
        journal.write(FOUND, [number])
        yield block_done(made, "objects", pace)


def shared_out(
    client: Client,
    work: Callable[[PredictionTask, int], list[str]],
    made: PredictionTask,
    numbers: Iterable[int],
) -> Generator[tuple[int, list[str] | Exception | None], None, None]:
    """Hand out blocks, a few per worker; yield each number, and what is to be warned of.

    In place of that, the error of a block that failed, or killed its workers; or None when
    nothing has come for a while.
    """
    left = iter(numbers)
    where = (str(made.result.absolute()), str(hash(repr(made.plan))), made.settings.device)
    running: dict[Any, int] = {}

    def hand_out() -> None:
        most = QUEUE * max(1, len(client.scheduler_info()["workers"]))
        for number in islice(left, max(0, most - len(running))):
            running[client.submit(in_worker, work, *where, number, pure=False)] = number

    try:
        hand_out()
        heard = monotonic()
        while running:
            for future in [future for future in running if future.done()]:
                try:
                    killed: Exception | None = future.exception(GATHER)
                    said = None if killed else future.result(GATHER)
                except TimeoutError:  # a worker was lost with its answer; dask begins anew
                    continue
                number, heard = running.pop(future), monotonic()
                yield number, killed if said is None else outcome_of(*said)
            hand_out()
            if monotonic() - heard > SILENCE:
                heard = monotonic()
                yield -1, None
            sleep(PAUSE)
    finally:
        client.cancel(list(running))


def waiting(client: Client) -> Waiting:
    """Say that nothing has come, and if there is nobody from whom it could."""
    lonely = not client.scheduler_info()["workers"]
    return Waiting(message="No worker is left; waiting for one." if lonely else "")


def outcome_of(warnings: list[str], failure: str, user: bool) -> list[str] | Exception:
    """Turn what a worker said back into an error, if it was one."""
    if not failure:
        return warnings
    return UserError(failure) if user else EngineError(failure)


def in_worker(
    work: Callable[[PredictionTask, int], list[str]],
    result: str,
    token: str,
    device: str,
    number: int,
) -> tuple[list[str], str, bool]:
    """Do a block; say what is to be warned of, or why it failed and if the user can mend it.

    Errors travel as words: not every exception can be pickled, and one that cannot would leave
    its block waiting for ever.
    """
    try:
        return work(_opened(result, token, device), number), "", False
    except Exception as error:
        return [], first_line(error), isinstance(error, UserError)


def compute_block(made: PredictionTask, number: int) -> list[str]:
    """Send a block through the network and write it."""
    warnings: list[str] = []
    plane = made.read(number)
    with _ONE_AT_A_TIME:  # other threads of the worker read and write meanwhile
        found = told(made.compute(number, plane), warnings.append)
    if not made.is_current:  # the run ended meanwhile, and another began
        raise UserError(f"{made.result} is no longer made by this plan.")
    made.write(number, found)
    return warnings


def find_block(made: PredictionTask, number: int) -> list[str]:
    """Find the objects of a block and write them."""
    objects = Objects(made, None)
    objects.begin()
    objects.find(number)
    return []


def _opened(result: str, token: str, device: str) -> PredictionTask:
    """Open a result once in a worker, not once for each block."""
    with _ONE_AT_A_TIME:
        if (result, token) not in _OPENED:
            _OPENED.clear()
            _OPENED[result, token] = reopened(Path(result), device_here(device))
        return _OPENED[result, token]


_ONE_AT_A_TIME = Lock()
_OPENED: dict[tuple[str, str], PredictionTask] = {}
"""In a worker: the result that it helps with."""


def device_here(name: str) -> str:
    """Give each worker of a machine a GPU of its own, where they are numbered."""
    from distributed import get_worker

    number = get_worker().name
    if name in ("auto", "cuda") and isinstance(number, int) and torch.cuda.is_available():
        return f"cuda:{number % torch.cuda.device_count()}"
    return name


def connected(held: ExitStack, scheduler: str | None, workers: int) -> Client:
    """Reach a scheduler, or start one with workers on this machine, until `held` ends.

    Parameters
    ----------
    held : ExitStack
    scheduler : str, optional
        Its address, tcp://host:8786.
    workers : int
        Start so many on this machine, in its place. They listen on 127.0.0.1 only.

    Raises
    ------
    UserError
        If dask is not installed, or no scheduler or worker answers.
    """
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
