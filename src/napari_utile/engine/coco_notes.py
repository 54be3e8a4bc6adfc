"""What a reader of the scores of `coco evaluate` must know."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_utile.engine.coco_truth import Truth
from napari_utile.files.coco_writing import detections
from napari_utile.files.runs import Run
from napari_utile.settings import TrainSettings


def notes_on(truth: Truth, runs: Sequence[Run], annotations: Path) -> tuple[str, ...]:
    """Say how the numbers came about, and what they would be without looking."""
    names = truth.chosen.names
    learnt = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    if len(names) > 1:
        learnt += " (told apart)" if truth.learnt.kinds else " (one foreground)"
    nowhere = 0 if truth.coco.objects else 1
    bands = ", ".join(
        f"{b['band']} {b['low']:,.0f} to {b['high']:,.0f} px" for b in truth.coco.bands
    )
    return (
        f"{len(truth.annotated)} images of {annotations.name}, {truth.coco.objects} objects: "
        f"{learnt}. Crowds are ignored.",
        *note_on_overlap(truth),
        note_on_seeds(runs),
        "Without looking: foreground everywhere has IoU {iou:.3f}, COCO AP {coco_ap:.4f}, AP50 "
        "{coco_ap50:.4f}; foreground nowhere has {nowhere} of each.".format(
            **everywhere(truth), nowhere=nowhere
        ),
        *([f"Thirds of the objects by size: {bands}."] if bands else []),
        *truth.coco.notes,
    )


def note_on_overlap(truth: Truth) -> list[str]:
    """Say so if images that were trained on are among those to score by."""
    known = {image.file_name for image in truth.annotated} & {*truth.learnt.files}
    if not known:
        return []
    return [
        f"{len(known)} of the {len(truth.annotated)} images were trained on, as their names "
        "say: the scores flatter."
    ]


def note_on_seeds(runs: Sequence[Run]) -> str:
    """Say over what the spread is."""
    seeds = sorted({TrainSettings.read(run.settings).seed for run in runs})
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): no spread is known, small differences may be chance."
    return f"± is the standard deviation over the seeds {', '.join(map(str, seeds))} (n - 1)."


def everywhere(truth: Truth) -> dict[str, float]:
    """Score what takes no network: each image is one object."""
    whole = [np.ones_like(labels) for labels in truth.labels]
    objects = [
        entry
        for image, labels in zip(truth.annotated, whole, strict=True)
        for entry in detections(labels, image.id, truth.chosen.ids[0], 1.0)
    ]
    return truth.pixel_scores(whole) | truth.coco.scores(objects)
