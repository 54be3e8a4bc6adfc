"""Connected regions in raster order, and union-find."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage.measure import label

from napari_utile.arrays.instances.regions import (
    first_elements,
    regions,
    united,
)

VOLUMES = array_shapes(min_dims=1, max_dims=4, max_side=6)
LABELS = arrays(np.uint8, VOLUMES, elements=st.sampled_from([0, 0, 1, 2, 255]))


def whole(labels):
    """Regions in raster order by skimage, or for four axes label by label by SciPy."""
    if labels.ndim < 4:
        return in_raster_order(label(labels, background=0, connectivity=1))
    found = np.zeros(labels.shape, int)
    for value in np.unique(labels[labels > 0]):
        of_value, _ = ndimage.label(labels == value)
        found += np.where(of_value, of_value + found.max(initial=0), 0)
    return in_raster_order(found)


def in_raster_order(found):
    """Number by the first element; skimage swaps the axes of thin volumes."""
    number = {0: 0}
    flat = [number.setdefault(id_, len(number)) for id_ in found.ravel().tolist()]
    return np.array(flat, int).reshape(found.shape)


@given(LABELS)
def test_regions_are_those_of_skimage_in_raster_order(labels):
    numbers, firsts = regions(labels)
    np.testing.assert_array_equal(numbers, whole(labels))
    assert len(firsts) == numbers.max()
    assert (np.diff(firsts) > 0).all()
    for number, first in enumerate(firsts, start=1):
        assert np.flatnonzero(numbers == number)[0] == first


def test_a_random_volume_at_the_threshold_where_regions_are_most_tangled():
    mask = np.random.default_rng(0).random((30, 40, 50)) < 0.31
    np.testing.assert_array_equal(regions(mask)[0], whole(mask))


def test_a_spiral_is_one():
    spiral = np.zeros((21, 21), bool)
    y = x = 10
    for turn in range(20):
        step = ((0, 1), (1, 0), (0, -1), (-1, 0))[turn % 4]
        for _ in range(2 * (turn // 2 + 1) if turn < 18 else 0):
            spiral[y, x] = True
            y, x = min(max(y + step[0], 0), 20), min(max(x + step[1], 0), 20)
    assert whole(spiral).max() == 1
    assert regions(spiral)[0].max() == 1


def test_a_board_of_two_labels_has_a_region_for_each_element():
    board = 1 + np.indices((6, 7)).sum(axis=0) % 2
    assert regions(board)[0].ravel().tolist() == list(range(1, 43))


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_united_are_those_that_can_be_reached(pairs):
    reached = np.eye(30, dtype=bool)
    for a, b in pairs:
        reached[a, b] = reached[b, a] = True
    for _ in range(30):
        reached = reached @ reached
    least = reached.argmax(axis=1)
    np.testing.assert_array_equal(united(30, np.array(pairs, int).reshape(-1, 2)), least)


def test_a_chain_of_a_million_is_united():
    chain = np.arange(10**6)
    links = np.stack([chain[:-1], chain[1:]], axis=1)[::-1]
    assert not united(10**6, links).any()


def test_first_places():
    labels = np.array([[0, 3], [3, 1]], np.uint32)
    assert first_elements(labels, 3).tolist() == [0, 3, -1, 1]
