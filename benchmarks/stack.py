"""Segment a stack of 64 x 2048 x 2048 beside its first slices and the bare network, in one run.

    python benchmarks/stack.py --data vnc/raw.tif --model run/model

The stack is a small one, mirrored at its borders again and again, so that slices go on as in
tissue; without --data it is noise. *bare* runs the network as it predicts, on the tiles of the
first slices, cut, mirrored and normalized beforehand and kept in memory; it runs before,
between and after the others, and its mean counts. The others are `predict_files` from an
uncompressed TIFF to an OME-Zarr, with reading, writing, journal, objects and smaller levels.
Each way runs in its own process, so that its peak memory is measured alone: the largest
resident size on Linux.
"""

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import NamedTuple

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.tiling import mirrored, tile_around
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.in_memory import device_and_dtype, tile_size
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.io.images import open_image
from napari_utile.networks import UNet
from napari_utile.settings.prediction import PredictSettings


class Way(NamedTuple):
    """A way to segment the stack, and how many slices of it."""

    name: str
    slices: int
    folder: Path
    model: Path
    device: str
    precision: str


class Measured(NamedTuple):
    """Time and memory of one run."""

    seconds: float
    gigabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Segment a large stack.")
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--few", type=int, default=4, help="slices to compare with")
    parser.add_argument("--size", type=int, default=2048, help="side of a slice, px")
    parser.add_argument("--data", type=Path, help="a small stack (TIFF, Z Y X) to repeat")
    parser.add_argument(
        "--model", type=Path, help="a trained model; default: random parameters"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stack(folder / "stack.tif", options.slices, options.size, options.data)
        model = options.model or random_model(folder / "model")
        rows: list[tuple[str, int, Measured]] = []
        for kind in ("bare", "probabilities", "bare", "instances", "bare"):
            for slices in (options.few, options.slices)[: 1 if kind == "bare" else 2]:
                way = Way(kind, slices, folder, model, options.device, options.precision)
                rows.append((kind, slices, in_its_own_process(way)))
        print(f"{options.size} x {options.size} px, {torch.get_num_threads()} threads")
        print(f"{'':16}{'slices':>7}{'s':>9}{'s/slice':>9}{'/ bare':>8}{'GB':>7}{'/ few':>7}")
        bare = mean(took.seconds / slices for kind, slices, took in rows if kind == "bare")
        few = 0.0
        for kind, slices, took in rows:
            pace = took.seconds / slices
            few = took.gigabytes if slices == options.few else few
            print(
                f"{kind:16}{slices:7}{took.seconds:9.1f}{pace:9.3f}{pace / bare:8.3f}"
                f"{took.gigabytes:7.2f}{took.gigabytes / few:7.2f}"
            )


def write_stack(path: Path, slices: int, size: int, data: Path | None) -> None:
    """Mirror a small stack at its borders to any size."""
    rng = np.random.default_rng(0)
    small = tifffile.imread(data) if data else rng.integers(0, 255, (4, 512, 512), np.uint8)
    stack = tifffile.memmap(path, shape=(slices, size, size), dtype=np.uint8)
    order = mirrored_order(len(small), slices)
    rows, columns = (mirrored_order(side, size) for side in small.shape[1:])
    for z in range(slices):
        stack[z] = small[order[z]][np.ix_(rows, columns)]


def mirrored_order(length: int, size: int) -> NDArray[np.int64]:
    """Return the places 0, 1, ... length - 1, length - 1, ... 1, 0, 0, 1, ..."""
    there_and_back = np.r_[:length, length - 1 : -1 : -1] if length > 1 else np.zeros(1, int)
    return np.resize(there_and_back, size)


def random_model(path: Path) -> Path:
    """Write a model with random parameters."""
    torch.manual_seed(0)
    Model(UNet(), Normalization(mean=(127.0,), std=(74.0,))).save(path)
    return path


def in_its_own_process(way: Way) -> Measured:
    """Measure in a fresh interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, way).result()


def measure(way: Way) -> Measured:
    """Run one way once."""
    seconds = bare(way) if way.name == "bare" else segment(way)
    status = Path("/proc/self/status").read_text()
    return Measured(seconds, int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9)


def bare(way: Way) -> float:
    """Run the network alone, over tiles in memory."""
    model, stack = load_model(way.model), open_image(way.folder / "stack.tif")
    settings = PredictSettings(device=way.device, precision=way.precision)
    device, dtype = device_and_dtype(settings)
    net = TiledNetwork(model.network, device, dtype).network
    shape = stack.shape[-2:]
    tiles = [
        tile_around(block.window, net.stride_alignment, net.margin, net.input_size)
        for block in Blocks((0, 0), shape, tile_size(model, stack, settings))
    ]
    seconds = 0.0
    for z in range(-1, way.slices):  # the first is a warm-up
        plane = stack.plane((max(z, 0),))
        inputs = [model.normalization.apply(mirrored(plane, tile.read)) for tile in tiles]
        start = perf_counter()
        with torch.inference_mode(), torch.autocast(device.type, dtype, dtype is not None):
            for pixels in inputs:
                x = torch.from_numpy(pixels)[None].to(device)
                net.forward_tile(x.contiguous(memory_format=torch.channels_last)).float().cpu()
        seconds += perf_counter() - start if z >= 0 else 0.0
    return seconds


def segment(way: Way) -> float:
    """Segment the first slices of the stack."""
    shape = open_image(way.folder / "stack.tif").shape
    region = f"0:{way.slices}," + ",".join(f"0:{side}" for side in shape[1:])
    settings = PredictSettings(
        output=way.name,
        region=region,
        device=way.device,
        precision=way.precision,
    )
    out = way.folder / f"{way.name}-{way.slices}.zarr"
    start = perf_counter()
    for _ in predict_files(way.model, [way.folder / "stack.tif"], out, settings):
        pass
    return perf_counter() - start


if __name__ == "__main__":
    main()
