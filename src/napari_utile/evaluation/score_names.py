"""What each score means, in one line: for the report, for tooltips, for the manual."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

GROUPS = {
    "pixels": "Pixels",
    "objects": "Objects, matched one to one at an IoU of at least 0.5",
    "coco": "Objects, ranked by their score (COCO)",
    "em": "Cells that are whole, not cut and not joined (electron microscopy)",
    "counts": "Counts of objects",
}
"""Name of a group of scores -> its heading."""


@dataclass(frozen=True)
class Meaning:
    """What a score says.

    Parameters
    ----------
    title : str
        As it is written in papers.
    text : str
        One sentence.
    group : str
        One of `GROUPS`.
    better : {"higher", "lower", ""}
    """

    title: str
    text: str
    group: str
    better: Literal["higher", "lower", ""] = "higher"


SCORES = {
    "iou": Meaning("IoU", "Common foreground over the foreground of either side.", "pixels"),
    "dice": Meaning("Dice", "Twice the common foreground over the sum of both.", "pixels"),
    "mean_iou": Meaning(
        "mean IoU", "Mean of the IoUs of all classes that occur, background too.", "pixels"
    ),
    "pixel_error": Meaning(
        "pixel error", "Share of the pixels that differ.", "pixels", "lower"
    ),
    "precision_50": Meaning(
        "precision", "Share of the predicted objects that have a true partner.", "objects"
    ),
    "recall_50": Meaning("recall", "Share of the true objects that were found.", "objects"),
    "f1_50": Meaning("F1", "Harmonic mean of precision and recall.", "objects"),
    "matching_ap50": Meaning(
        "matching AP", "TP / (TP + FP + FN); what StarDist and Cellpose call AP.", "objects"
    ),
    "panoptic_quality": Meaning(
        "panoptic quality", "F1 times the mean IoU of the matched pairs.", "objects"
    ),
    "seg": Meaning(
        "SEG", "Mean IoU of the true objects; 0 for one less than half found.", "objects"
    ),
    "coco_ap": Meaning(
        "COCO AP", "Area under precision-recall, mean over IoU 0.50 to 0.95.", "coco"
    ),
    "coco_ap50": Meaning("COCO AP50", "Area under precision-recall at IoU 0.50.", "coco"),
    "coco_ap75": Meaning("COCO AP75", "Area under precision-recall at IoU 0.75.", "coco"),
    "coco_ar": Meaning("COCO AR", "Recall, mean over IoU 0.50 to 0.95.", "coco"),
    "v_rand": Meaning(
        "V Rand", "Are two pixels of one cell in one segment? After border thinning.", "em"
    ),
    "v_info": Meaning(
        "V Info", "Information that both segmentations share. After border thinning.", "em"
    ),
    "rand_error": Meaning(
        "Rand error", "1 - V Rand of the segments as they are.", "em", "lower"
    ),
    "warping_error": Meaning(
        "warping error",
        "Share of pixels by which the topology differs: splits, mergers, holes.",
        "em",
        "lower",
    ),
    "adapted_rand_error": Meaning(
        "adapted Rand error", "Rand error over pairs of different pixels.", "em", "lower"
    ),
    "vi_split": Meaning("VI split", "Bits lost to cells that were cut.", "em", "lower"),
    "vi_merge": Meaning("VI merge", "Bits lost to cells that were joined.", "em", "lower"),
    "true_positives": Meaning("TP", "Matched pairs.", "counts", ""),
    "false_positives": Meaning("FP", "Predicted objects without a partner.", "counts", "lower"),
    "false_negatives": Meaning("FN", "True objects without a partner.", "counts", "lower"),
}
"""Name of a score -> what it says, in the order in which reports list them."""

COUNTS = tuple(name for name, meaning in SCORES.items() if meaning.group == "counts")


def meaning_of(name: str) -> Meaning:
    """Say what a score means; also one of a single class, such as "iou_3"."""
    if name in SCORES:
        return SCORES[name]
    base, _, label = name.rpartition("_")
    title = {"iou": "IoU", "dice": "Dice"}.get(base, base)
    return Meaning(
        f"{title}, class {label}", f"{title} of the pixels with id {label}.", "pixels"
    )


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of scores as reports list them; scores of single classes after the others."""
    known = list(SCORES)
    return sorted(names, key=lambda name: known.index(name) if name in SCORES else len(known))
