"""What the panel Train says, in the words of the window."""

import pytest

from napari_utile.events import RunFailed
from napari_utile.folders.model import CHECKED_PIXELS, CHECKED_STROKES
from napari_utile.widgets.train.words import checked_on, outcome_of, refusal_in_words


@pytest.mark.parametrize(
    ("differs", "said"),
    [((), "The disk is full."), (("a", "b"), "This run cannot be resumed: a; b.")],
)
def test_a_run_that_differs_is_told_by_its_differences(differs, said):
    event = RunFailed(message="The disk is full.", user=True, differs=differs)
    assert refusal_in_words(event) == said


@pytest.mark.parametrize(
    ("scores", "worth", "is_useful"),
    [
        ({"iou": 0.9}, "good", True),
        ({"iou": 0.9, "f1_50": 0.6}, "usable", True),  # one large object overlaps well
        ({"iou": 0.9, "f1_50": 0.2}, "weak", False),
        ({"iou": 0.3}, "weak", False),
        ({"iou": 0.02, "f1_50": 0.0}, "next to nothing", False),
        ({}, "not validated", False),
    ],
)
def test_a_model_is_worth_what_its_objects_are(scores, worth, is_useful):
    found = outcome_of(scores)
    assert worth in found.sentence
    assert found.is_useful is is_useful
    assert bool(found.way_on) is not is_useful


def test_a_few_strokes_are_too_few_to_call_a_model_good():
    facts = {CHECKED_PIXELS: 1812, CHECKED_STROKES: 2, "split": "halves"}
    few = outcome_of({"iou": 1.0}, checked=checked_on(facts))
    assert "on the 1,812 pixels of 2 strokes kept aside" in few.sentence
    assert few.sentence.endswith("too few to call it good.")
    assert "more places" in few.way_on
    many = outcome_of({"iou": 1.0}, checked=checked_on(facts | {CHECKED_STROKES: 40}))
    assert many.sentence.endswith("good.") and "too few" not in many.sentence
    assert "40 strokes" in many.sentence
    assert checked_on({"split": "halves"}) is None
