"""Blocks on other processes and machines: a dask scheduler hands them out.

    this process    numbers of blocks -->  scheduler  -->  workers: read, compute, write a block
                    journal, events  <--  "block 7 is on disk", warnings  <--

A worker opens model and image itself, by the paths in the plan, and writes the block where it
belongs: only numbers travel. So all must see the same files, and have U-Tile installed. This
process keeps the journal; a worker that dies costs the block it was at.
"""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any

import torch

from napari_utile.engine.models.model import load_model
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.compute import Failures, first_line
from napari_utile.engine.prediction.in_memory import device_and_dtype
from napari_utile.engine.prediction.instances import FRAGMENTS, InstanceBuilder
from napari_utile.engine.prediction.plan import PredictionPlan
from napari_utile.engine.prediction.progress import StageProgress
from napari_utile.engine.prediction.stages import block_done
from napari_utile.engine.prediction.task import NETWORK, PredictionTask
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.errors import EngineError, UserError
from napari_utile.events import Event, Waiting, Warned, drain
from napari_utile.folders.journal import Journal, WorkFolder
from napari_utile.io.images import open_image

QUEUE = 3
"""Blocks that wait at each worker, so that none waits for this process."""
CONNECT_TIMEOUT = 30
"""Seconds in which a scheduler must answer, and a first worker come."""
GATHER_TIMEOUT = 2.0
"""Seconds in which the answer of a block that is done must come from its worker."""
SILENCE, POLL_INTERVAL = 1.0, 0.01
"""Seconds without a block after which `Waiting` is yielded; and between two looks."""

Client = Any


@dataclass(frozen=True)
class Answer:
    """What a worker says of a block: its warnings, or why it failed."""

    number: int
    warnings: tuple[str, ...] = ()
    error: Exception | None = None


@dataclass(frozen=True)
class WorkerTask:
    """The task that a worker helps with, and what computes its blocks there."""

    task: PredictionTask
    computer: BlockComputer


def compute_on_workers(
    client: Client,
    task: PredictionTask,
    device: str,
    journal: Journal,
    report: Callable[[int], Iterable[Event]],
    failures: Failures,
) -> Generator[Event, None, None]:
    """Compute the missing blocks, and find the fragments of instances, on workers.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler, see `connected`.
    task : PredictionTask
        Its plan and its output exist.
    device : str
        As in the settings.
    journal : Journal
        Where this process writes down what the workers have done.
    report, failures
        As in `compute_blocks`.
    """
    compute = partial(_handed_out, client, compute_block, task, device)
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
        yield from _find_fragments(client, task, device, journal)


def _find_fragments(
    client: Client, task: PredictionTask, device: str, journal: Journal
) -> Generator[Event, None, None]:
    """Find the fragments of the blocks where they are missing."""
    found = task.work.done(FRAGMENTS, len(task.blocks))
    progress = StageProgress(len(found), int(found.sum()))
    missing = [int(n) for n in (~found).nonzero()[0]]
    for answer in _handed_out(client, find_block, task, device, missing):
        if isinstance(answer, Waiting):
            yield answer
            continue
        if answer.error is not None:
            raise answer.error
        journal.write(FRAGMENTS, [answer.number])
        yield block_done(task, "objects", progress.step())


def _handed_out(
    client: Client,
    work: Callable[[WorkerTask, int], list[str]],
    task: PredictionTask,
    device: str,
    numbers: Iterable[int],
) -> Generator[Answer | Waiting, None, None]:
    """Hand out blocks, a few per worker; yield each answer, or `Waiting` if none comes."""
    left = iter(numbers)
    where = (str(task.result.absolute()), str(hash(repr(task.plan))), device)
    running: dict[Any, int] = {}

    def hand_out() -> None:
        most = QUEUE * max(1, len(client.scheduler_info()["workers"]))
        for number in islice(left, max(0, most - len(running))):
            running[client.submit(in_worker, work, *where, number, pure=False)] = number

    try:
        hand_out()
        last = monotonic()
        while running:
            for future in [future for future in running if future.done()]:
                try:
                    # dask's own error: the worker was killed, and others on this block, too
                    killed: Exception | None = future.exception(GATHER_TIMEOUT)
                    said = None if killed else future.result(GATHER_TIMEOUT)
                except TimeoutError:
                    # the worker was lost with its answer; dask computes the block again
                    continue
                number, last = running.pop(future), monotonic()
                yield Answer(number, error=killed) if said is None else _answer(number, *said)
            hand_out()
            if monotonic() - last > SILENCE:
                last = monotonic()
                yield _waiting(client)
            sleep(POLL_INTERVAL)
    finally:
        client.cancel(list(running))


def _waiting(client: Client) -> Waiting:
    """Return the event that nothing came, with a message if there is no worker."""
    is_alone = not client.scheduler_info()["workers"]
    return Waiting(message="No worker is left; waiting for one." if is_alone else "")


def _answer(number: int, warnings: list[str], failure: str, is_user_error: bool) -> Answer:
    """Turn what `in_worker` returned into an answer."""
    if not failure:
        return Answer(number, tuple(warnings))
    return Answer(number, error=UserError(failure) if is_user_error else EngineError(failure))


def in_worker(
    work: Callable[[WorkerTask, int], list[str]],
    result: str,
    token: str,
    device: str,
    number: int,
) -> tuple[list[str], str, bool]:
    """Do the work of one block; runs in a worker.

    Errors travel as words: not every exception can be pickled, and one that cannot would leave
    its block waiting for ever.

    Parameters
    ----------
    work : callable
        `compute_block` or `find_block`.
    result : str
        Path of the result.
    token : str
        Another one means another plan.
    device : str
        As in the settings.
    number : int
        Of the block.

    Returns
    -------
    warnings : list of str
    failure : str
        Why it failed; empty if it did not.
    is_user_error : bool
        Whether the user can act on the failure.
    """
    try:
        return work(_opened(result, token, device), number), "", False
    except Exception as error:
        return [], first_line(error), isinstance(error, UserError)


def compute_block(opened: WorkerTask, number: int) -> list[str]:
    """Compute a block and write it; return what is to be warned of.

    Raises
    ------
    UserError
        If another run writes the result now.
    """
    task, computer = opened.task, opened.computer
    warnings: list[Warned] = []
    pixels = computer.read(number)
    with _NETWORK_LOCK:  # other threads of the worker may read and write
        values = drain(computer.compute(pixels), warnings.append)
    if not task.is_current:
        raise UserError(f"{task.result} is no longer written with this plan.")
    task.write(number, values)
    return [warning.message for warning in (*computer.take_warnings(), *warnings)]


def find_block(opened: WorkerTask, number: int) -> list[str]:
    """Find the fragments of a block and write them; return no warnings."""
    builder = InstanceBuilder(opened.task, None)
    builder.open()
    builder.find_fragments(number)
    return []


def _opened(result: str, token: str, device: str) -> WorkerTask:
    """Open a task once per worker, not once per block."""
    with _NETWORK_LOCK:
        if (result, token) not in _OPENED:
            _OPENED.clear()
            _OPENED[result, token] = _open(Path(result), _device_of_worker(device))
        return _OPENED[result, token]


def _open(result: Path, device: str) -> WorkerTask:
    """Open a task that another process has planned and created."""
    plan = PredictionPlan.read(WorkFolder(result).plan)
    if plan is None:
        raise UserError(f"{result} is not being written: it has no plan beside it.")
    model = load_model(plan.model_path)
    task = PredictionTask(model, open_image(plan.image_path), result, plan)
    task.output.open()
    settings = task.settings.model_copy(update={"device": device})
    network = TiledNetwork(model.network, *device_and_dtype(settings))
    return WorkerTask(task, task.computer(network))


_NETWORK_LOCK = Lock()
_OPENED: dict[tuple[str, str], WorkerTask] = {}


def _device_of_worker(name: str) -> str:
    """Return a GPU of its own for each worker of a machine, where workers are numbered."""
    from distributed import get_worker

    number = get_worker().name
    if name in ("auto", "cuda") and isinstance(number, int) and torch.cuda.is_available():
        return f"cuda:{number % torch.cuda.device_count()}"
    return name


def connected(held: ExitStack, scheduler: str | None, workers: int) -> Client:
    """Connect to a scheduler, or start one with workers on this machine, until `held` closes.

    Parameters
    ----------
    held : ExitStack
        Closes the connection, and ends workers that were started.
    scheduler : str, optional
        Address, tcp://host:8786.
    workers : int
        Number of workers to start on this machine instead. They listen on 127.0.0.1 only.

    Returns
    -------
    distributed.Client

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
        client = held.enter_context(
            Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(f"No scheduler answers at {scheduler}: {error}.") from None
    try:
        client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
    except TimeoutError:
        raise UserError(
            f"The scheduler at {scheduler} has no worker: start one with "
            f"`dask worker {scheduler} --nthreads 1`."
        ) from None
    if scheduler is None:  # dask would give each of them one thread to compute with
        client.run(torch.set_num_threads, max(1, (os.cpu_count() or 1) // workers))
    return client
