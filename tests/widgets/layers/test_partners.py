"""Which labels belong to which image."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_utile.widgets.layers.pair import PairChoice
from napari_utile.widgets.layers.partners import LabelsOfImage, labels_for, own_labels
from napari_utile.widgets.layers.results import ON_DISK


def image(name, shape):
    return Image(np.zeros(shape, np.uint8), name=name)


def labels(name, shape):
    return Labels(np.zeros(shape, np.uint8), name=name)


def test_labels_are_found_by_shape_and_among_those_by_name():
    images = [image("em a", (8, 9)), image("em b", (8, 9)), image("wide", (8, 90))]
    masks = [labels("cells b", (8, 9)), labels("x", (8, 90)), labels("cells a", (8, 9))]
    found = labels_for([*images, image("alone", (7, 7))], masks)
    names = {image.name: label and label.name for image, label in found.items()}
    assert names == {"em a": "cells a", "em b": "cells b", "wide": "x", "alone": None}


def test_labels_are_given_once_to_the_image_whose_name_is_more_alike():
    found = labels_for(
        [image("other", (8, 9)), image("cells", (8, 9))], [labels("Cells", (8, 9))]
    )
    assert [label and label.name for label in found.values()] == [None, "Cells"]


def test_masks_of_images_of_one_size_are_told_by_name_and_painted_ones_come_first():
    images = [image("x", (8, 9)), image("y [1]", (8, 9))]
    result = labels("x instances", (8, 9))
    result.metadata[ON_DISK] = "result.zarr instances"
    masks = [result, labels("y_mask", (8, 9)), labels("x_cp_masks", (8, 9))]
    found = own_labels(images, masks)
    assert [label and label.name for label in found.values()] == ["x_cp_masks", "y_mask"]


def test_names_that_are_equally_alike_are_left_to_the_user():
    images = [image("a", (8, 9)), image("b", (8, 9))]
    found = labels_for(images, [labels("1", (8, 9)), labels("2", (8, 9))])
    assert [*found.values()] == [None, None]


def test_another_image_is_chosen_with_its_labels_and_a_choice_of_others_stays(qtbot):
    viewer = ViewerModel()
    for name in "ab":
        viewer.add_layer(image(name, (8, 9)))
        viewer.add_layer(labels(f"{name}_mask", (8, 9)))
    pair = PairChoice(viewer)
    LabelsOfImage(viewer, pair)
    pair.image.choose(viewer.layers["b"])
    assert pair.labels.layer.name == "b_mask"
    pair.labels.choose(viewer.layers["a_mask"])  # as the user wants
    viewer.add_layer(image("c", (8, 9)))
    assert pair.labels.layer.name == "a_mask"
