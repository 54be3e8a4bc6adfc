"""Scores of volumes: those of independent programs, and of the volume seen as one image."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.optimize import linear_sum_assignment
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_utile.evaluation import evaluate


def cells(shape, seed, gap):
    random = np.random.default_rng(seed)
    fields = [gaussian_filter(random.normal(size=shape), 2.5) for _ in range(30)]
    highest = np.sort(fields, axis=0)
    is_clear = highest[-1] - highest[-2] > gap * highest[-1].std()
    return np.where(is_clear, 1 + np.argmax(fields, axis=0), 0)


SHAPE = (15, 36, 50)
TRUTH = cells(SHAPE, 0, 0.3)
PREDICTION = np.roll(cells(SHAPE, 0, 0.5), 1, axis=1)
PREDICTION[PREDICTION == 4], PREDICTION[8:][PREDICTION[8:] == 7] = 9, 70


@pytest.fixture(scope="module")
def report():
    return evaluate(PREDICTION, TRUTH, volumetric=True)


def test_partitions_are_those_of_scikit_image(report):
    nearest = distance_transform_edt(
        PREDICTION == 0, return_distances=False, return_indices=True
    )
    inside = TRUTH > 0
    thinned = PREDICTION[tuple(nearest)][inside]
    split, merge = variation_of_information(TRUTH[inside], thinned)
    assert (report["vi_split"], report["vi_merge"]) == pytest.approx((split, merge))
    error, *_ = adapted_rand_error(TRUTH, PREDICTION)
    assert report["adapted_rand_error"] == pytest.approx(error)
    joint = np.unique(np.stack([TRUTH[inside], thinned]), axis=1, return_counts=True)[1]
    sums = [np.bincount(ids).astype(float) for ids in (thinned, TRUTH[inside])]
    squares = sum((each**2).sum() for each in sums)
    assert report["v_rand"] == pytest.approx(2 * (joint.astype(float) ** 2).sum() / squares)
    h_truth, h_both = (
        -(p * np.log2(p)).sum()
        for p in (sums[1][sums[1] > 0] / inside.sum(), joint / inside.sum())
    )
    mutual = h_truth - merge
    assert h_both == pytest.approx(h_truth + split)
    assert report["v_info"] == pytest.approx(2 * mutual / (h_truth + mutual + split))


def test_matched_objects_are_those_of_an_assignment(report):
    true, found = (np.unique(side[side > 0]) for side in (TRUTH, PREDICTION))
    both = np.array([[((t == TRUTH) & (p == PREDICTION)).sum() for p in found] for t in true])
    areas = [
        np.array([(side == i).sum() for i in ids])
        for side, ids in ((TRUTH, true), (PREDICTION, found))
    ]
    ious = both / (areas[0][:, None] + areas[1] - both)
    good = ious >= 0.5
    rows, columns = linear_sum_assignment(-(good + ious * good / 1000))
    pairs = ious[rows, columns][good[rows, columns]]
    counts = len(true) + len(found)
    assert report["matching_ap50"] == len(pairs) / (counts - len(pairs))
    assert report["f1_50"] == 2 * len(pairs) / counts
    assert report["panoptic_quality"] == pytest.approx(2 * pairs.sum() / counts)
    covers = 2 * both > areas[0][:, None]
    assert report["seg"] == pytest.approx((ious * covers).sum() / len(true))


def test_objects_are_ranked_as_those_of_one_image():
    """A volume whose slices lie below each other is an image with the same overlaps."""
    foreground = (0.5 + TRUTH % 7 / 14).astype(np.float32)
    volume = evaluate(PREDICTION, TRUTH, volumetric=True, probabilities=foreground)
    flat = evaluate(
        *(side.reshape(-1, SHAPE[-1]) for side in (PREDICTION, TRUTH)),
        probabilities=foreground.reshape(-1, SHAPE[-1]),
        on_event=None,
    )
    for name in ("coco_ap", "coco_ap50", "coco_ap75", "coco_ar", "iou", "matching_ap50", "seg"):
        assert volume[name] == pytest.approx(flat[name]), name
    assert 0 < volume["coco_ap"] < volume["coco_ap50"] < 1
    for side, ids in ((TRUTH, "truth_id"), (PREDICTION, "prediction_id")):
        for row in volume.objects.rows():
            if row["side"] in (ids.removesuffix("_id"), "both" if side is TRUTH else ""):
                pixels = np.argwhere(side == row[ids])
                assert (row["z"], row["y"], row["x"]) == pytest.approx(tuple(pixels.mean(0)))
                assert row["area"] == len(pixels)
            if row["side"] != "truth":
                mean = foreground[row["prediction_id"] == PREDICTION].mean()
                assert row["score"] == pytest.approx(mean, rel=1e-5)
