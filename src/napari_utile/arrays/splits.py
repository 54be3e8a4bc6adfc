"""Which pixels are for training and which for validation, without leaks between them.

Whole images, whole slices of a stack, or a block of each plane with a guard band around it,
the same block in every slice of a stack:

    |<----- training ----->|<- guard ->|<- validation ->|
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import IGNORE

WHOLE = (slice(None), slice(None))
Plane = tuple[int, tuple[int, ...], tuple[int, int]]
"""Number of the image, index of the plane in it, and its size (Y, X)."""
Way = Literal["auto", "image", "slice", "block"]
TRAINING, VALIDATION = 1, 2
"""Values of a `split_map`; 0 is neither."""


@dataclass(frozen=True)
class Region:
    """A rectangle of one plane of one image."""

    image: int
    index: tuple[int, ...]
    window: tuple[slice, slice] = WHOLE

    @property
    def plane(self) -> tuple[int, tuple[int, ...]]:
        """Number of the image, and index of the plane in it."""
        return self.image, self.index

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """View the region of an array (..., Y, X) of its image."""
        return array[self.index][self.window]


@dataclass(frozen=True)
class Split:
    """Regions to learn from and regions to judge by; no pixel is in both.

    `how` says in words how they were divided, `guard` how wide the narrowest band between two
    blocks of the same plane is, in pixels (None where no plane is shared).
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
    by: Way = "auto",
    classes: Sequence[NDArray[np.uint8]] | None = None,
) -> Split:
    """Divide annotated planes into training and validation.

    Parameters
    ----------
    planes : sequence of (image, index, (Y, X))
        Number of the image, index of the plane in it, and its size in pixels.
    share : float, default 0.2
        Share of the images, slices or annotated lines to keep for validation. At least one.
    guard : int
        Width of the band between blocks of one plane, in pixels: the receptive field of
        the network. A plane too small for it gets a quarter of its long side.
    seed : int
        Chooses the validation images where there are several.
    by : {"auto", "image", "slice", "block"}
        What is kept whole. "auto" takes images where there are enough, else slices, else
        blocks.
    classes : sequence of ndarray of uint8, optional
        Class of each pixel of each plane, `IGNORE` where nobody annotated. Then blocks lie
        where something is annotated, and of the possible choices the first is taken with
        which both parts hold most classes and validation about its share of the pixels.

    Returns
    -------
    Split
        Both parts hold at least one region.

    Raises
    ------
    ValueError
        If there is no plane, or too few or too small ones to be divided in this way, or half
        of a plane or more is to be kept for validation.

    Notes
    -----
    Neighbouring sections show the same cells, so the validation slices of a stack are in a
    row, its last ones if they show all classes, and not drawn from all over it.
    """
    if not planes:
        raise ValueError("no annotated plane to split")
    images = sorted({image for image, _, _ in planes})
    if by == "auto":
        by = _suited(planes, images, share)
    seen = Seen()
    if classes is not None:
        seen.update(zip((plane[:2] for plane in planes), classes, strict=True))
    match by:
        case "image":
            return _by_image(planes, images, share, seed, seen)
        case "slice":
            return _by_slice(planes, images, share, seen)
    return _by_block(planes, images, share, guard, seen)


def split_map(parts: Split, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.uint8]]:
    """Paint a split: `TRAINING`, `VALIDATION`, and 0 for the guard and what nobody annotated.

    Parameters
    ----------
    parts : Split
    shapes : sequence of (..., Y, X)
        Of the images.

    Returns
    -------
    list of ndarray of uint8
        One for each image, of its shape.
    """
    maps = [np.zeros(shape, np.uint8) for shape in shapes]
    for value, regions in ((TRAINING, parts.training), (VALIDATION, parts.validation)):
        for region in regions:
            region.of(maps[region.image])[...] = value
    return maps


class Seen(dict[tuple[int, tuple[int, ...]], NDArray[np.uint8]]):
    """Classes of each plane, by number of the image and index; empty if nobody said."""

    def __init__(self) -> None:
        super().__init__()
        self._wholes: dict[tuple[int, tuple[int, ...]], NDArray[np.int64]] = {}

    def counts(self, regions: Iterable[Region]) -> NDArray[np.int64]:
        """Count the annotated pixels of each class."""
        return sum((self._count(region) for region in regions), np.zeros(IGNORE, np.int64))

    def _count(self, region: Region) -> NDArray[np.int64]:
        if region.window == WHOLE and region.plane in self._wholes:
            return self._wholes[region.plane]  # counted once for all choices of planes
        part = self[region.plane][region.window]
        found = np.bincount(part.ravel(), minlength=IGNORE + 1)[:IGNORE]
        if region.window == WHOLE:
            self._wholes[region.plane] = found
        return found

    def extents(self, planes: Sequence[Plane]) -> list[tuple[int, int]]:
        """Find the first and the last annotated line (exclusive) of each axis."""
        if not self:
            return [(0, side) for side in planes[0][2]]
        annotated = np.any([self[plane[:2]] != IGNORE for plane in planes], axis=0)
        lines = [np.flatnonzero(annotated.any(axis=1 - axis)) for axis in (0, 1)]
        return [(int(found[0]), int(found[-1]) + 1) for found in lines]

    def best(self, choices: Iterable[Split], share: float) -> Split:
        """Give the first choice with most classes in both parts, and a fair share in each."""
        best, highest = None, (-1, False)
        for choice in choices:
            if not self:
                return choice
            training, validation = self.counts(choice.training), self.counts(choice.validation)
            both = int(np.count_nonzero((training > 0) & (validation > 0)))
            everything = int(training.sum() + validation.sum())
            held = int(validation.sum()) / max(everything, 1)
            is_fair = share / 2 <= held <= (1 + share) / 2
            if (both, is_fair) > highest:
                best, highest = choice, (both, is_fair)
            if is_fair and both == np.count_nonzero(training + validation):
                break
        assert best is not None
        return best


def _suited(planes: Sequence[Plane], images: list[int], share: float) -> Way:
    if len(images) > 1 and (len(images) * share >= 1 or len(images) == len(planes)):
        return "image"
    return "slice" if len(planes) > 1 else "block"


def _by_image(
    planes: Sequence[Plane], images: list[int], share: float, seed: int, seen: Seen
) -> Split:
    if len(images) < 2:
        raise ValueError("to divide by image takes 2 annotated images, and there is 1")
    count = _count(len(images), share)
    order = np.random.default_rng(seed).permutation(images)
    turns = (np.roll(order, -k)[:count] for k in range(len(images)))
    choices = (
        _apart(planes, {plane for plane in planes if plane[0] in held}) for held in turns
    )
    how = f"{len(images) - count} images to train, {count} to validate"
    return replace(seen.best(choices, share), how=how)


def _by_slice(planes: Sequence[Plane], images: list[int], share: float, seen: Seen) -> Split:
    parts = []
    for mine in _of_each(planes, images):
        count = _count(len(mine), share)
        starts = range(len(mine) - count, -1, -1)
        parts.append(seen.best((_apart(mine, {*mine[k : k + count]}) for k in starts), share))
    whole = _together(parts)
    if not whole.validation:
        raise ValueError(
            "to divide by slice takes 2 annotated slices of one image "
            f"(annotated slices: {len(planes)}, images: {len(images)})"
        )
    how = f"{len(whole.training)} slices to train, {len(whole.validation)} to validate"
    return replace(whole, how=how)


def _by_block(
    planes: Sequence[Plane], images: list[int], share: float, guard: int, seen: Seen
) -> Split:
    """Divide every image that is large enough; the others are for training."""
    parts = []
    for mine in _of_each(planes, images):
        blocks = list(_blocks(mine, seen.extents(mine), share, guard))
        parts.append(seen.best(blocks, share) if blocks else _apart(mine, set()))
    whole = _together(parts)
    if not whole.validation:
        stacks = _of_each(planes, images)
        if any(any(_blocks(mine, seen.extents(mine), 0, guard)) for mine in stacks):
            raise ValueError(
                "less than half of a plane can be kept for validation; lower validation, which "
                f"is {share:g}"
            )
        size = max(shape for _, _, shape in planes)
        raise ValueError(f"a single plane of {size} pixels is too small to be divided")
    if seen:
        training, validation = (
            tuple(region for region in regions if seen.counts([region]).any())
            for regions in (whole.training, whole.validation)
        )
        whole = replace(whole, training=training, validation=validation)
    many = f"a block of {len(images)} images to validate, {whole.guard} px around it"
    how = parts[0].how if len(images) == 1 else many
    if len(planes) > len(images):
        how += ", the same in every slice"
    return replace(whole, how=how)


def _blocks(
    planes: Sequence[Plane], extents: Sequence[tuple[int, int]], share: float, guard: int
) -> Iterator[Split]:
    """Try both ends of the long side, of the short side, then places between the ends.

    `planes` are those of one image, `extents` the first and the last annotated line
    (exclusive) of each axis. A stretch for training is at least as long as the block.
    """
    shape = planes[0][2]
    axes = sorted((0, 1), key=lambda axis: -shape[axis])
    for places in ((8, 0), (4, 2, 6, 3, 5, 1, 7)):
        for axis, place in ((axis, place) for axis in axes for place in places):
            first, last = extents[axis]
            band = min(guard, (last - first) // 4)
            held = max(1, round((last - first - band) * share))
            start = first + round(place / 8 * (last - first - held))
            before, after = start - band - first, last - start - held - band
            rest = [slice(0, start - band)] if before >= held else []
            rest += [slice(start + held + band, shape[axis])] if after >= held else []
            if not rest:
                continue
            block = slice(start if place else 0, start + held if place < 8 else shape[axis])
            trained = (before if before >= held else 0) + (after if after >= held else 0)
            yield Split(
                tuple(r for lines in rest for r in _regions(planes, axis, lines)),
                tuple(_regions(planes, axis, block)),
                f"{trained} px to train, {held} px to validate, {band} px between, "
                f"along {'yx'[axis]}",
                band,
            )


def _regions(planes: Sequence[Plane], axis: int, lines: slice) -> Iterator[Region]:
    window = (lines, slice(None)) if axis == 0 else (slice(None), lines)
    return (Region(image, index, window) for image, index, _ in planes)


def _of_each(planes: Sequence[Plane], images: list[int]) -> Iterator[list[Plane]]:
    return ([plane for plane in planes if plane[0] == image] for image in images)


def _count(available: int, share: float) -> int:
    """Give the number to keep for validation: at least one, and never all."""
    return min(max(1, round(available * share)), available - 1)


def _apart(planes: Sequence[Plane], held: Set[Plane]) -> Split:
    """Keep whole planes for validation."""
    regions = [(Region(plane[0], plane[1]), plane in held) for plane in planes]
    return Split(
        tuple(region for region, is_held in regions if not is_held),
        tuple(region for region, is_held in regions if is_held),
        how="",
    )


def _together(parts: Sequence[Split]) -> Split:
    """Join the splits of several images."""
    return Split(
        tuple(region for part in parts for region in part.training),
        tuple(region for part in parts for region in part.validation),
        parts[0].how,
        min((part.guard for part in parts if part.guard is not None), default=None),
    )
