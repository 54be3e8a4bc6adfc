"""The split of annotated pixels into training and validation, without leaks between them.

Whole images, whole slices of a stack, or a block of each plane with a guard band around it,
the same block in every slice of a stack:

    |<----- training ----->|<- guard ->|<- validation ->|
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.doubts.wording import count_of
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.tiling import Window
from napari_utile.settings.options import SplitUnit
from napari_utile.settings.training import TRAIN_DEFAULTS

SizedPlane = tuple[int, tuple[int, ...], tuple[int, ...]]
"""Number of the image, index of the plane in it, and its size: (Y, X), or (Z, Y, X) where
what is kept whole is a volume."""
MOST_LEFT_OUT = 0.25
"""Share of the slices to train on that is left out at most for a wider gap than is needed."""
TRAINING, VALIDATION = 1, 2
"""Values of a `split_map`; 0 is neither."""


@dataclass(frozen=True)
class Region:
    """A box of one plane of one image.

    Attributes
    ----------
    image : int
        Number of the image.
    index : tuple of int
        Index of the plane in it.
    window : tuple of slice
        Per axis of the plane; ``slice(None)`` is all of an axis.
    """

    image: int
    index: tuple[int, ...]
    window: Window = (slice(None), slice(None))

    @property
    def is_whole(self) -> bool:
        """Whether the region is all of its plane."""
        return all(side == slice(None) for side in self.window)

    @property
    def plane(self) -> tuple[int, tuple[int, ...]]:
        """Number of the image, and index of the plane in it."""
        return self.image, self.index

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of the region in an array of the shape of its image."""
        return array[self.index][self.window]


@dataclass(frozen=True)
class Split:
    """Regions for training and regions for validation; no pixel is in both.

    Attributes
    ----------
    training, validation : tuple of Region
    how : str
        The split in words.
    guard : int or None
        Width of the narrowest band between two blocks of one plane, in pixels; None where no
        plane is shared.
    axis : int
        Along which blocks of one plane follow each other, counted from the last axis: -1.
    """

    training: tuple[Region, ...]
    validation: tuple[Region, ...]
    how: str
    guard: int | None = None
    axis: int = -1


def split(
    planes: Sequence[SizedPlane],
    share: float = TRAIN_DEFAULTS.validation_share,
    guard: int | Sequence[int] = 0,
    seed: int = TRAIN_DEFAULTS.seed,
    by: SplitUnit = TRAIN_DEFAULTS.split,
    classes: Sequence[NDArray[np.uint8]] | None = None,
    context: int = 0,
    held: Set[int] = frozenset(),
) -> Split:
    """Return a split of annotated planes into training and validation.

    Parameters
    ----------
    planes : sequence of SizedPlane
        Number of the image, index of the plane in it, and its size in pixels per axis.
    share : float, default 0.2
        Fraction of the images, slices or annotated lines to keep for validation. At least
        one.
    guard : int or sequence of int, default 0
        Width of the band between blocks of one plane, in pixels, for all axes or for each of a
        plane: the receptive field of the network. A plane too small for it gets a quarter of
        its long side.
    seed : int, default 0
        Chooses the validation images where there are several.
    by : {"auto", "image", "slice", "block"}, default "auto"
        What is kept whole. "auto" takes images where there are enough, else slices, else
        blocks.
    classes : sequence of ndarray of uint8, optional
        Class of each pixel of each plane, `IGNORE` where unannotated. Then blocks lie where
        something is annotated, and of all possible splits the first is taken in which most
        classes are in both parts and validation has about its share of the pixels.
    context : int, default 0
        Slices on each side that the network sees with a slice; the last number of an index
        counts them. Where slices are divided, those in between are left out: `context` at
        least, so that no slice to validate is seen in training, and twice as many where that
        is a small part, so that no slice is seen in both.
    held : set of int, default none
        Numbers of the images to keep for validation, in place of a share.

    Returns
    -------
    Split
        Both parts hold at least one region.

    Raises
    ------
    ValueError
        If there is no plane, if they are too few or too small to be divided in this way, or
        if half of a plane or more is to be kept for validation.

    Notes
    -----
    Neighbouring sections show the same cells, so the validation slices of a stack are
    contiguous, its last ones if they show all classes, and not drawn from all over it.
    """
    is_free = by == "auto"
    if not planes:
        raise ValueError("no annotated plane to split")
    images = sorted({image for image, _, _ in planes})
    if held:
        return _by_name(planes, images, held)
    if by == "auto":
        by = _suited(planes, images, share)
    seen = _AnnotatedClasses()
    if classes is not None:
        seen.update(zip((plane[:2] for plane in planes), classes, strict=True))
    match by:
        case "image":
            return _by_image(planes, images, share, seed, seen)
        case "slice":
            try:
                return _by_slice(planes, images, share, seen, context)
            except ValueError:
                if not (context and is_free):
                    raise  # blocks need no slices in between
    return _by_block(planes, images, share, guard, seen)


def split_map(parts: Split, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.uint8]]:
    """Return maps of a split: `TRAINING`, `VALIDATION`, and 0 for what is in neither.

    Parameters
    ----------
    parts : Split
    shapes : sequence of tuple of int
        Shapes (..., Y, X) of the images.

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


class _AnnotatedClasses(dict[tuple[int, tuple[int, ...]], NDArray[np.uint8]]):
    """Class ids of each plane by image and index; empty if they are not given."""

    def __init__(self) -> None:
        super().__init__()
        self._wholes: dict[tuple[int, tuple[int, ...]], NDArray[np.int64]] = {}

    def counts(self, regions: Iterable[Region]) -> NDArray[np.int64]:
        """Return the annotated pixels of each class in regions."""
        return sum((self._count(region) for region in regions), np.zeros(IGNORE, np.int64))

    def _count(self, region: Region) -> NDArray[np.int64]:
        if region.is_whole and region.plane in self._wholes:
            return self._wholes[region.plane]  # counted once for all choices of planes
        part = self[region.plane][region.window]
        found = np.bincount(part.ravel(), minlength=IGNORE + 1)[:IGNORE]
        if region.is_whole:
            self._wholes[region.plane] = found
        return found

    def extents(self, planes: Sequence[SizedPlane]) -> list[tuple[int, int]]:
        """Return the first and the last annotated line (exclusive) of each axis."""
        if not self:
            return [(0, side) for side in planes[0][2]]
        annotated = np.any([self[plane[:2]] != IGNORE for plane in planes], axis=0)
        axes = range(annotated.ndim)
        lines = [
            np.flatnonzero(annotated.any(axis=tuple(other for other in axes if other != axis)))
            for axis in axes
        ]
        return [(int(found[0]), int(found[-1]) + 1) for found in lines]

    def best(self, choices: Iterable[Split], share: float) -> Split:
        """Return the first choice with most classes in both parts, and a fair share in each.

        Fair is between half of `share` and half way from `share` to all annotated pixels.
        """
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
                break  # no choice can be better
        assert best is not None
        return best


def _suited(planes: Sequence[SizedPlane], images: list[int], share: float) -> SplitUnit:
    if len(images) > 1 and (len(images) * share >= 1 or len(images) == len(planes)):
        return "image"
    return "slice" if len(planes) > 1 else "block"


def _by_name(planes: Sequence[SizedPlane], images: list[int], held: Set[int]) -> Split:
    count = len(held & {*images})
    if not 0 < count < len(images):
        part = "train on" if count else "validate with"
        raise ValueError(f"no annotated image is left to {part}")
    parts = _apart(planes, {plane for plane in planes if plane[0] in held})
    how = f"{count_of(len(images) - count, 'image')} to train, {count} to validate, as named"
    return replace(parts, how=how)


def _by_image(
    planes: Sequence[SizedPlane],
    images: list[int],
    share: float,
    seed: int,
    seen: _AnnotatedClasses,
) -> Split:
    if len(images) < 2:
        raise ValueError("to divide by image takes 2 annotated images, and there is 1")
    count = _count(len(images), share)
    order = np.random.default_rng(seed).permutation(images)
    # As many choices as images: `count` of them in a row, in one random order.
    turns = (np.roll(order, -k)[:count] for k in range(len(images)))
    choices = (
        _apart(planes, {plane for plane in planes if plane[0] in held}) for held in turns
    )
    how = f"{count_of(len(images) - count, 'image')} to train, {count} to validate"
    return replace(seen.best(choices, share), how=how)


def _by_slice(
    planes: Sequence[SizedPlane],
    images: list[int],
    share: float,
    seen: _AnnotatedClasses,
    context: int,
) -> Split:
    parts = []
    for mine in _of_each(planes, images):
        choices = _slice_splits(mine, share, context)
        parts.append(seen.best(choices, share) if choices else _apart(mine, set()))
    whole = _together(parts)
    if not whole.validation:
        between = f" with context {context}, of which {context} are left out" if context else ""
        raise ValueError(
            f"to divide by slice takes {context + 2} annotated slices of one image{between} "
            f"(annotated slices: {len(planes)}, images: {len(images)})"
        )
    taught, held = count_of(len(whole.training), "slice"), len(whole.validation)
    how = f"{taught} to train, {held} to validate"
    if context and (between_them := slices_between(whole)) is not None:
        how += f", at least {between_them} between"
    return replace(whole, how=how)


def _slice_splits(planes: Sequence[SizedPlane], share: float, context: int) -> list[Split]:
    """Return the splits of the slices of one image, those with the last to validate first.

    As many slices as possible are left out in between, see `split`; [] if too few are left.
    """
    count = _count(len(planes), share)
    if not count:
        return []
    free = len(planes) - count
    for gap in range(2 * context, context - 1, -1):
        least = 1 if gap == context else free * (1 - MOST_LEFT_OUT)
        splits = (
            _apart(planes, {*planes[k : k + count]}, gap)
            for k in range(len(planes) - count, -1, -1)
        )
        if enough := [parts for parts in splits if len(parts.training) >= least]:
            return enough
    return []


def slices_between(parts: Split) -> int | None:
    """Return how many slices lie between training and validation where they are closest.

    None if no image and time point has slices of both.
    """
    distances = [
        abs(one.index[-1] - other.index[-1])
        for one in parts.training
        for other in parts.validation
        if one.index and one.image == other.image and one.index[:-1] == other.index[:-1]
    ]
    return max(0, min(distances) - 1) if distances else None


def _by_block(
    planes: Sequence[SizedPlane],
    images: list[int],
    share: float,
    guard: int | Sequence[int],
    seen: _AnnotatedClasses,
) -> Split:
    """Split every image that is large enough; the others are for training."""
    parts = []
    for mine in _of_each(planes, images):
        blocks = list(_block_splits(mine, seen.extents(mine), share, guard))
        parts.append(seen.best(blocks, share) if blocks else _apart(mine, set()))
    whole = _together(parts)
    if not whole.validation:
        stacks = _of_each(planes, images)
        if any(any(_block_splits(mine, seen.extents(mine), 0, guard)) for mine in stacks):
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


def _block_splits(
    planes: Sequence[SizedPlane],
    extents: Sequence[tuple[int, int]],
    share: float,
    guard: int | Sequence[int],
) -> Iterator[Split]:
    """Try both ends of each axis, the longest first, then places between the ends.

    `planes` are those of one image, `extents` the first and the last annotated line
    (exclusive) of each axis. A stretch for training is at least as long as the block.
    """
    shape = planes[0][2]
    axes = sorted(range(len(shape)), key=lambda axis: -shape[axis])
    # Places are eighths of the way from the first possible start of the block to the last.
    for places in ((8, 0), (4, 2, 6, 3, 5, 1, 7)):
        for axis, place in ((axis, place) for axis in axes for place in places):
            first, last = extents[axis]
            wanted = guard if isinstance(guard, int) else guard[axis]
            band = min(wanted, (last - first) // 4)
            held = max(1, round((last - first - band) * share))
            start = first + round(place / 8 * (last - first - held))
            before, after = start - band - first, last - start - held - band
            # Unannotated lines beyond the extents belong to the part beside them.
            rest = [slice(0, start - band)] if before >= held else []
            rest += [slice(start + held + band, shape[axis])] if after >= held else []
            if not rest:
                continue
            block = slice(start if place else 0, start + held if place < 8 else shape[axis])
            trained = (before if before >= held else 0) + (after if after >= held else 0)
            yield Split(
                tuple(r for lines in rest for r in _stripes(planes, axis, lines)),
                tuple(_stripes(planes, axis, block)),
                f"{trained} px to train, {held} px to validate, {band} px between, "
                f"along {'zyx'[axis - len(shape)]}",
                band,
                axis - len(shape),
            )


def _stripes(planes: Sequence[SizedPlane], axis: int, lines: slice) -> Iterator[Region]:
    for image, index, shape in planes:
        window = tuple(lines if side == axis else slice(None) for side in range(len(shape)))
        yield Region(image, index, window)


def _of_each(planes: Sequence[SizedPlane], images: list[int]) -> Iterator[list[SizedPlane]]:
    return ([plane for plane in planes if plane[0] == image] for image in images)


def _count(available: int, share: float) -> int:
    """Return the number to keep for validation: at least one, and never all."""
    return min(max(1, round(available * share)), available - 1)


def _apart(planes: Sequence[SizedPlane], held: Set[SizedPlane], gap: int = 0) -> Split:
    """Return the split that keeps whole planes for validation, and leaves `gap` slices out."""
    near = {
        (image, (*index[:-1], index[-1] + step))
        for image, index, _ in (held if gap else ())
        for step in range(-gap, gap + 1)
    }
    regions = [
        (Region(plane[0], plane[1], len(plane[2]) * (slice(None),)), plane in held)
        for plane in planes
    ]
    return Split(
        tuple(r for r, is_held in regions if not is_held and r.plane not in near),
        tuple(region for region, is_held in regions if is_held),
        how="",
    )


def _together(parts: Sequence[Split]) -> Split:
    """Return the splits of several images as one."""
    return Split(
        tuple(region for part in parts for region in part.training),
        tuple(region for part in parts for region in part.validation),
        parts[0].how,
        min((part.guard for part in parts if part.guard is not None), default=None),
        parts[0].axis,
    )
