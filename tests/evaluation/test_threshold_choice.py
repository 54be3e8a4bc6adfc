"""The best threshold of each score, and the slices that choose it."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.thresholds import (
    best_thresholds,
    pooled_rows,
    threshold_scores,
)
from napari_utile.events import drain


def test_thresholds_are_scored_if_asked_for(foreground, truth):
    assert evaluate(foreground, truth).thresholds == ()
    report = evaluate(foreground, truth, score_thresholds=True)
    rows = drain(threshold_scores(foreground, truth, method="watershed"))
    assert report.thresholds == pooled_rows(rows)
    assert report.best == best_thresholds(rows)
    assert report.thresholds[5]["warping_error"] == report["warping_error"]  # at 0.5
    assert report.best[0]["chosen_on"] == "the very data it is scored on"
    assert report.notes[-1].endswith("chosen on the very data they are scored on.")


def test_validation_slices_choose_and_the_others_are_scored(foreground, truth):
    report = evaluate(foreground, truth, score_thresholds=True, threshold_slices="1:3")
    rows = drain(threshold_scores(foreground, truth, method="watershed"))
    expected = best_thresholds(rows, [1, 2])
    assert [(r["name"], r["threshold"], r["value"]) for r in report.best] == [
        (r["name"], r["threshold"], r["value"]) for r in expected
    ]
    assert report.thresholds == pooled_rows(rows, [0, 3])
    assert report.best[0]["chosen_on"] == "slices 1:3, scored on the others"


@pytest.mark.parametrize("validation", ["0:4", "3:5", "7:9"])
def test_validation_slices_must_be_there_and_leave_others(foreground, truth, validation):
    with pytest.raises(UserError, match=f"{validation} of 4"):
        evaluate(foreground, truth, score_thresholds=True, threshold_slices=validation)


def test_thresholds_without_probabilities_are_refused(prediction, truth):
    with pytest.raises(UserError, match="thresholds need probabilities"):
        evaluate(prediction, truth, score_thresholds=True)
    with pytest.raises(UserError, match="Threshold slices choose a threshold"):
        evaluate(prediction, truth, threshold_slices="0:1")
    with pytest.raises(UserError, match="for instances only"):
        evaluate(prediction, truth, target="classes", score_thresholds=True)


@pytest.mark.parametrize("validation", ["0:2", "2:4"])
def test_slices_that_are_ignored_choose_and_score_nothing(validation):
    truth = np.zeros((4, 6, 8), int)
    truth[:, 1:3, 1:4] = 1
    foreground = np.where(truth > 0, 0.9, 0.2)
    truth[2:] = 9
    asked = {"ignore": 9, "score_thresholds": True}
    with pytest.raises(UserError, match="must be annotated"):
        evaluate(foreground, truth, **asked, threshold_slices=validation)
    halves = evaluate(foreground[:2], truth[:2], **asked)
    assert evaluate(foreground, truth, **asked).thresholds == halves.thresholds
