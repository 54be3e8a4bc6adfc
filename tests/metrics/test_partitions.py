"""The scores of partitions, beside skimage's and worked by hand."""

from math import log2

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.metrics import adapted_rand_error as skimage_rand_error
from skimage.metrics import variation_of_information
from skimage.segmentation import watershed

from napari_utile.arrays.labels import components
from napari_utile.evaluation import evaluate
from napari_utile.metrics.overlap import contingency
from napari_utile.metrics.partitions import (
    adapted_rand_error,
    rand_error,
    thin_borders,
    v_info,
    v_rand,
    vi_merge,
    vi_split,
)

SCORES = (v_rand, v_info)
ERRORS = (rand_error, adapted_rand_error)

TRUTH = np.array([[1, 1, 1, 1, 2, 2, 2, 2]])
MERGED = np.array([[1, 1, 1, 1, 1, 1, 1, 1]])
SPLIT = np.array([[1, 1, 2, 2, 3, 3, 3, 3]])
MISSED = np.array([[1, 1, 1, 0, 2, 2, 0, 0]])


def partitions(seed, background=True):
    """Two related random label images, with background or without."""
    random = np.random.default_rng(seed)
    noise = gaussian_filter(random.normal(size=(2, 60, 70)), (0, 3, 3))
    noise[1] = 0.7 * noise[0] + 0.3 * noise[1]
    cells = [components(np.digitize(layer, [-0.1, 0, 0.1]) + 1) for layer in noise]
    if background:
        cells = [
            np.where(abs(layer) < 0.01, 0, c) for layer, c in zip(noise, cells, strict=True)
        ]
    return cells


# by hand


def test_two_cells_taken_for_one():
    table = contingency(MERGED, TRUTH)
    assert v_rand(table) == pytest.approx(2 * (16 + 16) / (64 + 16 + 16))
    assert rand_error(table) == pytest.approx(1 - 2 * 32 / 96)
    # pairs of two different pixels: 2 * 4 * 3 of the truth, 8 * 7 of the prediction
    assert adapted_rand_error(table) == pytest.approx(1 - 2 * 24 / (24 + 56))
    assert v_info(table) == 0  # a single segment says nothing
    assert (vi_split(table), vi_merge(table)) == (0, 1)  # of 1 bit, which of the two


def test_one_cell_taken_for_two():
    table = contingency(SPLIT, TRUTH)
    assert v_rand(table) == pytest.approx(2 * (4 + 4 + 16) / (4 + 4 + 16 + 32))
    # H(T) is 1 bit, H(S) 1.5 bits, and S tells all about T
    assert v_info(table) == pytest.approx(2 * 1 / 2.5)
    assert vi_split(table) == pytest.approx(0.5)
    assert vi_merge(table) == pytest.approx(0)


def test_pixels_on_which_nothing_was_predicted_are_alone():
    table = contingency(MISSED, TRUTH)
    joint = 9 + 4 + 3 * 1
    assert v_rand(table) == pytest.approx(2 * joint / (joint + 32))
    # the predicted partition is finer: 3 + 2 pixels together, three alone
    entropy = -3 / 8 * log2(3 / 8) - 2 / 8 * log2(2 / 8) + 3 / 8 * log2(8)
    assert vi_split(table) == pytest.approx(entropy - 1)
    assert vi_merge(table) == pytest.approx(0)
    assert v_info(table) == pytest.approx(2 / (entropy + 1))


def test_only_pixels_of_true_objects_count():
    wide = np.array([[1, 1, 1, 1, 5, 5, 2, 2, 2, 2, 9]])
    truth = np.array([[1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 0]])
    table = contingency(wide, truth)
    assert [score(table) for score in SCORES] == [1, 1]
    assert [error(table) for error in ERRORS] == [0, 0]
    assert (vi_split(table), vi_merge(table)) == (0, 0)


# beside skimage


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("background", [True, False])
def test_adapted_rand_error_is_that_of_skimage(seed, background):
    truth, prediction = partitions(seed, background)
    expected, _, _ = skimage_rand_error(truth, prediction)
    assert adapted_rand_error(contingency(prediction, truth)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_variation_of_information_is_that_of_skimage(seed):
    truth, prediction = partitions(seed)
    prediction = thin_borders(prediction)
    split, merge = variation_of_information(truth, prediction, ignore_labels=[0])
    table = contingency(prediction, truth)
    assert vi_split(table) == pytest.approx(split)
    assert vi_merge(table) == pytest.approx(merge)
    counts = np.bincount(truth[truth > 0]), np.bincount(prediction[truth > 0])
    true, predicted = (
        -(p[p > 0] * np.log2(p[p > 0])).sum() for p in (c / c.sum() for c in counts)
    )
    assert v_info(table) == pytest.approx(1 - (split + merge) / (true + predicted))


@pytest.mark.parametrize("seed", range(3))
def test_v_rand_is_the_f_score_of_its_formula(seed):
    truth, prediction = partitions(seed)
    table = np.zeros((truth.max() + 1, prediction.max() + 1))
    np.add.at(table, (truth, prediction), 1)
    p = table[1:, 1:] / table[1:].sum()
    alone = table[1:, 0].sum() / table[1:].sum() ** 2  # 1 / n^2 each
    recall = ((p**2).sum() + alone) / ((table[1:].sum(1) / table[1:].sum()) ** 2).sum()
    precision = ((p**2).sum() + alone) / ((p.sum(0) ** 2).sum() + alone)
    expected = 2 * precision * recall / (precision + recall)
    assert v_rand(contingency(prediction, truth)) == pytest.approx(expected)
    assert rand_error(contingency(prediction, truth)) == pytest.approx(1 - expected)


def test_real_membranes_have_the_scores_of_skimage(shared_data):
    """Cells of a slice against those that a threshold finds."""
    truth = components(tifffile.imread(shared_data / "isbi2012" / "labels.tif", key=0) > 0)
    image = tifffile.imread(shared_data / "isbi2012" / "volume.tif", key=0).astype(float)
    prediction = components(gaussian_filter(image, 2) > 120)
    table = contingency(prediction, truth)
    expected, _, _ = skimage_rand_error(truth, prediction)
    assert adapted_rand_error(table) == pytest.approx(expected)
    thin = thin_borders(prediction, -image)
    split, merge = variation_of_information(truth, thin, ignore_labels=[0])
    assert vi_split(contingency(thin, truth)) == pytest.approx(split)
    assert vi_merge(contingency(thin, truth)) == pytest.approx(merge)


# ids and empty images


def test_ids_may_be_as_large_as_they_like():
    names = np.array([0, 2**63, 5, 2**40], np.uint64)
    large, small = contingency(names[SPLIT], names[TRUTH]), contingency(SPLIT, TRUTH)
    for score in (*SCORES, *ERRORS, vi_split, vi_merge):
        assert score(large) == score(small)
    row = np.array([[2**63, 0, 0, 2**63 + 1]], np.uint64)
    for boundary in (None, np.zeros(row.shape)):
        np.testing.assert_array_equal(thin_borders(row, boundary), row[:, [0, 0, 3, 3]])


@pytest.mark.parametrize(
    ("prediction", "truth", "score"), [(0, 0, 1), (0, TRUTH, 0), (TRUTH, 0, 0)]
)
def test_values_where_there_is_nothing(prediction, truth, score):
    table = contingency(*np.broadcast_arrays(prediction, truth, TRUTH)[:2])
    assert [s(table) for s in SCORES] == [score, score]
    assert [e(table) for e in ERRORS] == [1 - score, 1 - score]
    assert vi_merge(table) == 0
    # every true pixel a segment of its own: log2(4) bits too many in each object
    assert vi_split(table) == pytest.approx(2.0 if np.any(truth) else 0.0)


def test_a_single_object_of_a_single_pixel():
    table = contingency(np.array([[1, 0]]), np.array([[1, 0]]))
    assert [s(table) for s in SCORES] == [1, 1]
    assert [e(table) for e in ERRORS] == [0, 0]


# thinning


def test_borders_meet_on_the_crest_of_the_boundary():
    seeds = np.array([[3, 0, 0, 0, 0, 0, 8]])
    crest_on_the_right = np.array([[0, 0.1, 0.2, 0.3, 0.9, 0.1, 0]])
    grown = thin_borders(seeds, crest_on_the_right)
    assert grown[0, :4].tolist() == [3] * 4
    assert grown[0, 5:].tolist() == [8] * 2
    assert thin_borders(seeds)[0, [1, 2, 4, 5]].tolist() == [3, 3, 8, 8]


def test_thinning_is_the_watershed_of_the_whole_plane():
    random = np.random.default_rng(1)
    boundary = gaussian_filter(random.normal(size=(90, 80)), 2).astype(np.float32)
    seeds = components(boundary < -0.05)
    np.testing.assert_array_equal(thin_borders(seeds, boundary), watershed(boundary, seeds))


def test_thinning_keeps_objects_and_leaves_no_gap():
    _, prediction = partitions(0)
    grown = thin_borders(prediction)
    assert grown.min() > 0
    np.testing.assert_array_equal(grown[prediction > 0], prediction[prediction > 0])
    nothing = np.zeros((3, 4), int)
    assert thin_borders(nothing, np.zeros((3, 4))) is nothing


# in the report


def test_wide_borders_cost_in_the_errors_and_not_in_v_rand():
    truth = np.zeros((20, 41), int)
    truth[:, :20], truth[:, 21:] = 1, 2
    narrow = np.where(abs(np.arange(41) - 20) > 5, truth, 0)
    report = evaluate(narrow, truth)
    assert report["v_rand"] == report["v_info"] == 1
    assert report["vi_split"] == report["vi_merge"] == 0
    as_is = contingency(narrow, truth)
    assert report["rand_error"] == rand_error(as_is) > 0.2
    assert report["adapted_rand_error"] == adapted_rand_error(as_is) > 0.2


def test_probabilities_say_where_borders_meet():
    truth = np.array([[1] * 6 + [0] + [2] * 2])
    boundary = np.array([[0, 0, 0.6, 0.6, 0.6, 0.6, 0.9, 0, 0]])
    halves = evaluate(components(boundary < 0.5), truth)
    assert halves["v_rand"] < 1  # the nearest object is the wrong one for the pixel at 5
    for given in (np.stack([boundary, 1 - boundary]), 1 - boundary):
        assert evaluate(given, truth)["v_rand"] == 1
    as_bytes = np.round(255 * np.stack([boundary, 1 - boundary])).astype(np.uint8)
    assert evaluate(as_bytes, truth)["v_rand"] == 1
    assert evaluate(as_bytes[1:], truth, prediction_holds="probabilities")["v_rand"] == 1


def test_the_whole_is_the_mean_over_slices():
    truth, prediction = np.stack([TRUTH, TRUTH]), np.stack([MERGED, TRUTH])
    report = evaluate(2 * prediction, truth + 4)
    assert report.rows[0]["v_rand"] == pytest.approx(2 / 3)
    assert report["v_rand"] == pytest.approx((2 / 3 + 1) / 2)
    assert report["vi_merge"] == pytest.approx((1 + 0) / 2)
    assert report["adapted_rand_error"] == pytest.approx((1 - 48 / 80) / 2)


def test_volumetric_objects_are_one_partition():
    truth, prediction = np.stack([TRUTH, TRUTH]), np.stack([MERGED, TRUTH])
    report = evaluate(2 * prediction, truth + 4, volumetric=True)
    expected, _, _ = skimage_rand_error(truth, prediction)
    assert report["adapted_rand_error"] == pytest.approx(expected)
    assert report.rows[0]["v_rand"] == pytest.approx(2 / 3)


def test_ignored_pixels_do_not_count():
    truth, prediction = TRUTH.copy(), TRUTH.copy()
    truth[0, 3:5], prediction[0, 3:5] = 9, 7
    report = evaluate(prediction, truth, ignore=9)
    assert report["v_rand"] == report["v_info"] == 1
    assert report["rand_error"] == report["adapted_rand_error"] == 0
