"""Pairs of voxels in labels."""

import numpy as np
import pytest

from napari_utile.arrays.instances.affinities import UNANNOTATED, pair_windows, signed_ids
from napari_utile.arrays.labels import IGNORE


@pytest.mark.parametrize("offset", [(-1, 0, 0), (0, -3, 0), (1, -2, 0), (0, 9, 0)])
def test_windows_hold_each_voxel_with_a_partner_inside(offset):
    shape = (4, 6, 7)
    numbers = np.arange(4 * 6 * 7).reshape(shape)
    here, there = pair_windows(shape, offset)
    expected = []
    for p in np.ndindex(shape):
        q = tuple(i + step for i, step in zip(p, offset, strict=True))
        if all(0 <= i < n for i, n in zip(q, shape, strict=True)):
            expected.append((numbers[p], numbers[q]))
    found = zip(numbers[here].ravel(), numbers[there].ravel(), strict=True)
    assert [*found] == expected


def test_ids_of_borders_are_negative_and_what_is_unannotated_is_told_apart():
    ids = np.array([4, 4, 9, 0, 7], np.int32)
    classes = np.array([1, 0, 1, 0, IGNORE], np.uint8)
    assert signed_ids(ids, classes).tolist() == [4, -4, 9, 0, UNANNOTATED]
