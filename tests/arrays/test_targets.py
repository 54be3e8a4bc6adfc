"""What a network is taught for each pixel of the labels."""

import numpy as np
import pytest

from napari_utile.arrays.labels import (
    IGNORE,
)
from napari_utile.arrays.targets import training_target
from napari_utile.errors import UserError


def test_instances_become_two_classes_with_gaps():
    target = training_target([[7, 7, 9, 9, 0]])
    assert target.classes.tolist() == [[1, 1, 0, 1, 0]]
    assert target.objects.tolist() == [[1, 1, 0, 2, 0]]
    assert target.ids == (0, 1)


def test_the_width_of_the_border_is_known():
    dense = np.repeat([[5, 8]], 9, axis=1)
    widths = [training_target(dense, border=width).border for width in (0.5, 1, 3, None)]
    assert widths == [1, 1, 3, 4]  # by default 4 where labels are dense
    assert training_target(np.array([[5, 5, 8, 8, 0]]), "classes", border=3).border == 1


def test_a_dense_partition_gets_its_background_from_the_gaps():
    assert training_target(np.arange(1, 5).reshape(2, 2).repeat(3, 0)).classes.min() == 0


def test_classes_are_numbered_in_the_order_of_their_ids():
    target = training_target([[0, 30, 30, 4, 0, 4]], "classes")
    assert target.classes.tolist() == [[0, 2, 2, 1, 0, 1]]
    assert target.objects.tolist() == [[0, 1, 1, 2, 0, 3]]
    assert target.ids == (0, 4, 30)


def test_background_is_class_0_even_where_there_is_none():
    target = training_target([[3, 5]], "classes")
    assert target.classes.tolist() == [[1, 2]]
    assert target.ids == (0, 3, 5)


@pytest.mark.parametrize("target", ["instances", "classes"])
def test_ignored_pixels_have_no_class_and_no_object(target):
    made = training_target([[1, 0, -1]], target, ignore=-1)
    assert made.classes.tolist() == [[1, 0, IGNORE]]
    assert made.objects.tolist() == [[1, 0, 0]]
    assert made.ids == (0, 1)


def test_sparse_labels():
    painted = [[0, 1, 2, 2, 3, 0, 9]]
    objects = training_target(painted, sparse=True, ignore=9)
    assert objects.classes.tolist() == [[IGNORE, 0, 1, 0, 1, IGNORE, IGNORE]]
    kinds = training_target(painted, "classes", sparse=True, ignore=9)
    assert kinds.classes.tolist() == [[IGNORE, 0, 1, 1, 2, IGNORE, IGNORE]]
    assert kinds.ids == (1, 2, 3)


def test_the_given_labels_are_not_painted_over():
    labels = np.array([[1, 1, 2, 255]], np.uint8)
    training_target(labels, ignore=255)
    assert labels.tolist() == [[1, 1, 2, 255]]


def test_the_target_has_the_shape_and_types_it_says():
    target = training_target(np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5) % 3)
    assert target.classes.shape == target.objects.shape == (2, 3, 4, 5)
    assert (target.classes.dtype, target.objects.dtype) == (np.uint8, np.int32)


@pytest.mark.parametrize(
    ("ignore", "sparse", "said"), [(0, False, "sparse"), (1, True, "out ig")]
)
def test_background_cannot_be_ignored(ignore, sparse, said):
    with pytest.raises(UserError, match=f"ignore cannot be {ignore}: .*{said}"):
        training_target(np.array([[0, 1, 2]]), ignore=ignore, sparse=sparse)
    training_target(np.array([[0, 1, 2]]), "classes", ignore=0)
