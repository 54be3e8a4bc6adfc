"""Points and scores of plots."""

import math
from types import SimpleNamespace

from napari_utile.widgets.kit.plots import ScoreChoice, points_before, scores_of


def epoch(step, **scores):
    return SimpleNamespace(step=step, scores=scores)


def test_a_score_that_is_missing_leaves_a_gap():
    first, second = scores_of([epoch(1, iou=0.5), epoch(2, dice=0.1)], "iou")
    assert first == 0.5 and math.isnan(second)


def test_a_resumed_run_repeats_what_comes_after_its_checkpoint():
    points = [epoch(step) for step in (1, 2, 3)]
    assert points_before(points, 3) == points[:2]
    assert points_before(points, 9) == points


def test_the_preferred_score_is_shown_until_the_user_chooses(qtbot):
    choice = ScoreChoice(("mean_iou", "iou"))
    qtbot.addWidget(choice)
    choice.offer(["dice", "iou"])
    assert choice.currentText() == "iou"
    choice.offer(["iou", "mean_iou"])
    assert (choice.currentText(), choice.count()) == ("mean_iou", 3)
    choice.setCurrentText("dice")
    choice.activated.emit(choice.currentIndex())
    choice.offer(["mean_iou", "f1_50"])
    assert choice.currentText() == "dice"
