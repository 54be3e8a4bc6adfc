"""Measure objects beside scikit-image on the same labels, and beside the network's time.

    python benchmarks/objects.py                                  # 64 x 1024 x 1024
    python benchmarks/objects.py --slices 64 --few 8 --size 1024

The labels are cells of a synthetic stack: each pixel belongs to the nearest seed, with a gap
between. *utile objects* reads labels, image and probabilities from OME-Zarr and writes the
CSV. *objects_table* and *regionprops_table* of scikit-image measure the same arrays in memory,
the latter area, centroid, box, axes, mean and standard deviation. *network* is the U-Net of the
defaults on a few slices, scaled to the stack. Times are CPU seconds; each way runs in a process
of its own, so that its peak memory is measured alone, on Linux.
"""

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from napari_utile.io.stack import Stack
from napari_utile.results.objects import measure_files

CHUNK = 512
COLUMNS = (
    "label", "area", "centroid", "bbox", "axis_major_length", "axis_minor_length",
    "intensity_mean", "intensity_std",
)  # fmt: skip


class Cost(NamedTuple):
    """CPU time of a way to measure, its peak memory, and the objects that it found."""

    seconds: float
    gigabytes: float
    objects: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the objects of a stack.")
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--few", type=int, default=8, help="slices to compare memory with")
    parser.add_argument("--size", type=int, default=1024, help="side of a slice, px")
    parser.add_argument("--cell", type=int, default=40, help="distance of seeds, px")
    parser.add_argument("--network", type=int, default=1, help="slices it predicts; 0: none")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for slices in (options.few, options.slices):
            write_result(folder / f"{slices}.zarr", slices, options.size, options.cell)
        alone(warm_up)
        few = alone(measured, folder / f"{options.few}.zarr", options.few)
        all_of_it = alone(measured, folder / f"{options.slices}.zarr", options.slices)
        peer = alone(by_skimage, folder / f"{options.few}.zarr", options.few)
        arrays = alone(in_memory, folder / f"{options.few}.zarr", options.few)
        pixels = options.size**2
        shape = f"{options.slices} x {options.size} x {options.size} px"
        print(f"{shape}, {all_of_it.objects:,} objects")
        print(f"{'':32}{'CPU s':>9}{'ns/px':>8}{'GB':>7}")
        rows = {
            f"utile objects, {options.few} slices": (few, options.few),
            f"utile objects, {options.slices} slices": (all_of_it, options.slices),
            f"objects_table, {options.few} slices": (arrays, options.few),
            f"regionprops_table, {options.few} slices": (peer, options.few),
        }
        for what, (cost, slices) in rows.items():
            per_pixel = cost.seconds / (pixels * slices) * 1e9
            print(f"{what:32}{cost.seconds:9.2f}{per_pixel:8.1f}{cost.gigabytes:7.2f}")
        print(f"memory of all / few slices: {all_of_it.gigabytes / few.gigabytes:.2f}")
        print(
            f"objects_table / regionprops_table, CPU time: {arrays.seconds / peer.seconds:.3f}"
        )
        if options.network:
            seconds = alone(network, options.network, options.size).seconds
            whole = seconds / options.network * options.slices
            print(f"network: {seconds / options.network:.1f} CPU s per slice")
            print(f"utile objects / network, CPU time: {all_of_it.seconds / whole:.4f}")


def alone(way, *given) -> Cost:
    """Run a way in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(way, *given).result()


def peak_gigabytes() -> float:
    """Return the largest resident size of this process; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def cells(slices: int, size: int, distance: int) -> NDArray[np.uint32]:
    """Return labels of cells that change slowly through the slices."""
    random = np.random.default_rng(0)
    count = (size // distance) ** 2
    labels = np.zeros((slices, size, size), np.uint32)
    places = random.uniform(0, size, (count, 2))
    for z in range(slices):
        places = (places + random.normal(0, 1, places.shape)) % size
        seeds = np.zeros((size, size), np.uint32)
        seeds[tuple(places.astype(int).T)] = 1 + np.arange(count) + count * (z // 16)
        _, nearest = distance_transform_edt(seeds == 0, return_indices=True)
        plane = seeds[tuple(nearest)]
        for axis in (0, 1):
            plane[np.diff(plane, axis=axis, append=0) != 0] = 0
        labels[z] = plane
    return labels


def write_result(path: Path, slices: int, size: int, distance: int) -> None:
    """Write an OME-Zarr as a prediction of instances leaves it, and its image beside it."""
    labels = cells(slices, size, distance)
    noise = np.random.default_rng(1).integers(0, 60, labels.shape, np.uint8)
    image = noise + 100 * (labels > 0).astype(np.uint8)
    like = Stack(image, "zyx", scale=(50, 4, 4), units=("nanometer",) * 3)
    chunks = (1, CHUNK, CHUNK)
    for place, kind in ((path, "instances"), (path.with_name(f"em-{path.name}"), "image")):
        settings = {"kind": kind, "settings": {}}
        array = create_image(place, labels.shape, np.uint8, chunks, like, attributes=settings)
        array[:] = image
        if kind == "instances":
            create_labels(path, kind, labels.shape, np.uint64, chunks, like)[:] = labels
        mark_complete(place)


def warm_up() -> Cost:
    """Compile what is not in the cache yet."""
    with tempfile.TemporaryDirectory() as name:
        write_result(Path(name) / "1.zarr", 2, 64, 16)
        return measured(Path(name) / "1.zarr", 2)


def measured(path: Path, slices: int) -> Cost:
    """Write the table of a result."""
    began = process_time()
    run = measure_files(path, path.with_suffix(".csv"), path.with_name(f"em-{path.name}"))
    for _ in run:
        pass
    rows = path.with_suffix(".csv").read_bytes().count(b"\n") - 1
    return Cost(process_time() - began, peak_gigabytes(), rows)


def in_memory(path: Path, slices: int) -> Cost:
    """Measure the arrays in memory."""
    import napari_utile as utile

    labels = open_image(path).read()
    image = open_image(path.with_name(f"em-{path.name}")).read()
    utile.objects_table(labels[:1], image[:1], spacing=(50.0, 4.0, 4.0))
    began = process_time()
    table = utile.objects_table(labels, image, spacing=(50.0, 4.0, 4.0))
    return Cost(process_time() - began, peak_gigabytes(), len(table["id"]))


def by_skimage(path: Path, slices: int) -> Cost:
    """Compute the same columns of the arrays in memory."""
    from skimage.measure import regionprops_table

    labels = open_image(path).read().astype(np.int64)
    image = open_image(path.with_name(f"em-{path.name}")).read()
    began = process_time()
    table = regionprops_table(labels, image, properties=COLUMNS, spacing=(50.0, 4.0, 4.0))
    return Cost(process_time() - began, peak_gigabytes(), len(table["label"]))


def network(slices: int, size: int) -> Cost:
    """Predict a few slices by the U-Net of the defaults, with random parameters."""
    import napari_utile as utile

    model = utile.Model(utile.networks.UNet(1, 2, width=16, padding="same", norm="batch"))
    image = np.random.default_rng(0).integers(0, 255, (slices, size, size), np.uint8)
    utile.predict(model, image[:1, :256, :256])
    began = process_time()
    utile.predict(model, image)
    return Cost(process_time() - began, peak_gigabytes(), 0)


if __name__ == "__main__":
    main()
