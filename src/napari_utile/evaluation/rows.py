"""The rows of a report: the scores of a slice, and of all slices together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_utile.evaluation.scores import SCORES
from napari_utile.metrics.matching import (
    Matching,
    f1,
    match,
    matching_ap,
    panoptic_quality,
    precision,
    recall,
    seg,
)
from napari_utile.metrics.overlap import Contingency, dice, iou, pixel_error, side_by_side
from napari_utile.metrics.partitions import (
    adapted_rand_error,
    rand_error,
    v_info,
    v_rand,
    vi_merge,
    vi_split,
)

Row = Mapping[str, Any]


def scores(
    table: Contingency, thinned: Contingency, matching: Matching | None = None
) -> dict[str, float]:
    """Every score that is read from tables of overlaps.

    Parameters
    ----------
    table, thinned : Contingency
        Of a prediction as it is, and with its borders thinned.
    matching : Matching, optional
        The pairs with an IoU of at least 0.5, if they are there already.
    """
    matching = matching or match(table, 0.5)
    return {
        "iou": iou(table),
        "dice": dice(table),
        "pixel_error": pixel_error(table),
        "matching_ap50": matching_ap(matching),
        "f1_50": f1(matching),
        "panoptic_quality": panoptic_quality(matching),
        "seg": seg(table),
        "v_rand": v_rand(thinned),
        "v_info": v_info(thinned),
        "rand_error": rand_error(table),
        "adapted_rand_error": adapted_rand_error(table),
        "vi_split": vi_split(thinned),
        "vi_merge": vi_merge(thinned),
        "true_positives": matching.true_positives,
        "false_positives": matching.false_positives,
        "false_negatives": matching.false_negatives,
    }


def found_and_right(matching: Matching) -> dict[str, float]:
    """Give the two shares of which `f1_50` is the harmonic mean."""
    return {"precision_50": precision(matching), "recall_50": recall(matching)}


def whole_of(
    slices: Sequence[tuple[Contingency, Contingency]], found: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Pool the counts of the slices; of the scores of partitions, take the mean."""
    tables, thinned = (side_by_side(each) for each in zip(*slices, strict=True))
    pooled = scores(tables, thinned)
    means = [name for name in pooled if SCORES[name].is_mean]
    return pooled | {name: float(np.mean([row[name] for row in found])) for name in means}


def remarks(tables: Sequence[tuple[Any, Contingency]]) -> list[str]:
    """Say in which slices there was nothing to find, or nothing found."""
    slices_of: dict[str, list[str]] = {}
    for name, table in tables:
        slices_of.setdefault(remark(table), []).append(str(name))
    return [f"{text} (slice {listed(names)})." for text, names in slices_of.items() if text]


def listed(names: Sequence[str], most: int = 12) -> str:
    """List names, the first ones of many."""
    more = f", and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def remark(table: Contingency) -> str:
    """Say what is missing on one side or both; nothing if there are objects on both."""
    match table.pixels, table.truth_ids.size, table.prediction_ids.size:
        case 0, _, _:
            return "Every pixel is ignored: counted as perfect agreement"
        case _, 0, 0:
            return "No object in truth and prediction: counted as perfect agreement"
        case _, 0, _:
            return "No object in the truth: every predicted one is false"
        case _, _, 0:
            return "No object in the prediction: every true one is missed"
    return ""
