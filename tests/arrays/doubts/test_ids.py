"""What the ids of a whole set of labels tell."""

import numpy as np
import pytest

from napari_utile.arrays.doubts.ids import has_two_values, ids_doubts, ids_in


def test_a_mask_has_two_values():
    assert has_two_values(np.array([[0, 255], [255, 0]])) and has_two_values(np.zeros((2, 2)))
    assert not has_two_values(np.arange(3))


@pytest.mark.parametrize("ids", [[0, 3, 3, 70000], [-1, 4], [2**40, 0], [5], []])
def test_ids_are_those_of_numpy(ids):
    labels = np.array([ids], np.int64)
    assert ids_in(labels).tolist() == np.unique(labels).tolist()


def doubts(*sets, ignore=None, is_classes=True):
    of = [(f"image {i}", np.array(ids)) for i, ids in enumerate(sets)]
    return ids_doubts(of, ignore, is_classes)


def test_an_ignore_id_that_no_labels_have_is_told():
    (said,) = doubts([0, 1, 2, 3, 4, 5], [0, 255], ignore=254)
    assert "has the id 254" in said and "0, 1, 2, ... 255" in said
    assert doubts([0, 1], [0, 255], ignore=255) == []


def test_masks_of_different_ids_are_told_with_their_images():
    (said,) = doubts([0, 1], [0, 255], [0, 255], [0])
    assert "1 in 1 ('image 0'); 255 in 2 ('image 1', ...)" in said


@pytest.mark.parametrize(
    ("sets", "options"),
    [
        ([[0, 1], [0, 1]], {}),
        ([[0, 255], [0, 255], [0]], {}),
        ([[0, 1], [0, 2]], {}),  # one class in each image
        ([[0, 1, 255], [0, 255]], {}),
        ([[0, 1], [0, 1, 255]], {"ignore": 255}),
        ([[0, 1], [0, 255]], {"is_classes": False}),  # a mask is its objects
        ([], {"ignore": 3}),
    ],
)
def test_ordinary_sets_raise_no_doubt(sets, options):
    assert doubts(*sets, **options) == []
