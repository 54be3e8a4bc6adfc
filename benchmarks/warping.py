"""Time the scores of electron microscopy beside SciPy and scikit-image, in one run.

    python benchmarks/warping.py --size 512

The warping error, the thinning of borders, and all scores at the ten thresholds of ISBI 2012
are timed on synthetic cells with membranes and several good and bad predictions of them. Times
are medians on one thread; ratios are to one `scipy.ndimage.distance_transform_edt` of the same
image, which alternates with each of them. No other Python library has the warping error.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.segmentation import watershed
from weight_map import in_turn

from napari_utile.arrays.labels import components
from napari_utile.evaluation.thresholds import threshold_scores
from napari_utile.events import drain
from napari_utile.metrics.partitions import thin_borders
from napari_utile.metrics.warping import warping_error

Mask = NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the scores of electron microscopy.")
    parser.add_argument("--size", type=int, default=512, help="side of the slice, px")
    parser.add_argument("--cells", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()

    probabilities, truth = slice_of(options.size, options.cells)
    objects = components(probabilities > 0.5)
    boundary = -probabilities
    print(
        f"{options.size} x {options.size} px, {truth.max()} cells, median of {options.repeats}"
    )
    print(f"{'':52}{'ms':>9}{'of one EDT':>12}   ")
    forms: dict[str, Callable[[], Any]] = {
        f"warping_error: {name}": bound(warping_error, mask, truth > 0)
        for name, mask in predictions(probabilities, truth > 0).items()
    }
    forms |= {
        "warping_error of instances: cut at 0.5": lambda: warping_error(objects, truth),
        "thin_borders": lambda: thin_borders(objects, boundary),
        "its like: skimage.segmentation.watershed": lambda: watershed(boundary, objects),
        "threshold_scores, ten thresholds": (
            lambda: drain(threshold_scores(probabilities, truth))
        ),
    }
    for name, form in forms.items():
        seconds, edt = in_turn(form, lambda: distance_transform_edt(truth), options.repeats)
        value = form()
        result = f"error {value:.5f}" if isinstance(value, float) else ""
        print(f"{name:52}{1e3 * seconds:9.2f}{seconds / edt:12.2f}   {result}")
    print(f"{'SciPy, one distance_transform_edt':52}{1e3 * edt:9.2f}{1:12.2f}")


def bound(form: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: form(*arguments)


def slice_of(size: int, cells: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return cells with membranes five pixels wide, and probabilities with gaps in these."""
    random = np.random.default_rng(0)
    seeds = np.zeros((size, size), np.int32)
    seeds[tuple(random.integers(0, size, (2, cells)))] = np.arange(1, cells + 1)
    _, (y, x) = distance_transform_edt(seeds == 0, return_indices=True)
    nearest = seeds[y, x]
    border = np.zeros(nearest.shape, bool)
    border[1:] |= nearest[1:] != nearest[:-1]
    border[:, 1:] |= nearest[:, 1:] != nearest[:, :-1]
    truth = components(distance_transform_edt(~border) > 2)
    noise = gaussian_filter(random.normal(size=nearest.shape), 3)
    likely = gaussian_filter((truth > 0).astype(float), 1.5) + noise / noise.std() * 0.2
    return likely.clip(0, 1).astype(np.float32), truth


def predictions(probabilities: NDArray[np.float32], truth: Mask) -> dict[str, Mask]:
    """Return good and bad predictions by name, with the worst possible one."""
    random = np.random.default_rng(1)
    return {
        "cut at 0.5": probabilities > 0.5,
        "cut at 0.9": probabilities > 0.9,
        "moved by ten pixels": np.roll(truth, 10, (0, 1)),
        "noise": random.random(truth.shape) < 0.5,
        "nothing": np.zeros_like(truth),
        "everything": np.ones_like(truth),
        "the opposite": ~truth,
    }


if __name__ == "__main__":
    main()
