"""What the panel Train says, in the words of the window."""

import pytest

from napari_utile.events import RunFailed
from napari_utile.widgets.train.words import refusal_in_words


@pytest.mark.parametrize(
    ("differs", "said"),
    [((), "The disk is full."), (("a", "b"), "This run cannot be resumed: a; b.")],
)
def test_a_run_that_differs_is_told_by_its_differences(differs, said):
    event = RunFailed(message="The disk is full.", user=True, differs=differs)
    assert refusal_in_words(event) == said
