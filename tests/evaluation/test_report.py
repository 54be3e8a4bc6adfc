import csv
import io
import json

import numpy as np
import pytest

from napari_utile.evaluation import evaluate
from napari_utile.evaluation.report import Report

PIXELS = ["iou", "dice", "pixel_error"]
OBJECTS = ["precision_50", "recall_50", "f1_50", "matching_ap50", "panoptic_quality", "seg"]
SCORES = PIXELS + OBJECTS
COCO = ["coco_ap", "coco_ap50", "coco_ap75", "coco_ar"]
PARTITIONS = [
    "v_rand", "v_info", "rand_error", "warping_error", "adapted_rand_error", "vi_split",
    "vi_merge",
]  # fmt: skip
COUNTS = ["true_positives", "false_positives", "false_negatives"]


@pytest.fixture
def truth():
    """Two slices; the ids are used again in the second one."""
    return np.array(
        [
            [[1, 1, 0, 2, 2, 2], [1, 1, 0, 2, 2, 2]],
            [[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]],
        ]
    )


@pytest.fixture
def prediction():
    return np.array(
        [
            [[4, 4, 0, 0, 0, 6], [4, 4, 0, 0, 0, 6]],
            [[0, 0, 0, 0, 0, 5], [0, 4, 4, 4, 0, 0]],
        ]
    )


def test_hand_worked_report(prediction, truth):
    report = evaluate(prediction, truth)
    first, second, whole = report.rows
    assert (first["slice"], second["slice"], whole["slice"]) == (0, 1, "all")

    # slice 0: the square is found, a third of the rectangle is
    assert first["iou"] == 6 / 10
    assert first["matching_ap50"] == 1 / 3
    assert first["seg"] == (1 + 0) / 2
    # slice 1: three quarters of the line are found, one pixel is invented
    assert second["iou"] == 3 / 5
    assert second["panoptic_quality"] == (3 / 4) / (1 + 1 / 2)
    # the whole pools the counts of the slices; it is not the mean of their scores
    assert report["iou"] == (6 + 3) / (10 + 5)
    assert report["dice"] == 2 * 9 / (10 + 4 + 6 + 4)
    assert report["pixel_error"] == (4 + 2) / 24
    assert [report[name] for name in COUNTS] == [2, 2, 1]
    assert report["matching_ap50"] == 2 / 5
    assert report["precision_50"] == 2 / 4
    assert report["recall_50"] == 2 / 3
    assert report["f1_50"] == 2 * 2 / (4 + 2 + 1)
    assert report["panoptic_quality"] == (1 + 3 / 4) / (2 + 2 / 2 + 1 / 2)
    assert report["seg"] == pytest.approx((1 + 0 + 3 / 4) / 3)


def test_volumetric_objects_extend_over_slices(prediction, truth):
    report = evaluate(prediction, truth, volumetric=True)
    # Truth 1 has 4 + 4 pixels, prediction 4 has 4 + 3, and 7 are common.
    assert [report[name] for name in COUNTS] == [1, 2, 1]
    assert report["seg"] == pytest.approx((7 / 8 + 0) / 2)
    assert report["iou"] == evaluate(prediction, truth)["iou"]
    assert report.rows[:-1] == evaluate(prediction, truth).rows[:-1]


def test_keys_are_the_names_of_the_field(prediction, truth):
    report = evaluate(prediction, truth)
    assert list(report) == SCORES + COCO + PARTITIONS + COUNTS
    assert list(report.rows[0]) == ["slice", *SCORES, *COCO, *PARTITIONS, *COUNTS]


def test_an_image_is_one_row(prediction, truth):
    report = evaluate(prediction[0], truth[0])
    assert [row["slice"] for row in report.rows] == ["all"]
    assert report["matching_ap50"] == 1 / 3


def test_leading_axes_are_spelled_as_a_tuple(prediction, truth):
    report = evaluate(prediction[:, None], truth[:, None])
    assert [row["slice"] for row in report.rows] == [(0, 0), (1, 0), "all"]
    assert dict(report) == dict(evaluate(prediction, truth))


def test_a_perfect_prediction_under_other_names(truth):
    names = np.array([0, 2**40, 3])
    report = evaluate(names[truth], truth)
    assert [report[name] for name in SCORES] == [1, 1, 0, 1, 1, 1, 1, 1, 1]
    assert [report[name] for name in COUNTS] == [3, 0, 0]


def test_masks_are_split_slice_by_slice_on_either_side(truth):
    mask = np.where(truth > 0, 255, 0).astype(np.uint8)
    for prediction, reference in [(mask, truth), (truth, mask), (mask > 0, mask)]:
        report = evaluate(prediction, reference)
        assert report["true_positives"] == 3
        assert report["matching_ap50"] == 1
    assert "prediction" in evaluate(mask, truth).notes[0]
    assert "truth" in evaluate(truth, mask).notes[0]
    assert evaluate(truth, truth).notes == ()


def test_volumes_of_time_points_are_apart():
    truth = np.zeros((2, 3, 12, 12), int)
    truth[..., 1:5, 1:5], truth[..., 7:11, 7:11] = 1, 2  # the same ids, as trackers write them
    found = truth.copy()
    found[1][found[1] == 1] = 0
    report = evaluate(found, truth, volumetric=True)
    counts = [report[f"{kind}s"] for kind in ("true_positive", "false_negative")]
    assert (counts, report["f1_50"]) == ([3, 1], 2 * 3 / (2 * 3 + 1))
    assert [report.objects.image(i) for i in range(len(report.objects))] == [0] * 4
    first, second = report.error_layer(0)[:, 0, 2, 2]
    assert first != second


def test_volumetric_masks_are_split_in_the_volume(truth):
    mask = truth > 0  # the line of slice 1 lies under both objects of slice 0
    assert evaluate(mask, mask, volumetric=True)["true_positives"] == 1
    assert evaluate(mask, mask)["true_positives"] == 3


def test_probabilities_are_thresholded(truth):
    foreground = np.where(truth > 0, 0.7, 0.2).astype(np.float32)
    both = np.stack([1 - foreground, foreground])
    as_bytes = (255 * both).astype(np.uint8)
    for prediction in (both, both[1:], foreground, as_bytes, both.astype(np.float16)):
        assert evaluate(prediction, truth)["matching_ap50"] == 1
        assert evaluate(prediction, truth, threshold=0.1)["pixel_error"] == (truth == 0).mean()
        assert evaluate(prediction, truth, threshold=0.8)["iou"] == 0


def test_three_classes_count_as_foreground_together(truth):
    probabilities = np.stack([truth == 0, truth == 1, truth == 2]) * 0.8 + 0.2 / 3
    assert evaluate(probabilities, truth)["iou"] == 1


def test_labels_saved_as_floats_are_labels(prediction, truth):
    assert dict(evaluate(prediction.astype(np.float32), truth)) == dict(
        evaluate(prediction, truth)
    )


def test_json_holds_everything(prediction, truth):
    report = evaluate(prediction > 0, truth)
    read = json.loads(report.to_json())
    assert {name: read[name] for name in report} == dict(report)
    assert read["rows"] == [dict(row) for row in report.rows]
    assert read["notes"] == list(report.notes)


def test_csv_holds_every_row(prediction, truth):
    report = evaluate(prediction, truth)
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [row["slice"] for row in rows] == ["0", "1", "all"]
    assert [float(row["seg"]) for row in rows] == [row["seg"] for row in report.rows]


def test_prints_as_an_aligned_table():
    row = {"slice": "all", "iou": 0.51239, "true_positives": 12}
    report = Report(({**row, "slice": 0}, row), ("Something is odd.",))
    assert str(report).splitlines() == [
        "slice    iou  TP",
        "    0  0.512  12",
        "  all  0.512  12",
        "Something is odd.",
    ]


def test_the_inputs_stay_as_they_were(prediction, truth):
    before = prediction.copy(), truth.copy()
    evaluate(prediction, truth, ignore=2)
    np.testing.assert_array_equal((prediction, truth), before)
