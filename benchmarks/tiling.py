"""Time tiled prediction beside the bare network and the whole image at once, in one run.

    python benchmarks/tiling.py --size 2048 --width 16

*bare* runs the network, made ready as for a prediction, on the same tiles, cut, normalized and
mirrored beforehand and kept in memory; *whole* runs it once on the mirrored image. *tiled* is
`predict`: it reads uint8, normalizes, mirrors, computes, turns logits into probabilities and
writes them. Each runs in its own process, so that its peak memory is measured alone. They run
alternately; medians are shown. The networks have 4 poolings and random parameters.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from math import prod
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.tiling import mirrored, tiles
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.in_memory import predict_stack, probabilities
from napari_utile.engine.prediction.tile_size import choose_tile
from napari_utile.engine.prediction.tiled import for_inference
from napari_utile.io.stack import Stack
from napari_utile.networks import UNet
from napari_utile.settings.prediction import PredictSettings


class Way(NamedTuple):
    """A way to predict the image. Tile 0 is the automatic one."""

    name: str
    tile: int
    padding: str
    size: int
    width: int
    precision: str


class Measured(NamedTuple):
    """Time, memory and result of one run."""

    seconds: float
    gigabytes: float
    redundancy: float
    tile: str
    result: NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time tiled prediction.")
    parser.add_argument("--size", type=int, default=2048, help="side of the image, px")
    parser.add_argument("--width", type=int, default=16, help="features at full resolution")
    parser.add_argument("--tiles", type=int, nargs="*", default=[512], help="besides auto, px")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()

    threads = torch.get_num_threads()
    print(f"{options.size} x {options.size} px, width {options.width}, {options.precision}, ")
    print(f"{threads} threads, median of {options.rounds} rounds. computed: pixels read by the")
    print("network per pixel written; error: largest difference from whole, in probability")
    for padding in ("valid", "same"):
        compare(padding, options)


def compare(padding: str, options: argparse.Namespace) -> None:
    """Print a table of one network."""
    kinds = [("whole", 0)]
    kinds += [(name, tile) for tile in (*options.tiles, 0) for name in ("bare", "tiled")]
    rounds = [
        [
            in_its_own_process(
                Way(*kind, padding, options.size, options.width, options.precision)
            )
            for kind in kinds
        ]
        for _ in range(options.rounds)
    ]
    seconds = [median(run.seconds for run in runs) for runs in zip(*rounds, strict=True)]
    print(f"\n{padding + ' convolutions':26}{'s':>7}{'/ bare':>9}{'/ whole':>9}", end="")
    print(f"{'computed':>10}{'peak GB':>9}{'error':>9}")
    for (name, tile), run, took in zip(kinds, rounds[0], seconds, strict=True):
        bare = seconds[kinds.index(("bare", tile))] if name == "tiled" else took
        error = np.abs(run.result - rounds[0][0].result).max()
        print(
            f"{name:6} {run.tile:19}{took:7.2f}{took / bare:9.3f}{took / seconds[0]:9.3f}",
            end="",
        )
        print(f"{run.redundancy:10.3f}{run.gigabytes:9.2f}{error:9.0e}", flush=True)


def in_its_own_process(way: Way) -> Measured:
    """Measure in a fresh interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, way).result()


def measure(way: Way) -> Measured:
    """Run one way once, after a warm-up on one small tile."""
    torch.manual_seed(0)
    network = UNet(width=way.width, padding=way.padding).eval()
    image = np.random.default_rng(0).integers(0, 255, (way.size, way.size), np.uint8)
    model = Model(network, Normalization(mean=(127.0,), std=(74.0,)))
    dtype = torch.bfloat16 if way.precision == "bf16" else None
    asked = (way.tile, way.tile) if way.tile else None
    tile = choose_tile(network, image.shape, torch.device("cpu"), dtype, asked)
    if way.name == "whole":
        tile = choose_tile(network, image.shape, torch.device("cpu"), dtype, image.shape)
    plan = tiles(image.shape, tile, network.margin, network.input_size)
    result = np.zeros((2, *image.shape), np.float32)
    network = for_inference(network, torch.device("cpu"), dtype)
    forward(network, torch.zeros(1, 1, *network.input_size((16, 16))), dtype)

    if way.name == "tiled":
        settings = PredictSettings(device="cpu", precision=way.precision)
        start = perf_counter()
        for _ in predict_stack(model, Stack(image, "yx"), result, settings, tile):
            pass
        seconds = perf_counter() - start
    else:
        inputs = [
            torch.from_numpy(model.normalization.apply(mirrored(image, part.read)[None]))[None]
            for part in plan
        ]
        start = perf_counter()
        outputs = [forward(network, x, dtype) for x in inputs]
        seconds = perf_counter() - start
        for part, output in zip(plan, outputs, strict=True):
            cut = output[0, :, *part.cut(network.margin)].float().numpy()
            result[:, *part.write] = probabilities(cut)
    read = sum(prod(network.input_size(tile.shape)) for tile in plan)
    words = f"{tile[0]} x {tile[1]}{'' if way.tile or way.name == 'whole' else ' (auto)'}"
    return Measured(seconds, peak(), read / image.size, words, result)


@torch.inference_mode()
def forward(network: UNet, x: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """Run the network alone."""
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        return network.forward_tile(x.contiguous(memory_format=torch.channels_last))


def peak() -> float:
    """Read the largest resident memory of this process, in GB. Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


if __name__ == "__main__":
    main()
