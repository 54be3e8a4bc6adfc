"""Link simulated objects through synthetic stacks by overlap and by a graph, and time it.

    python benchmarks/linking.py            accuracy on five stacks, then cost on a large one
    python benchmarks/linking.py --accuracy
    python benchmarks/linking.py --cost     with --network SECONDS of CPU for a slice of 1024 px

Accuracy is the variation of information with the truth in 3D, in bits, 0 best, of objects that
are grown until they touch (`thin_borders`), so that the width of borders does not count. The
*limit* gives each object of a slice the neurite it covers most: no linking of these objects
can be better. *slices* is that of each slice alone, and *f1_50* its matching: of objects as
they are, and *joined*, those as one to which the graph gave one id. In ruined stacks the one
in the middle has no tissue in its place; its truth counts like that of the others.

Cost is CPU time of one thread: of the network, the base-16 U-Net on this machine; and of
linking: overlaps, graph and cut. Memory is the peak of what NumPy allocates (tracemalloc) while
a stack of 8 and of all slices is linked, from planes on disk.
"""

import argparse
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_utile.arrays.instances.assembly import PlaneObjects
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.linking import Numbering, overlaps
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.metrics.matching import f1, match
from napari_utile.metrics.overlap import contingency
from napari_utile.metrics.partitions import thin_borders, vi_merge, vi_split
from napari_utile.samples.synthesis import synthetic_stack

SHAPE, SEEDS = (12, 384, 384), range(5)
KINDS = {
    "noisy": {},
    "noisy, branches and jitter": {"branches": 0.3, "jitter": 1.5},
    "one slice shifted": {"ruin": "shifted"},
    "one slice burnt": {"ruin": "burnt"},
    "one slice blank": {"ruin": "blank"},
}
Labels = NDArray[Any]


def simulated_foreground(
    truth: Labels, rng: np.random.Generator, noise: float = 0.6, holes: float = 2.5e-4
) -> NDArray[np.uint8]:
    """Return foreground as a U-Net would say it of a slice, with its typical errors.

    Parameters
    ----------
    truth : ndarray of int, shape (Y, X)
        Neurites; 0 is membrane.
    rng : numpy.random.Generator
    noise : float
        Standard deviation of smooth noise (3 px), in logits.
    holes : float
        Spots per pixel that raise the foreground, as holes in membranes do; of those that lower
        it, as false membranes do, there are four fifths as many.

    Returns
    -------
    ndarray of uint8, shape (Y, X)
        255 is 1.

    Notes
    -----
    The logit is the distance to the border, 1.6 px each, cut at -4 and 6 px: borders blur, and
    thin membranes are less sure than wide ones. Holes and false membranes are Gaussian spots of
    3 px that move it by 5. Membranes are so missed where a hole meets one, and objects are cut
    where spots meet noise. The two numbers were chosen so that linking by overlap has a
    variation of information of about 0.4 on other seeds than those that are judged.
    """
    distance = distance_transform_edt(truth > 0) - distance_transform_edt(truth == 0)
    logits = distance.clip(-4, 6) / 1.6
    waves = gaussian_filter(rng.standard_normal(truth.shape, np.float32), 3, mode="wrap")
    logits += noise * waves / waves.std()
    for density, height in ((holes, 5), (0.8 * holes, -5)):
        seeds = (rng.random(truth.shape) < density).astype(np.float32)
        logits += height * gaussian_filter(seeds, 3) * 2 * np.pi * 3**2
    return np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8)


def simulated_stack(
    seed: int,
    shape: tuple[int, int, int] = SHAPE,
    ruin: str = "",
    branches: float = 0.0,
    jitter: float = 0.0,
) -> tuple[Labels, NDArray[np.uint8]]:
    """Return truth and foreground of a stack; `ruin` is what happens to its middle slice."""
    _, truth = synthetic_stack(shape, seed, branches=branches, jitter=jitter)
    rng = np.random.default_rng(1000 + seed)
    likely = np.stack([simulated_foreground(plane, rng) for plane in truth])
    middle = len(likely) // 2
    if ruin == "shifted":
        likely[middle] = np.roll(likely[middle], (37, -29), (0, 1))
    elif ruin == "burnt":
        waves = gaussian_filter(rng.standard_normal(shape[1:]), 6, mode="wrap")
        logits = 2.5 * waves / waves.std() + 1
        likely[middle] = np.rint(255 / (1 + np.exp(-logits)))
    elif ruin == "blank":
        likely[middle] = 0
    return truth, likely


def main() -> None:
    parser = argparse.ArgumentParser(description="Link objects through stacks.")
    parser.add_argument("--accuracy", action="store_true", help="only this")
    parser.add_argument("--cost", action="store_true", help="only this")
    parser.add_argument("--seeds", type=int, nargs="+", default=[*SEEDS])
    parser.add_argument("--size", type=int, default=1024, help="side of the large stack, px")
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--network", type=float, help="CPU seconds of a slice; else measured")
    options = parser.parse_args()
    if not options.cost:
        print_accuracy(options.seeds)
    if not options.accuracy:
        print_cost(options.slices, options.size, options.network)


def print_accuracy(seeds: Sequence[int]) -> None:
    """Print the variation of information of each way, mean over the seeds."""
    print(f"{'variation of information':28}{'overlap':>9}{'graph':>9}{'limit':>9}"
          f"{'slices':>9}{'joined':>9}{'f1_50':>9}{'joined':>9}")  # fmt: skip
    for kind, given in KINDS.items():
        rows = [scores(*simulated_stack(seed, **given)) for seed in seeds]
        print(f"{kind:28}" + "".join(f"{x:9.3f}" for x in np.mean(rows, axis=0)), flush=True)


def scores(truth: Labels, likely: NDArray[np.uint8]) -> list[float]:
    """Return VI by overlap, by the graph, at the limit; and per slice without and with ids.

    Per slice: VI and f1_50 of the objects as they are, and of those with one id as one.
    """
    planes = [instances(plane[None]) for plane in likely]
    thin = [thin_borders(plane) for plane in planes]

    def grown(ids: Sequence[Labels]) -> Labels:
        return np.array([of_plane[plane] for of_plane, plane in zip(ids, thin, strict=True)])

    by = {linking: linked(planes, linking) for linking in ("overlap", "graph")}
    best = [majority(plane, ids) for plane, ids in zip(thin, truth, strict=True)]
    graph = grown(by["graph"])
    alone = [np.arange(plane.max() + 1) for plane in planes]
    return [
        *(vi(grown(ids), truth) for ids in (by["overlap"], by["graph"], best)),
        *(np.mean([vi(*pair) for pair in zip(found, truth, strict=True)])
          for found in (thin, graph)),
        *(np.mean([f1(match(contingency(ids[plane], true))) for ids, plane, true
                   in zip(of_planes, planes, truth, strict=True)])
          for of_planes in (alone, by["graph"])),
    ]  # fmt: skip


def linked(planes: Sequence[Labels], linking: str) -> list[NDArray[np.uint64]]:
    """Return the ids of the objects of each plane."""
    numbering, found = Numbering(ObjectRule(linking=linking)), []  # type: ignore[arg-type]
    for z, plane in enumerate(planes):
        sizes = np.bincount(plane.ravel())
        sizes[0] = 0
        before = [overlaps(planes[z - n], plane) if z >= n else None for n in (1, 2)]
        found.append(numbering.plane(PlaneObjects((), len(sizes) - 1, sizes), *before))
    final = numbering.final()
    return found if final is None else [final[ids] for ids in found]


def majority(plane: Labels, truth: Labels) -> Labels:
    """Return for each object the neurite it covers most."""
    table = contingency(plane, truth)
    order = np.argsort(table.overlaps, kind="stable")
    best = np.zeros(int(plane.max()) + 1, np.int64)
    best[table.prediction_ids[table.prediction[order]]] = table.truth_ids[table.truth[order]]
    return best


def vi(found: Labels, truth: Labels) -> float:
    """Variation of information in bits."""
    table = contingency(found, truth)
    return vi_split(table) + vi_merge(table)


def print_cost(slices: int, size: int, network: float | None) -> None:
    """Print CPU time and peak memory of linking a large stack, beside the network's time."""
    with tempfile.TemporaryDirectory() as folder:
        few = write_planes(Path(folder), slices, size)
        for linking in ("overlap", "graph"):
            linking_cost(few[:3], linking)  # compiles
        per_slice = network or network_seconds(size)
        print(f"\n{slices} x {size} x {size} px, {per_slice:.2f} CPU s of network per slice")
        print(f"{'':10}{'slices':>8}{'CPU s':>9}{'of network':>12}{'MB':>9}{'/ 8':>7}")
        for linking in ("overlap", "graph"):
            base = 0.0
            for paths in (few[:8], few):
                seconds, peak = linking_cost(paths, linking)
                base = base or peak
                share = seconds / (per_slice * len(paths))
                print(f"{linking:10}{len(paths):8}{seconds:9.2f}{share:12.1%}"
                      f"{peak / 1e6:9.1f}{peak / base:7.2f}", flush=True)  # fmt: skip


def write_planes(folder: Path, slices: int, size: int) -> list[Path]:
    """Write the objects of each plane of a large stack: tiles of a small one, on disk."""
    _, likely = simulated_stack(7, (slices, 256, 256), branches=0.2, jitter=1)
    paths = [folder / f"{z}.npy" for z in range(slices)]
    repeats = -(-size // 256)
    for path, plane in zip(paths, likely, strict=True):
        whole = np.tile(plane, (repeats, repeats))[:size, :size]
        np.save(path, instances(whole[None]).astype(np.uint32))
    return paths


def linking_cost(paths: Sequence[Path], linking: str) -> tuple[float, float]:
    """Return CPU seconds of linking planes from disk and peak bytes, each in its own run."""

    def run() -> float:
        numbering, before, seconds = Numbering(ObjectRule(linking=linking)), [], 0.0  # type: ignore[arg-type, var-annotated]
        for path in paths:
            plane = np.load(path)
            sizes = np.bincount(plane.ravel())
            sizes[0] = 0
            start = thread_time()
            steps = range(1, 1 + min(len(before), 2 if linking == "graph" else 1))
            shared = [overlaps(before[-n], plane) for n in steps]
            numbering.plane(
                PlaneObjects((), len(sizes) - 1, sizes), *shared, *[None] * (not shared)
            )
            numbering.links.clear()
            if numbering.graph:
                numbering.graph.take_edges()
            seconds += thread_time() - start
            before = [*before[-1:], plane]
        start = thread_time()
        numbering.final()
        return seconds + thread_time() - start

    seconds = min(run() for _ in range(2))
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def network_seconds(size: int) -> float:
    """Return the CPU seconds of the default U-Net over a slice, on one thread."""
    import torch

    from napari_utile.engine.prediction.in_memory import device_and_dtype
    from napari_utile.networks import UNet
    from napari_utile.settings.prediction import PredictSettings

    torch.set_num_threads(1)
    device, dtype = device_and_dtype(PredictSettings(device="cpu"))
    network = UNet(width=16, padding="same", norm="batch").eval()
    network = network.to(memory_format=torch.channels_last)
    tile = torch.rand(1, 1, 512, 512).contiguous(memory_format=torch.channels_last)
    took = []
    for _ in range(3):
        start = thread_time()
        with torch.inference_mode(), torch.autocast(device.type, dtype, dtype is not None):
            network(tile)
        took.append(thread_time() - start)
    return min(took) * (size / 512) ** 2


if __name__ == "__main__":
    main()
