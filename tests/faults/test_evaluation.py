"""Empty, mismatched and partly annotated input to the evaluation."""

import json
import math

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.metrics import evaluate

AGREEMENT = ["iou", "dice", "matching_ap50", "f1_50", "panoptic_quality", "seg"]


@pytest.fixture
def truth():
    return np.array([[[1, 1, 0, 2]], [[0, 3, 3, 0]], [[0, 0, 4, 4]]])


def finite(report):
    return all(math.isfinite(row[name]) for row in report.rows for name in report)


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
@pytest.mark.parametrize("volumetric", [False, True])
def test_fault_26_empty_on_both_sides_is_perfect_agreement(shape, volumetric):
    nothing = np.zeros(shape, int)
    report = evaluate(nothing, nothing, volumetric=volumetric)
    assert [report[name] for name in AGREEMENT] == [1] * len(AGREEMENT)
    assert report["pixel_error"] == 0
    assert "No object in truth and prediction" in report.notes[0]


def test_fault_26_empty_on_one_side_is_no_agreement(truth):
    nothing = np.zeros_like(truth)
    for report in (evaluate(nothing, truth), evaluate(truth, nothing)):
        assert [report[name] for name in AGREEMENT] == [0] * len(AGREEMENT)
        assert report["pixel_error"] == (truth > 0).mean()
    assert evaluate(nothing, truth).notes == (
        "No object in the prediction: every true one is missed (slice 0, 1, 2).",
    )
    assert evaluate(truth, nothing).notes == (
        "No object in the truth: every predicted one is false (slice 0, 1, 2).",
    )


def test_fault_26_empty_slices_are_named_and_do_not_lift_the_whole(truth):
    half = truth.copy()
    half[1:] = 0
    reference = truth.copy()
    reference[2] = 0
    report = evaluate(half, reference)
    assert [row["seg"] for row in report.rows] == [1, 0, 1, 2 / 3]
    assert any("slice 1" in note for note in report.notes)
    assert any("slice 2" in note for note in report.notes)
    assert finite(report)


def test_fault_26_nothing_but_ignored_pixels():
    report = evaluate(np.ones((2, 3), int), np.full((2, 3), 9), ignore=9)
    assert finite(report)
    assert "Every pixel is ignored" in report.notes[0]


def test_fault_26_an_array_without_pixels_is_named():
    with pytest.raises(UserError, match=r"\(0, 4, 5\)"):
        evaluate(np.zeros((0, 4, 5), int), np.zeros((0, 4, 5), int))


def test_fault_26_a_report_of_empty_slices_is_valid_json(truth):
    text = evaluate(truth * 0, truth).to_json()
    json.loads(text, parse_constant=pytest.fail)  # called for NaN and Infinity


@pytest.mark.parametrize("shape", [(3, 1, 5), (1, 4), (2, 3, 1, 4)])
def test_fault_27_both_shapes_are_named(truth, shape):
    with pytest.raises(UserError) as error:
        evaluate(np.zeros(shape, int), truth)
    assert str(shape) in str(error.value)
    assert str(truth.shape) in str(error.value)


@pytest.mark.parametrize("value", [np.nan, -3.5, 7.25])
def test_fault_27_scores_that_are_no_probabilities_are_refused(truth, value):
    with pytest.raises(UserError, match=rf"0 to 1.*{value}"):
        evaluate(np.full((2, *truth.shape), value), truth)
    with pytest.raises(UserError, match="predicted labels"):
        evaluate(np.full(truth.shape, value), truth)


def test_fault_27_negative_ids_are_refused_by_side(truth):
    with pytest.raises(UserError, match=r"true labels.*-4"):
        evaluate(truth, -truth)
    with pytest.raises(UserError, match=r"predicted labels.*-4"):
        evaluate(-truth, truth)


@pytest.mark.parametrize("ignore", [-1, 9, 255, 2**40])
def test_fault_27_ignored_pixels_change_no_score(truth, ignore):
    prediction = np.where(truth == 3, 0, truth)
    annotated = np.pad(truth, ((0, 0), (0, 2), (1, 1)), constant_values=ignore)
    plain = evaluate(prediction, truth)
    for painted_outside in (0, 1, 77):
        padded = np.pad(prediction, ((0, 0), (0, 2), (1, 1)), constant_values=painted_outside)
        assert dict(evaluate(padded, annotated, ignore=ignore)) == dict(plain)


def test_fault_27_ignored_pixels_belong_to_no_object():
    #                 the object ends where nobody looked
    truth = np.array([[1, 1, 9, 9, 9, 0, 2, 2]])
    found = np.array([[1, 1, 1, 1, 1, 0, 2, 0]])
    report = evaluate(found, truth, ignore=9)
    assert report["seg"] == (1 + 0) / 2
    assert report["panoptic_quality"] == (1 + 1 / 2) / 2
    assert report["pixel_error"] == 1 / 5
    assert report["iou"] == 3 / 4


def test_fault_27_ignored_pixels_part_the_objects_of_both_masks():
    truth = np.array([[255, 255, 7, 255, 255, 0, 255]])
    mask = np.array([[True, True, True, True, True, False, True]])
    for prediction in (mask, mask.astype(float), 255 * mask[None].astype(np.uint8)):
        report = evaluate(prediction, truth, ignore=7)
        assert report["true_positives"] == 3
        assert report["matching_ap50"] == 1
