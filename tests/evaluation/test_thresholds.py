"""Scores over thresholds, beside `evaluate` at each of them and worked by hand."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_utile.arrays.labels import components
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.thresholds import (
    SCORED_THRESHOLDS,
    best_thresholds,
    pooled_rows,
    threshold_names,
    threshold_scores,
)
from napari_utile.events import drain
from napari_utile.metrics.warping import warping_error


@pytest.fixture
def cells():
    """Probabilities of three slices, and the objects of a smoother image of them."""
    noise = np.random.default_rng(0).normal(size=(3, 50, 60))
    smooth, rough = gaussian_filter(noise, (0, 3, 3)), gaussian_filter(noise, (0, 2, 2))
    return (0.5 + 2 * rough).clip(0, 1).astype(np.float32), components(smooth > -0.02)


@pytest.mark.parametrize("method", ["components", "watershed"])
def test_every_score_is_that_of_evaluate_at_the_threshold(cells, method):
    probabilities, truth = cells
    rows = drain(threshold_scores(probabilities, truth, None, [0.3, 0.5], method))
    assert [(row["slice"], row["threshold"]) for row in rows] == [
        (z, threshold) for z in range(3) for threshold in (0.3, 0.5)
    ]
    for row in rows:
        z, threshold = row["slice"], row["threshold"]
        given = probabilities[z][np.newaxis]
        expected = evaluate(given, truth[z], threshold=threshold, instance_method=method)
        for name in ("rand_error", "pixel_error", "v_rand", "v_info", "iou", "f1_50"):
            assert row[name] == pytest.approx(expected[name]), name
        if method == "components":
            mask = np.round(255 * given[0]) > 255 * threshold
            assert row["warping_error"] == warping_error(mask, truth[z])


def test_the_challenge_had_ten_thresholds_and_took_what_is_higher():
    assert pytest.approx(np.arange(10) / 10) == SCORED_THRESHOLDS
    rows = drain(threshold_scores(np.array([[0.0, 1.0]]), np.array([[0, 1]])))
    assert [row["pixel_error"] for row in rows] == [0] * 10
    assert {row["slice"] for row in rows} == {()}


def test_ignored_pixels_do_not_count(cells):
    probabilities, truth = cells
    ignored = np.zeros(truth.shape, bool)
    ignored[:, 20:30] = True
    spoilt = np.where(ignored, 1 - probabilities, probabilities)
    found, spoilt = (
        drain(threshold_scores(given, truth, ignored, [0.5]))
        for given in (probabilities, spoilt)
    )
    for one, other in zip(found, spoilt, strict=True):
        # not v_rand and v_info: thinning looks at hidden pixels
        for name in set(threshold_names()) - {"v_rand", "v_info"}:
            assert one[name] == other[name], name


def test_what_is_ignored_is_background_before_touching_objects_are_parted():
    random = np.random.default_rng(0)
    for _ in range(20):
        truth = np.kron(random.integers(0, 4, (5, 5)), np.ones((2, 2), int))
        probabilities, ignored = random.random((10, 10)), random.random((10, 10)) < 0.3
        row = drain(threshold_scores(probabilities, truth, ignored, [0.2]))[0]
        mask = np.ceil(255 * probabilities - 0.5) > 255 * 0.2
        assert row["warping_error"] == warping_error(mask, truth, ignored)


def test_every_threshold_of_every_slice_is_a_step(cells):
    steps = threshold_scores(*cells, thresholds=[0.2, 0.4, 0.6])
    done = [next(steps) for _ in range(4)]
    assert [(step.done, step.total) for step in done] == [(1, 9), (2, 9), (3, 9), (4, 9)]
    steps.close()


def test_nothing_and_everything_have_values_that_are_numbers(cells):
    truth = np.stack([np.zeros((6, 7), int), np.ones((6, 7), int)])
    for probabilities in (np.zeros(truth.shape), np.ones(truth.shape), truth.astype(float)):
        rows = drain(threshold_scores(probabilities, truth))
        values = [row[name] for row in rows for name in threshold_names()]
        assert np.isfinite(values).all()
        assert 0 <= min(values) <= max(values) <= 1


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        next(threshold_scores(np.zeros((2, 2)), np.zeros((2, 3), int)))


# means and the best


def given_rows(values):
    """Rows whose scores are all `values[slice][threshold]`, slices of one size."""
    return [
        {"slice": z, "threshold": threshold, **dict.fromkeys(threshold_names(), value)}
        | {"counts": dict.fromkeys(("pixel_error", "iou", "f1_50"), (10 * value, 10))}
        for z, of_slice in enumerate(values)
        for threshold, value in zip((0.1, 0.5, 0.9), of_slice, strict=True)
    ]


VALUES = [[0.1, 0.2, 0.9], [0.3, 0.4, 0.7], [0.8, 0.0, 0.5]]


def test_pixels_and_objects_are_pooled_as_in_the_report(cells):
    probabilities, truth = cells
    truth[2, :, 20:] = 0  # slices of very different weight
    in_bytes = np.round(255 * probabilities).astype(np.uint8)
    rows = pooled_rows(drain(threshold_scores(in_bytes, truth, None, [0.3], "watershed")))
    expected = evaluate(in_bytes, truth, threshold=0.3, prediction_holds="probabilities")
    for name in threshold_names():
        assert rows[0][name] == pytest.approx(expected[name]), name


def test_the_mean_is_over_slices():
    rows = given_rows(VALUES)
    assert [row["v_rand"] for row in pooled_rows(rows)] == pytest.approx([0.4, 0.2, 0.7])
    assert [row["iou"] for row in pooled_rows(rows, {0, 2})] == pytest.approx([0.45, 0.1, 0.7])
    assert [row["threshold"] for row in pooled_rows(rows)] == [0.1, 0.5, 0.9]
    assert pooled_rows(rows, ()) == ()


def test_errors_are_best_low_and_scores_high_on_the_very_data():
    best = {row["name"]: row for row in best_thresholds(given_rows(VALUES))}
    assert set(best) == set(threshold_names())
    for name, row in best.items():
        threshold, value = (0.5, 0.2) if "error" in name else (0.9, 0.7)
        assert row["threshold"] == threshold
        assert row["value"] == pytest.approx(value)
        assert row["chosen_on"] == "the very data it is scored on"


def test_the_best_of_the_validation_is_scored_on_the_others():
    best = {row["name"]: row for row in best_thresholds(given_rows(VALUES), validation={2})}
    assert best["v_rand"]["threshold"] == 0.1  # 0.8 there
    assert best["v_rand"]["value"] == pytest.approx((0.1 + 0.3) / 2)
    assert best["rand_error"]["threshold"] == 0.5
    assert best["rand_error"]["value"] == pytest.approx((0.2 + 0.4) / 2)
    assert best["v_rand"]["chosen_on"] == "1 validation slice"
    of_two = best_thresholds(given_rows(VALUES), validation=[0, 1])
    assert of_two[0]["chosen_on"] == "2 validation slices"


def test_of_equal_thresholds_the_lowest_is_best():
    best = best_thresholds(given_rows([[0.5, 0.5, 0.5]]))
    assert {row["threshold"] for row in best} == {0.1}


@pytest.mark.parametrize("validation", [(), (0, 1, 2), (7,)])
def test_validation_must_leave_slices_and_have_some(validation):
    with pytest.raises(ValueError, match="of 3 slices"):
        best_thresholds(given_rows(VALUES), validation)
