"""Estimate of a prediction before it begins: time, memory, disk."""

from collections.abc import Sequence
from math import prod
from time import perf_counter

import psutil
import torch

from napari_utile.engine.prediction.compute import AHEAD, BEHIND
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.engine.prediction.tile_size import WORKSPACE, bytes_per_pixel
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.events import drain
from napari_utile.io.disk import free_disk
from napari_utile.io.slice_context import CACHE_BYTES, slices_seen
from napari_utile.io.units import duration_text, size_text
from napari_utile.networks.tileable import Network

MIN_BLOCKS_TO_TIME = 100
"""Blocks from which on one is timed beforehand, which takes as long as two."""
Facts = dict[str, str | int | float]


def estimate(
    tasks: Sequence[PredictionTask], network: TiledNetwork | None, always: bool = False
) -> Facts:
    """Return how many blocks there are, and the memory, disk and time that they will take.

    Parameters
    ----------
    tasks : sequence of PredictionTask
        One after the other, new or to be resumed.
    network : TiledNetwork, optional
        Used to time a block. Without, time is not estimated.
    always : bool, default False
        Time a block even if there are so few that it takes longer than it saves.

    Returns
    -------
    dict
        In words, by name: blocks, block, memory, disk, time.
    """
    if not tasks:
        return {"blocks": 0}
    first = tasks[0]
    count = sum(len(task.blocks) for task in tasks)
    done = sum(int(task.computed.sum()) for task in tasks)
    disk = sum(task.output.nbytes for task in tasks)
    free = free_disk(first.result)
    at_once = network.at_once if network else 1
    facts: Facts = {
        "blocks": f"{done} of {count} done" if done else count,
        "block": " x ".join(map(str, first.blocks.tile)),
        "memory": f"about {size_text(max(_memory(task, at_once) for task in tasks))}",
        "disk": f"up to {size_text(disk)} of {size_text(free)} that are free",
    }
    if network and (always or count - done >= MIN_BLOCKS_TO_TIME):
        seconds = (count - done) * _seconds_per_block(first, network)
        facts["time"] = f"about {duration_text(seconds)}" if seconds >= 1 else "less than 1 s"
    return facts


def _memory(task: PredictionTask, at_once: int) -> float:
    """Bytes that the process will hold: itself, tiles in work, and tiles that wait."""
    network: Network = task.model.network
    read = prod(network.input_size(task.blocks.tile))
    dtype = None if task.plan.precision == "float32" else getattr(torch, task.plan.precision)
    waiting = (AHEAD + BEHIND + at_once) * read * 4 * (network.in_channels + network.classes)
    own: int = psutil.Process().memory_info().rss
    if task.model.context:  # slices are kept for those that are seen with them
        waiting += min(CACHE_BYTES, slices_seen(task.model.context) * _plane_bytes(task))
    return own + at_once * WORKSPACE * bytes_per_pixel(network, dtype) * read + waiting


def _plane_bytes(task: PredictionTask) -> int:
    stack = task.stack
    return prod(stack.shape[-2:]) * stack.channels * stack.dtype.itemsize


def _seconds_per_block(task: PredictionTask, network: TiledNetwork) -> float:
    """Time the middle block, after the network has warmed up on it."""
    computer = task.computer(network, task.model.normalization)  # it takes as long
    number = len(task.blocks) // 2
    for _ in range(2):
        start = perf_counter()
        drain(computer.compute(computer.read(number)))
    return perf_counter() - start
