"""Names to choose from, and what a form says of options."""

import re
from typing import get_args

import pytest

from napari_utile.engine.training.losses import LOSSES
from napari_utile.networks import NETWORKS
from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.options import LOSS_NAMES, NETWORK_NAMES
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings

IN_FORMS = (
    TrainSettings, CompareSettings, PredictSettings, EvaluateSettings, WeightSettings,
    LabelSettings,
)  # fmt: skip
NO_AMOUNT = {"seed", "ignore", "spacing"}
"""Numbers of which more means nothing."""


def test_the_networks_and_losses_to_choose_from_are_those_there_are():
    assert tuple(NETWORKS) == NETWORK_NAMES
    assert tuple(LOSSES) == LOSS_NAMES


@pytest.mark.parametrize("kind", IN_FORMS)
def test_every_option_is_explained_in_a_sentence_and_a_number_by_what_more_of_it_does(kind):
    for name, field in kind.model_fields.items():
        said = field.description
        assert len(said.split()) > 5 and ". " not in said and not said.endswith("."), name
        is_number = {int, float} & {field.annotation, *get_args(field.annotation)}
        if is_number and name not in NO_AMOUNT:
            assert re.search(r"\b(more|larger|longer|higher|fewer)\b", said), name
