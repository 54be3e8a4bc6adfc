"""The weight map of one state of the labels."""

import numpy as np
import pytest

from napari_utile.arrays.labels import with_gaps
from napari_utile.arrays.weight_maps.weight_map import weight_map
from napari_utile.io.stack import Stack
from napari_utile.settings.arrays import WeightSettings
from napari_utile.widgets.weight_map.live import LiveWeights

LABELS = np.zeros((3, 12, 20), np.uint8)
LABELS[:, 2:10, 2:9], LABELS[:, 2:10, 9:18] = 1, 2  # they touch


@pytest.mark.parametrize("class_balance", [True, False])
def test_the_weights_are_those_of_training(class_balance):
    settings = WeightSettings(w0=7, sigma=3, class_balance=class_balance)
    live = LiveWeights(Stack(LABELS, "zyx"), settings)
    assert [step.index for step in live.fill((1,), settings)] == [(1,), (0,), (2,)]
    expected = weight_map(with_gaps(LABELS), 7, 3, class_balance)
    np.testing.assert_allclose(live.weights, expected, rtol=1e-5)
    assert expected.max() > 4


def test_w0_and_sigma_are_drawn_from_the_gaps_that_are_known():
    settings = WeightSettings(w0=7, sigma=3)
    live = LiveWeights(Stack(LABELS, "zyx"), settings)
    other = WeightSettings(w0=2, sigma=5)
    assert not live.draw((0,), other)  # not measured yet
    list(live.fill((0,), settings))
    assert live.draw((0,), other)
    expected = weight_map(with_gaps(LABELS), 2, 5, settings.class_balance)
    np.testing.assert_allclose(live.weights[0], expected[0], rtol=1e-5)
    assert live.fits(other)
    assert not live.fits(WeightSettings(ignore=2))


def test_labels_that_were_painted_on_are_others():
    live = LiveWeights(Stack(LABELS.copy(), "zyx"), WeightSettings())
    painted = LABELS.copy()
    painted[2, 0, 0] = 5
    assert live.is_of(LABELS) and not live.is_of(painted)
