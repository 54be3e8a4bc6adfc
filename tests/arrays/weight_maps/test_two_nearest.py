"""Distances to the two nearest objects, against one SciPy transform per object."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import distance_transform_edt

from napari_utile.arrays.weight_maps.two_nearest import gaps_between, two_nearest


def one_transform_per_object(labels, spacing=None):
    distances = [
        distance_transform_edt(labels != id_, sampling=spacing)
        for id_ in np.unique(labels[labels > 0])
    ]
    nothing = np.full(labels.shape, np.inf)
    return np.sort([*distances, nothing, nothing], axis=0)[:2]


def scattered(shape, objects, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    labels.flat[rng.choice(labels.size, objects, replace=False)] = np.arange(1, objects + 1)
    return labels


def test_a_knight_move_is_root_five():
    labels = np.zeros((3, 3), np.int32)
    labels[0, 0], labels[2, 1] = 1, 2
    assert two_nearest(labels)[:, 0, 0] == pytest.approx([0, np.sqrt(5)])


def test_there_is_no_second_object():
    nearest, second = two_nearest(np.array([[4, 0, 0]], np.int32))
    assert nearest.tolist() == [[0, 1, 2]]
    assert np.isinf(second).all()


def test_the_second_nearest_may_hide_behind_the_nearest():
    behind = np.array([[0, 0, 1, 2]], np.int32)
    assert two_nearest(behind)[:, 0, 0].tolist() == [2, 3]


def test_a_voxel_of_40_x_4_nm():
    labels = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 2]], np.int32)
    nearest, second = two_nearest(labels, (40, 4))
    assert nearest[2, 0] == pytest.approx(8)
    assert second[2, 0] == pytest.approx(80)


@settings(max_examples=150)
@given(
    st.data(),
    arrays(
        np.int32,
        array_shapes(min_dims=1, max_dims=3, max_side=9),
        elements=st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
    ),
)
def test_any_labels_and_spacing(data, labels):
    lengths = st.floats(0.1, 10)
    spacing = data.draw(st.lists(lengths, min_size=labels.ndim, max_size=labels.ndim))
    expected = one_transform_per_object(labels, spacing)
    np.testing.assert_allclose(two_nearest(labels, spacing), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "objects"), [((60, 70), 2), ((60, 70), 200), ((9, 20, 21), 3), ((9, 20, 21), 60)]
)
def test_scattered_points(shape, objects):
    labels = scattered(shape, objects)
    np.testing.assert_allclose(two_nearest(labels), one_transform_per_object(labels), rtol=1e-6)


def test_objects_with_islands_and_holes():
    labels = np.random.default_rng(3).integers(0, 4, (12, 12)).repeat(5, 0).repeat(5, 1)
    labels = np.roll(labels * (scattered((60, 60), 2400) > 0), 3).astype(np.int32)
    np.testing.assert_allclose(two_nearest(labels), one_transform_per_object(labels), rtol=1e-6)


def test_labels_stay_as_they_were():
    labels = scattered((8, 9), 5)
    before = labels.copy()
    two_nearest(labels[:, ::2])
    assert (labels == before).all()


def test_no_pixels():
    assert two_nearest(np.zeros((0, 5), np.int32)).shape == (2, 0, 5)


@pytest.mark.parametrize("factor", [70_001, -1])
def test_any_id_gives_the_same_distances(factor):
    labels = scattered((9, 20, 21), 60)
    assert (two_nearest(labels * np.int32(factor)) == two_nearest(labels)).all()


def test_a_line_longer_than_short_distances():
    labels = np.zeros((2**14 + 5, 2), np.int32)
    labels[0, 0], labels[-1, 1] = 1, 2
    np.testing.assert_allclose(two_nearest(labels), one_transform_per_object(labels), rtol=1e-6)


def test_gaps_are_the_sum_of_both_distances_but_on_objects():
    labels = scattered((9, 20, 21), 60)
    gaps = np.empty(labels.shape, np.float32)
    gaps_between(labels, (3, 1, 1), gaps)
    nearest, second = two_nearest(labels, (3, 1, 1))
    assert (gaps == np.where(labels > 0, np.inf, nearest + second)).all()
