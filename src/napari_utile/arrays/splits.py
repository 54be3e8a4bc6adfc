"""Which pixels are for training and which for validation, without leaks between them.

Whole images where there are several, whole slices of a stack, or the two ends of a single
image with a guard band between them:

    |<----- training ----->|<- guard ->|<- validation ->|
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

WHOLE = (slice(None), slice(None))
Plane = tuple[int, tuple[int, ...], tuple[int, int]]
"""Number of the image, index of the plane in it, and its size (Y, X)."""


@dataclass(frozen=True)
class Region:
    """A rectangle of one plane of one image."""

    image: int
    index: tuple[int, ...]
    window: tuple[slice, slice] = WHOLE


@dataclass(frozen=True)
class Split:
    """Regions to learn from and regions to judge by; no pixel is in both.

    `how` says in words how they were divided, `guard` how wide the band between two blocks
    of the same plane is, in pixels (None where no plane is shared).
    """

    training: tuple[Region, ...]
    validation: tuple[Region, ...]
    how: str
    guard: int | None = None


def split(
    planes: Sequence[Plane],
    share: float = 0.2,
    guard: int = 0,
    seed: int = 0,
) -> Split:
    """Divide annotated planes into training and validation.

    Parameters
    ----------
    planes : sequence of (image, index, (Y, X))
        Number of the image, index of the plane in it, and its size in pixels.
    share : float, default 0.2
        Share of the images, slices or pixels to keep for validation. At least one.
    guard : int
        Width of the band between blocks of one plane, in pixels: the receptive field of
        the network. A plane too small for it gets a quarter of its long side.
    seed : int
        Chooses the validation images where there are several.

    Returns
    -------
    Split
        Both parts hold at least one region.

    Raises
    ------
    ValueError
        If there is no plane, or the only plane is too small to be divided.

    Notes
    -----
    Neighbouring sections show the same cells, so the validation slices of a stack are its
    last ones, in a row, and not drawn from all over it.
    """
    if not planes:
        raise ValueError("no annotated plane to split")
    images = sorted({image for image, _, _ in planes})
    if len(images) > 1 and (len(images) * share >= 1 or len(images) == len(planes)):
        return _by_image(planes, images, share, seed)
    if len(planes) > 1:
        return _by_slice(planes, images, share)
    return _by_block(*planes[0], share, guard)


def _by_image(planes: Sequence[Plane], images: list[int], share: float, seed: int) -> Split:
    held = np.random.default_rng(seed).permutation(images)[: _count(len(images), share)]
    parts = _divide(planes, lambda image, _: image in held)
    how = f"{len(images) - len(held)} images to train, {len(held)} to validate"
    return Split(*parts, how=how)


def _by_slice(planes: Sequence[Plane], images: list[int], share: float) -> Split:
    held = set()
    for image in images:
        indices = [index for i, index, _ in planes if i == image]
        if len(indices) > 1:
            held |= {(image, index) for index in indices[-_count(len(indices), share) :]}
    parts = _divide(planes, lambda image, index: (image, index) in held)
    how = f"{len(planes) - len(held)} slices to train, {len(held)} to validate"
    return Split(*parts, how=how)


def _by_block(
    image: int, index: tuple[int, ...], shape: tuple[int, int], share: float, guard: int
) -> Split:
    axis = int(np.argmax(shape))
    side = shape[axis]
    guard = min(guard, side // 4)
    held = max(1, round((side - guard) * share))
    end = side - guard - held
    if end < held:
        raise ValueError(f"a single plane of {shape} pixels is too small to be divided")

    def block(start: int, stop: int) -> Region:
        window = [slice(None), slice(None)]
        window[axis] = slice(start, stop)
        return Region(image, index, (window[0], window[1]))

    how = f"{end} px to train, {held} px to validate, {guard} px between, along {'yx'[axis]}"
    return Split((block(0, end),), (block(side - held, side),), how, guard)


def _count(available: int, share: float) -> int:
    """Give the number to keep for validation: at least one, and never all."""
    return min(max(1, round(available * share)), available - 1)


def _divide(
    planes: Sequence[Plane], is_held: Callable[[int, tuple[int, ...]], bool]
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    regions = [(Region(image, index), is_held(image, index)) for image, index, _ in planes]
    return (
        tuple(region for region, held in regions if not held),
        tuple(region for region, held in regions if held),
    )
