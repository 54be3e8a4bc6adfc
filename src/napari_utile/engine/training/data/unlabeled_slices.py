"""Slices of a stack without any label: painted as background, or not painted at all."""

from dataclasses import replace

from napari_utile.arrays.doubts.wording import Doubt
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.targets import TrainingTarget
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings

MOST = 0.5
"""Share of empty slices above which, by default, they are taken for unannotated."""


def without_unlabeled_slices(
    target: TrainingTarget, image: Stack, labels: Stack, settings: TrainSettings
) -> tuple[TrainingTarget, list[Doubt]]:
    """Mark slices without a label as unannotated, if settings or their number say so.

    Parameters
    ----------
    target : TrainingTarget
    image, labels : Stack
        What it is the target of.
    settings : TrainSettings
        `empty_slices`. With `sparse`, what is not painted is unannotated anyway.

    Returns
    -------
    target : TrainingTarget
    doubts : list of Doubt
        What was taken for granted.
    """
    indices = image.indices
    if settings.sparse or len(indices) < 2 or settings.empty_slices == "background":
        return target, []
    empty = [index for index in indices if not _shows_something(target, index)]
    is_auto = settings.empty_slices == "auto"
    if not empty or len(empty) == len(indices):
        return target, []
    if is_auto and (labels.is_complete or len(empty) <= MOST * len(indices)):
        return target, []
    classes = target.classes.copy()
    for index in empty:
        classes[index] = IGNORE
    doubts = []
    if is_auto:
        text = (
            f"{len(empty)} of {len(indices)} slices of '{labels.name}' have no label and are "
            "taken for unannotated: set empty-slices to background if they are known to be "
            "empty, or to unannotated."
        )
        doubts = [Doubt("empty slices", text)]
    return replace(target, classes=classes), doubts


def _shows_something(target: TrainingTarget, index: tuple[int, ...]) -> bool:
    """Whether a slice has an object, or is unannotated as a whole already."""
    classes = target.classes[index]
    return bool(((classes > 0) & (classes != IGNORE)).any() or (classes == IGNORE).all())
