"""Thresholds of a report: the slices that choose the best one, and its scores on the others."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np

from napari_utile.errors import UserError
from napari_utile.evaluation.inputs import LabelPair
from napari_utile.evaluation.progress import SliceCounter
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.thresholds import (
    best_thresholds,
    is_annotated,
    pooled_rows,
    threshold_scores,
)
from napari_utile.events import SliceDone
from napari_utile.settings.evaluation import EvaluateSettings


def chosen_slices(settings: EvaluateSettings, slices: int) -> range | None:
    """Return the slices that choose the threshold; None if all of them do.

    Parameters
    ----------
    settings : EvaluateSettings
    slices : int
        How many slices there are, in all images together.

    Raises
    ------
    UserError
        If there are no such slices, or no others, or no thresholds to choose from.
    """
    if settings.target == "classes" and settings.score_thresholds:
        raise UserError("Thresholds are scored for instances only, not for classes.")
    if settings.threshold_slices is None:
        return None
    if not settings.score_thresholds:
        raise UserError("Threshold slices choose a threshold: ask for score thresholds, too.")
    first, _, end = settings.threshold_slices.partition(":")
    chosen = range(int(first), int(end))
    if chosen.stop > slices or len(chosen) == slices:
        raise UserError(
            f"Threshold slices {settings.threshold_slices} of {slices}: there must be such "
            "slices, and others to score."
        )
    return chosen


def at_thresholds(
    pair: LabelPair, settings: EvaluateSettings, first: int, counter: SliceCounter
) -> Generator[SliceDone, None, list[Row]]:
    """Score an image at every threshold.

    Parameters
    ----------
    pair : LabelPair
    settings : EvaluateSettings
    first : int
        Number of its first slice, counted through all images.
    counter : SliceCounter
        Counts each threshold of each slice.

    Yields
    ------
    SliceDone

    Returns
    -------
    list of dict
        Rows of `threshold_scores`.

    Raises
    ------
    UserError
        If the prediction holds no probabilities.
    """
    if pair.probabilities is None:
        raise UserError("The prediction holds labels: thresholds need probabilities.")
    rows: list[Row] = []
    for n, index in pair.numbered:
        of_slice = yield from threshold_scores(
            np.asarray(pair.foreground(index)),
            pair.truth[index],
            pair.ignored_in(index),
            method=settings.instance_method,
            counter=counter,
        )
        rows += [{**row, "slice": first + n} for row in of_slice]
    return rows


def with_thresholds(report: Report, rows: Sequence[Row], chosen: range | None) -> Report:
    """Add the scores at every threshold, and the best threshold of each score, to a report.

    Parameters
    ----------
    report : Report
    rows : sequence of mapping
        Of `at_thresholds`, of all images.
    chosen : range, optional
        Slices that choose the best threshold; the scores are those of the others.
    """
    if chosen is not None:
        known = {row["slice"] for row in rows if is_annotated(row)}
        if not known & set(chosen) or known <= set(chosen):
            raise UserError(
                f"Threshold slices {chosen.start}:{chosen.stop}: some of them, and some of the "
                "others, which are scored, must be annotated; these are ignored as a whole."
            )
    best, others = best_thresholds(rows, chosen), None
    if chosen is not None:
        others = {row["slice"] for row in rows} - set(chosen)
        chosen_on = f"slices {chosen.start}:{chosen.stop}, scored on the others"
        best = tuple({**row, "chosen_on": chosen_on} for row in best)
    words = best[0]["chosen_on"].replace("it is scored", "they are scored")
    note = f"The best thresholds were chosen on {words}."
    notes = (*report.notes, note)
    findings = [pair.finding for pair in report.sides if pair.finding]
    if any(each.axes > 2 or each.rule.growth for each in findings):
        notes += ("Objects at other thresholds were found slice by slice, and did not grow.",)
    return replace(report, notes=notes, thresholds=pooled_rows(rows, others), best=best)
