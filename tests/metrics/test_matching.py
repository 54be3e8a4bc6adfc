import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from skimage.filters import threshold_otsu
from skimage.metrics import contingency_table

from napari_utile.arrays.labels import components
from napari_utile.metrics.matching import (
    IOU_THRESHOLDS,
    f1,
    iou_rows,
    match,
    matching_ap,
    matchings,
    panoptic_quality,
    precision,
    recall,
    seg,
)
from napari_utile.metrics.overlap import contingency

THRESHOLDS = [0.05, 0.2, 1 / 3, 0.5, 0.6, 0.75, 0.95, 1]


def table(prediction, truth):
    return contingency(np.array([prediction]), np.array([truth]))


@pytest.fixture(params=range(4))
def blobs(request):
    """Objects of a few pixels, and the same ones shifted and gnawed at: many small overlaps."""
    rng = np.random.default_rng(request.param)
    truth = np.kron(rng.integers(0, 40, (8, 8)), np.ones((4, 4), int))
    prediction = np.roll(truth, rng.integers(0, 4, 2), (0, 1))
    prediction[rng.random(truth.shape) < 0.15] = 0
    return prediction, truth


def every_iou(prediction, truth):
    """IoU of all pairs of objects, one pair at a time."""
    return np.array(
        [
            [
                ((truth == t) & (prediction == p)).sum()
                / ((truth == t) | (prediction == p)).sum()
                for p in np.unique(prediction[prediction > 0])
            ]
            for t in np.unique(truth[truth > 0])
        ]
    )


def test_hand_worked_scores():
    #        half found   found          missed
    truth = [1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 3, 0, 0]
    found = [7, 7, 0, 0, 0, 8, 8, 8, 0, 0, 0, 9, 9]
    at_half = match(table(found, truth), 0.5)
    assert at_half.true_positives == 2
    assert (at_half.false_positives, at_half.false_negatives) == (1, 1)
    assert matching_ap(at_half) == 2 / (2 + 1 + 1)
    assert (precision(at_half), recall(at_half)) == (2 / 3, 2 / 3)
    assert f1(at_half) == 2 * 2 / (2 * 2 + 1 + 1)
    assert panoptic_quality(at_half) == (2 / 4 + 3 / 4) / (2 + 1 / 2 + 1 / 2)
    # Half of an object is not more than half of it.
    assert seg(table(found, truth)) == (0 + 3 / 4 + 0) / 3
    assert match(table(found, truth), 0.51).true_positives == 1


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_as_many_pairs_as_a_dense_assignment_and_the_same_ious(blobs, threshold):
    ious = every_iou(*blobs)
    reaches = ious >= threshold
    rows, columns = linear_sum_assignment(reaches * (1 + ious / 100), maximize=True)
    best = reaches[rows, columns]
    matching = match(contingency(*blobs), threshold)
    assert matching.true_positives == best.sum()
    assert matching.ious.sum() == pytest.approx(ious[rows, columns][best].sum())
    np.testing.assert_allclose(ious[matching.truth, matching.prediction], matching.ious)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_no_object_is_matched_twice(blobs, threshold):
    matching = match(contingency(*blobs), threshold)
    assert len(set(matching.truth)) == len(set(matching.prediction)) == matching.true_positives


def test_two_halves_at_exactly_one_half_share_one_partner():
    matching = match(table([1, 1, 2, 2], [5, 5, 5, 5]), 0.5)
    assert (matching.true_positives, matching.false_positives) == (1, 1)


def test_more_pairs_come_before_better_pairs():
    # 5-6 is the best pair, but then 4 and 7 go away empty.
    truth = [4, 4, 5, 5, 5, 5]
    found = [6, 6, 6, 6, 6, 7]
    assert match(table(found, truth), 0.2).true_positives == 2


def test_seg_by_its_definition(blobs):
    prediction, truth = blobs
    jaccards = []
    for r in (truth == i for i in np.unique(truth[truth > 0])):
        largest = np.bincount(prediction[r], minlength=2)[1:].argmax() + 1
        s = prediction == largest
        covered = (r & s).sum() > 0.5 * r.sum()
        jaccards.append((r & s).sum() / (r | s).sum() if covered else 0)
    assert seg(contingency(prediction, truth)) == pytest.approx(np.mean(jaccards))


def test_ids_do_not_matter(blobs):
    prediction, truth = blobs
    rng = np.random.default_rng(1)
    names = np.concatenate([[0], rng.choice(2**40, 40, replace=False) + 1])
    plain, renamed = contingency(prediction, truth), contingency(names[prediction], truth)
    for threshold in THRESHOLDS:
        one, other = match(plain, threshold), match(renamed, threshold)
        assert one.true_positives == other.true_positives
        assert panoptic_quality(one) == pytest.approx(panoptic_quality(other))
    assert seg(plain) == pytest.approx(seg(renamed))


def test_a_hundred_thousand_objects_with_huge_ids():
    truth = np.kron(np.arange(1, 100_001).reshape(250, 400), np.ones((4, 4), int)) * 2**23
    prediction = truth[::-1, ::-1] + 1
    prediction[:, ::4] = 0
    matching = match(contingency(prediction[::-1, ::-1], truth))
    assert matching.true_positives == 100_000
    assert panoptic_quality(matching) == 3 / 4


@pytest.mark.parametrize("order", [1, -1])
def test_many_thresholds_give_what_each_gives_alone(blobs, order):
    table = contingency(*blobs)
    for threshold, found in zip(
        THRESHOLDS[::order], matchings(table, THRESHOLDS[::order]), strict=True
    ):
        alone = match(table, threshold)
        pairs = [set(zip(m.truth, m.prediction, m.ious, strict=True)) for m in (alone, found)]
        assert pairs[0] == pairs[1]
        assert found.false_positives == alone.false_positives
        assert found.false_negatives == alone.false_negatives


def test_rows_over_iou_are_those_of_every_pair_of_objects(blobs):
    ious = every_iou(*blobs)
    rows = iou_rows(contingency(*blobs))
    assert [row["iou_threshold"] for row in rows] == list(IOU_THRESHOLDS)
    assert pytest.approx(np.arange(0.5, 1, 0.05)) == IOU_THRESHOLDS
    for row in rows[1:]:  # above 0.5 no object has two partners
        tp = (ious >= row["iou_threshold"]).sum()
        fn, fp = np.array(ious.shape) - tp
        counts = row["true_positives"], row["false_positives"], row["false_negatives"]
        assert counts == (tp, fp, fn)
        assert row["precision"] == tp / (tp + fp)
        assert row["recall"] == tp / (tp + fn)
        assert row["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
        assert row["matching_ap"] == tp / (tp + fp + fn)
        total = ious[ious >= row["iou_threshold"]].sum()
        assert row["panoptic_quality"] == pytest.approx(total / (tp + fp / 2 + fn / 2))


def test_a_pair_at_exactly_a_threshold_is_matched():
    # IoU 11 / 20: as the quotient of 11 and 20, and as the number 0.55
    row = iou_rows(table([1] * 11 + [0] * 9, [1] * 20), [0.55])[0]
    assert row["true_positives"] == 1


@pytest.mark.parametrize(
    ("found", "truth"), [([0, 0], [0, 0]), ([1, 0], [0, 0]), ([0, 0], [1, 0])]
)
def test_without_objects_on_one_side_every_score_is_zero_and_on_both_one(found, truth):
    row = iou_rows(table(found, truth))[0]
    names = ("precision", "recall", "f1", "matching_ap", "panoptic_quality")
    expected = float(found == truth)
    assert [row[name] for name in names] == [expected] * 5
    assert seg(table(found, truth)) == expected


def by_assignment(prediction, truth, threshold):
    """Counts and sum of IoUs as StarDist gets them: by a dense table and an assignment."""
    overlaps = contingency_table(truth, prediction, sparse_type="array").toarray().astype(float)
    areas = overlaps.sum(1)[:, np.newaxis] + overlaps.sum(0) - overlaps
    there = np.ix_(*(np.unique(side[side > 0]) for side in (truth, prediction)))
    ious = overlaps[there] / areas[there]
    reaches = ious >= threshold
    rows, columns = linear_sum_assignment(reaches * (1 + ious / 1e4), maximize=True)
    matched = ious[rows, columns][ious[rows, columns] >= threshold]
    return (
        matched.size,
        ious.shape[1] - matched.size,
        ious.shape[0] - matched.size,
        matched.sum(),
    )


def check_rows(prediction, truth):
    for row in iou_rows(contingency(prediction, truth), THRESHOLDS):
        tp, fp, fn, total = by_assignment(prediction, truth, row["iou_threshold"])
        counts = row["true_positives"], row["false_positives"], row["false_negatives"]
        assert counts == (tp, fp, fn)
        if tp + fp + fn:
            expected = pytest.approx(total / (tp + fp / 2 + fn / 2))
            assert row["panoptic_quality"] == expected


@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(*[arrays(np.uint8, (1, n), elements=st.integers(0, 6))] * 2)
    )
)
def test_any_labels_are_matched_as_by_an_assignment(sides):
    check_rows(*sides)


def test_real_nuclei_are_matched_as_by_an_assignment(shared_data):
    folder = shared_data / "dsb2018" / "val"
    for path in sorted((folder / "labels").iterdir())[:8]:
        image = tifffile.imread(folder / "images" / path.name)
        check_rows(components(image > threshold_otsu(image)), tifffile.imread(path))
