"""The thresholds of a report: which slices choose, and what the best of them is worth."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_utile.errors import UserError
from napari_utile.evaluation.inputs import Sides
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.thresholds import best_thresholds, pooled_rows, threshold_scores
from napari_utile.settings import EvaluateSettings


def chosen_slices(settings: EvaluateSettings, slices: int) -> range | None:
    """Give the slices that choose the threshold.

    Raises
    ------
    UserError
        If there are none, or no others, or nothing is to be chosen.
    """
    if settings.target == "classes" and settings.score_thresholds:
        raise UserError("Thresholds make objects: they are of use for instances only.")
    if settings.threshold_slices is None:
        return None
    if not settings.score_thresholds:
        raise UserError("Validation slices choose a threshold: ask for thresholds, too.")
    first, _, end = settings.threshold_slices.partition(":")
    chosen = range(int(first), int(end))
    if chosen.stop > slices or len(chosen) == slices:
        raise UserError(
            f"Validation slices {settings.threshold_slices} of {slices}: there must be such "
            "slices, and others to score."
        )
    return chosen


def at_thresholds(
    sides: Sides, settings: EvaluateSettings, first: int
) -> Generator[Any, None, list[Row]]:
    """Score an image at every threshold; its slices are numbered on from `first`."""
    if sides.probabilities is None:
        raise UserError("The prediction holds labels: thresholds need probabilities.")
    rows: list[Row] = []
    for n, index in enumerate(sides.indices):
        of_slice = yield from threshold_scores(
            np.asarray(sides.foreground(index)),
            sides.truth[index],
            sides.hidden(index),
            method=settings.instance_method,
        )
        rows += [{**row, "slice": first + n} for row in of_slice]
    return rows


def with_thresholds(report: Report, rows: Sequence[Row], validation: range | None) -> Report:
    """Add the scores at every threshold, the best of them, and what these were chosen on."""
    best, others = best_thresholds(rows, validation), None
    if validation is not None:
        others = {row["slice"] for row in rows} - set(validation)
        chosen_on = f"slices {validation.start}:{validation.stop}, scored on the others"
        best = tuple({**row, "chosen_on": chosen_on} for row in best)
    words = best[0]["chosen_on"].replace("it is scored", "they are scored")
    note = f"The best thresholds were chosen on {words}."
    notes = (*report.notes, note)
    return replace(report, notes=notes, thresholds=pooled_rows(rows, others), best=best)
