"""What the panel Train says, in the words of the window."""

import pytest

from napari_utile.events import RunFailed
from napari_utile.widgets.train.words import outcome_of, refusal_in_words


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
