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
from napari_utile.metrics.overlap import Contingency, combine_tables, dice, iou, pixel_error
from napari_utile.metrics.partitions import (
    adapted_rand_error,
    rand_error,
    v_info,
    v_rand,
    vi_merge,
    vi_split,
)

Row = Mapping[str, Any]
IGNORED = "Every pixel is ignored"
"""What is said of such slices."""


def overlap_scores(
    table: Contingency, thinned: Contingency, matching: Matching | None = None
) -> dict[str, float]:
    """Compute every score that is read from tables of overlaps.

    Parameters
    ----------
    table, thinned : Contingency
        Of a prediction as it is, and with thinned borders; see `partitions.thin_borders`.
    matching : Matching, optional
        Pairs of objects with an IoU of at least 0.5, if they are known already.

    Returns
    -------
    dict
        Scores by name; see `evaluation.scores.SCORES`.
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


def precision_recall(matching: Matching) -> dict[str, float]:
    """Compute precision and recall at an IoU of 0.5; `f1_50` is their harmonic mean."""
    return {"precision_50": precision(matching), "recall_50": recall(matching)}


def pooled_scores(
    tables: Sequence[tuple[Contingency, Contingency]], rows: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Compute the scores of several slices together.

    Parameters
    ----------
    tables : sequence of pair of Contingency
        Of each slice, as it is and with thinned borders. Their counts are pooled.
    rows : sequence of mapping
        `overlap_scores` of each slice. Of the scores that `SCORES` calls a mean, the mean is
        taken over the slices that are not ignored as a whole.

    Returns
    -------
    dict
        As `overlap_scores`.
    """
    known = [row for row, both in zip(rows, tables, strict=True) if both[0].pixels] or rows
    table, thinned = (combine_tables(each) for each in zip(*tables, strict=True))
    pooled = overlap_scores(table, thinned)
    means = [name for name in pooled if SCORES[name].is_mean]
    return pooled | {name: float(np.mean([row[name] for row in known])) for name in means}


def empty_slice_notes(tables: Sequence[tuple[Any, Contingency]]) -> list[str]:
    """Return a note for each way in which slices are empty, with their names.

    Parameters
    ----------
    tables : sequence of (name, Contingency)
        Of each slice.
    """
    slices: dict[str, list[str]] = {}
    are_all_ignored = not any(table.pixels for _, table in tables)
    for name, table in tables:
        slices.setdefault(_empty_note(table), []).append(str(name))
    if not are_all_ignored and (ignored := slices.pop(IGNORED, [])):
        slices[f"{IGNORED}: left out of the whole"] = ignored
    elif are_all_ignored:
        slices = {f"{IGNORED}: counted as perfect agreement": slices.get(IGNORED, [])}
    return [f"{text} (slice {_first_names(names)})." for text, names in slices.items() if text]


def _first_names(names: Sequence[str], most: int = 12) -> str:
    more = f", and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _empty_note(table: Contingency) -> str:
    """Return which side has no objects; nothing if both have some."""
    match table.pixels, table.truth_ids.size, table.prediction_ids.size:
        case 0, _, _:
            return IGNORED
        case _, 0, 0:
            return "No object in truth and prediction: counted as perfect agreement"
        case _, 0, _:
            return "No object in the truth: every predicted one is false"
        case _, _, 0:
            return "No object in the prediction: every true one is missed"
    return ""
