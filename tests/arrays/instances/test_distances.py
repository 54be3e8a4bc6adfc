"""Distances with a limit, in whole numbers, are those to all pixels of background."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_utile.arrays.instances.distances import squared_distance


@pytest.mark.parametrize(
    ("shape", "weights"), [((40,), None), ((30, 41), None), ((9, 14, 12), (9, 1, 4))]
)
@pytest.mark.parametrize("most", [1, 30, 200])
def test_distances_are_those_of_scipy_up_to_the_limit(shape, weights, most):
    mask = np.random.default_rng(0).random(shape) > 0.02
    sampling = np.sqrt(weights or (1,) * len(shape))
    expected = np.minimum(np.rint(distance_transform_edt(mask, sampling) ** 2), most)
    np.testing.assert_array_equal(squared_distance(mask, most, weights), expected)


def test_without_background_all_is_at_the_limit():
    assert (squared_distance(np.ones((3, 4, 5), bool), 77, (2, 3, 1000)) == 77).all()
