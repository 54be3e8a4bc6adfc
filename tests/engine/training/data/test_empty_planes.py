"""Images and slices without an object are told, with what is learnt from them."""

import numpy as np

from tests.fixtures.annotated import cells, prepared


def test_one_of_several_images_may_show_no_object():
    image, objects = cells((16, 24))
    labels = [objects, objects, objects, objects, np.zeros_like(objects)]
    data = prepared([image] * 5, labels)
    assert len(data.training) + len(data.validation) == 5
    assert any("have no object" in warning for warning in data.warnings)


def test_images_without_an_object_are_one_doubt():
    image, objects = cells((16, 24))
    nothing = np.zeros_like(objects)
    data = prepared([image] * 9, [objects] * 5 + [nothing] * 4)
    (doubt,) = (warning for warning in data.warnings if "no object" in warning)
    assert doubt.startswith("4 of 9 images have no object (image 5, image 6, image 7, ...);")


def test_sparse_slices_with_background_alone_are_no_doubt():
    image, objects = cells((5, 16, 24))
    labels = 1 + (objects > 0)
    labels[2] = 1
    assert prepared(image, labels, sparse=True).warnings == ()


def test_slices_without_an_object_are_a_doubt():
    image, objects = cells((5, 16, 24))
    objects[[1, 2]] = 0
    (doubt,) = prepared(image, objects).warnings
    assert doubt.startswith("2 of 5 slices of 'image 0' have no object")


def test_slices_that_are_ignored_are_none():
    image, objects = cells((5, 16, 24))
    objects[[1, 2]] = 200
    assert prepared(image, objects, ignore=200).warnings == ()
