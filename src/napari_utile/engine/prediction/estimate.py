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
from napari_utile.io.memory import size
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
    facts: Facts = {
        "blocks": f"{done} of {count} done" if done else count,
        "block": " x ".join(map(str, first.blocks.tile)),
        "memory": f"about {size(max(map(memory, jobs)))}",
        "disk": f"up to {size(disk)} of {size(free_disk(first.result))} that are free",
    }
    if always or count - done >= WORTHWHILE:
        seconds = (count - done) * seconds_of_a_block(first)
        facts["time"] = f"about {words(seconds)}" if seconds >= 1 else "less than 1 s"
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


def words(seconds: float) -> str:
    """Say a duration in the two units that matter: "3 h 20 min"."""
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    if hours < 1:
        return f"{minutes:.0f} min"
    if hours < 48:
        return f"{int(hours)} h {int(minutes % 60)} min"
    return f"{int(hours / 24)} days {int(hours % 24)} h"
