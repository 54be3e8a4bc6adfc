"""Points and scores of plots."""

import math
from types import SimpleNamespace

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_utile.events import StepDone
from napari_utile.widgets.evaluate.curves import ScoreCurves
from napari_utile.widgets.kit.plots import Graphics, ScoreChoice, points_before, scores_of
from napari_utile.widgets.train.curves import Curves


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
    assert choice.name == ""
    choice.offer(["dice", "iou"])
    assert (choice.name, choice.currentText()) == ("iou", "IoU")
    choice.offer(["iou", "mean_iou"])
    assert (choice.name, choice.count()) == ("mean_iou", 3)
    choice.setCurrentIndex(choice.findData("dice"))
    choice.activated.emit(choice.currentIndex())
    choice.offer(["mean_iou", "f1_50"])
    assert choice.name == "dice"


@pytest.fixture(params=[Curves, ScoreCurves])
def graphics(request, qtbot):
    """Give the room of plots that are shown."""
    curves = request.param()
    qtbot.addWidget(curves)
    curves.show()
    if isinstance(curves, Curves):
        for step in range(1, 51):
            curves.add(StepDone(step=step, loss=1, learning_rate=1, progress=0, rate=1))
        qtbot.waitUntil(lambda: ranges(curves.findChild(Graphics))[0][0][1] > 40)
    yield curves.findChild(Graphics)
    curves.close()


def ranges(graphics):
    return [item.getViewBox().viewRange() for item in graphics.ci.items]


def test_the_wheel_is_left_to_the_panel(graphics):
    before = ranges(graphics)
    middle = graphics.viewport().rect().center()
    turned = QWheelEvent(
        QPointF(middle),
        QPointF(graphics.viewport().mapToGlobal(middle)),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(graphics.viewport(), turned)
    assert not turned.isAccepted()  # so Qt gives it to what the plots are in
    assert ranges(graphics) == before


@pytest.mark.parametrize("graphics", [Curves], indirect=True)
def test_a_double_click_shows_all_again(graphics, qtbot):
    before = ranges(graphics)
    for item in graphics.ci.items:
        item.getViewBox().setRange(xRange=(5e5, 6e5), yRange=(7, 8), padding=0)
    assert ranges(graphics) != before
    qtbot.mouseDClick(graphics.viewport(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ranges(graphics) == before)
