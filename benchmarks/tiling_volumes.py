"""Predict one volume as U-Tile does and by MONAI's sliding window, in one run.

    pip install monai
    python benchmarks/tiling_volumes.py --rounds 3

Both get the same float32 volume and the same 3D U-Net, with random parameters. *whole* is one
forward pass over the mirrored volume, the reference of both; *tiled* is U-Tile with its
automatic tile; *MONAI* is `sliding_window_inference` with cubes of 96 voxels and an overlap of
0.25. MONAI is left out where it is not installed.

Every run has its own process; they run alternately, and medians are shown. *CPU s* is the time
of all threads, which other programs hardly change.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from math import ceil
from multiprocessing import get_context
from resource import RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.engine.prediction.in_memory import logits
from napari_utile.networks import UNet3D

WINDOW, OVERLAP = 96, 0.25


class Result(NamedTuple):
    """What one run took, and the logits that it gave."""

    seconds: float
    cpu: float
    peak: float
    logits: NDArray[np.float32]


def volume(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return noise (1, Z, Y, X)."""
    return np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)


def network(depth: int, width: int) -> UNet3D:
    """Return the network that all runs have; its logits are about 1, as trained ones are."""
    torch.manual_seed(0)
    model = UNet3D(1, 2, depth=depth, width=width, padding="same").eval()
    sides = model.input_size((8, 8, 8))
    with torch.no_grad():
        model.classify.weight /= model.forward_tile(torch.randn(1, 1, *sides)).abs().max()
    return model


def run(way: str, shape: tuple[int, ...], depth: int, width: int) -> Result:
    """Predict the volume in one way."""
    image, model = volume(shape), network(depth, width)
    ways = {"whole": _whole, "tiled": logits, "MONAI": _monai}
    if way == "MONAI":
        import monai.inferers  # noqa: F401  # before the clock starts
    began, cpu = perf_counter(), process_time()
    with torch.inference_mode():
        found = ways[way](model, image)
    seconds, spent = perf_counter() - began, process_time() - cpu
    return Result(seconds, spent, getrusage(RUSAGE_SELF).ru_maxrss / 2**20, found)


def _whole(model: UNet3D, image: NDArray[np.float32]) -> NDArray[np.float32]:
    sides, steps = image.shape[1:], model.stride_alignment
    axes = zip(model.margin, steps, sides, strict=True)
    before = [ceil(margin / step) * step for margin, step, _ in axes]
    axes = zip(before, sides, steps, strict=True)
    wholes = [2 * b + ceil(side / step) * step for b, side, step in axes]
    axes = zip(before, wholes, sides, strict=True)
    padded = np.pad(image, [(0, 0), *((b, w - b - n) for b, w, n in axes)], mode="reflect")
    found = model(torch.from_numpy(padded)[None])[0].numpy()
    return found[:, *(slice(b, b + n) for b, n in zip(before, sides, strict=True))]


def _monai(model: UNet3D, image: NDArray[np.float32]) -> NDArray[np.float32]:
    from monai.inferers import sliding_window_inference

    x = torch.from_numpy(image)[None]
    return sliding_window_inference(x, 3 * (WINDOW,), 1, model, overlap=OVERLAP)[0].numpy()


def main() -> None:
    """Run all ways alternately and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(96, 192, 192))
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    ways = ["whole", "tiled", *(["MONAI"] if find_spec("monai") else [])]
    runs: dict[str, list[Result]] = {way: [] for way in ways}
    for _ in range(given.rounds):
        for way in ways:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                job = pool.submit(run, way, tuple(given.shape), given.depth, given.width)
                runs[way].append(job.result())
    print(
        f"{'':8}{'s':>8}{'CPU s':>8}{'of last':>9}{'peak GB':>9}  largest difference from whole"
    )
    last = median(result.cpu for result in runs[ways[-1]])
    reference = runs["whole"][0].logits
    for way, results in runs.items():
        cpu = median(result.cpu for result in results)
        difference = max(float(np.abs(r.logits - reference).max()) for r in results)
        print(
            f"{way:8}{median(r.seconds for r in results):8.1f}{cpu:8.1f}{cpu / last:9.2f}"
            f"{max(r.peak for r in results):9.2f}  {difference:.2g}"
        )


if __name__ == "__main__":
    main()
