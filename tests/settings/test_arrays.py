"""Options that several panels share."""

from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings


def test_what_two_panels_share_has_one_default():
    # the default recipe learns with w0 = 2 and no class balance; the map is the paper's
    for name in ("sigma", "ignore"):
        assert getattr(TrainSettings(), name) == getattr(WeightSettings(), name)
    assert PredictSettings().threshold == EvaluateSettings().threshold


def test_the_paper_balances_the_classes():
    assert TrainSettings(recipe="paper").class_balance
    assert WeightSettings().class_balance
