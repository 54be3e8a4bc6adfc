"""Time the weight map beside SciPy, in one run, and compare it with brute force.

    python benchmarks/weight_map.py --size 2048 --objects 2000

Times are medians of CPU time, all on one thread; ratios are to one
`scipy.ndimage.distance_transform_edt` of the same image, which alternates with each of the
others.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects

from napari_utile.arrays.weight_maps.two_nearest import two_nearest
from napari_utile.arrays.weight_maps.weight_map import border_term, gap_widths, weight_map

W0, SIGMA = 10.0, 5.0
VOLUME, VOLUME_OBJECTS = (96, 160, 160), 400
RADIUS = {2: 0.42, 3: 0.55}
"""Of a cell, per axes: shares of the side that it would have as a square, or as a cube."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the weight map beside SciPy.")
    parser.add_argument("--size", type=int, default=2048, help="side of the image, px")
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--small-size", type=int, default=512, help="where all forms run whole")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    compare(cells((options.size,) * 2, options.objects), options.repeats, slow_objects=10)
    small_objects = round(options.objects * (options.small_size / options.size) ** 2)
    labels = cells((options.small_size,) * 2, small_objects)
    compare(labels, options.repeats, slow_objects=small_objects)
    compare(cells(VOLUME, VOLUME_OBJECTS), options.repeats, slow_objects=2)

    exact = transform_per_object(labels, small_objects)
    error = np.abs(border_term(gap_widths(labels), W0, SIGMA) - exact).max()
    print(f"Largest error of the border term against brute force there: {error:.1e} of {W0:g}")


def compare(labels: NDArray[np.int32], repeats: int, slow_objects: int) -> None:
    """Print a table of all forms; the slow one computes only `slow_objects` of the objects."""
    volumetric, objects = labels.ndim == 3, int(labels.max())
    gaps = gap_widths(labels, volumetric=volumetric)
    forms: dict[str, Callable[[], object]] = {
        "weight_map": lambda: weight_map(labels, W0, SIGMA, volumetric=volumetric),
        "its distances: gap_widths": lambda: gap_widths(labels, volumetric=volumetric),
        "both of them: two_nearest": lambda: two_nearest(labels),
        "its move of a slider: border_term": lambda: border_term(gaps, W0, SIGMA),
        "SciPy, one crop per object": lambda: crop_per_object(labels),
        f"SciPy, one transform per object, {slow_objects} of the {objects} objects": (
            lambda: transform_per_object(labels, slow_objects)
        ),
    }
    coverage = (labels > 0).mean()
    sides = " x ".join(map(str, labels.shape))
    print(f"{sides} px, {objects} objects cover {coverage:.0%}, median of {repeats}")
    print(f"{'':62}{'ms':>9}{'of one EDT':>12}")
    for name, form in forms.items():
        seconds, edt = in_turn(form, lambda: distance_transform_edt(labels == 0), repeats)
        print(f"{name:62}{1e3 * seconds:9.1f}{seconds / edt:12.3f}")
    print(f"{'SciPy, one distance_transform_edt':62}{1e3 * edt:9.1f}{1:12.3f}\n")


def in_turn(
    work: Callable[[], object], other: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Return the median seconds of two functions, run alternately after a warm-up."""
    times: tuple[list[float], list[float]] = [], []
    for _ in range(repeats + 1):
        for seconds, do in zip(times, (work, other), strict=True):
            start = time.process_time()
            do()
            seconds.append(time.process_time() - start)
    return median(times[0][1:]), median(times[1][1:])


def cells(shape: tuple[int, ...], objects: int) -> NDArray[np.int32]:
    """Return round cells at random places, clipped where they come too close."""
    centres = np.random.default_rng(0).integers(0, shape, (objects, len(shape)))
    seeds = np.zeros(shape, np.int32)
    seeds[tuple(centres.T)] = np.arange(1, objects + 1)
    distance, nearest = distance_transform_edt(seeds == 0, return_indices=True)
    radius = RADIUS[len(shape)] * (seeds.size / objects) ** (1 / len(shape))
    return np.where(distance < radius, seeds[tuple(nearest)], 0)


def transform_per_object(labels: NDArray[np.int32], objects: int) -> NDArray[np.float64]:
    """Return the border term of the first `objects`, by a transform of the image for each."""
    distances = np.full((2, *labels.shape), np.inf)
    for id_ in range(1, objects + 1):
        keep_two(distances, distance_transform_edt(labels != id_))
    return border(distances, labels)


def crop_per_object(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the border term by a transform of each object's box, grown by 6.5 sigma."""
    reach = int(np.ceil(6.5 * SIGMA))
    distances = np.full((2, *labels.shape), np.inf)
    for id_, box in enumerate(find_objects(labels), start=1):
        if box is not None:
            grown = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
            keep_two(distances[:, *grown], distance_transform_edt(labels[grown] != id_))
    return border(distances, labels)


def keep_two(distances: NDArray[np.float64], distance: NDArray[np.float64]) -> None:
    nearest, second = distances
    np.minimum(second, np.maximum(nearest, distance), out=second)
    np.minimum(nearest, distance, out=nearest)


def border(distances: NDArray[np.float64], labels: NDArray[np.int32]) -> NDArray[np.float64]:
    term = W0 * np.exp(-(distances.sum(axis=0) ** 2) / (2 * SIGMA**2))
    return np.where(labels > 0, 0, term)


if __name__ == "__main__":
    main()
