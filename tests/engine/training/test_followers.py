"""Processes that follow the first one of a run."""

from types import SimpleNamespace

import pytest

from napari_utile.engine.training import followers
from napari_utile.engine.training.checkpoints import TrainingPlan
from napari_utile.engine.training.followers import disagreement


class First(dict):
    """A plan from which others differ in what they say."""

    def differences(self, theirs):
        return theirs


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([[], []], ""),
        ([[], "a.tif was not found."], "Process 2 of 3: a.tif was not found."),
        (
            [["the labels", "tile: 16 there"], []],
            "Process 1 of 3 differs: the labels; tile: 16 there.",
        ),
    ],
)
def test_the_first_process_that_disagrees_is_named(monkeypatch, others, said):
    monkeypatch.setattr(TrainingPlan, "from_state", staticmethod(lambda state: state))
    plans = [First(), *others]
    group = SimpleNamespace(size=3, collect=lambda mine: plans)
    monkeypatch.setattr(followers.Group, "here", lambda: group)
    assert disagreement("mine") == said
