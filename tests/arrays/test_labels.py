"""Labels: checked, turned into training targets, and made from probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from napari_utile.arrays.instances.decoding import classes, instances
from napari_utile.arrays.labels import (
    IGNORE,
    as_instances,
    check_labels,
    components,
    consecutive,
    with_gaps,
)
from napari_utile.arrays.targets import training_target
from napari_utile.errors import UserError

STACKS = array_shapes(min_dims=2, max_dims=4, max_side=6)
INSTANCES = arrays(np.int32, STACKS, elements=st.sampled_from([0, 1, 2, 3]))


def touching(labels):
    """Pairs of neighbours in the plane, as two arrays."""
    down, right = (labels[..., :-1, :], labels[..., 1:, :]), (labels[..., :-1], labels[..., 1:])
    first = np.concatenate([down[0].ravel(), right[0].ravel()])
    second = np.concatenate([down[1].ravel(), right[1].ravel()])
    return first, second


# --- components and gaps


def test_corners_do_not_connect():
    assert components(np.eye(3, dtype=bool)).max() == 3


def test_different_labels_do_not_connect():
    assert components(np.array([[4, 4, 6, 4]])).tolist() == [[1, 1, 2, 3]]


def test_slices_are_apart_and_their_numbers_go_on():
    column = np.ones((3, 1, 1), bool)
    assert components(column).ravel().tolist() == [1, 2, 3]
    assert components(column, volumetric=True).ravel().tolist() == [1, 1, 1]


@given(arrays(bool, STACKS))
def test_components_are_those_of_scipy(mask):
    numbered = components(mask)
    counts = [ndimage.label(plane)[1] for plane in mask.reshape(-1, *mask.shape[-2:])]
    assert numbered.max() == sum(counts)
    assert ((numbered > 0) == mask).all()


@pytest.mark.parametrize(
    ("touching", "parted"),
    [
        ([[1, 1, 2, 2]], [[1, 1, 0, 2]]),  # the later one gives way
        ([[1, 1, 1, 2, 2]], [[1, 1, 0, 2, 2]]),  # the larger one gives way
        ([[1, 1, 2, 3, 3]], [[1, 0, 2, 0, 3]]),  # the small one stays
        ([[1, 0, 2]], [[1, 0, 2]]),
        ([[1, 0], [0, 2]], [[1, 0], [0, 2]]),  # they meet at a corner only
        ([[1, 1, 1], [1, 1, 2], [1, 2, 2]], [[1, 1, 0], [1, 0, 2], [0, 2, 2]]),
    ],
)
def test_gaps_are_one_pixel_wide(touching, parted):
    assert with_gaps(np.array(touching)).tolist() == parted


@given(INSTANCES)
def test_nothing_touches_after_with_gaps(labels):
    parted = with_gaps(labels)
    one, other = touching(parted)
    assert not ((one != other) & (one > 0) & (other > 0)).any()
    kept = parted > 0
    assert (consecutive(labels)[kept] == parted[kept]).all()


def test_gaps_are_not_cut_between_slices():
    stack = np.array([[[1, 1]], [[2, 2]]])
    assert (with_gaps(stack) == stack).all()


# --- ids


def test_a_binary_mask_counts_as_its_components():
    assert as_instances([[255, 0, 255]]).tolist() == [[1, 0, 2]]


def test_several_ids_are_instances_even_when_in_pieces():
    assert as_instances([[5, 0, 5, 9]]).tolist() == [[1, 0, 1, 2]]


def test_ignore_is_neither_an_object_nor_a_second_id():
    assert as_instances([[5, 0, 5, 9]], ignore=9).tolist() == [[1, 0, 2, 0]]


@pytest.mark.parametrize("step", [1, 1000, 2**40])
def test_ids_become_consecutive_in_their_order(step):
    ids = np.array([[3, 0, 1], [2, 2, 3]], np.uint64) * np.uint64(step)
    assert consecutive(ids).tolist() == [[3, 0, 1], [2, 2, 3]]
    assert consecutive(ids[:, ::2] + np.uint64(step)).tolist() == [[3, 1], [2, 3]]


def test_integers_stay_and_others_become_integers():
    ids = np.array([[0, 2**63]], np.uint64)
    assert check_labels(ids) is ids
    assert check_labels(np.array([[True, False]])).dtype == np.uint8
    assert check_labels(np.array([[0.0, 7.0]])).tolist() == [[0, 7]]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([[0.5, 1]], r"my labels \(float64\) have the value 0.5"),
        ([[np.nan, 1]], "the value nan"),
        ([[np.inf, 1]], "the value inf"),
        (np.array([[2**25]], np.float32), "id 33554432, which float32 cannot hold"),
        (np.array([[0, -7]], np.int16), r"\(int16\) have the negative id -7"),
        ([["a"]], "are <U1"),
        ([[1j]], "are complex128"),
        ([1, 2], r"shape \(2,\)"),
    ],
)
def test_what_is_no_label_is_refused(labels, reason):
    with pytest.raises(UserError, match=reason):
        check_labels(labels, name="my labels")


# --- training targets


def test_instances_become_two_classes_with_gaps():
    target = training_target([[7, 7, 9, 9, 0]])
    assert target.classes.tolist() == [[1, 1, 0, 1, 0]]
    assert target.objects.tolist() == [[1, 1, 0, 2, 0]]
    assert target.ids == (0, 1)


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


# --- from probabilities


def test_instances_of_a_foreground_map_and_of_class_maps_agree():
    foreground = np.random.default_rng(0).random((3, 20, 20)).astype(np.float32)
    two = np.stack([1 - foreground, foreground])
    three = np.stack([1 - foreground, foreground / 2, foreground / 2])
    expected = components(foreground > 0.7)
    for probabilities in (foreground[None], two, three):
        assert (instances(probabilities, 0.7, linking="none") == expected).all()


def test_small_objects_are_dropped_and_the_rest_is_renumbered():
    row = np.array([[[1, 0, 1, 1, 0, 1, 1, 1]]], np.float32)
    assert instances(row, min_size=2).tolist() == [[0, 0, 1, 1, 0, 2, 2, 2]]


def test_instances_of_a_volume_go_through_its_slices():
    volume = np.ones((1, 3, 2, 2), np.float32)
    assert instances(volume, linking="none").max() == 3
    assert instances(volume).max() == instances(volume, volumetric=True).max() == 1


def test_probabilities_in_8_bits():
    eight_bits = np.array([[[0, 127, 128, 255]]], np.uint8)
    assert instances(eight_bits).tolist() == [[0, 0, 1, 1]]
    assert classes(eight_bits).tolist() == [[0, 0, 1, 1]]


def test_a_probability_of_one_half_is_not_higher_than_one_half():
    halves = np.array([[[0.5, 0.502]]], np.float32)
    for probabilities in (
        halves,
        halves.astype(np.float64),
        np.stack([1 - halves[0], halves[0]]),
    ):
        assert instances(probabilities).tolist() == [[0, 1]]


def test_the_most_probable_class_wins_and_the_first_of_equals():
    probabilities = np.array([[0.5, 0.2, 0.3], [0.5, 0.5, 0.3], [0.0, 0.3, 0.4]])[:, None]
    assert classes(probabilities).tolist() == [[0, 1, 2]]
    assert classes(probabilities).dtype == np.uint8


def test_more_classes_than_8_bits_can_name():
    assert classes(np.eye(300)[:, None]).max() == 299


def test_the_class_axis_is_needed():
    with pytest.raises(ValueError, match=r"\(C, ..., Y, X\), got \(4, 4\)"):
        instances(np.ones((4, 4)))
