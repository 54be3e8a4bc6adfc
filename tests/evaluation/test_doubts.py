"""An evaluation says when truth or prediction do not look like labels."""

import numpy as np
import pytest
from scipy import ndimage

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.doubts import Looks
from napari_utile.events import Warned
from napari_utile.settings.evaluation import EvaluateSettings

MASK = np.zeros((60, 60))
MASK[10:25, 10:25] = MASK[30:50, 20:55] = 255
SOFT = ndimage.gaussian_filter(MASK, 1.5).round().astype(np.uint8)
SHARP = (MASK > 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("sides", "said"), [((SHARP, SOFT), "The true labels"), ((SOFT, SHARP), "The prediction")]
)
def test_gray_edges_are_told_in_events_and_report(sides, said):
    events = []
    report = evaluate(*sides, on_event=events.append)
    told = [event.message for event in events if isinstance(event, Warned)]
    looks = ("gray edges", "may be probabilities")
    (warned,) = (message for message in told if any(words in message for words in looks))
    assert warned.startswith(said)
    assert warned in report.notes
    with pytest.raises(UserError, match="leave out strict"):
        evaluate(*sides, strict=True)


def test_labels_and_probabilities_raise_no_doubt():
    for prediction in (SHARP, SHARP.astype(bool), SOFT / 255, np.stack([SOFT / 255])):
        evaluate(prediction, SHARP, strict=True)


def test_images_with_the_same_trouble_are_told_together():
    looks = Looks(EvaluateSettings(), 3)
    for name in "abc":
        looks.look_at(name, SHARP, SOFT)
    (said,) = looks.messages()
    assert said.startswith("True labels 'a'") and said.endswith("2 more of 3 images: b, c.")


@pytest.mark.parametrize("target", ["instances", "classes"])
def test_another_background_of_a_prediction_is_told(target):
    with pytest.warns(match="give background the id 0, not 1"):
        report = evaluate(SHARP + 1, SHARP, target=target)
    assert any("The prediction seems" in note for note in report.notes)
    with pytest.raises(UserError, match="invert the mask"):
        evaluate(1 - SHARP, SHARP, strict=True)


@pytest.mark.parametrize("changed", [{"threshold": 0.7}, {"instance_method": "components"}])
def test_options_of_probabilities_are_told_that_have_no_effect_on_labels(changed):
    (name,) = changed
    with pytest.warns(match=f"option {name.replace('_', ' ')} had no effect"):
        evaluate(SHARP, SHARP, **changed)
    evaluate(SHARP * 0.9, SHARP, **changed, strict=True)
    two = np.stack([1 - SHARP * 0.9, SHARP * 0.9])
    with pytest.warns(match=f"option {name.replace('_', ' ')} had no effect: of classes"):
        evaluate(two, SHARP, **changed, target="classes")


def test_a_foreground_becomes_a_class_above_the_threshold():
    report = evaluate(SHARP * 0.6, SHARP, threshold=0.7, target="classes", strict=True)
    assert report["iou_0"] < 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_gray_values_are_found_out_in_every_number_format(dtype):
    gray = np.random.default_rng(0).normal(90, 20, SHARP.shape).round().astype(dtype)
    for sides in ((SHARP, gray), (SHARP[None], gray[None]), (gray, SHARP)):
        with pytest.raises(UserError, match=r"look like an image|may be probabilities"):
            evaluate(*sides, strict=True)
    evaluate(SHARP.astype(dtype) * 3, SHARP.astype(dtype), strict=True)


@pytest.mark.parametrize("target", ["instances", "classes"])
def test_a_truth_that_seems_to_be_sparse_is_told(target):
    truth = np.zeros(SHARP.shape, int)
    truth[5:30, 5:30] = truth[28:55, 15:59] = 1
    truth[10:25, 10:25], truth[30:50, 20:55] = 2, 3
    prediction = truth if target == "instances" else np.maximum(truth, 1)
    prediction = np.where(truth > 1, truth, 0) if target == "instances" else prediction
    with pytest.warns(match="id 1, 858 px, .* set sparse"):
        evaluate(prediction, truth, target=target)
    scores = evaluate(prediction, truth, target=target, sparse=True, strict=True)
    assert scores["iou" if target == "instances" else "mean_iou"] == 1
    missed = np.where(truth == 1, 0, truth)
    missed[2:4, 2:4] = 1  # a small object that is not found
    evaluate(np.where(missed == 1, 0, missed), missed, target=target, strict=True)
