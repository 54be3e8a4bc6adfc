"""Time the elastic deformation of an image and its labels beside other libraries, in one run.

    pip install --no-binary elasticdeform elasticdeform monai batchgenerators albumentations
    python benchmarks/elastic.py

Installed libraries are timed alternately, on one thread: a float32 image and uint8 labels,
deformed as in the U-Net paper by a 3 x 3 grid of displacements of 10 px. *U-Tile* also deforms
a third layer, the weights. Only U-Tile and elasticdeform (cubic splines, labels by nearest
neighbour) take the grid itself; torch is given the same displacements, interpolated
bicubically. The others smooth noise of every pixel by a Gaussian of their default width
instead. The times include drawing the random numbers. The ratio is to elasticdeform.
"""

import argparse
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from napari_utile.arrays.augmentation.warp import Layers, Placement, turned, warp

SIGMA = 10.0
Pair = tuple[NDArray[np.float32], NDArray[np.uint8]]
Way = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time elastic deformation.")
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()

    torch.set_num_threads(1)
    image, labels = cells(options.size)
    ways: dict[str, Way] = {}
    missing = []
    for name, (package, make) in WAYS.items():
        try:
            ways[f"{name} {version(package)}"] = make(image, labels)
        except ImportError as error:
            missing.append(f"{name}: {error}")
    seconds = in_turn(ways, options.repeats)

    print(f"{options.size} x {options.size} px, one thread, {options.repeats} rounds in turn")
    reference = next((s for name, s in seconds.items() if name.startswith("elasticd")), None)
    print(f"{'':40}{'median ms':>11}{'least ms':>10}{'times faster':>14}{'by least':>10}")
    for name, took in seconds.items():
        print(f"{name:40}{1e3 * median(took):11.2f}{1e3 * min(took):10.2f}", end="")
        if reference:
            ratios = median(reference) / median(took), min(reference) / min(took)
            print(f"{ratios[0]:14.2f}{ratios[1]:10.2f}", end="")
        print()
    for line in missing:
        print(f"not installed, {line}")


def in_turn(ways: dict[str, Way], repeats: int) -> dict[str, list[float]]:
    """Return seconds of each way, alternately, after two warm-up rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 2):
        for name, do in ways.items():
            start = perf_counter()
            do()
            if number >= 2:
                seconds[name].append(perf_counter() - start)
    return seconds


def cells(size: int) -> Pair:
    """Return an image of gray waves, and the ids of their crests."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    image = np.sin(y / 7) * np.cos(x / 11) + np.random.default_rng(0).normal(0, 0.1, y.shape)
    ids = 1 + (y // 44 * 7 + x // 69) % 200
    return image.astype(np.float32), np.where(image > 0.3, ids, 0).astype(np.uint8)


def displacements() -> NDArray[np.float32]:
    """Draw the 3 x 3 grid; (3, 3, 2), along y and x."""
    return RANDOM.normal(0, SIGMA, (3, 3, 2)).astype(np.float32)


RANDOM = np.random.default_rng(1)


def ours(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> Way:
    plane = Layers(image[None], labels, np.ones_like(image))
    tile = Layers(*map(np.empty_like, plane))
    middle = (len(image) - 1) / 2
    return lambda: warp(plane, Placement((middle, middle), turned(0.0), displacements()), tile)


def elasticdeform(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> Way:
    from elasticdeform import deform_grid

    return lambda: deform_grid(
        [image, labels],
        displacements().transpose(2, 0, 1).astype(float),
        order=[3, 0],
        mode="mirror",
    )


def grid_sample(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> Way:
    size = len(image)
    layers = torch.from_numpy(image)[None, None], torch.from_numpy(labels)[None, None].float()
    ramp = torch.linspace(-1, 1, size)
    identity = torch.stack(torch.meshgrid(ramp, ramp, indexing="xy"), dim=-1)

    @torch.inference_mode()
    def do() -> None:
        grid = torch.from_numpy(displacements()).permute(2, 0, 1)[None].flip(1)
        field = functional.interpolate(grid, size, mode="bicubic", align_corners=True)
        places = identity + field.permute(0, 2, 3, 1) * (2 / (size - 1))
        for layer, mode in zip(layers, ("bicubic", "nearest"), strict=True):
            functional.grid_sample(
                layer, places, mode=mode, padding_mode="reflection", align_corners=True
            )

    return do


def monai(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> Way:
    from monai.transforms import Rand2DElasticd

    # the displacements of the knots are interpolated as the image is
    transform = Rand2DElasticd(
        ["image", "labels"],
        spacing=(len(image) // 2, len(image) // 2),
        magnitude_range=(SIGMA, SIGMA),
        prob=1.0,
        mode=["bicubic", "nearest"],
        padding_mode="reflection",
    )
    return lambda: transform({"image": image[None], "labels": labels[None]})


def batchgenerators(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> Way:
    from batchgenerators.augmentations.spatial_transformations import augment_spatial

    side = len(image)
    return lambda: augment_spatial(
        image[None, None],
        labels[None, None],
        patch_size=(side, side),
        random_crop=False,
        do_rotation=False,
        do_scale=False,
        border_mode_data="mirror",
        border_mode_seg="mirror",
        order_data=3,
        order_seg=0,
        p_el_per_sample=1.0,
    )


def albumentations(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> Way:
    import cv2
    from albumentations import ElasticTransform

    cv2.setNumThreads(1)
    transform = ElasticTransform(
        interpolation=cv2.INTER_CUBIC,
        mask_interpolation=cv2.INTER_NEAREST,
        p=1.0,
    )
    return lambda: transform(image=image, mask=labels)


WAYS = {
    "U-Tile": ("napari-utile", ours),
    "elasticdeform, order 3": ("elasticdeform", elasticdeform),
    "torch grid_sample, bicubic": ("torch", grid_sample),
    "MONAI Rand2DElastic, bicubic": ("monai", monai),
    "batchgenerators, order 3": ("batchgenerators", batchgenerators),
    "albumentations ElasticTransform, cubic": ("albumentations", albumentations),
}
"""Name -> package whose version is shown, and the function that prepares the work."""


if __name__ == "__main__":
    main()
