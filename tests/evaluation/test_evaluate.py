"""How an evaluation goes on, and the tables beside its rows. Scores have tests of their own."""

import json

import numpy as np
import pytest

from napari_utile.arrays.instances.decoding import instances
from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.evaluate import EvaluatedImage, evaluate_images
from napari_utile.evaluation.thresholds import (
    best_thresholds,
    pooled_rows,
    threshold_scores,
)
from napari_utile.events import RunDone, RunStarted, SliceDone, drain
from napari_utile.metrics.class_scores import class_scores
from napari_utile.metrics.coco.ap import coco_scores
from napari_utile.metrics.matching import iou_rows
from napari_utile.metrics.overlap import contingency, side_by_side
from napari_utile.metrics.warping import warping_error
from napari_utile.settings import EvaluateSettings


@pytest.fixture
def truth():
    """Four slices of six cells each, ids used again."""
    cells = np.zeros((4, 24, 32), np.uint16)
    for i in range(6):
        y, x = 2 + 12 * (i // 3), 1 + 10 * (i % 3)
        cells[:, y : y + 8, x : x + 8] = i + 1
    return cells


@pytest.fixture
def foreground(truth):
    """Less sure in each slice, noise everywhere, and a bridge that grows."""
    rng = np.random.default_rng(3)
    p = 0.15 + 0.7 * (truth > 0) + rng.uniform(-0.12, 0.12, truth.shape)
    for z in range(4):
        p[z, 5 : 5 + z, :] = np.maximum(p[z, 5 : 5 + z, :], 0.45 + 0.05 * z)
        p[z, 14:22, :9] -= 0.2 * z
    return np.clip(p, 0, 1)


@pytest.fixture
def prediction(foreground):
    return evaluate(foreground, np.zeros(foreground.shape, int)).sides[0].prediction


def run_of(prediction, truth, **options):
    image = EvaluatedImage(lambda: (prediction, truth), len(truth))
    return evaluate_images([image], EvaluateSettings(**options))


def test_a_run_starts_reports_its_steps_and_ends_with_the_scores(prediction, truth, foreground):
    for given, thresholds in [(prediction, False), (foreground, False), (foreground, True)]:
        events = []
        report = drain(run_of(given, truth, score_thresholds=thresholds), events.append)
        start, *steps, end = events
        assert (start.job, start.total) == ("evaluate", steps[0].total)
        assert {type(step) for step in steps} == {SliceDone}
        done = [step.done for step in steps]
        assert done == sorted(set(done)) and done[-1] == start.total
        assert (steps[-1].seconds_left, steps[-1].rate > 0) == (0, True)
        assert end == RunDone(seconds=end.seconds, scores=dict(report), notes=report.notes)
        assert dict(report) == dict(evaluate(given, truth, score_thresholds=thresholds))


def test_the_python_function_hands_events_to_whoever_asks(prediction, truth):
    events = []
    evaluate(prediction, truth, on_event=events.append)
    assert [type(event) for event in events] == [RunStarted, *5 * [SliceDone], RunDone]


def test_classes_are_counted_slice_by_slice(truth):
    events = []
    drain(run_of(truth % 3, truth % 3, target="classes"), events.append)
    assert [event.done for event in events if isinstance(event, SliceDone)] == [1, 2, 3, 4]


def test_a_report_is_written_before_the_run_is_done(prediction, truth):
    order = []
    image = EvaluatedImage(lambda: (prediction, truth), len(truth))
    report = drain(evaluate_images([image], EvaluateSettings(), order.append), order.append)
    assert order[-2] is report and isinstance(order[-1], RunDone)


def test_closing_the_run_stops_it(foreground, truth):
    run = run_of(foreground, truth)
    next(run)
    run.close()
    assert next(run, None) is None


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


def test_the_warping_error_of_the_whole_is_the_mean_of_the_slices(prediction, truth):
    expected = [warping_error(a, b) for a, b in zip(prediction, truth, strict=True)]
    report = evaluate(prediction, truth)
    assert [row["warping_error"] for row in report.rows] == [*expected, np.mean(expected)]
    assert evaluate(prediction, truth, volumetric=True)["warping_error"] == np.mean(expected)


def test_one_row_per_iou_threshold_pools_the_slices(prediction, truth):
    tables = [contingency(a, b) for a, b in zip(prediction, truth, strict=True)]
    report = evaluate(prediction, truth)
    assert report.ious == iou_rows(side_by_side(tables))
    assert report.ious[0]["f1"] == report["f1_50"]
    assert len(report.ious) == 10


def test_instances_with_what_they_were_made_of_score_as_that_does(foreground, truth):
    rough = np.round(foreground, 2) + 0.004  # no tie with a threshold
    made = instances(rough[np.newaxis], linking="none")
    expected = evaluate(rough, truth, score_thresholds=True)
    for given in (rough, rough[np.newaxis], np.stack([1 - rough, rough])):
        report = evaluate(made, truth, score_thresholds=True, probabilities=given)
        assert dict(report) == pytest.approx(dict(expected))
        assert [row["v_rand"] for row in report.thresholds] == pytest.approx(
            [row["v_rand"] for row in expected.thresholds]
        )
        assert not any("ranked" in note for note in report.notes)
        scores = report.objects.column("score"), expected.objects.column("score")
        np.testing.assert_allclose(*scores, rtol=1e-5)


def test_probabilities_beside_instances_have_their_shape(foreground, truth):
    with pytest.raises(UserError, match="differ in shape"):
        evaluate(truth, truth, probabilities=foreground[:, 1:])


# thresholds


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


# classes


@pytest.fixture
def kinds(truth):
    return np.where(truth > 4, 7, np.minimum(truth, 1))


def test_masks_with_different_ids_are_noted_for_as_classes_they_differ():
    mask = np.array([[0, 1, 1]])
    assert "255 predicted, 1 true" in evaluate(255 * mask, mask, target="classes").notes[0]
    assert evaluate(mask, mask, target="classes").notes == ()


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


# several images


def test_images_of_any_size_are_the_slices_of_one_report(prediction, truth):
    pairs = [
        EvaluatedImage(lambda: (prediction[:2], truth[:2]), 2, "stack"),
        EvaluatedImage(lambda: (prediction[2, :15, :20], truth[2, :15, :20]), 1, "cut"),
    ]
    report = drain(evaluate_images(pairs, EvaluateSettings()))
    assert [row["slice"] for row in report.rows] == ["stack 0", "stack 1", "cut", "all"]
    alone = [evaluate(*pair.read()) for pair in pairs]
    assert report["true_positives"] == sum(each["true_positives"] for each in alone)
    assert report.rows[2] == alone[1].rows[0] | {"slice": "cut"}
    assert len(report.objects) == sum(len(each.objects) for each in alone)
    last = len(report.objects) - 1
    assert report.objects.image(last) == 1
    assert report.objects.row(last)["slice"] == "cut"
    assert len(report.objects.position(last)) == 2
    assert [report.error_layer(i).shape for i in (0, 1)] == [(2, 24, 32), (15, 20)]


def test_images_are_read_when_their_turn_comes(prediction, truth):
    read = []

    def pair(i):
        return EvaluatedImage(lambda: read.append(i) or (prediction, truth), 4, str(i))

    run = evaluate_images([pair(0), pair(1)], EvaluateSettings())
    assert isinstance(next(run), RunStarted) and read == []
    next(run)
    assert read == [0]


def test_several_volumes_are_pooled(prediction, truth):
    pairs = [EvaluatedImage(lambda: (prediction, truth), 4, name) for name in "ab"]
    report = drain(evaluate_images(pairs, EvaluateSettings(volumetric=True)))
    alone = evaluate(prediction, truth, volumetric=True)
    assert report["false_positives"] == 2 * alone["false_positives"]
    assert report["v_rand"] == pytest.approx(alone["v_rand"])
    assert len(report.rows) == 2 * 4 + 1
