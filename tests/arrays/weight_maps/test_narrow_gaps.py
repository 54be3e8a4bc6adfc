"""Gaps up to a width, against those of any width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_utile.arrays.weight_maps.narrow_gaps import WIDEST, narrow_gaps
from napari_utile.arrays.weight_maps.two_nearest import gaps_between


def both(labels, widest):
    narrow, every = np.empty((2, *labels.shape), np.float32)
    narrow_gaps(labels, None, widest, narrow)
    gaps_between(labels, None, every)
    return narrow, every


@settings(max_examples=100)
@given(
    arrays(
        np.int32,
        array_shapes(min_dims=2, max_dims=3, max_side=12),
        elements=st.sampled_from([0] * 9 + [1, 2, 2**16 - 1]),
    ),
    st.floats(0, 12),
)
def test_narrow_gaps_are_exact_and_wide_ones_stay_wide(labels, widest):
    narrow, every = both(labels, widest)
    assert (narrow[every < widest] == every[every < widest]).all()
    assert (narrow[every >= widest] >= widest).all()


@pytest.mark.parametrize("shape", [(150, 3), (3, 150), (2, 150, 3), (2, 3, 150)])
def test_the_widest_gap_along_every_axis(shape):
    labels = np.zeros(shape, np.int32)
    labels[(0,) * len(shape)] = 1
    labels[tuple((WIDEST - 1) * (side == 150) for side in shape)] = 2
    narrow, every = both(labels, WIDEST)
    assert every.min() == WIDEST - 1
    assert (narrow[every < WIDEST] == every[every < WIDEST]).all()
