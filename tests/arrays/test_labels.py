"""Labels are checked, numbered, and parted by gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from napari_utile.arrays.labels import (
    as_instances,
    check_labels,
    components,
    consecutive,
    with_gaps,
)
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
