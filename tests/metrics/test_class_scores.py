"""Scores of classes, beside a dense confusion matrix of skimage and worked by hand."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import contingency_table

from napari_utile.metrics.class_scores import class_areas, class_ious, class_scores
from napari_utile.metrics.overlap import contingency

SIDES = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*[arrays(np.uint8, (1, n), elements=st.integers(0, 4))] * 2)
)


def by_confusion(prediction, truth):
    """Every score from a table of all classes, the absent ones left out."""
    confusion = contingency_table(truth, prediction, sparse_type="array").toarray()
    confusion = np.pad(confusion, [(0, 9 - side) for side in confusion.shape])
    common, true, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    shown = np.flatnonzero(true + predicted)
    ious = {k: common[k] / (true[k] + predicted[k] - common[k]) for k in shown}
    dices = {k: 2 * common[k] / (true[k] + predicted[k]) for k in shown}
    return {
        "mean_iou": np.mean(list(ious.values())),
        "pixel_error": 1 - common.sum() / confusion.sum(),
        **{f"iou_{k}": iou for k, iou in ious.items()},
        **{f"dice_{k}": dice for k, dice in dices.items()},
    }


def test_hand_worked_scores():
    truth = np.array([[0, 0, 0, 0, 3, 3, 3, 7]])
    found = np.array([[0, 0, 0, 3, 3, 3, 7, 3]])
    scores = class_scores([contingency(found, truth)])
    assert scores["pixel_error"] == 3 / 8
    assert (scores["iou_0"], scores["iou_3"], scores["iou_7"]) == (3 / 4, 2 / 5, 0)
    assert (scores["dice_0"], scores["dice_3"], scores["dice_7"]) == (6 / 7, 4 / 7, 0)
    assert scores["mean_iou"] == pytest.approx((3 / 4 + 2 / 5 + 0) / 3)


def test_ious_of_a_confusion_matrix_and_of_a_class_that_is_nowhere():
    confusion = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    ious = class_ious(confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0))
    assert ious.tolist() == [3 / 4, 2 / 3, 1]


@given(SIDES)
def test_scores_are_those_of_the_confusion_matrix(sides):
    assert class_scores([contingency(*sides)]) == pytest.approx(by_confusion(*sides))


@given(SIDES, st.data())
def test_slices_are_pooled_and_ignored_pixels_count_nowhere(sides, data):
    prediction, truth = sides
    ignored = data.draw(arrays(bool, truth.shape))
    ignored[0, 0] = False
    expected = by_confusion(prediction[~ignored], truth[~ignored])
    middle = truth.shape[1] // 2
    halves = [
        contingency(prediction[:, part], truth[:, part], ignored[:, part])
        for part in (np.s_[:middle], np.s_[middle:])
    ]
    assert class_scores(halves) == pytest.approx(expected)


def test_without_background_on_either_side_it_is_no_class():
    scores = class_scores([contingency(np.array([[1, 2]]), np.array([[1, 1]]))])
    assert set(scores) == {"mean_iou", "pixel_error", "iou_1", "iou_2", "dice_1", "dice_2"}
    assert scores["mean_iou"] == (1 / 2 + 0) / 2


def test_nothing_to_compare_is_perfect():
    nothing = np.zeros((0, 3), int)
    assert class_scores([contingency(nothing, nothing)]) == {"mean_iou": 1, "pixel_error": 0}
    assert class_scores([]) == {"mean_iou": 1, "pixel_error": 0}


def test_empty_sides_have_documented_values():
    background, all_one = np.zeros((2, 2), int), np.ones((2, 2), int)
    assert class_scores([contingency(background, background)])["mean_iou"] == 1
    scores = class_scores([contingency(background, all_one)])
    assert (scores["mean_iou"], scores["pixel_error"]) == (0, 1)


def test_areas_of_classes_with_huge_ids():
    truth = np.array([[0, 2**63, 5]], np.uint64)
    areas = class_areas([contingency(truth, truth)])
    assert areas.ids == (0, 5, 2**63)
    assert areas.common.tolist() == [1, 1, 1]
    assert f"iou_{2**63}" in class_scores([contingency(truth, truth)])


def test_on_real_classes(shared_data):
    """Membranes and mitochondria, against those of the section below."""
    sections = [
        tifffile.imread(shared_data / "vnc" / f"{name}.tif", key=[0, 1]) > 0
        for name in ("membranes", "mitochondria")
    ]
    below, above = np.where(sections[1], 2, sections[0])
    found = class_scores([contingency(above, below)])
    assert found == pytest.approx(by_confusion(above, below))
    assert set(found) >= {"iou_0", "iou_1", "iou_2"}
