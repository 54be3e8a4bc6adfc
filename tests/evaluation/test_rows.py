"""Scores of a slice, and of several slices together."""

import numpy as np
import pytest

from napari_utile.evaluation.rows import (
    empty_slice_notes,
    overlap_scores,
    pooled_scores,
    precision_recall,
)
from napari_utile.evaluation.scores import SCORES
from napari_utile.metrics.matching import match
from napari_utile.metrics.overlap import contingency

HALF = contingency(np.array([[1, 1, 0, 0]]), np.array([[1, 1, 1, 1]]))
"""One object, half of it found."""
WHOLE = contingency(np.array([[7, 7, 0]]), np.array([[5, 5, 0]]))
"""One object, all of it found."""
NOTHING = contingency(np.zeros((1, 4), int), np.zeros((1, 4), int))


def test_scores_of_one_object_by_hand():
    row = overlap_scores(HALF, HALF)
    assert row["iou"] == 2 / 4
    assert row["dice"] == pytest.approx(2 * 2 / (2 + 4))
    assert row["pixel_error"] == 2 / 4
    # an IoU of 0.5 is a match: panoptic quality is that IoU, and SEG counts more than half only
    assert (row["true_positives"], row["panoptic_quality"], row["seg"]) == (1, 0.5, 0)
    assert set(row) <= set(SCORES)


def test_counts_are_pooled_and_means_are_means():
    tables = [(HALF, HALF), (WHOLE, WHOLE)]
    rows = [overlap_scores(*pair) for pair in tables]
    pooled = pooled_scores(tables, rows)
    assert pooled["iou"] == (2 + 2) / (4 + 2)
    assert pooled["true_positives"] == 2
    means = [name for name in pooled if SCORES[name].is_mean]
    assert means
    for name in means:
        assert pooled[name] == pytest.approx(np.mean([row[name] for row in rows]))


def test_what_is_ignored_as_a_whole_is_in_no_mean():
    hidden = contingency(np.ones((1, 2), int), np.ones((1, 2), int), np.ones((1, 2), bool))
    tables = [(HALF, HALF), (hidden, hidden)]
    rows = [overlap_scores(*pair) for pair in tables]
    assert pooled_scores(tables, rows) == pooled_scores(tables[:1], rows[:1])
    assert pooled_scores(tables[1:], rows[1:])["v_rand"] == 1
    (note,) = empty_slice_notes([(0, WHOLE), (1, hidden)])
    assert note == "Every pixel is ignored: left out of the whole (slice 1)."


def test_precision_and_recall():
    missed = contingency(np.array([[1, 1, 0, 0]]), np.array([[1, 1, 0, 2]]))
    assert precision_recall(match(missed)) == {"precision_50": 1, "recall_50": 1 / 2}


def test_slices_without_objects_are_named_once_for_each_way():
    hidden = contingency(np.ones((1, 2), int), np.ones((1, 2), int), np.ones((1, 2), bool))
    invented = contingency(np.ones((1, 2), int), np.zeros((1, 2), int))
    tables = [(0, NOTHING), (1, WHOLE), (2, NOTHING), (3, hidden), (4, invented)]
    notes = empty_slice_notes(tables)
    assert len(notes) == 3
    assert notes[0].startswith("No object in truth and prediction")
    assert notes[0].endswith("(slice 0, 2).")
    assert [note[-10:] for note in notes[1:]] == ["(slice 4).", "(slice 3)."]
    (many,) = empty_slice_notes([(z, NOTHING) for z in range(1500)])
    assert many.endswith("10, 11, and 1,488 more).")
