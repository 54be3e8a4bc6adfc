"""Time connected regions block by block beside the whole at once and dask-image, in one run.

    pip install dask-image
    python benchmarks/stitching.py --side 464 --objects 100000

The mask is a Zarr array on disk, one chunk to a block and not compressed, and the numbers
become one, too. `stitched` numbers the regions block by block; *whole* is `scipy.ndimage.label`
of all in memory; *dask-image* is `dask_image.ndmeasure.label` of the same blocks, on one
thread. Each has its own process, so that its peak of memory is its own. They are done in turn;
medians are shown, and ratios to *whole*. All must find the same regions.
"""

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import zarr
from scipy import ndimage

from napari_utile.arrays.instances.regions import blocks_of, stitched

Way = Callable[[Path, Path], int]


class Measured(NamedTuple):
    """What it took, beyond what Python and its libraries need; and how much it found."""

    seconds: float
    megabytes: float
    regions: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Time connected regions block by block.")
    parser.add_argument("--side", type=int, default=464, help="of the cube, voxels")
    parser.add_argument("--block", type=int, default=128, help="side of a block, voxels")
    parser.add_argument("--objects", type=int, default=100_000, help="about so many")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    ways: dict[str, Way] = {"stitched": block_by_block, "whole": at_once}
    if find_spec("dask_image"):
        ways["dask-image"] = with_dask
    else:
        print("dask-image is not installed, so it is left out.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mask(folder / "mask", options.side, options.block, options.objects)
        write_mask(folder / "small", 32, 16, 100)
        rounds = [
            {name: apart(way, folder, name) for name, way in ways.items()}
            for _ in range(options.repeats)
        ]
        same = {name: is_same(folder / name, folder / "whole") for name in ways}

    whole = middle([measured["whole"] for measured in rounds])
    print(
        f"{options.side**3:.1e} voxels, blocks of {options.block}, median of {options.repeats}"
    )
    print(
        f"{'':12}{'regions':>10}{'s':>8}{'of whole':>10}{'MB':>8}{'of whole':>10}  regions are"
    )
    for name in ways:
        own = middle([measured[name] for measured in rounds])
        time, memory = own.seconds / whole.seconds, own.megabytes / whole.megabytes
        print(
            f"{name:12}{own.regions:10,}{own.seconds:8.2f}{time:10.2f}{own.megabytes:8.0f}"
            f"{memory:10.3f}  {'the same' if same[name] else 'OTHERS'}"
        )


def middle(measured: list[Measured]) -> Measured:
    """Median of each number."""
    seconds, megabytes, regions = zip(*measured, strict=True)
    return Measured(median(seconds), median(megabytes), regions[0])


def write_mask(path: Path, side: int, block: int, objects: int) -> None:
    """Draw about so many bent blobs into a cube, in every second cell of a lattice."""
    mask = new_array(path, np.uint8, side, block)
    cell = (side**3 / objects / 2) ** (1 / 3)
    for where in blocks_of(mask.shape, mask.chunks):
        z, y, x = np.meshgrid(
            *(np.arange(axis.start, axis.stop, dtype=np.float32) for axis in where),
            indexing="ij",
            sparse=True,
        )
        bend = 2 * np.sin(y / (3 * cell))
        waves = (np.sin(np.pi / cell * (axis + bend)) for axis in (x, y - bend, z))
        mask[where] = np.prod(np.broadcast_arrays(*waves), axis=0) > 0.1


def new_array(path: Path, dtype: type[np.integer], side: int, block: int) -> zarr.Array:
    return zarr.create_array(
        path,
        shape=(side,) * 3,
        chunks=(block,) * 3,
        dtype=dtype,
        compressors=None,
        overwrite=True,
    )


def apart(way: Way, folder: Path, name: str) -> Measured:
    """Do it in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(measure, way, folder, name).result()


def measure(way: Way, folder: Path, name: str) -> Measured:
    """Load and compile what it needs on a small cube, and then measure."""
    way(folder / "small", folder / f"{name}-small")
    before, start = peak(), perf_counter()
    regions = way(folder / "mask", folder / name)
    return Measured(perf_counter() - start, peak() - before, regions)


def peak() -> float:
    """Most memory that this process has had so far, MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def block_by_block(mask: Path, out: Path) -> int:
    given = zarr.open_array(mask, mode="r")
    return stitched(given, like(given, out), given.chunks)


def at_once(mask: Path, out: Path) -> int:
    given = zarr.open_array(mask, mode="r")
    numbers, count = ndimage.label(given[:])
    like(given, out)[:] = numbers
    return count


def with_dask(mask: Path, out: Path) -> int:
    import dask.array as da
    from dask_image.ndmeasure import label

    numbers, count = label(da.from_zarr(str(mask)))
    written = like(zarr.open_array(mask, mode="r"), out)
    stored = da.store(numbers, written, lock=False, compute=False)
    return int(da.compute(stored, count, scheduler="synchronous")[1])


def like(given: zarr.Array, path: Path) -> zarr.Array:
    return new_array(path, np.int32, given.shape[0], given.chunks[0])


def is_same(path: Path, reference: Path) -> bool:
    """Tell whether each region of one is just one of the other."""
    found, expected = (zarr.open_array(p, mode="r")[:].ravel() for p in (path, reference))
    counts = [int(numbers.max()) + 1 for numbers in (found, expected)]
    there, back = np.zeros(counts[0], np.int64), np.zeros(counts[1], np.int64)
    there[found], back[expected] = expected, found
    return bool((there[found] == expected).all() and (back[expected] == found).all())


if __name__ == "__main__":
    main()
