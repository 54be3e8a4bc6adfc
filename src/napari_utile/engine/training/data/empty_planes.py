"""Annotated planes without any object: what a network learns from them."""

from collections.abc import Iterator, Sequence

from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.training.data.annotations import Annotated
from napari_utile.settings import TrainSettings


def without_object(pairs: Sequence[Annotated], settings: TrainSettings) -> Iterator[str]:
    """Warn of slices, and images of one plane, that seem to be unannotated."""
    if settings.sparse:  # there, what is background was painted as background
        return
    way_out = "learnt as background. Give them the ignore id if they are not annotated."
    planes, without = 0, list[str]()
    for pair in pairs:
        annotated = [
            index
            for index in pair.image.indices
            if (pair.target.classes[index] != IGNORE).any()
        ]
        empty = sum(not pair.target.objects[index].any() for index in annotated)
        if len(pair.image.indices) == 1:
            planes += len(annotated)
            without += [pair.image.name] * empty
        elif empty:
            yield (
                f"{empty} of {len(annotated)} slices of '{pair.image.name}' have no object; "
                f"they are {way_out}"
            )
    if without:
        more = ", ..." if len(without) > 3 else ""
        yield (
            f"{len(without)} of {planes} images have no object "
            f"({', '.join(without[:3])}{more}); they are {way_out}"
        )
