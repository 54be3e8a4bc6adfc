"""COCO's scores, against pycocotools itself with its cap on detections raised."""

import contextlib
import io
from copy import deepcopy

import numpy as np
import pytest
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_utile.metrics.coco.ap import STOCK, coco_annotation_scores, coco_scores
from napari_utile.metrics.overlap import contingency


def theirs(truth, detections, bands=None, most=None):
    """Evaluate by pycocotools as it is; `most` raises its cap."""
    with contextlib.redirect_stdout(io.StringIO()):
        ours = COCO()
        images = {entry["image_id"] for entry in (*truth, *detections)}
        categories = {entry["category_id"] for entry in (*truth, *detections)}
        ours.dataset = {
            "images": [{"id": id, "height": 0, "width": 0} for id in images],
            "categories": [{"id": id} for id in categories],
            "annotations": [
                {"iscrowd": 0, "area": int(mask.area(entry["segmentation"])), **entry, "id": i}
                for i, entry in enumerate(deepcopy(truth), 1)
            ],
        }
        ours.createIndex()
        evaluation = COCOeval(ours, ours.loadRes(deepcopy(detections)), "segm")
        if bands is not None:
            evaluation.params.areaRng = bands
        if most is not None:
            evaluation.params.maxDets = [most]
        evaluation.evaluate()
        evaluation.accumulate()
        if most is None:
            evaluation.summarize()
    return evaluation


def entry(pixels, image, category, **more):
    rle = mask.encode(np.asfortranarray(pixels, dtype=np.uint8))
    rle["counts"] = rle["counts"].decode()
    return {"image_id": image, "category_id": category, "segmentation": rle, **more}


def disc(rng, size, largest):
    y, x = np.ogrid[:size, :size]
    (cy, cx), r = rng.integers(0, size, 2), rng.uniform(1, largest)
    return (y - cy) ** 2 + (x - cx) ** 2 <= r * r


def random_objects(seed, images=4, categories=2, crowds=0.15, size=120, largest=45):
    """Discs that overlap, some crowds, and detections near them, far from them and twice."""
    rng = np.random.default_rng(seed)
    truth, detections = [], []
    for image in range(1, images + 1):
        for category in range(categories):
            for _ in range(rng.integers(0, 9)):
                pixels = disc(rng, size, largest)
                crowd = int(rng.random() < crowds)
                truth.append(entry(pixels, image, category, iscrowd=crowd))
                for _ in range(rng.integers(0, 3)):
                    moved = np.roll(pixels, rng.integers(-3, 4, 2), (0, 1))
                    score = rng.integers(0, 4) / 4  # many ties
                    detections.append(entry(moved, image, category, score=score))
            for _ in range(rng.integers(0, 3)):
                pixels = disc(rng, size, largest)
                detections.append(entry(pixels, image, category, score=rng.random()))
    return truth, detections


def scenes(seed, images=3, objects=150, size=200):
    """Label images, the prediction shifted, cut, with some objects gone; and scores."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(images):
        truth = np.zeros((size, size), np.int32)
        for id in range(1, objects + 1):
            y, x = rng.integers(0, size - 12, 2)
            h, w = rng.integers(2, 13, 2)
            truth[y : y + h, x : x + w] = id
        prediction = np.roll(truth, rng.integers(0, 2, 2), (0, 1))
        prediction[prediction % 7 == rng.integers(0, 7)] = 0
        prediction[:, ::50] = 0
        ids = np.unique(prediction[prediction > 0])
        pairs.append((prediction, truth, rng.integers(0, 10, ids.size) / 10))
    return pairs


def as_entries(pairs):
    truth = [
        entry(t == id, image, 1)
        for image, (_, t, _) in enumerate(pairs)
        for id in np.unique(t[t > 0])
    ]
    detections = [
        entry(p == id, image, 1, score=float(score))
        for image, (p, _, scores) in enumerate(pairs)
        for id, score in zip(np.unique(p[p > 0]), scores, strict=True)
    ]
    return truth, detections


def of_labels(pairs, **more):
    tables = [contingency(p, t) for p, t, _ in pairs]
    return coco_scores(tables, [scores for *_, scores in pairs], **more)


def same_results(ours, evaluation):
    for name in ("precision", "recall"):
        np.testing.assert_array_equal(ours.eval[name], evaluation.eval[name])


def mean(values):
    return values[values > -1].mean()


@pytest.mark.parametrize("seed", range(8))
def test_annotations_score_as_with_pycocotools(seed):
    truth, detections = random_objects(seed)
    evaluation = theirs(truth, detections, bands=[[0, 1e10]], most=10_000)
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    ours = coco_annotation_scores(truth, detections)
    expected = [mean(precision), mean(precision[0]), mean(precision[5]), mean(recall)]
    assert [ours.ap, ours.ap50, ours.ap75, ours.ar] == pytest.approx(expected, abs=1e-12)
    same_results(ours._whole, evaluation)
    assert list(ours.stock) == list(STOCK)
    assert list(ours.stock.values()) == theirs(truth, detections).stats.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_label_images_score_as_their_masks_do_with_pycocotools(seed):
    pairs = scenes(seed)
    truth, detections = as_entries(pairs)
    evaluation = theirs(truth, detections, bands=[[0, 1e10]], most=10_000)
    ours = of_labels(pairs)
    same_results(ours._whole, evaluation)
    assert ours.ap == pytest.approx(mean(evaluation.eval["precision"]), abs=1e-12)
    assert list(ours.stock.values()) == theirs(truth, detections).stats.tolist()
    assert 0.05 < ours.stock["coco_stock_ap"] < ours.ap < 0.95  # the cap of 100 costs it
    masks = coco_annotation_scores(truth, detections)
    assert (masks.ap, masks.sizes) == (ours.ap, ours.sizes)


@pytest.mark.parametrize("seed", range(3))
def test_size_bands_are_thirds_of_the_true_objects(seed):
    truth, detections = random_objects(seed, images=6)
    areas = np.array([mask.area(e["segmentation"]) for e in truth if not e["iscrowd"]])
    rows = coco_annotation_scores(truth, detections, pixel_area=0.25).sizes
    assert [row["band"] for row in rows] == ["small", "medium", "large"]
    assert sum(row["objects"] for row in rows) == areas.size
    for row in rows:
        assert row["objects"] == pytest.approx(areas.size / 3, abs=1)
        low, high = row["low"] / 0.25, row["high"] / 0.25
        inside = [a for a in areas if low <= a < high or a == high == areas.max()]
        assert len(inside) == row["objects"]
        # every area is a whole number, so that COCO's closed bands can say the same
        top = 1e10 if row["band"] == "large" else np.ceil(high) - 1
        evaluation = theirs(truth, detections, [[np.ceil(low), top]], 10_000)
        assert row["coco_ap"] == pytest.approx(mean(evaluation.eval["precision"]), abs=1e-12)
        assert row["coco_ar"] == pytest.approx(mean(evaluation.eval["recall"]), abs=1e-12)


def test_every_category_has_its_scores():
    truth, detections = random_objects(3, categories=3)
    ours = coco_annotation_scores(truth, detections)
    assert [row["category"] for row in ours.by_category] == [0, 1, 2]
    for row in ours.by_category:
        alone = [
            [e for e in side if e["category_id"] == row["category"]]
            for side in (truth, detections)
        ]
        only = coco_annotation_scores(*alone)
        assert (row["coco_ap"], row["coco_ap50"], row["coco_ap75"], row["coco_ar"]) == (
            only.ap, only.ap50, only.ap75, only.ar
        )  # fmt: skip
        assert row["objects"] == sum(not e["iscrowd"] for e in alone[0])
        assert row["detections"] == len(alone[1])
    assert ours.ap == pytest.approx(np.mean([row["coco_ap"] for row in ours.by_category]))


def test_the_area_in_the_file_decides_the_band():
    pixels = np.zeros((50, 50))
    pixels[:40, :40] = 1  # 1600 px: medium by itself
    small = coco_annotation_scores(
        [entry(pixels, 1, 1, area=9)], [entry(pixels, 1, 1, score=1)]
    )
    assert small.stock["coco_stock_ap_small"] == pytest.approx(1)
    assert small.stock["coco_stock_ap_medium"] == -1


def test_a_perfect_prediction_of_1000_objects_scores_one():
    squares = np.kron(np.arange(1, 1001).reshape(25, 40), np.ones((5, 5), int))
    squares[::5] = squares[:, ::5] = 0
    perfect = coco_scores([contingency(squares, squares)])
    for score in (perfect.ap, perfect.ap50, perfect.ap75, perfect.ar):
        assert score == pytest.approx(1, abs=1e-12)
    assert perfect.stock["coco_stock_ap"] == pytest.approx(0.109, abs=5e-4)  # FACTS.md
    (row,) = perfect.sizes  # all are equally large
    assert (row["band"], row["low"], row["high"], row["objects"]) == ("large", 16, 16, 1000)


def test_300_detections_in_an_image_can_be_masks():
    pixel = np.zeros((20, 20), bool)
    pixel[3, 4] = True
    truth = [entry(pixel, 1, 1)]
    found = [entry(pixel, 1, 1, score=1 - n / 1000) for n in range(300)]
    assert coco_annotation_scores(truth, found).ap == pytest.approx(1)


def test_the_curve_by_hand():
    """Three objects; found surely: one; then something else; then another, half of it."""
    truth = np.array([[1, 1, 0, 2, 2, 0, 3, 3, 0, 0]])
    prediction = np.array([[1, 1, 0, 0, 2, 0, 0, 0, 0, 3]])
    scores = coco_scores([contingency(prediction, truth)], [[0.9, 0.5, 0.7]])
    curve = scores.precision_recall
    assert len(curve) == 10 * 101
    at_half = [row["precision"] for row in curve if row["iou_threshold"] == 0.5]
    recalls = [row["recall"] for row in curve if row["iou_threshold"] == 0.5]
    expected = [1 if r <= 1 / 3 else 2 / 3 if r <= 2 / 3 else 0 for r in recalls]
    np.testing.assert_allclose(at_half, expected)
    at_higher = [row["precision"] for row in curve if row["iou_threshold"] == 0.75]
    np.testing.assert_allclose(at_higher, [r <= 1 / 3 for r in recalls])
    assert scores.ap50 == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert scores.ap75 == pytest.approx(34 / 101)
    assert scores.ar == pytest.approx((2 / 3 + 9 * 1 / 3) / 10)


def test_detections_of_all_images_are_ranked_together():
    right, wrong = np.array([[1, 1, 0]]), np.array([[0, 0, 1]])
    tables = [contingency(right, right), contingency(wrong, right)]
    assert coco_scores(tables, [[0.9], [0.1]]).ap == pytest.approx(51 / 101)
    assert coco_scores(tables, [[0.1], [0.9]]).ap == pytest.approx(51 / 101 / 2)


def test_nothing_to_find_scores_one_and_something_found_there_zero():
    empty, one = np.zeros((4, 4), int), np.eye(4, dtype=int)
    for prediction, truth, expected in ((empty, empty, 1), (one, empty, 0), (empty, one, 0)):
        scores = coco_scores([contingency(prediction, truth)])
        assert [scores.ap, scores.ap50, scores.ap75, scores.ar] == [expected] * 4
        assert scores.stock["coco_stock_ap"] == (0 if truth.any() else -1)
        assert bool(scores.notes) == (not truth.any())
        assert bool(scores.precision_recall) == bool(scores.sizes) == truth.any()
    assert coco_scores([]).ap == coco_annotation_scores([], []).ap == 1
    crowd, found = entry(one, 1, 1, iscrowd=1), entry(np.rot90(one), 1, 2, score=1)
    assert coco_annotation_scores([crowd], [found]).ap == 0  # in a category of its own


def test_a_category_without_true_objects_is_left_out_and_said():
    pixels = np.eye(5)
    truth = [entry(pixels, 1, 3)]
    detections = [entry(pixels, 1, 3, score=1), entry(pixels, 1, 8, score=1)]
    scores = coco_annotation_scores(truth, detections)
    assert scores.ap == pytest.approx(1)
    assert [row["category"] for row in scores.by_category] == [3]
    assert "left out of COCO's means: 8 (1 detections)" in scores.notes[0]


def test_detections_on_a_crowd_count_nowhere():
    crowd, far = np.zeros((2, 20, 20))
    crowd[:10], far[15:] = 1, 1
    inside = crowd.copy()
    inside[:, 10:] = 0
    truth = [entry(crowd, 1, 1, iscrowd=1)]
    on_it = [entry(inside, 1, 1, score=0.9), entry(inside, 1, 1, score=0.8)]
    assert coco_annotation_scores(truth, on_it).ap == 1
    assert coco_annotation_scores(truth, [*on_it, entry(far, 1, 1, score=1)]).ap == 0


def test_what_cannot_be_scored_is_refused():
    table = contingency(np.eye(3, dtype=int), np.eye(3, dtype=int))
    for scores, reason in (([[1, 1]], r"\(2,\) scores for 1"), ([[np.nan]], "not finite")):
        with pytest.raises(ValueError, match=reason):
            coco_scores([table], scores).ap  # noqa: B018
    polygon = {
        "image_id": 4,
        "category_id": 1,
        "segmentation": [[0, 0, 1, 1, 2, 2]],
        "score": 1,
    }
    with pytest.raises(ValueError, match="image 4 is not compressed run lengths"):
        coco_annotation_scores([], [polygon])
    sizes = [entry(np.eye(3), 4, 1, score=1), entry(np.eye(5), 4, 1, score=1)]
    with pytest.raises(ValueError, match="masks of image 4 differ in size"):
        coco_annotation_scores([], sizes)


def test_nothing_is_printed(capsys):
    scores = coco_scores([contingency(np.eye(3, dtype=int), np.eye(3, dtype=int))])
    assert scores.stock and scores.ap
    assert capsys.readouterr().out == ""


def test_the_coco_data_disturbed_score_as_with_pycocotools(shared_data):
    path = shared_data / "coco" / "annotations" / "instances_val2017.json"
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    rng = np.random.default_rng(0)
    truth, detections = [], []
    for annotation in coco.dataset["annotations"]:
        place = annotation["image_id"], annotation["category_id"]
        own = {"iscrowd": annotation["iscrowd"], "area": annotation["area"]}
        pixels = mask.decode(coco.annToRLE(annotation))
        truth.append(entry(pixels, *place, **own))
        if rng.random() < 0.8:
            moved = np.roll(pixels, rng.integers(-4, 5, 2), (0, 1))
            detections.append(entry(moved, *place, score=float(rng.integers(0, 20) / 20)))
    ours = coco_annotation_scores(truth, detections)
    same_results(ours._whole, theirs(truth, detections, [[0, 1e10]], 10_000))
    assert list(ours.stock.values()) == theirs(truth, detections).stats.tolist()
    assert 0.1 < ours.ap < 0.9
