"""Empty, mismatched, partly annotated and very large input to the evaluation."""

import json
import math
import tracemalloc

import numpy as np
import pytest
import tifffile

from napari_utile.cli.main import main
from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.scores import SCORES

AGREEMENT = [
    "iou", "dice", "precision_50", "recall_50", "f1_50", "matching_ap50", "panoptic_quality",
    "seg", "coco_ap", "coco_ap50", "coco_ap75", "coco_ar", "v_rand", "v_info",
]  # fmt: skip
"""1 where both sides agree, 0 where one of them is empty."""
ERRORS = ["rand_error", "adapted_rand_error"]
"""The other way round. Both sides empty: no error. One side: what is documented."""


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
    assert [report[name] for name in ERRORS] == [0, 0]
    for name in ("pixel_error", "warping_error", "vi_split", "vi_merge"):
        assert report[name] == 0
    assert {row["f1"] for row in report.ious} == {1}
    assert (report.precision_recall, report.sizes) == ((), ())
    assert len(report.objects) == 0
    assert not np.asarray(report.error_layer()).any()
    assert "No object in truth and prediction" in report.notes[0]


def test_fault_26_empty_on_one_side_is_no_agreement(truth):
    nothing = np.zeros_like(truth)
    for report in (evaluate(nothing, truth), evaluate(truth, nothing)):
        assert [report[name] for name in AGREEMENT] == [0] * len(AGREEMENT)
        assert [report[name] for name in ERRORS] == [1, 1]
        assert report["pixel_error"] == (truth > 0).mean()
        assert {row["precision"] for row in report.ious} == {0}
        assert report["vi_merge"] == 0
        assert finite(report)
    # each true object is left as one pixel, which bending cannot remove; and all invented ones
    assert evaluate(nothing, truth)["warping_error"] == 4 / 12
    assert evaluate(truth, nothing)["warping_error"] == (truth > 0).mean()
    # slices of two objects (2 and 1 px), one of 2 px, one of 2 px: each pixel is on its own
    alone = np.log2(3) - (2 / 3 * np.log2(3 / 2) + 1 / 3 * np.log2(3)) + 1 + 1
    assert evaluate(nothing, truth)["vi_split"] == pytest.approx(alone / 3)
    assert evaluate(truth, nothing)["vi_split"] == 0
    assert evaluate(nothing, truth).objects.counts()["missed"] == 4
    assert evaluate(truth, nothing).objects.counts()["invented"] == 4
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


def test_fault_26_the_documented_values_are_those_of_every_score(truth):
    named = {*AGREEMENT, *ERRORS, "pixel_error", "warping_error", "vi_split", "vi_merge"}
    counts = {"true_positives", "false_positives", "false_negatives"}
    assert named | counts == set(evaluate(truth, truth)) == set(SCORES) - {"mean_iou"}


@pytest.mark.parametrize("labels", ["instances", "classes"])
def test_fault_26_ten_thresholds_and_classes_of_nothing(truth, labels):
    nothing = np.zeros(truth.shape)
    thresholds = labels == "instances"
    report = evaluate(nothing, 0 * truth, thresholds=thresholds, labels=labels)
    assert finite(report)
    json.loads(report.to_json(), parse_constant=pytest.fail)
    assert [row["value"] for row in report.best] == [0, 0, 0, 1, 1, 1, 1] * thresholds


def test_fault_26_one_object_that_fills_the_image():
    whole = np.full((1, 6, 7), 3)
    for prediction in (whole, np.ones((1, 6, 7))):
        report = evaluate(prediction, whole)
        assert [report[name] for name in AGREEMENT] == pytest.approx([1] * len(AGREEMENT))
        assert finite(report)


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
    with pytest.raises(UserError, match=rf"0 to 1.*{value}|NaN or infinite"):
        evaluate(np.full((2, *truth.shape), value), truth)
    with pytest.raises(UserError, match=rf"0 to 1.*{value}|NaN or infinite"):
        evaluate(np.full(truth.shape, value), truth)


def test_fault_27_what_holds_no_numbers_is_refused(truth):
    with pytest.raises(UserError, match="predicted labels"):
        evaluate(truth.astype(str), truth)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_fault_27_a_stack_of_labels_is_no_probabilities_of_its_first_slice(dtype):
    stack = np.zeros((4, 8, 8), dtype)
    stack[:, 2:5, 2:5] = 1
    with pytest.raises(UserError, match=r"\(4, 8, 8\) and truth \(8, 8\) differ in shape"):
        evaluate(stack, stack[0].astype(int))


def test_fault_27_half_precision_may_miss_one_a_little(truth):
    foreground = (truth > 0).astype(np.float16) * np.float16(1.0005)
    assert evaluate(foreground, truth)["iou"] == 1
    assert evaluate(np.stack([1 - foreground, foreground]), truth)["iou"] == 1


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
        report = evaluate(padded, annotated, ignore=ignore)
        assert dict(report) == dict(plain)
        for name in ("ious", "precision_recall", "sizes"):
            assert getattr(report, name) == getattr(plain, name)
        assert report.objects.counts() == plain.objects.counts()
        hidden = np.asarray(report.error_layer())[annotated == ignore]
        assert not hidden.any()


@pytest.mark.parametrize("painted_outside", [0.0, 0.4, 1.0])
def test_fault_27_ignored_pixels_change_no_score_at_any_threshold(painted_outside):
    rng = np.random.default_rng(4)
    truth = np.zeros((2, 12, 20), int)
    truth[:, 2:10, 2:9], truth[:, 2:10, 11:18] = 1, 2
    foreground = np.clip(0.1 + 0.6 * (truth > 0) + rng.uniform(0, 0.3, truth.shape), 0, 1)
    # two columns of background part what lies outside from the objects
    outside = ((0, 0), (0, 0), (0, 6))
    annotated = np.pad(truth, outside, constant_values=255)
    seen = np.pad(foreground, outside, constant_values=painted_outside)
    plain, report = (
        evaluate(p, t, ignore=255, score_thresholds=True, instance_method="components")
        for p, t in ((foreground, truth), (seen, annotated))
    )
    for name in ("v_rand", "v_info"):  # watershed sees what lies beyond
        assert report[name] == pytest.approx(plain[name], abs=0.05)
    rest = [name for name in plain if name not in ("v_rand", "v_info", "vi_split", "vi_merge")]
    assert [report[name] for name in rest] == pytest.approx([plain[name] for name in rest])
    for here, there in zip(report.thresholds, plain.thresholds, strict=True):
        for name in ("rand_error", "warping_error", "pixel_error", "iou", "f1_50"):
            assert here[name] == pytest.approx(there[name])


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


@pytest.mark.parametrize("side", ["found", "true"])
def test_fault_27_unmatched_files_are_named_in_one_line(tmp_path, capsys, truth, side):
    for folder in ("found", "true"):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", truth.astype(np.uint8))
    tifffile.imwrite(tmp_path / side / "lonely.tif", truth.astype(np.uint8))
    assert main(["evaluate", str(tmp_path / "found"), str(tmp_path / "true")]) == 2
    said = capsys.readouterr()
    other = {"found": "truth", "true": "prediction"}[side]
    assert f"no {other} for lonely.tif" in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_fault_27_files_of_different_shape_are_named_in_one_line(tmp_path, capsys, truth):
    tifffile.imwrite(tmp_path / "found.tif", np.zeros((8, 9), np.uint8))
    tifffile.imwrite(tmp_path / "true.tif", np.zeros((9, 8), np.uint8))
    assert main(["evaluate", str(tmp_path / "found.tif"), str(tmp_path / "true.tif")]) == 2
    said = capsys.readouterr().err
    for name in ("found.tif", "true.tif", "(8, 9)", "(9, 8)"):
        assert name in said


# 28: very many objects

SIDE, PITCH = 320, 6
OBJECTS = SIDE * SIDE


@pytest.fixture(scope="module")
def crowd():
    """A prediction and a truth of 102,400 objects, each in a field of 6 x 6 pixels of its own.

    Ids are unique, up to 2^40, and in no order. Of the prediction some are shifted, some
    smaller, some missing.
    """
    rng = np.random.default_rng(0)

    def ids():
        return rng.permutation(2**40 // OBJECTS * np.arange(1, OBJECTS + 1))

    fields = np.zeros((2, OBJECTS, PITCH, PITCH), np.int64)
    fields[0, :, 1:5, 1:5] = ids()[:, None, None]
    ends, found = rng.integers(2, 6, OBJECTS), ids()
    for end in range(2, 6):
        fields[1, ends == end, 1:end, :5] = found[ends == end][:, None, None]
    fields[1, rng.random(OBJECTS) < 0.1] = 0
    return fields


def laid_out(fields):
    grid = fields.reshape(SIDE, SIDE, PITCH, PITCH).swapaxes(1, 2)
    return grid.reshape(SIDE * PITCH, SIDE * PITCH)


@pytest.fixture(scope="module")
def report(crowd):
    truth, prediction = (laid_out(fields) for fields in crowd)
    return evaluate(prediction, truth)


@pytest.fixture(scope="module")
def ious(crowd):
    """IoU of every true object with the one in its field, by counting pixels."""
    true, found = (fields.reshape(OBJECTS, -1) > 0 for fields in crowd)
    return (true & found).sum(1) / (true | found).sum(1)


def test_fault_28_a_hundred_thousand_objects_equal_brute_force(report, crowd, ious):
    predicted = int((crowd[1].reshape(OBJECTS, -1) > 0).any(1).sum())
    assert crowd[0].max() > 2**39
    for row in report.ious:
        hits = int((ious >= row["iou_threshold"] - 1e-9).sum())
        assert row["true_positives"] == hits
        assert row["f1"] == pytest.approx(2 * hits / (OBJECTS + predicted), abs=1e-6)
    matched = ious[ious >= 0.5]
    expected = 2 * matched.sum() / (OBJECTS + predicted)
    assert report["panoptic_quality"] == pytest.approx(expected, abs=1e-6)
    assert report.objects.counts()["matched"] == matched.size
    assert report.objects.counts()["missed"] == OBJECTS - matched.size


def test_fault_28_coco_ap_of_a_hundred_thousand_objects_equals_its_formula(report, crowd, ious):
    # all scores are 1: COCO ranks by a stable sort, so in the order of the ids
    ids = crowd[1].reshape(OBJECTS, -1).max(1)
    order = np.argsort(ids)[np.count_nonzero(ids == 0) :]
    aps = []
    for threshold in np.arange(0.5, 1, 0.05):
        hits = np.cumsum(ious[order] >= threshold - 1e-9)
        recall, precision = hits / OBJECTS, hits / np.arange(1, order.size + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(recall, np.linspace(0, 1, 101))
        aps.append(np.append(envelope, 0)[places].mean())
    assert report["coco_ap"] == pytest.approx(np.mean(aps), abs=1e-6)
    assert report["coco_ap50"] == pytest.approx(aps[0], abs=1e-6)


def test_fault_28_no_table_of_all_ids_by_all_ids_is_made(crowd):
    truth, prediction = (laid_out(fields)[: SIDE * PITCH // 8] for fields in crowd)
    tracemalloc.start()
    try:
        evaluate(prediction, truth)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 80 * truth.size  # bytes per pixel
    assert most < (OBJECTS // 8) ** 2 / 4  # two bits for each pair of ids


def test_fault_28_every_object_has_its_row(report, crowd):
    objects = report.objects
    truth = laid_out(crowd[0])
    rows = np.random.default_rng(1).integers(0, OBJECTS, 50)
    for i in rows:
        row = objects.row(i)
        y, x = objects.position(i)
        assert truth[round(y), round(x)] == row["truth_id"]
        assert row["area"] == 16
