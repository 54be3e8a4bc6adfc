"""What the ids of a whole set of labels tell."""

import numpy as np
import pytest

from napari_utile.arrays.doubts.ids import (
    IdRegions,
    has_two_values,
    ids_doubts,
    ids_in,
    one_id_per_object,
)


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


def regions_of(*planes):
    """Regions of 90 to 110 px with these ids."""
    return [
        IdRegions(np.linspace(90, 110, max(len(ids), 1)).astype(int)[: len(ids)], np.array(ids))
        for ids in planes
    ]


def test_many_ids_of_one_region_each_are_objects():
    few_in_each = regions_of(range(1, 9), [], range(1, 21), [*range(1, 12), 3])
    doubt = one_id_per_object(few_in_each, "The labels")
    assert doubt.text.startswith(
        f"The labels have 20 ids in {8 + 20 + 12} regions of 3 planes, so that they look"
    )
    assert doubt.text.endswith("choose the target instances.")


@pytest.mark.parametrize(
    "planes",
    [
        regions_of(),
        regions_of([]),
        regions_of(range(1, 20)),  # as many classes as some data sets have
        regions_of(2 * [*range(1, 31)]),  # each in two places, as those of a scene
        regions_of(range(1, 31), range(1, 31), range(1, 30)),  # an atlas: the same in most
        [IdRegions(2 ** np.arange(25), np.arange(25) + 1)],  # of all sizes
    ],
)
def test_ids_of_classes_are_no_objects(planes):
    assert one_id_per_object(planes, "The labels") is None
