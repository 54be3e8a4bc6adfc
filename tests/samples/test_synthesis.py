"""The synthetic stack looks like nerve tissue, and its truth fits it."""

import numpy as np
import pytest
import tifffile
from scipy.ndimage import label

from napari_utile.errors import UserError
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


SMALL = (6, 120, 120)


def test_what_is_added_leaves_the_rest_as_it_is():
    image, instances = synthetic_stack(SMALL, seed=2)
    for given in ({"contrast": 0.3}, {"ruined": 2}):
        changed, same = synthetic_stack(SMALL, seed=2, **given)
        np.testing.assert_array_equal(same, instances)
        assert (changed != image).any()


def test_a_branching_neurite_is_one_profile_on_one_side_of_a_section_and_two_on_the_other():
    _, instances = synthetic_stack((6, 200, 200), seed=2, branches=0.6)
    pieces = {}
    for z, ids in enumerate(instances):
        for neurite in np.unique(ids[ids > 0]).tolist():
            pieces.setdefault(neurite, {})[z] = label(ids == neurite)[1]
    branching = [counts for counts in pieces.values() if {1, 2} <= {*counts.values()}]
    assert len(branching) >= 3
    for counts in branching:
        changes = np.flatnonzero(np.diff([counts[z] for z in sorted(counts)]))
        assert len(changes) <= 2  # a profile may also leave the picture


def test_ruined_sections_are_blank_shifted_and_burnt_between_good_ones():
    good, _ = synthetic_stack((9, 120, 120), seed=4)
    image, _ = synthetic_stack((9, 120, 120), seed=4, ruined=3)
    ruined = np.flatnonzero((image != good).any((1, 2)))
    assert len(ruined) == 3 and ruined[0] > 0 and ruined[-1] < 8
    assert (np.diff(ruined) > 1).all()
    blank, shifted, burnt = image[ruined]
    assert blank.min() == blank.max()
    assert sorted(shifted.ravel()) == sorted(good[ruined[1]].ravel())
    assert np.corrcoef(burnt.ravel(), good[ruined[2]].ravel())[0, 1] < 0.7


def test_too_many_ruined_sections_are_refused():
    with pytest.raises(UserError, match="8 slices are too few for 3 ruined: take 9 or more"):
        synthetic_stack((8, 32, 32), ruined=3)


def test_jitter_moves_sections_against_each_other():
    _, still = synthetic_stack(SMALL, seed=5)
    _, moved = synthetic_stack(SMALL, seed=5, jitter=4)

    def agreement(ids):
        both = (ids[:-1] > 0) & (ids[1:] > 0)
        return (ids[:-1] == ids[1:])[both].mean()

    assert agreement(moved) < agreement(still) - 0.03


def test_contrast_differs_from_section_to_section():
    plain, _ = synthetic_stack(SMALL, seed=6)
    uneven, _ = synthetic_stack(SMALL, seed=6, contrast=0.3)
    assert np.std([s.std() for s in uneven]) > 3 * np.std([s.std() for s in plain])
