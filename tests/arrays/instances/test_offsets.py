"""Offsets of affinities follow the size of a voxel."""

import numpy as np
import pytest

from napari_utile.arrays.instances.offsets import affinity_offsets


@pytest.mark.parametrize(
    ("spacing", "steps"),
    [
        ((10, 10, 10), ((1, 3, 9), (1, 3, 9), (1, 3, 9))),
        ((40, 10, 10), ((1, 2, 3), (1, 3, 9), (1, 3, 9))),
        ((0.235, 0.15, 0.15), ((1, 2, 6), (1, 3, 9), (1, 3, 9))),
    ],
)
def test_partners_are_about_as_far_along_each_axis(spacing, steps):
    offsets = affinity_offsets(spacing)
    for axis, expected in enumerate(steps):
        along = [-offset[axis] for offset in offsets if offset[axis]]
        assert tuple(along) == expected
    assert all(np.count_nonzero(offset) == 1 for offset in offsets)
