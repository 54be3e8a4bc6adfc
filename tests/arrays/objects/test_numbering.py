"""Ids as numbers in the order of their first pixels."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_utile.arrays.objects.numbering import numbered


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int32, np.uint64, ">u2"])
def test_ids_of_any_type_are_numbered_in_raster_order(dtype):
    numbers, ids = numbered(np.array([[0, 1, 1], [7, 0, 1]]).astype(dtype))
    is_mask = dtype is bool
    assert ids.tolist() == ([1] if is_mask else [1, 7])
    assert_array_equal(numbers, [[0, 1, 1], [1 if is_mask else 2, 0, 1]])


def test_more_ids_than_the_first_table_has_room_for():
    labels = np.random.default_rng(0).permutation(60 * 70).reshape(60, 70).astype(np.uint64)
    labels[labels > 0] += 2**63  # beyond what floating point and signed numbers hold
    numbers, ids = numbered(labels)
    assert len(ids) == 60 * 70 - 1
    assert_array_equal(np.append(np.uint64(0), ids)[numbers], labels)
