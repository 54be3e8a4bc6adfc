"""Predictions as labels: instances, masks, classes or probabilities."""

import numpy as np
import pytest

from napari_utile.arrays.instances.decoding import instances
from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.inputs import Side, class_pair, instance_pair, is_mask
from napari_utile.events import drain
from napari_utile.settings.evaluation import EvaluateSettings


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


def pair_of(prediction, truth, **options):
    return drain(instance_pair(prediction, truth, EvaluateSettings(**options)))


def test_masks_are_numbered_and_ignored_pixels_are_of_no_object():
    truth = np.array([[5, 5, 0, 9, 5]])
    pair = pair_of(np.array([[3, 0, 3, 3, 3]]), truth, ignore=9)
    assert pair.prediction.tolist() == [[1, 0, 2, 0, 3]]
    assert pair.truth.tolist() == [[1, 1, 0, 0, 2]]
    assert pair.ignored.tolist() == [[False, False, False, True, False]]
    assert set(pair.masks) == {"prediction", "truth"}
    assert (pair.boundary(), pair.foreground()) == (None, None)


def test_sparse_truth_counts_where_it_is_painted():
    truth = np.array([[0, 1, 1, 2, 2, 0, 3, 9]])
    pair = pair_of(np.array([[4, 0, 0, 4, 4, 5, 6, 6]]), truth, sparse=True, ignore=9)
    assert pair.prediction.tolist() == [[0, 0, 0, 4, 4, 0, 6, 0]]
    assert pair.truth.tolist() == [[0, 0, 0, 2, 2, 0, 3, 0]]
    assert np.flatnonzero(pair.ignored).tolist() == [0, 5, 7]
    with pytest.raises(UserError, match="leave out ignore, or set sparse"):
        pair_of(truth, truth, ignore=0)


@pytest.mark.parametrize(
    ("prediction", "holds"),
    [
        (np.array([[1, 1, 2, 3, 3]]), "classes"),
        (np.eye(3)[:, np.newaxis, [0, 0, 1, 2, 2]], "probabilities"),
    ],
)
def test_background_of_sparse_classes_is_1(prediction, holds):
    truth = np.array([[0, 1, 2, 3, 2]])
    settings = EvaluateSettings(target="classes", sparse=True)
    pair = drain(class_pair(Side(prediction, holds), truth, settings))
    assert pair.prediction[~pair.ignored].tolist() == [0, 2, 3, 3]
    assert pair.truth[~pair.ignored].tolist() == [0, 2, 3, 2]


def test_probabilities_have_a_boundary_and_a_foreground():
    p = np.array([[0.9, 0.25, 0.75]])
    truth = np.array([[1, 0, 2]])
    for given in (p, p[np.newaxis], np.stack([1 - p, p])):
        pair = pair_of(given, truth)
        assert pair.prediction.tolist() == [[1, 0, 2]]
        np.testing.assert_allclose(pair.foreground(), p, rtol=1e-6)
        assert np.argsort(pair.boundary()[0]).tolist() == [0, 2, 1]  # the surest is lowest


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        (np.zeros((2, 4), int), r"\(2, 4\) and truth \(2, 3\) differ in shape"),
        (np.full((2, 3), 1.5), "must be 0 to 1, not 1.5 to 1.5"),
        (np.full((2, 2, 3), 0.75), "add up to 1"),
    ],
)
@pytest.mark.parametrize("target", ["instances", "classes"])
def test_what_is_neither_labels_nor_probabilities_is_refused(prediction, reason, target):
    truth, settings = np.array([[1, 1, 0], [0, 2, 2]]), EvaluateSettings(target=target)
    make = class_pair if target == "classes" else instance_pair
    with pytest.raises(UserError, match=reason):
        drain(make(prediction, truth, settings))


@pytest.mark.parametrize(
    ("labels", "expected"), [([0, 4], True), ([4, 4], True), ([0, 0], False), ([1, 4], False)]
)
def test_a_mask_has_one_id(labels, expected):
    assert is_mask(np.array(labels)) is expected


@pytest.mark.parametrize(("count", "doubts"), [(5, 0), (30, 1)])
def test_objects_as_truth_of_classes_are_told(count, doubts):
    true = np.arange(900).reshape(30, 30) % count
    told = []
    evaluate(true % 2, true, target="classes", on_event=told.append)
    found = [
        e for e in told if "evaluate with the target instances" in getattr(e, "message", "")
    ]
    assert len(found) == doubts
