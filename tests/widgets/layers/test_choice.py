"""A list of layers follows the viewer."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_utile.io.stack import HOLDS
from napari_utile.widgets.layers.choice import LayerChoice

STACK = np.arange(2 * 8 * 10, dtype=np.uint16).reshape(2, 8, 10)


@pytest.fixture
def model():
    return ViewerModel()


@pytest.fixture
def choice(model, qtbot):
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


def test_no_other_layer_is_taken_for_one_that_was_removed(model, choice):
    a, b = model.add_image(STACK, name="a"), model.add_image(STACK, name="b")
    assert choice.layer == a and choice.lost() == ""
    model.layers.remove(a)
    assert choice.layer is None and choice.native.currentText() == ""
    assert choice.lost() == "'a' was removed: choose another layer."
    b.name = "c"
    assert choice.layer is None
    new = model.add_image(STACK, name="new")
    assert choice.layer == new and choice.lost() == ""
    model.layers.clear()
    assert choice.lost() == ""
    assert choice.layer is None
    model.add_image(STACK)
    assert choice.layer == model.layers[0]


def test_probabilities_are_no_choice_where_an_image_is_trained_on(model, choice, qtbot):
    model.add_image(STACK / 15, name="em probabilities", metadata={HOLDS: "probabilities"})
    images = LayerChoice(model, Image, results=False)
    qtbot.addWidget(images.native)
    assert choice.layer.name == "em probabilities" and images.layer is None
    assert images.lost() == ""


def test_painting_the_chosen_layer_is_told(model, qtbot):
    a, b = (model.add_labels(STACK.astype(int), name=name) for name in "ab")
    choice, told = LayerChoice(model, Labels), []
    qtbot.addWidget(choice.native)
    choice.edited.connect(lambda: told.append(choice.layer.name))
    a.paint((0, 1, 1), 3)
    assert told == ["a"]
    choice.choose(b)
    a.paint((0, 1, 1), 4)
    assert told == ["a"]
    b.data = b.data + 1
    assert told == ["a", "b"]


def test_a_deleted_choice_no_longer_listens(model, qtbot):
    from qtpy import sip

    sip.delete(LayerChoice(model, Image).native)
    model.add_image(STACK)


def test_two_layers_of_one_name_are_two_choices(viewer, qtbot):
    """napari renames them, but not before everybody has heard of the name."""
    other = viewer.add_labels(viewer.layers["cells"].data.copy(), name="other")
    choice = LayerChoice(viewer, Labels)
    choice.choose(other)
    other._name = "cells"
    viewer.add_image(np.zeros((4, 4)))  # any event of the list
    assert len(choice.choices) == 2
    assert choice.layer is other


def test_behind_a_tab_it_is_refreshed_when_it_is_seen_or_asked(model, qtbot, monkeypatch):
    tabs = QTabWidget()
    qtbot.addWidget(tabs)
    choice = LayerChoice(model, Image)
    tabs.addTab(QWidget(), "in front")
    tabs.addTab(choice.native, "behind")
    tabs.show()
    told = []
    choice.changed.connect(told.append)
    first = model.add_image(np.zeros((4, 4)), name="first")
    other = model.add_image(np.zeros((4, 4)), name="other")
    assert told == []
    tabs.setCurrentIndex(1)
    assert told == [other] and choice.choices == (first, other)
    tabs.setCurrentIndex(0)
    last = model.add_image(np.zeros((4, 4)), name="last")
    assert told == [other]
    assert choice.layer is other and choice.choices == (first, other, last)
    # what is removed is let go at once
    model.layers.remove(last)
    assert choice.choices == (first, other)
    told.clear()
    model.layers.remove(other)
    model.add_image(np.zeros((4, 4)), name="more")
    assert told == [None] and choice.layer.name == "more"
