"""A list of layers follows the viewer."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.widgets.layers.choice import LayerChoice

STACK = np.arange(2 * 8 * 10, dtype=np.uint16).reshape(2, 8, 10)


@pytest.fixture
def model():
    return ViewerModel()


@pytest.fixture
def choice(model, qtbot):
    from napari.layers import Image

    choice = LayerChoice(model, Image)
    qtbot.addWidget(choice.native)
    return choice


def test_nothing_is_chosen_where_there_is_nothing(choice):
    assert choice.layer is None


def test_follows_layers_that_come_go_and_are_renamed(model, choice):
    a, b = model.add_image(STACK, name="a"), model.add_image(STACK, name="b")
    model.add_labels(STACK, name="no image")
    assert [choice.native.itemText(i) for i in range(choice.native.count())] == ["a", "b"]
    choice.choose(b)
    b.name = "c"
    assert choice.native.currentText() == "c"
    model.layers.remove(a)
    assert choice.layer == b
    model.layers.remove(b)
    assert choice.layer is None


def test_a_deleted_choice_no_longer_listens(model, qtbot):
    from napari.layers import Image
    from qtpy import sip

    sip.delete(LayerChoice(model, Image).native)
    model.add_image(STACK)
