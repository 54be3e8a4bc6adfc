"""The synthetic stack looks like nerve tissue, and its truth fits it."""

import numpy as np
import pytest
import tifffile
from scipy.ndimage import label

from napari_utile.samples.samples import (
    synthetic_stack,
)


@pytest.fixture(scope="module")
def synthetic():
    return synthetic_stack()


def test_membranes_are_darker_than_cytoplasm(synthetic):
    image, instances = synthetic
    assert image.dtype == np.uint8
    assert image.shape == instances.shape == (8, 256, 256)
    for pixels, ids in zip(image, instances, strict=True):
        assert pixels[ids == 0].mean() < pixels[ids > 0].mean() - 30


def test_membranes_take_the_share_that_they_have_in_the_challenge_data(synthetic):
    assert 0.15 < (synthetic[1] == 0).mean() < 0.3


def test_every_section_shows_many_neurites_in_one_piece_each(synthetic):
    for ids in synthetic[1]:
        present = np.unique(ids[ids > 0])
        assert len(present) > 20
        assert label(ids > 0)[1] == len(present)


def test_a_neurite_keeps_its_id_and_its_place_from_section_to_section(synthetic):
    ids = synthetic[1]
    both = (ids[:-1] > 0) & (ids[1:] > 0)
    same = (ids[:-1] == ids[1:])[both].mean()
    assert same > 0.85
    assert (ids[0] != ids[-1]).mean() > 0.1  # but they do move


def test_membranes_are_a_few_pixels_thick(synthetic):
    along_x = np.zeros((3, 3, 3), int)
    along_x[1, 1] = 1
    crossed, _ = label(synthetic[1] == 0, along_x)
    assert 4 <= np.median(np.bincount(crossed.ravel())[1:]) <= 7


def test_the_seed_makes_the_stack():
    first, again = synthetic_stack((2, 64, 64), seed=3), synthetic_stack((2, 64, 64), seed=3)
    np.testing.assert_array_equal(first, again)
    assert (synthetic_stack((2, 64, 64), seed=4)[1] != first[1]).any()


@pytest.mark.parametrize("shape", [(1, 16, 200), (3, 65, 33), (0, 32, 32)])
def test_any_shape_can_be_had(shape):
    assert [array.shape for array in synthetic_stack(shape)] == [shape, shape]


def test_it_is_as_bright_and_as_contrasted_as_the_real_thing(synthetic, shared_data):
    real = tifffile.imread(shared_data / "isbi2012" / "volume.tif")
    assert abs(synthetic[0].mean() - real.mean()) < 15
    assert 0.7 < synthetic[0].std() / real.std() < 1.3
