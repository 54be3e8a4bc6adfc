"""The flood, beside skimage's watershed and a slow one written from its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import gaussian_filter
from skimage.segmentation import watershed

from napari_utile.arrays.labels import components
from napari_utile.metrics.flooding import LEVELS, _levels, flood


def by_definition(labels, height):
    """Take the lowest pixel reached so far, of equals the one reached first, to the end."""
    found = labels.copy()
    reached = [tuple(place) for place in np.argwhere(labels)]
    while reached:
        place = reached.pop(int(np.argmin([height[place] for place in reached])))
        for axis, step in ((0, -1), (1, -1), (1, 1), (0, 1)):
            reached += claim(found, place, axis, step)
    return found


def claim(found, place, axis, step):
    """Give a free neighbour the label of a pixel, and say which it is."""
    neighbour = (*place[:axis], place[axis] + step, *place[axis + 1 :])
    if not 0 <= neighbour[axis] < found.shape[axis] or found[neighbour]:
        return []
    found[neighbour] = found[place]
    return [neighbour]


@pytest.mark.parametrize("shape", [(70, 90), (12, 20, 15)])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_regions_are_those_of_scikit_image_where_no_heights_are_equal(shape, dtype):
    noise = gaussian_filter(np.random.default_rng(0).normal(size=shape), 2)
    height = noise.ravel().argsort().argsort().reshape(shape).astype(dtype)
    seeds = components(noise < -0.05)
    np.testing.assert_array_equal(flood(seeds.T, height.T), watershed(height.T, seeds.T))
    np.testing.assert_array_equal(flood(seeds, height), watershed(height, seeds))


@given(
    arrays(
        np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 2)
    ),
    st.data(),
)
def test_of_equal_heights_the_pixel_reached_first_comes_first(height, data):
    labels = data.draw(
        arrays(np.int64, height.shape, elements=st.sampled_from([0, 0, 3, 2**40]))
    )
    np.testing.assert_array_equal(flood(labels, height), by_definition(labels, height))


def test_regions_keep_their_type_and_pixels_and_leave_none_free():
    labels = np.array([[0, 2**64 - 1, 0], [0, 0, 2**63]], np.uint64)
    grown = flood(labels, np.zeros((2, 3)))
    assert grown.dtype == np.uint64
    np.testing.assert_array_equal(grown[labels > 0], labels[labels > 0])
    assert grown.all()
    assert not flood(np.zeros((3, 3), int), np.zeros((3, 3))).any()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
def test_levels_of_small_integers_are_exact(dtype):
    info = np.iinfo(dtype)
    values = np.array([info.min, 0, 5, info.max], dtype)
    assert _levels(values).tolist() == [int(v) - info.min for v in values]


def test_levels_of_other_heights_keep_the_order_and_fill_the_range():
    values = np.sort(np.random.default_rng(0).normal(size=1000)).astype(np.float32)
    found = _levels(values).astype(int)
    assert (np.diff(found) >= 0).all()
    assert (found[0], found[-1]) == (0, LEVELS - 1)
    expected = (values - values[0]) / (values[-1] - values[0]) * (LEVELS - 1)
    assert abs(found - expected).max() < 0.6
    assert _levels(np.full(3, 0.7)).tolist() == [0, 0, 0]
