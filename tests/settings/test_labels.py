"""What ids mean has the defaults and the words of a training."""

from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.training import TRAIN_DEFAULTS


def test_defaults_are_those_of_training():
    given = LabelSettings().model_dump()
    assert given == TRAIN_DEFAULTS.model_dump(include=set(given))
    assert LabelSettings.main_options() == ["target", "sparse", "ignore"]


def test_with_strokes_background_is_painted_as_1():
    dense, sparse = LabelSettings(), LabelSettings(sparse=True)
    assert (dense.background, dense.first) == (0, 1)
    assert (sparse.background, sparse.first) == (1, 2)
