"""What a segmentation will take, said before it begins: time, memory, disk."""

from collections.abc import Sequence
from math import prod
from time import perf_counter

import psutil

from napari_utile.engine.prediction.in_memory import device_and_dtype
from napari_utile.engine.prediction.pipeline import AHEAD, BEHIND
from napari_utile.engine.prediction.task import NETWORK, PredictionTask
from napari_utile.engine.prediction.tile_size import WORKSPACE, bytes_per_pixel
from napari_utile.io.disk import free_disk
from napari_utile.io.units import duration_text, size_text
from napari_utile.networks.tileable import Network

WORTHWHILE = 100
"""Blocks from which on one is timed beforehand, which takes as long as two."""
Facts = dict[str, str | int | float]


def estimate(jobs: Sequence[PredictionTask], always: bool = False) -> Facts:
    """Say how many blocks there are, and what memory, disk and time they will take.

    Parameters
    ----------
    jobs : sequence of PredictionTask
        One after the other, none of them begun, or to go on.
    always : bool, default False
        Time a block even if there are so few that this costs more than it tells.
    """
    if not jobs:
        return {"blocks": 0}
    first = jobs[0]
    count = sum(len(made.blocks) for made in jobs)
    done = sum(int(made.work.done(NETWORK, len(made.blocks)).sum()) for made in jobs)
    disk = sum(made.output.nbytes for made in jobs)
    free = free_disk(first.result)
    facts: Facts = {
        "blocks": f"{done} of {count} done" if done else count,
        "block": " x ".join(map(str, first.blocks.tile)),
        "memory": f"about {size_text(max(map(memory, jobs)))}",
        "disk": f"up to {size_text(disk)} of {size_text(free)} that are free",
    }
    if always or count - done >= WORTHWHILE:
        seconds = (count - done) * seconds_of_a_block(first)
        facts["time"] = f"about {duration_text(seconds)}" if seconds >= 1 else "less than 1 s"
    return facts


def memory(made: PredictionTask) -> float:
    """Count the bytes that the process will hold: itself, a tile in work, and those around."""
    network: Network = made.model.network
    _, dtype = device_and_dtype(made.settings)
    read = prod(network.input_size(made.blocks.tile))
    around = (AHEAD + BEHIND + 1) * read * 4 * (network.in_channels + network.classes)
    own: int = psutil.Process().memory_info().rss
    return own + WORKSPACE * bytes_per_pixel(network, dtype) * read + around


def seconds_of_a_block(made: PredictionTask) -> float:
    """Time the middle block, after the network has warmed up on it."""
    made.connect()
    number = len(made.blocks) // 2
    for _ in range(2):
        start = perf_counter()
        for _ in made.compute(number, made.read(number)):
            pass
    return perf_counter() - start
