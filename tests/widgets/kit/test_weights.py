"""Weights of the loss, handed over between panels."""

import pytest

from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit import weights
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.weights import LossWeights, WeightsOfTraining


@pytest.fixture
def between(monkeypatch):
    """Let nothing have been handed over yet."""
    monkeypatch.setattr(weights, "WEIGHTS", weights._Weights())
    return weights.WEIGHTS


@pytest.fixture
def training(qtbot, between):
    """Open forms of training."""

    def open_form():
        form = Form(TrainSettings)
        qtbot.addWidget(form)
        WeightsOfTraining(form)
        return form

    return open_form


def weights_in(form):
    return LossWeights.of(form.settings())


def test_they_reach_forms_that_are_open_and_those_that_are_opened_later(training, between):
    form = training()
    wanted = LossWeights(7.5, 3.0, True)
    between.hand_over(wanted)
    assert weights_in(form) == wanted == weights_in(training())
    assert form.settings().network == "unet"


def test_what_training_shows_is_known_also_when_it_is_closed(training, between):
    assert between.of_training == weights_in(training())  # its defaults
    between.hand_over(LossWeights(7.5, 3.0, True))
    form, told = training(), []
    between.training_changed.connect(told.append)
    form.set_value("w0", "4")
    assert told == [LossWeights(4.0, 3.0, True)] == [between.of_training]
    form.set_value("w0", "-1")  # wrong: nothing is told
    assert len(told) == 1
    form.set_value("recipe", "photos")
    assert between.of_training.w0 == 0
    form.deleteLater()
    assert weights_in(training()).w0 == 2  # what was handed over was changed since
