"""Time the whole object report beside StarDist and Cellpose, in one run.

    pip install stardist cellpose
    python benchmarks/matching.py --size 2048 --objects 5000

The report is of two label images: true and false positives, false negatives, precision,
recall, F1, matching_ap and panoptic quality at the ten IoU thresholds of COCO, and SEG.
Libraries that are not installed are left out; of StarDist and Cellpose only the modules that
match are loaded, so TensorFlow and PyTorch are not needed.

The unit is one `np.bincount` over the pixel pairs, the minimum cost of any table of overlaps:
`np.bincount(truth * n + prediction)`, with the pairs already numbered in int64. It needs a bin
for each of the n x n possible pairs of ids, 200 MB here, and is impossible for ids such as
2^40; the table of the report has entries only for pairs that occur. Times are medians on one
thread; each form alternates with the unit.
"""

import argparse
import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from weight_map import in_turn

from napari_utile.metrics.matching import IOU_THRESHOLDS, iou_rows, seg
from napari_utile.metrics.overlap import contingency

Counts = list[tuple[int, int, int]]
"""True and false positives and false negatives at each threshold."""
Labels = NDArray[np.int32]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the object report beside its peers.")
    parser.add_argument("--size", type=int, default=2048, help="side of the image, px")
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--slow-repeats", type=int, default=3, help="of other libraries")
    options = parser.parse_args()

    truth, prediction = pair(options.size, options.objects)
    n = int(max(truth.max(), prediction.max())) + 1
    numbered = truth.ravel().astype(np.int64) * n + prediction.ravel()
    expected = ours(prediction, truth)
    size = f"{options.size} x {options.size} px"
    print(f"{size}, {np.unique(truth).size - 1} and {np.unique(prediction).size - 1} objects,")
    print(f"{expected[0][0]} matched at IoU 0.5, {expected[5][0]} at 0.75")
    print(f"{'':44}{'ms':>9}{'/ bincount':>12}{'/ U-Tile':>9}   counts")

    unit = 0.0
    own = 0.0
    for name, form in {**OURS, **peers()}.items():
        repeats = options.repeats if name in OURS else options.slow_repeats
        work = bound(form, prediction, truth)
        seconds, unit = in_turn(work, lambda: np.bincount(numbered), repeats)
        own = own or seconds
        same = verdict(work(), expected)
        print(
            f"{name:44}{1e3 * seconds:9.1f}{seconds / unit:12.2f}{seconds / own:9.1f}   {same}"
        )
    print(f"{'one np.bincount over the pixel pairs':44}{1e3 * unit:9.1f}{1:12.2f}")


def bound(form: Callable[..., Any], *images: Labels) -> Callable[[], Any]:
    return lambda: form(*images)


def verdict(counts: Any, expected: Counts) -> str:
    """Return whether the counts equal those of U-Tile; a table of overlaps has none."""
    if not isinstance(counts, list):
        return ""
    differing = sum(a != b for a, b in zip(counts, expected, strict=True))
    return f"{differing} thresholds differ" if differing else "the same"


def pair(size: int, objects: int) -> tuple[Labels, Labels]:
    """Return random cells, many of them touching, and a prediction of them with errors.

    Every centre is moved by a pixel or two, one cell of twenty is missed and as many are false
    positives, so that no threshold finds all.
    """
    random = np.random.default_rng(0)
    spacing = size / objects**0.5
    centres = random.integers(0, size, (objects, 2))
    moved = np.clip(
        centres + np.rint(random.normal(0, 0.05 * spacing, (objects, 2))), 0, size - 1
    )
    lost = random.random(objects) < 0.05
    moved[lost] = random.integers(0, size, (int(lost.sum()), 2))
    return cells(size, centres), cells(size, moved.astype(int))


def cells(size: int, centres: NDArray[np.integer[Any]]) -> Labels:
    """Return labels of pixels near a centre; each gets the id of the nearest one."""
    seeds = np.zeros((size, size), np.int32)
    seeds[tuple(centres.T)] = np.arange(1, len(centres) + 1)
    distance, (y, x) = distance_transform_edt(seeds == 0, return_indices=True)
    return np.where(distance < 0.6 * size / len(centres) ** 0.5, seeds[y, x], 0)


def ours(prediction: Labels, truth: Labels) -> Counts:
    """Compute the full report."""
    table = contingency(prediction, truth)
    seg(table)
    names = ("true_positives", "false_positives", "false_negatives")
    return [tuple(int(row[name]) for name in names) for row in iou_rows(table)]  # type: ignore[misc]


def peers() -> dict[str, Callable[[Labels, Labels], Counts]]:
    """Return the matching functions of other libraries by name and version."""
    found = {}
    for package, module, form in (
        ("stardist", "stardist.matching", stardist),
        ("cellpose", "cellpose.metrics", cellpose),
    ):
        try:
            installed = distribution(package)
            part = alone(package, module)
        except (PackageNotFoundError, ImportError) as error:
            print(f"left out: {package} ({error})")
        else:
            found[f"{module} {installed.version}"] = form(part)
    return found


def alone(package: str, module: str) -> ModuleType:
    """Import a module without running the `__init__` of its package.

    The one of Cellpose, and imports of its metrics that matching does not use, need PyTorch.
    """
    if package not in sys.modules:
        spec = importlib.machinery.PathFinder.find_spec(package)
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError(f"no package {package}")
        shell = ModuleType(package)
        shell.__path__ = list(spec.submodule_search_locations)
        sys.modules[package] = shell
        if package == "cellpose":
            sys.modules["cellpose.utils"] = shell.utils = ModuleType("cellpose.utils")  # type: ignore[attr-defined]
    return importlib.import_module(module)


def stardist(part: Any) -> Callable[[Labels, Labels], Counts]:
    def counts(prediction: Labels, truth: Labels) -> Counts:
        found: Sequence[Any] = part.matching(truth, prediction, thresh=IOU_THRESHOLDS)
        return [(row.tp, row.fp, row.fn) for row in found]

    return counts


def cellpose(part: Any) -> Callable[[Labels, Labels], Counts]:
    def counts(prediction: Labels, truth: Labels) -> Counts:
        _, tp, fp, fn = part.average_precision(truth, prediction, list(IOU_THRESHOLDS))
        return [tuple(int(n) for n in row) for row in zip(tp, fp, fn, strict=True)]  # type: ignore[misc]

    return counts


OURS: dict[str, Callable[[Labels, Labels], Any]] = {
    "the full report at ten thresholds": ours,
    "its table of overlaps: contingency": contingency,
}

if __name__ == "__main__":
    main()
