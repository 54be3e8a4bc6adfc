"""The curves hold what was reported, and are drawn no more often than the eye needs."""

import pytest

from napari_utile.events import EpochDone, StepDone
from napari_utile.widgets.train.curves import Curves


def step(number, loss):
    return StepDone(step=number, loss=loss, learning_rate=1e-3, progress=0, rate=1)


def epoch(number, is_best, **scores):
    return EpochDone(
        epoch=number, step=10 * number, train_loss=1, val_loss=1 / number, scores=scores,
        is_best=is_best, seconds=1,
    )  # fmt: skip


@pytest.fixture
def curves(qtbot):
    curves = Curves()
    qtbot.addWidget(curves)
    return curves


def test_a_constant_loss_has_a_constant_mean(curves):
    for number in range(1, 50):
        curves.add(step(number, 0.5))
    assert curves.means == pytest.approx([0.5] * 49)


def test_the_mean_follows_and_is_smoother(curves):
    for number in range(1, 201):
        curves.add(step(number, 1.0 if number % 2 else 0.0))
    assert curves.means[-1] == pytest.approx(0.5, abs=0.06)


def test_the_best_is_the_last_that_was_called_best(curves):
    assert curves.best is None
    for number, is_best in ((1, True), (2, True), (3, False)):
        curves.add(epoch(number, is_best, iou=0.5))
    assert curves.best.epoch == 2


def test_many_steps_are_drawn_once_in_a_while(curves, qtbot, monkeypatch):
    drawn = []
    curves._pause.timeout.connect(lambda: drawn.append(len(curves.steps)))
    for number in range(1, 501):
        curves.add(step(number, 1.0))
    qtbot.waitUntil(lambda: bool(drawn))
    assert drawn == [500]


def test_missing_scores_and_a_new_run_are_no_trouble(curves, qtbot):
    curves.add(epoch(1, True, iou=0.5))
    curves.add(epoch(2, False))
    qtbot.wait(250)
    curves.clear()
    assert (curves.steps, curves.epochs, curves.means) == ([], [], [])


def test_every_curve_is_named_beside_the_plots(curves, qtbot):
    curves.add(epoch(1, True, iou=0.5, f1_50=0.4, dice=0.7))
    loss, score = curves.keys
    qtbot.waitUntil(lambda: [*score.names] == ["IoU", "F1 of objects"])
    assert [*loss.names] == ["training", "validation"]
    curves.score.setCurrentIndex(curves.score.findData("dice"))
    qtbot.waitUntil(lambda: [*score.names] == ["IoU", "Dice"])
    for key in curves.keys:
        assert all(color in key.text() for color in key.names.values())


def test_one_validation_does_not_make_an_axis_of_half_steps(curves, qtbot):
    curves.show()
    curves.add(epoch(1, True, iou=0.5, f1_50=0.4))
    qtbot.waitUntil(lambda: len(curves._iou.getData()[0] or ()) == 1)
    qtbot.wait(100)
    first, last = curves._score.viewRange()[0]
    assert last - first >= 10
