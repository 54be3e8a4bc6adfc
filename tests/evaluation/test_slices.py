"""Scores of each slice, and of all slices together."""

import json

import numpy as np
import pytest

from napari_utile.evaluation import evaluate
from napari_utile.evaluation.evaluate import EvaluatedImage, evaluate_images
from napari_utile.events import drain
from napari_utile.metrics.class_scores import class_scores
from napari_utile.metrics.coco.ap import coco_scores
from napari_utile.metrics.matching import iou_rows
from napari_utile.metrics.overlap import combine_tables, contingency
from napari_utile.metrics.warping import warping_error
from napari_utile.settings.evaluation import EvaluateSettings


def test_coco_scores_of_a_slice_and_of_all_ranked_together(foreground, truth):
    report = evaluate(foreground, truth)
    found = report.sides[0].prediction
    tables = [contingency(a, b) for a, b in zip(found, truth, strict=True)]
    scores = [
        [foreground[z][found[z] == i].mean() for i in tables[z].prediction_ids]
        for z in range(4)
    ]
    for row, table, score in zip(report.rows, tables, scores, strict=False):
        expected = coco_scores([table], [score])
        assert row["coco_ap"] == pytest.approx(expected.ap)
        assert row["coco_ar"] == pytest.approx(expected.ar)
    whole = coco_scores(tables, scores)
    names = ("coco_ap", "coco_ap50", "coco_ap75", "coco_ar")
    expected = (whole.ap, whole.ap50, whole.ap75, whole.ar)
    assert [report[name] for name in names] == pytest.approx(expected)
    assert report["coco_ap"] != pytest.approx(np.mean([r["coco_ap"] for r in report.rows[:-1]]))
    assert list(report.precision_recall) == list(whole.precision_recall)
    assert dict(report.stock) == whole.stock


def test_sizes_are_in_pixels_or_in_square_micrometers(foreground, truth):
    truth[:, 15:] = 0  # the lower row is cut: three large and three small cells
    in_pixels = evaluate(foreground, truth).sizes
    in_um2 = evaluate(foreground, truth, pixel_um2=0.25).sizes
    assert {row["unit"] for row in in_pixels} == {"px"}
    assert {row["unit"] for row in in_um2} == {"um2"}
    for here, there in zip(in_pixels, in_um2, strict=True):
        assert (there["low"], there["high"]) == (here["low"] / 4, here["high"] / 4)
        assert there["coco_ap"] == here["coco_ap"]


def test_without_probabilities_it_is_said_how_objects_are_ranked(prediction, truth):
    assert any("ranked by their ids" in note for note in evaluate(prediction, truth).notes)
    assert evaluate(truth, truth).notes == ()  # no rank matters


def test_images_with_and_without_probabilities_are_said_to_be_ranked_by_ids(prediction, truth):
    images = [
        EvaluatedImage(lambda: (prediction, truth), len(truth), "a"),
        EvaluatedImage(lambda: ((prediction > 0) * 0.9, truth), len(truth), "b"),
    ]
    report = drain(evaluate_images(images, EvaluateSettings()))
    (note,) = (note for note in report.notes if "ranked by their ids" in note)
    assert note.startswith(f"Only {len(truth)} of {2 * len(truth)} slices have probabilities")


def test_the_warping_error_of_the_whole_is_the_mean_of_the_slices(prediction, truth):
    expected = [warping_error(a, b) for a, b in zip(prediction, truth, strict=True)]
    report = evaluate(prediction, truth)
    assert [row["warping_error"] for row in report.rows] == [*expected, np.mean(expected)]
    assert evaluate(prediction, truth, volumetric=True)["warping_error"] == np.mean(expected)


def test_one_row_per_iou_threshold_pools_the_slices(prediction, truth):
    tables = [contingency(a, b) for a, b in zip(prediction, truth, strict=True)]
    report = evaluate(prediction, truth)
    assert report.ious == iou_rows(combine_tables(tables))
    assert report.ious[0]["f1"] == report["f1_50"]
    assert len(report.ious) == 10


# classes


@pytest.fixture
def kinds(truth):
    return np.where(truth > 4, 7, np.minimum(truth, 1))


def test_masks_with_different_ids_are_noted_for_as_classes_they_differ():
    mask = np.array([[0, 1, 1]])
    assert "255 predicted, 1 true" in evaluate(255 * mask, mask, target="classes").notes[0]
    assert evaluate(mask, mask, target="classes").notes == ()


def test_classes_that_were_numbered_anew_are_noted():
    two = np.array([[0, 1, 1, 2, 2, 0]])
    said = evaluate(np.array([0, 5, 900])[two], two, target="classes").notes
    assert "share no class but background (5, 900 predicted, 1, 2 true)" in said[0]
    assert evaluate(np.array([0, 5, 2])[two], two, target="classes").notes == ()


def test_classes_are_scored_by_kind(kinds):
    found = np.roll(kinds, 2, axis=2)
    report = evaluate(found, kinds, target="classes")
    tables = [contingency(a, b) for a, b in zip(found, kinds, strict=True)]
    assert dict(report) == class_scores(tables)
    assert list(report)[:2] == ["mean_iou", "pixel_error"]
    assert [row["slice"] for row in report.rows] == [0, 1, 2, 3, "all"]
    assert report.error_layer() is None
    assert report.objects is None
    assert report.objects_csv() == ""


def test_a_class_that_is_not_in_a_slice_has_no_score_there(kinds):
    kinds[2][kinds[2] == 7] = 0
    report = evaluate(kinds, kinds, target="classes")
    assert [row["iou_7"] for row in report.rows] == [1, 1, None, 1, 1]
    assert "–" in str(report)
    json.loads(report.to_json(), parse_constant=pytest.fail)


def test_ignored_pixels_are_of_no_class(kinds):
    truth = kinds.astype(int)
    truth[:, :5] = -1
    found = np.where(truth < 0, 3, truth)
    report = evaluate(found, truth, ignore=-1, target="classes")
    assert (report["mean_iou"], report["pixel_error"]) == (1, 0)
    assert "iou_3" not in report


def test_the_most_likely_class_is_taken(kinds):
    of_three = np.stack([kinds == 0, kinds == 1, kinds == 7]) * 0.4 + 0.2
    truth = np.where(kinds == 7, 2, kinds)
    assert evaluate(of_three, truth, target="classes")["mean_iou"] == 1
