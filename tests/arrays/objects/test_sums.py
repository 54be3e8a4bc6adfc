"""Sums over objects: the same in windows of any size, and restored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from napari_utile.arrays.objects.sums import ObjectSums, PlaneWindow
from tests.fixtures.measured_labels import boxes, summed


def table(sums):
    """The sums of each object, by its id."""
    rows = zip(
        sums.low.tolist(), sums.high.tolist(), sums.box.tolist(), sums.faces.tolist(),
        sums.slices.tolist(), strict=True,
    )  # fmt: skip
    values = [each.mean_and_sd(sums.low[: len(sums), 0].astype(int)) for each in sums.values]
    return {
        number: (*row, *(each[i].tolist() for each in values))
        for i, (number, row) in enumerate(zip(sums.ids, rows, strict=False))
    }


@given(
    st.lists(st.integers(1, 13), min_size=2, max_size=3),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(0, 1000),
)
def test_no_blocking_changes_a_sum(shape, side, depth, seed):
    labels = boxes(shape, seed, ids=4, side=3)
    image = np.random.default_rng(seed).integers(0, 2**16, shape).astype(np.uint16)
    whole = summed(labels, [image])
    assert table(summed(labels, [image], side, depth)) == table(whole)


def test_slices_of_an_object_with_a_gap_are_counted_once_each():
    labels = np.zeros((5, 4, 4), np.uint8)
    labels[[0, 1, 4]] = 7  # in every window of the plane
    assert summed(labels, side=2, depth=2).slices[:1].tolist() == [3]


def test_sums_are_restored_at_the_end_of_a_slab():
    labels = boxes((4, 9, 9), side=3)
    image = labels.astype(np.float32) / 7
    whole = summed(labels, [image])
    first = summed(labels[:2], [image[:2]])
    first.shape = labels.shape
    first.faces[:] = 0  # those of another stack: its last slice was at the border
    half = ObjectSums(labels.shape, [image.dtype])
    half.take_arrays(first.to_arrays())
    below = PlaneWindow(labels[1], (1, 0, 0))
    for z in (2, 3):
        plane = PlaneWindow(labels[z], (z, 0, 0))
        half.add_plane(plane, below, [image[z]])
        half.end_slab()
        below = plane
    there, here = table(whole), table(half)
    assert there.keys() == here.keys()
    for number, (*sums, _, slices, values) in there.items():
        assert here[number][: len(sums)] == tuple(sums)
        assert here[number][-2:] == (slices, values)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_face_at_the_edge_of_a_window_is_counted_once(axis):
    labels = np.ones((2, 2, 2), np.uint8)
    labels[tuple(1 if i == axis else slice(None) for i in range(3))] = 2
    expected = np.full((2, 3), 8)  # 2 x 2 faces at each end, of 1 x 2 x 2 pixels: 4 + 4
    expected[:] = 4
    expected[:, axis] = 8
    for side in (1, 2):
        assert_array_equal(summed(labels, side=side).faces[:2], expected)
