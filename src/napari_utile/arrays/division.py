"""Which annotated planes a training learns from, and which it is judged by; no images."""

from collections.abc import Sequence, Set
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.splits import Region, SizedPlane, Split, split
from napari_utile.settings.options import SplitUnit
from napari_utile.settings.training import TRAIN_DEFAULTS, TrainingOptions

Classes = NDArray[np.uint8]


def division(
    planes: Sequence[SizedPlane],
    classes: Sequence[Classes],
    settings: TrainingOptions,
    receptive_field: int | Sequence[int],
    seed: int = TRAIN_DEFAULTS.seed,
    held: Set[int] = frozenset(),
) -> Split:
    """Divide annotated planes as the options of a training say.

    Slices with sparse labels are divided by blocks if a part would otherwise lack objects or
    background, unless slices were asked for.

    Parameters
    ----------
    planes : sequence of SizedPlane
        With an annotated pixel each.
    classes : sequence of ndarray of uint8
        Class of each pixel of each plane, `IGNORE` where unannotated.
    settings : TrainingOptions
        How to divide, and the share for validation.
    receptive_field : int or sequence of int
        Width of the guard band where one plane, or volume, is divided, in pixels.
    seed : int, default 0
        Chooses the validation images where there are several.
    held : set of int, default none
        Numbers of the images to keep for validation, in place of a share.

    Returns
    -------
    Split
        A part may still lack classes; see `fewest_classes`.

    Raises
    ------
    ValueError
        If they cannot be divided in this way; see `split`.
    """

    def divided(by: SplitUnit) -> Split:
        share, context = settings.validation_share, settings.context
        return split(planes, share, receptive_field, seed, by, classes, context, held)

    parts = divided(settings.split)
    is_free = settings.sparse and settings.split == "auto"
    if is_free and fewest_classes(planes, classes, parts) < 2:
        with suppress(ValueError):  # the slices may be too small
            blocks = divided("block")
            parts = blocks if fewest_classes(planes, classes, blocks) > 1 else parts
    return parts


def fewest_classes(
    planes: Sequence[SizedPlane], classes: Sequence[Classes], parts: Split
) -> int:
    """Return the number of classes in the part of a split that shows fewer.

    Parameters
    ----------
    planes, classes : sequences
        As given to `division`.
    parts : Split
    """
    of = {plane[:2]: each for plane, each in zip(planes, classes, strict=True)}

    def shown(regions: Sequence[Region]) -> int:
        counts = np.zeros(IGNORE + 1, np.int64)
        for region in regions:
            part = of[region.plane][region.window]
            counts += np.bincount(part.ravel(), minlength=IGNORE + 1)
        return int(np.count_nonzero(counts[:IGNORE]))

    return min(shown(parts.training), shown(parts.validation))
