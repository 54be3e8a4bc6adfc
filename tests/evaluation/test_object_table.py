"""The table of objects: one row each, worked out by hand."""

import csv
import io

import numpy as np
import pytest

from napari_utile.evaluation import evaluate


@pytest.fixture
def truth():
    cells = np.zeros((2, 6, 8), int)
    cells[0, 1:3, 1:5] = 4
    cells[0, 4:6, 0:2] = 2**40
    cells[1, 0:2, 0:2] = 4
    return cells


@pytest.fixture
def prediction(truth):
    found = np.zeros_like(truth)
    found[0, 1:3, 1:4] = 7
    found[1, 0:2, 0:2] = 7
    found[1, 5, 3:6] = 9
    return found


def test_each_object_has_a_row_and_a_matched_pair_has_one(prediction, truth):
    rows = list(evaluate(prediction, truth).objects.rows())
    assert rows == [
        {
            "slice": 0,
            "kind": "matched",
            "side": "both",
            "truth_id": 4,
            "prediction_id": 7,
            "iou": 6 / 8,
            "area": 8,
            "y": 1.5,
            "x": 2.5,
            "score": None,
        },
        {
            "slice": 0,
            "kind": "missed",
            "side": "truth",
            "truth_id": 2**40,
            "prediction_id": 0,
            "iou": 0.0,
            "area": 4,
            "y": 4.5,
            "x": 0.5,
            "score": None,
        },
        {
            "slice": 1,
            "kind": "matched",
            "side": "both",
            "truth_id": 4,
            "prediction_id": 7,
            "iou": 1.0,
            "area": 4,
            "y": 0.5,
            "x": 0.5,
            "score": None,
        },
        {
            "slice": 1,
            "kind": "invented",
            "side": "prediction",
            "truth_id": 0,
            "prediction_id": 9,
            "iou": 0.0,
            "area": 3,
            "y": 5.0,
            "x": 4.0,
            "score": None,
        },
    ]


def test_positions_lie_along_every_axis_of_the_truth(prediction, truth):
    objects = evaluate(prediction, truth).objects
    assert [objects.position(i) for i in range(4)] == [
        (0, 1.5, 2.5),
        (0, 4.5, 0.5),
        (1, 0.5, 0.5),
        (1, 5, 4),
    ]
    assert [objects.image(i) for i in range(4)] == [0] * 4


def test_an_object_as_wide_as_the_image_lies_in_its_middle():
    truth = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [2, 0, 0, 2]])
    objects = evaluate(truth, truth).objects
    assert [objects.position(i) for i in range(2)] == [(0.5, 1.5), (2, 1.5)]


def test_objects_of_a_volume_lie_between_slices(prediction, truth):
    objects = evaluate(prediction, truth, volumetric=True).objects
    first = objects.row(0)
    # 8 pixels around (1.5, 2.5) in slice 0, 4 around (0.5, 0.5) in slice 1; 6 and 4 are found
    assert (first["slice"], first["area"], first["iou"]) == ("all", 12, 10 / 12)
    assert objects.position(0) == pytest.approx(((0 * 8 + 1 * 4) / 12, 14 / 12, 22 / 12))


def test_scores_are_the_mean_foreground_probability(truth):
    foreground = np.where(truth == 4, 0.75, 0.25)
    foreground[0, 1, 1] = 0.95
    for prediction in (foreground, np.stack([1 - foreground, foreground])):
        rows = list(evaluate(prediction, truth).objects.rows())
        assert [row["kind"] for row in rows] == ["matched", "missed", "matched"]
        assert rows[0]["score"] == pytest.approx((7 * 0.75 + 0.95) / 8)
        assert rows[1]["score"] is None
    as_bytes = np.round(255 * foreground).astype(np.uint8)[None]
    report = evaluate(as_bytes, truth, prediction_holds="probabilities")
    assert report.objects.row(2)["score"] == pytest.approx(191 / 255)


def test_counterparts_of_merged_and_split_objects():
    truth = np.array([[1, 1, 0, 2, 2, 0, 3, 3, 3, 3, 3, 3]])
    prediction = np.array([[5, 5, 5, 5, 5, 0, 6, 6, 0, 7, 7, 0]])
    rows = [
        (row["side"], row["kind"], row["truth_id"], row["prediction_id"], row["iou"])
        for row in evaluate(prediction, truth).objects.rows()
    ]
    assert rows == [
        ("truth", "merged", 1, 5, 2 / 5),
        ("truth", "merged", 2, 5, 2 / 5),
        ("truth", "split", 3, 7, 2 / 6),
        ("prediction", "merged", 2, 5, 2 / 5),
        ("prediction", "split", 3, 6, 2 / 6),
        ("prediction", "split", 3, 7, 2 / 6),
    ]


def test_counts_and_rows_of_a_kind(prediction, truth):
    objects = evaluate(prediction, truth).objects
    assert objects.counts() == {
        "matched": 2, "missed": 1, "invented": 1, "merged": 0, "split": 0,
    }  # fmt: skip
    assert objects.of_kind("matched").tolist() == [0, 2]


def test_columns_are_arrays_of_the_same_values(prediction, truth):
    objects = evaluate(prediction, truth).objects
    rows = list(objects.rows())
    for name in objects.names[:-1]:
        assert objects.column(name).tolist() == [row[name] for row in rows]


def test_csv_has_a_line_per_object(prediction, truth):
    report = evaluate(prediction, truth)
    lines = list(csv.DictReader(io.StringIO(report.objects_csv())))
    assert [line["kind"] for line in lines] == ["matched", "missed", "matched", "invented"]
    assert lines[1]["truth_id"] == str(2**40)
    assert lines[1]["score"] == ""


@pytest.mark.parametrize("dtype", [np.uint64, np.int64])
def test_ids_are_kept_whatever_their_type(dtype):
    truth = np.array([[0, 2**62 + 1, 2**62 + 2]], dtype)
    prediction = np.array([[3, 0, 4]], np.uint8)
    objects = evaluate(prediction, truth).objects
    assert objects.column("truth_id").tolist() == [2**62 + 1, 2**62 + 2, 0]
    assert objects.column("prediction_id").tolist() == [0, 4, 3]


def test_nothing_has_no_rows():
    objects = evaluate(np.zeros((3, 4, 4), int), np.zeros((3, 4, 4), int)).objects
    assert len(objects) == 0
    assert list(objects.rows()) == []


def test_objects_of_volumes_have_a_z():
    truth = np.zeros((4, 5, 6), int)
    truth[1:4, 2, 3:5] = 7  # z 1, 2, 3; y 2; x 3, 4
    objects = evaluate(truth, truth, volumetric=True).objects
    assert [objects.row(0)[axis] for axis in "zyx"] == [2, 2, 3.5]
    assert objects.column("z").tolist() == [2]
    assert objects.to_csv().splitlines()[0].endswith(",area,z,y,x,score")
