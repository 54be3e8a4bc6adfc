"""What ids mean and are called is kept in the layer, and told to every panel."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_utile.settings.labels import LabelSettings
from napari_utile.widgets.layers.meaning import (
    MEANINGS,
    class_names,
    label_meaning,
    name_class,
    said_meaning,
    say_meaning,
)


@pytest.fixture
def layer():
    return ViewerModel().add_labels(np.array([[0, 1], [2, 2]]))


def test_a_meaning_is_announced_once_and_kept_by_a_copy_of_the_layer(layer):
    announced, sparse = [], LabelSettings(target="classes", sparse=True)
    MEANINGS.changed.connect(announced.append)
    assert said_meaning(layer) is None
    for _ in range(2):
        say_meaning(layer, sparse)
    MEANINGS.changed.disconnect(announced.append)
    assert announced == [layer]
    assert label_meaning(Labels(layer.data, metadata=layer.metadata)) == sparse


@pytest.mark.parametrize(
    ("metadata", "target"),
    [
        ({}, "instances"),
        ({"utile_holds": "classes"}, "classes"),
        ({"coco": {"kind": "classes"}}, "classes"),
        ({"utile_meaning": {"target": "of a later version"}}, "instances"),
    ],
)
def test_what_the_file_of_a_layer_says_is_the_first_guess(metadata, target):
    layer = Labels(np.zeros((2, 2), int), metadata=metadata)
    assert said_meaning(layer) is None
    assert label_meaning(layer).target == target


def test_names_go_to_metadata_and_features_which_napari_shows_below_the_mouse(layer):
    name_class(layer, 2, " nucleus ")
    name_class(layer, 1, "soma")
    assert class_names(layer) == {1: "soma", 2: "nucleus"}
    assert (
        "class: nucleus"
        in layer.get_status((1, 1), view_direction=None, dims_displayed=[0, 1])["value"]
    )
    assert class_names(Labels(layer.data, features=layer.features)) == class_names(layer)
    name_class(layer, 1, "")
    assert class_names(layer) == {2: "nucleus"}


def test_features_of_others_are_left_as_they_are(layer):
    layer.features = {"index": [1, 2], "category": ["person", "dog"], "annotation": [7, 8]}
    assert class_names(layer) == {1: "person", 2: "dog"}
    name_class(layer, 2, "cat")
    assert class_names(layer) == {1: "person", 2: "cat"}
    assert [*layer.features["category"]] == ["person", "dog"]
