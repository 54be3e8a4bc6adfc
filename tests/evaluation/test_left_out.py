"""Slices that are left out of an evaluation."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate


@pytest.fixture
def sides():
    """Return a prediction that is worse in some slices than in others, and its truth."""
    rng = np.random.default_rng(1)
    truth = np.zeros((5, 40, 40), np.uint16)
    for z in range(5):
        for n, (y, x) in enumerate(((2, 2), (2, 22), (22, 2), (22, 22)), 1):
            truth[z, y : y + 14, x : x + 14] = n
    likely = np.where(truth > 0, 0.8, 0.1).astype(np.float32)
    likely += rng.uniform(-0.09, 0.09, truth.shape).astype(np.float32)
    likely[1, :20], likely[3, :, :20] = 0.1, 0.9
    return likely, truth


def test_the_others_are_scored_as_if_there_were_no_more(sides):
    likely, truth = sides
    kept = [0, 3, 4]
    left = evaluate(likely, truth, leave_out="1:3", score_thresholds=True)
    alone = evaluate(likely[kept], truth[kept], score_thresholds=True)
    assert [row["slice"] for row in left.rows] == [0, 3, 4, "all"]
    for mine, other in zip(left.rows, alone.rows, strict=True):
        assert dict(mine) | {"slice": 0} == dict(other) | {"slice": 0}
    assert left.thresholds == alone.thresholds
    assert {left.objects.row(i)["slice"] for i in range(len(left.objects))} == {0, 3, 4}
    errors = np.asarray(left.error_layer())
    assert not errors[1:3].any()
    np.testing.assert_array_equal(errors[kept], np.asarray(alone.error_layer()))


def test_slices_that_choose_the_threshold_are_counted_through_all(sides):
    likely, truth = sides
    given = {"score_thresholds": True, "threshold_slices": "3:4"}
    left = evaluate(likely, truth, leave_out="0:2", **given)
    alone = evaluate(likely[2:], truth[2:], **given | {"threshold_slices": "1:2"})
    assert [row["value"] for row in left.best] == [row["value"] for row in alone.best]
    with pytest.raises(UserError, match="must be annotated"):
        evaluate(likely, truth, leave_out="3:4", **given)


def test_classes_are_left_out_too(sides):
    labels = sides[1].copy()
    labels[2] = 1
    report = evaluate(labels, sides[1], target="classes", leave_out="2:3,4:5")
    assert report["mean_iou"] == 1
    assert [row["slice"] for row in report.rows] == [0, 1, 3, "all"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"leave_out": "3:9"}, "must be such slices"),
        ({"leave_out": "0:3,3:5"}, "others to compare"),
        ({"leave_out": "4"}, "write them like"),
        ({"leave_out": "0:2", "volumetric": True}, "turn volumetric off"),
    ],
)
def test_what_cannot_be_left_out_is_said(sides, given, reason):
    with pytest.raises(UserError, match=reason):
        evaluate(sides[1], sides[1], **given)
