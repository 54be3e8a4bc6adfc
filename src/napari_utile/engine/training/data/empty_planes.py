"""Annotated planes without any object: how many there are, and whether that is doubtful."""

from collections.abc import Sequence
from typing import NamedTuple

from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.training.data.annotations import Annotated
from napari_utile.settings.training import TrainSettings

MANY = 0.5
"""Share of planes without object from which the annotation may have stopped before its end."""
MOST_NAMED = 3
"""Images of which the names are told."""


class EmptyPlanes(NamedTuple):
    """What is said of planes without object."""

    text: str
    """Their number, and what is learnt from them."""
    is_doubtful: bool
    """Whether they seem to be unannotated."""


def empty_planes(pairs: Sequence[Annotated], settings: TrainSettings) -> EmptyPlanes | None:
    """Count slices, and images of one plane, that are learnt as background throughout.

    Parameters
    ----------
    pairs : sequence of Annotated
    settings : TrainSettings
        With `sparse`, what is background was painted as background.

    Returns
    -------
    EmptyPlanes or None
        None if every plane has an object. Some planes without are normal. They are doubtful if
        they are `MANY` of all or of one stack, unless the labels are known to be complete.
    """
    if settings.sparse:
        return None
    counts = [_empty_and_all(pair) for pair in pairs]
    empty, total = (sum(column) for column in zip(*counts, strict=True))
    if not empty:
        return None
    is_known = all(pair.is_complete for pair in pairs)
    # A stack without any object is like an image without any: only a part of one is doubtful.
    shares = [empty / total, *(some / every for some, every in counts if 0 < some < every)]
    has, are, them = ("has", "it is", "it") if empty == 1 else ("have", "they are", "them")
    way_out = "" if is_known else f" Give {them} the ignore id if {are} not annotated."
    where = _places(pairs, counts)
    return EmptyPlanes(
        f"{empty} of {total} {where[0]} {has} no object{where[1]}; {are} learnt as background."
        + way_out,
        is_doubtful=not is_known and max(shares) >= MANY,
    )


def _empty_and_all(pair: Annotated) -> tuple[int, int]:
    """Count the annotated planes without object, and all that are annotated."""
    target = pair.target
    indices = [i for i in pair.image.indices if (target.classes[i] != IGNORE).any()]
    return sum(not target.objects[i].any() for i in indices), len(indices)


def _places(pairs: Sequence[Annotated], counts: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """Return in words what has no object, and a list of those of several."""
    is_stack = [len(pair.image.indices) > 1 for pair in pairs]
    if len(pairs) == 1:
        return f"slices of '{pairs[0].image.name}'", ""
    names = [
        f"{some} of {every} in {pair.image.name}" if stack else pair.image.name
        for pair, (some, every), stack in zip(pairs, counts, is_stack, strict=True)
        if some
    ]
    more = ", ..." if len(names) > MOST_NAMED else ""
    listed = f" ({', '.join(names[:MOST_NAMED])}{more})"
    return "slices" if any(is_stack) else "images", listed
