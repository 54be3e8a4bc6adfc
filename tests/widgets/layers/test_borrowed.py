"""What a panel sets on layers of the user, and gives back."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_utile.widgets.layers.borrowed import Borrowed


@pytest.fixture
def layers():
    return [Labels(np.zeros((2, 2), int), visible=is_seen) for is_seen in (True, True, False)]


def test_it_is_given_back_as_it_was_and_left_where_the_user_has_changed_it(layers):
    hidden = Borrowed("visible", False)
    hidden.take(layers)
    assert [layer.visible for layer in layers] == [False] * 3
    layers[1].visible = True
    layers[1].visible = False  # and this is what the user wants
    hidden.give_back()
    assert [layer.visible for layer in layers] == [True, False, False]
    layers[0].visible = False
    hidden.give_back()  # once is enough
    assert not layers[0].visible


def test_layers_that_are_taken_no_longer_are_given_back(layers):
    drawn = Borrowed("contour", 1)
    drawn.take(layers[:2])
    drawn.take(layers[1:])
    assert [layer.contour for layer in layers] == [0, 1, 1]
    drawn.give_back()
    assert [layer.contour for layer in layers] == [0, 0, 0]
