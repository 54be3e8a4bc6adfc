"""Sums of 128 bits."""

import numpy as np
import pytest

from napari_utile.arrays.objects.wide import add_wide, wide_sums

LARGEST, SMALLEST = 2**63 - 1, -(2**63)


@pytest.mark.parametrize(
    "values", [[3, -5], [LARGEST] * 5, [SMALLEST] * 5, [LARGEST, SMALLEST, -1, 2], [-1, 1]]
)
def test_no_sum_overflows(values):
    low, high = np.zeros((2, 3), np.uint64), np.zeros((2, 3), np.int64)
    for value in values:
        add_wide(low, high, 1, 2, value)
    expected = np.zeros((2, 3), object)
    expected[1, 2] = sum(values)
    assert (wide_sums(low, high) == expected).all()
