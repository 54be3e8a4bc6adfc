"""What may be wrong with images and labels that are trained on: looked for before the start."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_utile.arrays.doubts.images import Exposure, looks_like_labels, outlier_doubt
from napari_utile.arrays.doubts.labels import GRAY, LabelPlane, label_doubts, looked_at
from napari_utile.arrays.doubts.wording import Doubt
from napari_utile.arrays.labels import IGNORE, Labels
from napari_utile.arrays.splits import Region, Split
from napari_utile.arrays.targets import TrainingTarget
from napari_utile.io.agreement import jpeg_doubts, pair_doubts
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings

SIDE = 512
"""Of the windows in which gray values are measured, px."""
MOST_WINDOWS = 4
"""Windows in which gray values of an image are measured."""
LEVELS = 4001.37
"""Gray levels that are compared; not whole, so that few steps of 8 bits end on a half."""
TILES_ACROSS = 2
"""Tiles that an object is wide, from which a tile within it shows nothing else."""


def annotation_doubts(
    image: Stack, labels: Stack, ids: Labels, settings: TrainSettings
) -> list[Doubt]:
    """Return what may be wrong with an image and its labels.

    Parameters
    ----------
    image, labels : Stack
    ids : ndarray of int, shape of the image
        Pixels of the labels.
    settings : TrainSettings
        What the labels mean.

    Returns
    -------
    list of Doubt
    """
    planes = looked_at(ids, settings.ignore)
    meaning = settings.meaning, settings.ignore, settings.sparse
    found = label_doubts(planes, labels.name, *meaning)
    if labels.is_complete:  # each annotation is an object, of whatever size and shape
        found = [doubt for doubt in found if doubt.kind not in ("background", "classes")]
    if found and found[0].kind == GRAY and looks_like_labels(_middle(image)):
        found = [
            Doubt(
                "exchanged",
                f"Image '{image.name}' and labels '{labels.name}' seem to be exchanged: the "
                "image has few values in flat regions, and the labels change from pixel to "
                "pixel. Exchange them.",
            )
        ]
    elif not found and settings.meaning == "instances":
        found = [*_wide_objects(planes, labels.name, settings.tile)]
    if settings.target == "classes" and labels.holds == "instances":
        found.append(
            Doubt(
                "holds",
                f"Labels '{labels.name}' hold instances, as they say of themselves, and each "
                "would be a class: choose the target instances.",
            )
        )
    return [
        *found,
        *(_outliers(image) if settings.normalize != "percentiles" else ()),
        *pair_doubts(image, labels),
        *([] if found else jpeg_doubts(labels)),
    ]


def _outliers(image: Stack) -> Iterator[Doubt]:
    """Doubt an image of which a few pixels make the contrast, as it is normalized by it."""
    step = max(1, len(image.indices) // MOST_WINDOWS)
    planes = [image.plane(index, *_window(image)) for index in image.indices[::step]]
    for channel in np.stack(planes, axis=1).reshape(image.channels, -1):
        if text := outlier_doubt(image.name, channel):
            yield Doubt("outliers", text)
            return


def _middle(image: Stack) -> NDArray:
    """Read the middle of the middle plane of an image (Y, X), the first channel."""
    return image.plane(image.indices[len(image.indices) // 2], *_window(image))[0]


def _window(image: Stack) -> tuple[slice, slice]:
    """Return where the middle of a plane is."""
    y, x = (slice(max(0, (side - SIDE) // 2), (side + SIDE) // 2) for side in image.shape[-2:])
    return y, x


def _wide_objects(planes: Sequence[LabelPlane], name: str, tile: int) -> Iterator[Doubt]:
    """Doubt objects into which whole tiles fit, in most planes."""
    widths = []
    for plane in planes:
        numbers, sizes, _ = plane.regions
        largest = int(sizes.argmax()) if sizes.size else 0
        if sizes.size and sqrt(4 * sizes[largest] / pi) > TILES_ACROSS * tile:
            inside = np.pad(numbers == largest + 1, 1)
            widths.append(2 * float(distance_transform_edt(inside).max()))
    wide = [width for width in widths if width > TILES_ACROSS * tile]
    if 2 * len(wide) > len(planes):
        yield Doubt(
            "wide",
            f"Labels '{name}' have objects {max(wide):.0f} px wide, so that a training tile of "
            f"{tile} px may show nothing but object: reduce images and labels in size, or "
            "choose a larger tile.",
        )


def gray_values(image: Stack, target: TrainingTarget) -> Exposure | None:
    """Measure the gray values of an image where it is annotated.

    Parameters
    ----------
    image : Stack
    target : TrainingTarget
        Of the shape of the image.

    Returns
    -------
    Exposure or None
        None if there is nothing finite to measure.
    """
    window = _window(image)
    annotated = [
        index for index in image.indices if (target.classes[index][window] != IGNORE).any()
    ]
    step = max(1, len(annotated) // MOST_WINDOWS)
    pixels, objects = [], []
    for index in annotated[::step]:
        classes = target.classes[index][window]
        plane = image.plane(index, *window)
        known = (classes != IGNORE) & np.isfinite(plane).all(axis=0)
        pixels.append(plane[:, known])
        objects.append(classes[known] > 0)
    if not sum(map(len, objects)):
        return None
    return Exposure.of(image.name, np.concatenate(pixels, 1), np.concatenate(objects))


def copies(images: Sequence[Stack], parts: Split) -> Iterator[str]:
    """Warn of planes to validate on that are copies of planes to train on.

    Parameters
    ----------
    images : sequence of Stack
    parts : Split

    Yields
    ------
    str
    """
    whole = [
        [region for region in part if _is_whole(images[region.image], region)]
        for part in (parts.training, parts.validation)
    ]
    if not all(whole):
        return
    learnt = {_digest_of(images, region): region for region in whole[0]}
    pairs = [
        (region, learnt[digest])
        for region in whole[1]
        if (digest := _digest_of(images, region)) in learnt
    ]
    if pairs:
        first, other = (_place_of(images, region) for region in pairs[0])
        yield (
            f"{len(pairs)} of {len(whole[1])} planes for validation have the same picture as "
            f"planes for training ({first} those of {other}): the validation scores flatter. "
            "Leave out copies."
        )


def _is_whole(image: Stack, region: Region) -> bool:
    return all(
        part.indices(side)[:2] == (0, side)
        for part, side in zip(region.window, image.shape[-len(region.window) :], strict=True)
    )


def _digest_of(images: Sequence[Stack], region: Region) -> bytes:
    """Return the same bytes for planes that differ in number format and contrast only."""
    everything = len(region.window) * (slice(None),)
    plane = images[region.image].window(region.index, everything).astype(np.float64)
    low, high = plane.min(), plane.max()
    if np.isfinite(high - low) and high > low:  # others are refused later
        plane = ((plane - low) * (LEVELS / (high - low))).round()
    pixels = np.ascontiguousarray(plane).data.cast("B")
    return blake2b(pixels, digest_size=16, key=repr(plane.shape).encode()).digest()


def _place_of(images: Sequence[Stack], region: Region) -> str:
    place = "".join(f" slice {i}" for i in region.index)
    return f"'{images[region.image].name}'{place}"
