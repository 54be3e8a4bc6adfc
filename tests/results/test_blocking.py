"""How a stack is read: every pixel once, within the budget."""

import dask.array
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_utile.arrays.objects.sums import MOST_SLICES
from napari_utile.arrays.objects.values import CELL
from napari_utile.io.stack import Stack
from napari_utile.results.blocking import Blocking, chunk_depth


@given(
    st.tuples(*(st.integers(1, n) for n in (3, 200, 2000, 2000))),
    st.integers(1, 200),
    st.integers(5, 40),
    st.integers(2**16, 2**27),
)
def test_every_pixel_is_in_one_block(shape, depth, pixel_bytes, budget):
    blocking = Blocking.of(shape, depth, pixel_bytes, budget)
    volume = sum(
        (slices.stop - slices.start) * (y.stop - y.start) * (x.stop - x.start)
        for _, slices in map(blocking.slab, range(blocking.slabs))
        for y, x in blocking.windows
    )
    assert volume == np.prod(shape)
    assert blocking.depth <= MOST_SLICES
    assert all(side.start % CELL == 0 for window in blocking.windows for side in window)
    assert [blocking.slab(n)[0] for n in range(blocking.slabs)][-1] == shape[0] - 1


def test_a_plane_that_fits_is_one_window_and_thick_chunks_are_read_once():
    assert Blocking.of((1, 64, 1024, 1024), 1, 14).windows == [(slice(0, 1024),) * 2]
    assert Blocking.of((1, 64, 1024, 1024), 1, 14).depth == 1
    thick = Blocking.of((1, 100, 4096, 4096), 32, 14)
    assert thick.depth == 32
    assert thick.depth * thick.side**2 * 14 <= 2**27


@pytest.mark.parametrize(("axes", "expected"), [("zyx", 4), ("yxc", 1), ("tyx", 1)])
def test_the_depth_of_chunks(axes, expected):
    data = dask.array.zeros((9, 8, 7), chunks=(4, 8, 7))
    assert chunk_depth(Stack(data, axes)) == expected
    assert chunk_depth(Stack(np.zeros((9, 8, 7)), axes)) == 1
