"""The landscape of a plane is its depth, that of a volume its smoothed probability."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_utile.arrays.instances.heights import (
    DEEPEST,
    FINENESS,
    SMOOTHING,
    depth,
    halo,
    landscape,
)

Y, X = np.mgrid[:64, :96]


def blobs(seed):
    """Cells of many sizes and shapes."""
    rng = np.random.default_rng(seed)
    waves = (
        rng.normal() * np.sin(Y / (3 + 2 * i) + rng.normal()) * np.cos(X / (4 + i))
        for i in range(4)
    )
    return sum(waves) > 0


@pytest.mark.parametrize("seed", range(4))
def test_depth_is_a_smoothed_distance_in_steps(seed):
    mask = blobs(seed)
    distance = np.minimum(distance_transform_edt(mask), DEEPEST)
    smooth = gaussian_filter(distance, SMOOTHING, mode="reflect")
    assert depth(mask).dtype == np.uint16
    np.testing.assert_allclose(depth(mask) / FINENESS[2], smooth, atol=0.05)
    np.testing.assert_array_equal(landscape(mask, np.zeros(mask.shape, np.uint8)), depth(mask))


def test_depth_is_the_same_wherever_it_is_cut_out():
    mask, reach = np.tile(blobs(3), (3, 3)), halo(2)
    cut = np.s_[50:150, 100:230]
    inner = np.s_[50 + reach : 150 - reach, 100 + reach : 230 - reach]
    within = np.s_[reach:-reach, reach:-reach]
    np.testing.assert_array_equal(depth(mask)[inner], depth(mask[cut])[within])


def test_a_full_plane_is_as_deep_as_can_be():
    assert (depth(np.ones((5, 4), bool)) == DEEPEST * FINENESS[2]).all()


def test_the_landscape_of_a_volume_is_the_smoothed_probability():
    gray = np.random.default_rng(0).integers(0, 256, (12, 9, 15)).astype(np.uint8)
    smooth = gaussian_filter(gray / 255, SMOOTHING, mode="reflect")
    found = landscape(gray > 127, gray)
    assert found.dtype == np.uint16
    np.testing.assert_allclose(found / FINENESS[3], smooth, atol=1e-4)
    full = np.full((3, 4, 5), 255, np.uint8)
    assert (landscape(full > 0, full) == FINENESS[3]).all()
