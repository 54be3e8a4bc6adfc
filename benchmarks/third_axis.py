"""Slices, slices with their neighbours, or volumes: which network finds the objects of a stack?

    python benchmarks/third_axis.py --data DIR --sets fib25 fib25-every-4th ovule --work DIR
    python benchmarks/third_axis.py --data DIR --sets isbi2012 vnc --seeds 1 2 3 --work DIR
    python benchmarks/third_axis.py --data DIR --sets fib25 --work DIR --picture FILE.png

Every network is trained on one part of a stack for as many steps, and scored on the other,
which it never sees. A step takes four tiles of 128 x 128 px, or two boxes of as many voxels as
40 x 40 x 40; all else is the default.

| set | training | scored |
|---|---|---|
| fib25: em_fib25_a, 10 nm voxels | the first 80 slices | the other 40, as a volume |
| fib25-every-4th: the same, 40 nm in z | 20 slices | 10, as a volume |
| ovule: lm_ovule_cells | the first 80 rows | the other 48, as a volume |
| isbi2012, vnc: membranes of serial sections | the first 3/4 of the slices | the others, each |

As a volume: variation of information with its two parts (bits, 0 best), v_rand and f1_50 of
objects in 3D. Each slice: mean v_rand and f1_50 of slices. Seconds are CPU time of one thread,
of training with validation, and of prediction with its objects. What was trained, predicted or
scored under --work is not done again. The picture shows a plane across the slices of the first
set, where objects that break from slice to slice change their colours.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

VOLUME_SCORES = ("vi", "vi_split", "vi_merge", "v_rand", "f1_50")
SLICE_SCORES = ("v_rand", "f1_50")


@dataclass(frozen=True)
class Set:
    """A stack, and where it is divided."""

    image: str
    labels: str
    axis: int
    cut: float
    """Share of the axis that is trained on."""
    spacing: str
    step: int = 1
    """Of the slices that are taken."""
    is_volume: bool = True
    are_membranes: bool = False
    """Whether what is labelled are membranes, and objects the rest."""


SETS = {
    "fib25": Set("em_fib25_a/raw.tif", "em_fib25_a/labels.tif", 0, 2 / 3, "10,10,10"),
    "fib25-every-4th": Set(
        "em_fib25_a/raw.tif", "em_fib25_a/labels.tif", 0, 2 / 3, "40,10,10", step=4
    ),
    "ovule": Set(
        "lm_ovule_cells/raw.tif", "lm_ovule_cells/labels.tif", 1, 0.625, "235,150,150"
    ),
    "isbi2012": Set(
        "isbi2012/volume.tif", "isbi2012/labels.tif", 0, 0.75, "50,4,4", is_volume=False
    ),
    "vnc": Set(
        "vnc/raw.tif",
        "vnc/membranes.tif",
        0,
        0.75,
        "50,4.6,4.6",
        is_volume=False,
        are_membranes=True,
    ),
}
FEW = ("--validations-per-run", "5")
SLICES = ("--network", "unet", "--tile", "128")
NETWORKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "2D, overlap": (SLICES, ("--linking", "overlap")),
    "2D, graph": (SLICES, ("--linking", "graph")),
    "2.5D, graph": ((*SLICES, "--context", "1"), ("--linking", "graph")),
    "3D": (("--network", "unet-3d"), ()),
    "3D, affinities": (("--network", "unet-3d", "--target", "affinities"), ()),
}
"""Name -> options of training, and of prediction."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare networks of slices and of volumes.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["fib25"])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--work", type=Path, default=Path("third_axis"))
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for name in given.sets:
        parts = divided(given.data, SETS[name], given.work / name)
        rows = {
            network: [
                measured(SETS[name], parts, network, given.steps, seed, given.work / name)
                for seed in given.seeds
            ]
            for network in given.networks
        }
        print(table(name, rows), flush=True)
    if given.picture:
        folder = given.work / given.sets[0]
        results = {
            network: folder / f"{trained_name(network, given.steps, given.seeds[0])}.zarr"
            for network in given.networks
        }
        draw(folder, results, given.picture)


def divided(data: Path, chosen: Set, folder: Path) -> dict[str, Path]:
    """Write image and labels of both parts as TIFF; return their paths by name."""
    folder.mkdir(exist_ok=True)
    paths = {}
    for kind, path in (("image", chosen.image), ("labels", chosen.labels)):
        stack = tifffile.imread(data / path)[:: chosen.step]
        if kind == "labels" and chosen.are_membranes:
            stack = np.where(stack > 0, 0, 255).astype(stack.dtype)
        cut = round(chosen.cut * stack.shape[chosen.axis])
        for part, piece in zip(
            ("train", "test"), np.split(stack, [cut], chosen.axis), strict=True
        ):
            paths[f"{part} {kind}"] = folder / f"{part}_{kind}.tif"
            if not paths[f"{part} {kind}"].exists():
                tifffile.imwrite(paths[f"{part} {kind}"], piece, photometric="minisblack")
    return paths


def trained_name(network: str, steps: int, seed: int) -> str:
    """Return the name of the folder of a run."""
    return f"{network.replace(', ', '-')}-{steps}-seed-{seed}"


def measured(
    chosen: Set, parts: dict[str, Path], network: str, steps: int, seed: int, folder: Path
) -> dict[str, float]:
    """Train, predict and score once; return scores, and the seconds of training and after."""
    log = folder / f"{trained_name(network, steps, seed)}.json"
    if log.exists():
        row: dict[str, float] = json.loads(log.read_text())
        return row
    training, prediction = NETWORKS[network]
    # networks that are trained alike are trained once
    first = next(name for name in NETWORKS if NETWORKS[name][0] == training)
    run = folder / trained_name(first, steps, seed)
    result = folder / f"{trained_name(network, steps, seed)}.zarr"
    seconds = run / "cpu_seconds"
    if not seconds.exists():
        if "3d" in " ".join(training):
            training = (*training, "--spacing", chosen.spacing)
        command = ["train", parts["train image"], parts["train labels"], "--out", run]
        taken = utile([*command, "--steps", steps, "--seed", seed, *FEW, *training])
        seconds.write_text(str(taken))
    model = ["predict", run / "model", parts["test image"], "--out", result]
    after = utile([*model, "--output", "instances", "--overwrite", *prediction])
    scores = scored(result, parts["test labels"], chosen)
    row = {"training": float(seconds.read_text()), "prediction": after} | scores
    log.write_text(json.dumps(row))
    return row


def utile(words: Sequence[Any]) -> float:
    """Run the command in one thread; return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("utile", *words, file=sys.stderr, flush=True)
    subprocess.run(
        [sys.executable, "-m", "napari_utile", *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scored(result: Path, truth: Path, chosen: Set) -> dict[str, float]:
    """Return the scores of a result."""
    words = [sys.executable, "-m", "napari_utile", "evaluate", str(result), str(truth)]
    words += ["--json", *(["--volumetric"] if chosen.is_volume else [])]
    report = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    if chosen.is_volume:
        report["vi"] = report["vi_split"] + report["vi_merge"]
    names = VOLUME_SCORES if chosen.is_volume else SLICE_SCORES
    return {name: float(report[name]) for name in names}


def table(name: str, rows: dict[str, list[dict[str, float]]]) -> str:
    """Return scores and seconds of networks as a table."""
    columns = list(next(iter(rows.values()))[0])
    columns = [*columns[2:], *columns[:2]]
    lines = [f"| {name} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for network, found in rows.items():
        cells = (spread([row[column] for row in found], column) for column in columns)
        lines.append(f"| {network} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spread(values: list[float], column: str) -> str:
    """Format mean and standard deviation of scores; the mean of seconds."""
    if column in ("training", "prediction"):
        return f"{mean(values):.0f} s"
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{mean(values):.3f} ± {stdev(values):.3f}"


def draw(folder: Path, results: dict[str, Path], out: Path) -> None:
    """Draw a plane across the slices: the image, the truth, and each result in its colours."""
    import matplotlib.pyplot as plt

    from napari_utile.io.images import open_image

    image = tifffile.imread(folder / "test_image.tif")
    truth = tifffile.imread(folder / "test_labels.tif")
    row = image.shape[1] // 2
    found = {
        name: open_image(path / "labels" / "instances").read() for name, path in results.items()
    }
    panels = [("image", image[:, row]), ("truth", coloured(truth[:, row], truth[:, row]))]
    panels += [(name, coloured(ids[:, row], truth[:, row])) for name, ids in found.items()]
    ratio = image.shape[0] / image.shape[2]
    figure, axes = plt.subplots(len(panels), figsize=(6, len(panels) * (6 * ratio + 0.25)))
    for axis, (name, pixels) in zip(axes, panels, strict=True):
        axis.imshow(pixels, cmap="gray", interpolation="nearest")
        axis.set_title(name, fontsize=8, loc="left", pad=2)
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(out, dpi=130)


def coloured(ids: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """Give objects the colour of the true one that they cover most.

    The largest of those that cover the same has its colour, others have colours of their own:
    objects that are cut show, and merged ones as one colour.
    """
    rng = np.random.default_rng(0)
    palette = rng.uniform(0.15, 1, (int(truth.max()) + 1, 3))
    shown = np.zeros((*ids.shape, 3))
    taken: set[int] = set()
    numbers, sizes = np.unique(ids[ids > 0], return_counts=True)
    for number in numbers[np.argsort(-sizes)].tolist():
        true = int(np.bincount(truth[ids == number]).argmax())
        shown[ids == number] = rng.uniform(0.15, 1, 3) if true in taken else palette[true]
        taken.add(true)
    return shown


if __name__ == "__main__":
    main()
