"""The loop over a window: coordinates far from the origin, and faces by brute force."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_utile.arrays.objects.sums import ObjectSums, PlaneWindow
from napari_utile.arrays.objects.wide import wide_sums
from napari_utile.arrays.objects.window import SUMS
from tests.fixtures.measured_labels import boxes, exposed_faces, summed


def test_sums_of_coordinates_do_not_overflow_where_stacks_are_huge():
    z, y, x = (2**20 - 1,) * 3
    sums = ObjectSums((z + 1, y + 1, x + 10))
    plane = PlaneWindow(np.ones((2, 11), np.uint8), (z, y, x))  # one row, with its neighbours
    for _ in range(40):
        sums.add_plane(plane, PlaneWindow(np.zeros((2, 11), np.uint8), (z, y, x)))
    columns = np.arange(x, x + 10).astype(object)
    products = [[1] * 10, [z] * 10, [y] * 10, columns, [z * z] * 10, [y * y] * 10, columns**2]
    products += [[z * y] * 10, columns * z, columns * y]
    assert len(products) == SUMS
    assert wide_sums(sums.low, sums.high)[0].tolist() == [40 * sum(each) for each in products]


@pytest.mark.parametrize("shape", [(11, 14), (5, 11, 14)])
def test_exposed_faces_are_those_of_the_padded_mask(shape):
    labels = boxes(shape, side=3)
    sums = summed(labels, side=5)
    for row, number in enumerate(sums.ids):
        assert_array_equal(sums.faces[row, 3 - len(shape) :], exposed_faces(labels, number))
