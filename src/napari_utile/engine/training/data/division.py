"""Which annotated pixels a network learns from, and which it is judged by."""

from collections.abc import Iterator, Sequence

import numpy as np

from napari_utile.arrays.division import division
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.splits import Split, slices_between
from napari_utile.engine.training.data.annotations import Annotated, class_counts
from napari_utile.engine.training.data.empty_planes import empty_planes
from napari_utile.errors import UserError
from napari_utile.io.images import stem_of
from napari_utile.io.slice_context import slices_seen
from napari_utile.settings.options import axes_seen
from napari_utile.settings.training import TrainSettings


def divide(
    pairs: Sequence[Annotated], settings: TrainSettings, receptive_field: int | Sequence[int]
) -> Split:
    """Divide the annotated planes into training and validation.

    See `arrays.division`.

    Parameters
    ----------
    pairs : sequence of Annotated
    settings : TrainSettings
        How to divide, and the share for validation.
    receptive_field : int or sequence of int
        Width of the guard band where one plane, or volume, is divided, in pixels.

    Raises
    ------
    UserError
        If they cannot be divided as asked for, or a part would lack objects or background.
    """
    ndim = axes_seen(settings.network)
    planes = [
        (i, index, pair.image.shape[-ndim:])
        for i, pair in enumerate(pairs)
        for index in pair.image.indices_of(ndim)
        if (pair.target.classes[index] != IGNORE).any()
    ]
    classes = [pairs[i].target.classes[index] for i, index, _ in planes]
    held = _named_images(pairs, settings.validation_images)

    try:
        parts = division(planes, classes, settings, receptive_field, settings.seed, held)
    except ValueError as error:
        raise UserError(
            f"The labels cannot be divided into training and validation: {error}."
        ) from None
    for name, regions in (("training", parts.training), ("validation", parts.validation)):
        counts = class_counts(pairs, regions)
        shown = np.count_nonzero(counts)
        if shown < 2:
            empty = empty_planes(pairs, settings)
            raise UserError(
                f"The {name} part ({parts.how}) holds {shown} of the classes in its "
                f"{counts.sum():,} annotated pixels; label objects and background in "
                "both parts." + (f" {empty.text}" if empty else "")
            )
    return parts


def _named_images(pairs: Sequence[Annotated], names: Sequence[str]) -> frozenset[int]:
    """Return the numbers of the images of these names, with or without a suffix."""
    there = [(pair.image.name, stem_of(pair.image.name)) for pair in pairs]
    if unknown := [name for name in names if not any(name in each for each in there)]:
        listed = ", ".join(f"'{stem}'" for _, stem in there[:10])
        raise UserError(
            f"There is no image '{unknown[0]}' to keep for validation; there are {listed}"
            f"{' and others' if len(there) > 10 else ''}."
        )
    return frozenset(i for i, each in enumerate(there) if {*each} & {*names})


def division_warnings(
    pairs: Sequence[Annotated],
    parts: Split,
    receptive_field: int | Sequence[int],
    context: int = 0,
) -> Iterator[str]:
    """Warn of what makes the scores of a division less trustworthy.

    Parameters
    ----------
    pairs : sequence of Annotated
    parts : Split
    receptive_field : int or sequence of int
        Of the network, in pixels, for all axes or for each.
    context : int, default 0
        Slices on each side that it sees with a slice.

    Yields
    ------
    str
    """
    seen = receptive_field if isinstance(receptive_field, int) else receptive_field[parts.axis]
    if parts.guard is not None and parts.guard < seen:
        yield (
            f"The image is small: {parts.guard} px lie between training and validation, the "
            f"network sees {seen}. The validation scores may flatter."
        )
    between = slices_between(parts) if context and parts.guard is None else None
    if between is not None and between < 2 * context:
        lie = "slice lies" if between == 1 else "slices lie"
        yield (
            f"The stack is thin: {between} {lie} between training and validation, and the "
            f"network sees {slices_seen(context)} slices at once. No slice for validation is "
            "seen in training, but slices between them are seen in both, so the validation "
            "scores may flatter."
        )
    ids = pairs[0].target.ids
    taught, judged = (
        class_counts(pairs, part) > 0 for part in (parts.training, parts.validation)
    )
    if lacking := [ids[k] for k in np.flatnonzero(taught & ~judged)]:
        are, them = ("it is", "it") if len(lacking) == 1 else ("they are", "them")
        yield (
            f"No pixel for validation has the {_listed(lacking)}: no score tells how well "
            f"{are} learnt. Annotate {them} in more places."
        )
    if lacking := [ids[k] for k in np.flatnonzero(judged & ~taught)]:
        they, them = ("it", "it") if len(lacking) == 1 else ("they", "them")
        yield (
            f"No pixel for training has the {_listed(lacking)}: {they} cannot be learnt. "
            f"Annotate {them} in more places."
        )


def _listed(ids: Sequence[int], most: int = 10) -> str:
    """Return a list of ids in words, the first few by name: 'ids 3, 4 and 7 more'."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return f"id{'s' * (len(ids) > 1)} {', '.join(map(str, ids[:most]))}{more}"
