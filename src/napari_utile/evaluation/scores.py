"""The registry of scores: what each one means, how it is written, and where it is shown.

A new score takes three things: its function in `metrics`, an entry in `SCORES`, and the call
that computes it (in `evaluation.rows` for one that is read from overlaps). Reports, curves,
validation, comparison tables and the window list it where its entry says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan
from typing import Any, Literal

GROUPS = {
    "pixels": "Pixels",
    "objects": "Objects, matched one to one at an IoU of at least 0.5",
    "coco": "Objects, ranked by their score (COCO)",
    "em": "Cells that are whole, not cut and not joined (electron microscopy)",
    "counts": "Counts of objects",
}
"""Name of a group of scores -> its heading."""

Place = Literal[
    "report",  # columns of a printed report: of the whole and of every slice
    "headline",  # large numbers at the top of the report sheet
    "by_slice",  # curves over the slices of a stack
    "thresholds",  # computed at ten probability thresholds, as in ISBI 2012
    "validation",  # of instances, computed at every validation of a training run
    "epoch",  # line that the shell prints after a validation
    "comparison",  # columns of the table of a comparison
    "terminal",  # those columns of it for which a terminal has room
    "candidate",  # line that the shell prints for each network of a comparison
    "panel",  # columns of the panel Compare networks
]
"""Where a score can be shown."""


@dataclass(frozen=True)
class Score:
    """What a score means, how it is written, and where it is shown.

    Parameters
    ----------
    title : str
        Its name in papers.
    text : str
        One sentence.
    group : str
        One of `GROUPS`.
    better : {"higher", "lower", ""}, default "higher"
    places : tuple of str
        Where it is shown; see `Place`.
    short : str
        Heading of a table column; by default `title`.
    digits : int, default 3
        Decimals when it is written; values below 0.01 keep that many significant digits.
    has_maximum : bool, default True
        Whether it lies between 0 and 1.
    is_mean : bool, default False
        Whether the score of several slices is the mean of theirs; by default it is computed
        from the pooled counts of all slices.
    """

    title: str
    text: str
    group: str
    better: Literal["higher", "lower", ""] = "higher"
    places: tuple[Place, ...] = ()
    short: str = ""
    digits: int = 3
    has_maximum: bool = True
    is_mean: bool = False


SCORES: dict[str, Score] = {
    "iou": Score(
        "IoU",
        "Common foreground over the foreground of either side.",
        "pixels",
        places=(
            "report", "headline", "by_slice", "thresholds", "validation", "epoch",
            "comparison", "terminal", "candidate", "panel",
        ),
    ),
    "dice": Score(
        "Dice",
        "Twice the common foreground over the sum of both.",
        "pixels",
        places=("validation", "comparison"),
    ),
    "mean_iou": Score(
        "mean IoU",
        "Mean of the IoUs of all classes that occur, background too.",
        "pixels",
        places=(
            "report", "headline", "by_slice", "epoch", "comparison", "terminal", "candidate",
            "panel",
        ),
    ),
    "pixel_error": Score(
        "pixel error",
        "Share of the pixels that differ.",
        "pixels",
        "lower",
        places=("report", "headline", "thresholds", "validation", "comparison"),
    ),
    "precision_50": Score(
        "precision", "Share of the predicted objects that have a true partner.", "objects"
    ),
    "recall_50": Score("recall", "Share of the true objects that were found.", "objects"),
    "f1_50": Score(
        "F1",
        "Harmonic mean of precision and recall.",
        "objects",
        places=(
            "report", "headline", "by_slice", "thresholds", "validation", "epoch",
            "comparison", "candidate",
        ),
        short="F1 at 0.5",
    ),
    "matching_ap50": Score(
        "matching AP",
        "TP / (TP + FP + FN); what StarDist and Cellpose call AP.",
        "objects",
        places=("validation", "comparison", "panel"),
        short="matching AP50",
    ),
    "panoptic_quality": Score(
        "panoptic quality",
        "F1 times the mean IoU of the matched pairs.",
        "objects",
        places=(
            "report", "headline", "by_slice", "validation", "epoch", "comparison", "terminal",
            "candidate",
        ),
        short="PQ",
    ),
    "seg": Score(
        "SEG",
        "Mean IoU of the true objects; 0 for one less than half found.",
        "objects",
        places=("validation",),
    ),
    "coco_ap": Score(
        "COCO AP",
        "Area under precision-recall, mean over IoU 0.50 to 0.95.",
        "coco",
        places=("report", "headline", "comparison", "terminal", "candidate"),
    ),
    "coco_ap50": Score(
        "COCO AP50",
        "Area under precision-recall at IoU 0.50.",
        "coco",
        places=("comparison", "terminal"),
    ),
    "coco_ap75": Score(
        "COCO AP75",
        "Area under precision-recall at IoU 0.75.",
        "coco",
        places=("comparison",),
    ),
    "coco_ar": Score(
        "COCO AR", "Recall, mean over IoU 0.50 to 0.95.", "coco", places=("comparison",)
    ),
    "v_rand": Score(
        "V Rand",
        "Are two pixels of one cell in one segment? After border thinning.",
        "em",
        places=(
            "report", "headline", "by_slice", "thresholds", "validation", "comparison",
            "terminal", "candidate", "panel",
        ),
        is_mean=True,
    ),
    "v_info": Score(
        "V Info",
        "Information that both segmentations share. After border thinning.",
        "em",
        places=("report", "thresholds", "comparison"),
        is_mean=True,
    ),
    "rand_error": Score(
        "Rand error",
        "1 - V Rand of the segments as they are.",
        "em",
        "lower",
        places=("thresholds",),
        is_mean=True,
    ),
    "warping_error": Score(
        "warping error",
        "Share of pixels by which the topology differs: splits, mergers, holes.",
        "em",
        "lower",
        places=("report", "headline", "thresholds"),
        is_mean=True,
    ),
    "adapted_rand_error": Score(
        "adapted Rand error",
        "Rand error over pairs of different pixels.",
        "em",
        "lower",
        is_mean=True,
    ),
    "vi_split": Score(
        "VI split",
        "Bits lost to cells that were cut.",
        "em",
        "lower",
        has_maximum=False,
        is_mean=True,
    ),
    "vi_merge": Score(
        "VI merge",
        "Bits lost to cells that were joined.",
        "em",
        "lower",
        has_maximum=False,
        is_mean=True,
    ),
    "true_positives": Score(
        "TP", "Matched pairs.", "counts", "", places=("report",), has_maximum=False
    ),
    "false_positives": Score(
        "FP",
        "Predicted objects without a partner.",
        "counts",
        "lower",
        places=("report",),
        has_maximum=False,
    ),
    "false_negatives": Score(
        "FN",
        "True objects without a partner.",
        "counts",
        "lower",
        places=("report",),
        has_maximum=False,
    ),
}  # fmt: skip
"""Name of a score -> what it means, in the order in which all tables list them."""


def is_score(name: str) -> bool:
    """Whether a name is that of a score, or of a score of a single class."""
    base, _, label = name.rpartition("_")
    return name in SCORES or (base in ("iou", "dice") and label.lstrip("-").isdigit())


def score_named(name: str) -> Score:
    """Return the entry of a score, also of a score of a single class, such as "iou_3".

    Parameters
    ----------
    name : str
        As in a `Report`.

    Returns
    -------
    Score
        A score of a class is shown in the printed report if that of the foreground is.
    """
    if name in SCORES:
        return SCORES[name]
    base, _, label = name.rpartition("_")
    title = SCORES[base].title if base in SCORES else base
    places: tuple[Place, ...] = ("report",) if base == "iou" else ()
    return Score(
        f"{title}, class {label}", f"{title} of the pixels with id {label}.", "pixels",
        places=places,
    )  # fmt: skip


def scores_in(place: Place) -> tuple[str, ...]:
    """Return the names of the scores that are shown in a place, in the order of `SCORES`."""
    return tuple(name for name, score in SCORES.items() if place in score.places)


def name_in_window(name: str) -> str:
    """Return what the window calls a score, wherever it names one beside others.

    Examples
    --------
    >>> name_in_window("iou"), name_in_window("f1_50"), name_in_window("iou_3")
    ('IoU', 'F1 of objects', 'IoU, class 3')
    """
    title = score_named(name).title if is_score(name) else name
    return f"{title} of objects" if name == "f1_50" else title


def is_count(name: str) -> bool:
    """Whether a score is a number of objects."""
    return name in SCORES and SCORES[name].group == "counts"


def heading(name: str) -> str:
    """Return what stands above a column of scores: the name, or TP, FP, FN."""
    return SCORES[name].title if is_count(name) else name


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of scores as reports list them; scores of single classes after the others."""
    known = list(SCORES)
    return sorted(names, key=lambda name: known.index(name) if name in SCORES else len(known))


def format_score(name: str, value: Any, spread: float | None = None) -> str:
    """Write a score, or another number of a table, for people. The only rounding there is.

    Parameters
    ----------
    name : str
        Name of the score or of the column.
    value : int, float, str, tuple or None
        Counts get thousands separators; what is no number is written as it is.
    spread : float, optional
        Standard deviation, written with the same number of decimals.

    Returns
    -------
    str
        "–" where there is no value. Numbers below 0.01 keep their significant digits, since a
        warping error is often one of ten thousand; those above 10 keep one decimal.

    Examples
    --------
    >>> format_score("iou", 0.91234), format_score("iou", 0.91234, 0.0123)
    ('0.912', '0.912 ± 0.012')
    >>> format_score("warping_error", 0.00035291), format_score("parameters", 31030658)
    ('0.000353', '31,030,658')
    >>> format_score("seconds", 123.456), format_score("slice", 1024), format_score("iou", None)
    ('123.5', '1024', '–')
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return "–"
    if isinstance(value, int) and not isinstance(value, bool) and name != "slice":
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    digits = SCORES[name].digits if name in SCORES else 3
    decimals = digits if abs(value) < 10 else 1
    if spread is not None:
        return f"{value:.{decimals}f} ± {spread:.{decimals}f}"
    is_small = 0 < abs(value) < 0.01
    return f"{value:#.{digits}g}" if is_small else f"{value:.{decimals}f}"
