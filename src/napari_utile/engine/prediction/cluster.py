"""Blocks on other processes: of this machine, or those that a dask scheduler knows.

    this process    numbers of blocks -->  workers: read, compute, write a block
                    journal, events  <--  "block 7 is on disk", warnings

A worker opens model and image itself, by the paths in the plan, and writes the block where it
belongs: only numbers travel. So all must see the same files, and have U-Tile installed. This
process keeps the journal; a worker that dies costs the block it was at.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from time import monotonic, sleep
from typing import Any, Protocol

from napari_utile.engine.prediction.compute import Failures
from napari_utile.engine.prediction.instances import FRAGMENTS
from napari_utile.engine.prediction.local_workers import LocalWorkers
from napari_utile.engine.prediction.progress import StageProgress
from napari_utile.engine.prediction.stages import block_done
from napari_utile.engine.prediction.task import NETWORK, PredictionTask
from napari_utile.engine.prediction.worker import (
    BlockAnswer,
    BlockWork,
    device_of_worker,
    do_work,
)
from napari_utile.errors import EngineError, UserError
from napari_utile.events import Event, Waiting, Warned
from napari_utile.folders.journal import Journal

QUEUE = 3
"""Blocks that wait at each worker, so that none waits for this process."""
CONNECT_TIMEOUT = 30
"""Seconds in which a scheduler must answer, and a first worker come."""
GATHER_TIMEOUT = 2.0
"""Seconds in which the answer of a block that is done must come from its worker."""
SILENCE, POLL_INTERVAL = 1.0, 0.01
"""Seconds without a block after which `Waiting` is yielded; and between two looks."""


class Workers(Protocol):
    """Where blocks are handed out: `LocalWorkers` or `DaskWorkers`."""

    @property
    def size(self) -> int:
        """How many workers there are now."""
        ...

    def submit(self, work: BlockWork) -> Any:
        """Hand out work; return a future of its `BlockAnswer`."""
        ...

    def cancel(self, futures: list[Any]) -> None:
        """Forget work that was handed out."""
        ...


@dataclass(frozen=True)
class Answer:
    """What a worker says of a block: its warnings, or why it failed."""

    number: int
    warnings: tuple[str, ...] = ()
    error: Exception | None = None


def compute_on_workers(
    workers: Workers,
    task: PredictionTask,
    device: str,
    journal: Journal,
    report: Callable[[int], Iterable[Event]],
    failures: Failures,
) -> Generator[Event, None, None]:
    """Compute the missing blocks, and find the fragments of instances, on workers.

    Parameters
    ----------
    workers : Workers
        See `connected`.
    task : PredictionTask
        Its plan and its output exist.
    device : str
        As in the settings.
    journal : Journal
        Where this process writes down what the workers have done.
    report, failures
        As in `compute_blocks`.
    """
    compute = partial(_handed_out, workers, "compute", task, device)
    for attempt in failures.attempts([int(n) for n in (~task.computed).nonzero()[0]]):
        for answer in compute(attempt):
            if isinstance(answer, Waiting):
                yield answer
            elif answer.error is not None:
                failures.add(answer.number, answer.error)
            else:
                failures.remove(answer.number)
                journal.write(NETWORK, [answer.number])
                yield from (Warned(message=message) for message in answer.warnings)
                yield from report(answer.number)
    if task.settings.output == "instances" and not failures:
        yield from _find_fragments(workers, task, device, journal)


def _find_fragments(
    workers: Workers, task: PredictionTask, device: str, journal: Journal
) -> Generator[Event, None, None]:
    """Find the fragments of the blocks where they are missing."""
    found = task.work.done(FRAGMENTS, len(task.blocks))
    progress = StageProgress(len(found), int(found.sum()))
    missing = [int(n) for n in (~found).nonzero()[0]]
    for answer in _handed_out(workers, "find", task, device, missing):
        if isinstance(answer, Waiting):
            yield answer
            continue
        if answer.error is not None:
            raise answer.error
        journal.write(FRAGMENTS, [answer.number])
        yield block_done(task, "objects", progress.step())


def _handed_out(
    workers: Workers, kind: str, task: PredictionTask, device: str, numbers: Iterable[int]
) -> Generator[Answer | Waiting, None, None]:
    """Hand out blocks, a few per worker; yield each answer, or `Waiting` if none comes."""
    left = iter(numbers)
    where = (str(task.result.absolute()), str(hash(repr(task.plan))), device)
    running: dict[Any, int] = {}

    def hand_out() -> None:
        most = QUEUE * max(1, workers.size)
        for number in islice(left, max(0, most - len(running))):
            running[workers.submit(BlockWork(kind, *where, number))] = number

    try:
        hand_out()
        last = monotonic()
        while running:
            for future in [future for future in running if future.done()]:
                try:
                    # workers were killed on this block, one after the other
                    killed: Exception | None = future.exception(GATHER_TIMEOUT)
                    said = None if killed else future.result(GATHER_TIMEOUT)
                except TimeoutError:
                    # the worker was lost with its answer; dask computes the block again
                    continue
                number, last = running.pop(future), monotonic()
                yield Answer(number, error=killed) if said is None else _answer(number, said)
            hand_out()
            if monotonic() - last > SILENCE:
                last = monotonic()
                yield Waiting(
                    message="" if workers.size else "No worker is left; waiting for one."
                )
            sleep(POLL_INTERVAL)
    finally:
        workers.cancel(list(running))


def _answer(number: int, said: BlockAnswer) -> Answer:
    """Turn the words of a worker into an answer."""
    if not said.failure:
        return Answer(number, said.warnings)
    error = UserError(said.failure) if said.is_user_error else EngineError(said.failure)
    return Answer(number, error=error)


def connected(held: ExitStack, scheduler: str | None, workers: int) -> Workers:
    """Start workers on this machine, or connect to a scheduler, until `held` closes.

    Parameters
    ----------
    held : ExitStack
        Closes the connection, and ends workers that were started.
    scheduler : str, optional
        Address, tls://host:8786 or tcp://host:8786.
    workers : int
        Number of workers to start on this machine instead.

    Returns
    -------
    Workers

    Raises
    ------
    UserError
        If there is a scheduler, and dask is not installed or no scheduler or worker answers.
    """
    if scheduler is None:
        return held.enter_context(LocalWorkers(workers))
    return DaskWorkers(held, scheduler)


class DaskWorkers:
    """The workers of a scheduler, which may be on any machine.

    Parameters
    ----------
    held : ExitStack
        Closes the connection.
    scheduler : str
        Address. Certificates for tls:// are those of dask's own configuration.

    Raises
    ------
    UserError
        If dask is not installed, or no scheduler or worker answers.
    """

    def __init__(self, held: ExitStack, scheduler: str):
        try:
            from distributed import Client
        except ImportError:
            raise UserError(
                "A scheduler needs dask: "
                'pip install "napari-utile[cluster]", here and on every worker.'
            ) from None
        try:
            self._client = held.enter_context(
                Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
            )
        except (OSError, TimeoutError, ValueError, RuntimeError, TypeError) as error:
            raise UserError(f"No scheduler answers at {scheduler}: {error}.") from None
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except TimeoutError:
            raise UserError(
                f"The scheduler at {scheduler} has no worker: start one with "
                f"`dask worker {scheduler} --nthreads 1`."
            ) from None

    @property
    def size(self) -> int:
        """How many workers there are now."""
        return len(self._client.scheduler_info()["workers"])

    def submit(self, work: BlockWork) -> Any:
        """Hand out work; return a future of its `BlockAnswer`."""
        return self._client.submit(in_dask_worker, work, pure=False)

    def cancel(self, futures: list[Any]) -> None:
        """Forget work that was handed out."""
        self._client.cancel(futures)


def scheduler_warning(scheduler: str | None) -> str:
    """Return who else could use a scheduler; '' if it asks for certificates.

    Parameters
    ----------
    scheduler : str or None
        Address; None if there is no scheduler.

    Returns
    -------
    str
        A sentence for the user.
    """
    if not scheduler or scheduler.startswith(("tls://", "inproc://")):
        return ""
    return (
        f"Everybody who can reach {scheduler} can run code as you, here and on its workers: "
        "start scheduler and workers with certificates, and name it as tls://..."
    )


def in_dask_worker(work: BlockWork) -> BlockAnswer:
    """Do the work of one block; runs in a worker of dask, where the workers have numbers."""
    from distributed import get_worker

    return do_work(replace(work, device=device_of_worker(work.device, get_worker().name)))
