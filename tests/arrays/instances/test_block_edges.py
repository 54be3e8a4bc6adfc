"""The sides of a block: their numbers, and their pixels in a row."""

import numpy as np
import pytest

from napari_utile.arrays.instances.block_edges import axis_of_side, edge_of, side_of_edge


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_each_side_is_found_in_the_edge(shape):
    block, ndim = np.arange(np.prod(shape)).reshape(shape), len(shape)
    for side in range(2 * ndim):
        axis, step = axis_of_side(side, ndim)
        expected = block.take(0 if step < 0 else -1, axis).ravel()
        np.testing.assert_array_equal(
            side_of_edge(edge_of(block), np.array(shape), side), expected
        )
        assert axis_of_side(2 * ndim - 1 - side, ndim) == (axis, -step)  # the opposite one


def test_sides_of_a_plane_are_up_left_right_down():
    assert [axis_of_side(side, 2) for side in range(4)] == [(0, -1), (1, -1), (1, 1), (0, 1)]
