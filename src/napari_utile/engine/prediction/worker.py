"""A worker: opens model and image itself, computes a block, writes it, and says how that went.

It is a process of this machine that another one started, see `local_workers`, or one of dask,
see `cluster`. `python -m napari_utile.engine.prediction.worker` is the former.
"""

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from napari_utile.engine.models.model import load_model
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.compute import first_line
from napari_utile.engine.prediction.in_memory import device_and_dtype
from napari_utile.engine.prediction.instances import InstanceBuilder
from napari_utile.engine.prediction.plan import PredictionPlan
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.errors import UserError
from napari_utile.events import Warned, drain
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.images import open_image

LANES = 2
"""Blocks that a worker has in hand: while it computes one, it reads or writes the other."""


@dataclass(frozen=True)
class BlockWork:
    """What a worker is to do: plain values only, which say where everything else is.

    Attributes
    ----------
    kind : str
        One of `KINDS_OF_WORK`.
    result : str
        Path of the result.
    token : str
        Another one means another plan.
    device : str
        As in the settings.
    number : int
        Of the block.
    """

    kind: str
    result: str
    token: str
    device: str
    number: int


@dataclass(frozen=True)
class BlockAnswer:
    """What a worker says of a block.

    Attributes
    ----------
    warnings : tuple of str
    failure : str
        Why it failed; empty if it did not.
    is_user_error : bool
        Whether the user can act on the failure.
    """

    warnings: tuple[str, ...] = ()
    failure: str = ""
    is_user_error: bool = False


@dataclass(frozen=True)
class WorkerTask:
    """The task that a worker helps with, and what computes its blocks there."""

    task: PredictionTask
    computer: BlockComputer


def serve(number: int, threads: int) -> None:
    """Do the work that standard input names, line by line; answer on standard output.

    The process ends, in the midst of its work, when standard input closes: so it never
    outlives the one that started it, however that dies.

    Parameters
    ----------
    number : int
        Of the worker; each has a GPU of its own, as far as they go.
    threads : int
        To compute with.
    """
    torch.set_num_threads(threads)
    answers, writing = os.fdopen(os.dup(1), "w", encoding="utf-8"), Lock()
    os.dup2(2, 1)  # what a library prints is no answer

    def do(line: str) -> None:
        request = json.loads(line)
        ticket = request.pop("ticket")
        device = device_of_worker(request.pop("device"), number)
        answer = asdict(do_work(BlockWork(**request, device=device)))
        with writing:
            print(json.dumps({"ticket": ticket} | answer), file=answers, flush=True)

    lanes = ThreadPoolExecutor(LANES)
    for line in sys.stdin:
        lanes.submit(do, line)
    os._exit(0)


def do_work(work: BlockWork) -> BlockAnswer:
    """Do the work of one block.

    Errors travel as words: not every exception can be sent, and one that cannot would leave
    its block waiting for ever.
    """
    try:
        opened = _opened(work.result, work.token, work.device)
        return BlockAnswer(tuple(KINDS_OF_WORK[work.kind](opened, work.number)))
    except Exception as error:
        return BlockAnswer((), first_line(error), isinstance(error, UserError))


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
    builder.find_fragments(number)
    return []


KINDS_OF_WORK: dict[str, Callable[[WorkerTask, int], list[str]]] = {
    "compute": compute_block,
    "find": find_block,
}


def _opened(result: str, token: str, device: str) -> WorkerTask:
    """Open a task once per worker, not once per block."""
    with _NETWORK_LOCK:
        if (result, token) not in _OPENED:
            _OPENED.clear()
            _OPENED[result, token] = _open(Path(result), device)
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
    network = TiledNetwork(model.network, *device_and_dtype(settings), model.offsets)
    return WorkerTask(task, task.computer(network))


_NETWORK_LOCK = Lock()
_OPENED: dict[tuple[str, str], WorkerTask] = {}


def device_of_worker(name: str, number: Any) -> str:
    """Return a GPU of its own for each worker of a machine, where workers are numbered."""
    if name in ("auto", "cuda") and isinstance(number, int) and torch.cuda.is_available():
        return f"cuda:{number % torch.cuda.device_count()}"
    return name
