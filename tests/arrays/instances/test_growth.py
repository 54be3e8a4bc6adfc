"""Gaps into which objects grow are those of plain NumPy, by all balls of background."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_utile.arrays.borders import with_borders
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.growth import ROOM, gaps, growth_halo, growth_of_border


def by_balls(mask, growth):
    """Background near an object that is in no ball of background."""
    places = np.stack(np.nonzero(np.ones(mask.shape)), axis=1)
    apart = (((places[:, np.newaxis] - places) / growth) ** 2).sum(axis=2)
    objects = mask.ravel()
    nearest = apart[:, objects].min(axis=1, initial=np.inf)
    centres = nearest > ROOM**2
    covered = (apart[:, centres] <= ROOM**2).any(axis=1)
    return (~objects & (nearest <= 1) & ~covered).reshape(mask.shape)


@pytest.mark.parametrize(
    ("shape", "growth"),
    [((30, 40), (2, 2)), ((9, 12, 14), (1, 2, 2)), ((5, 18, 15), (0.5, 2, 3))],
)
def test_gaps_are_where_no_ball_of_background_fits(shape, growth):
    mask = np.random.default_rng(0).random(shape) > 0.95
    found = gaps(mask, growth)
    assert 0 < found.sum() < mask.size / 2
    np.testing.assert_array_equal(found, by_balls(mask, growth))


def test_gaps_are_the_same_wherever_they_are_cut_out():
    mask, growth = np.random.default_rng(1).random((30, 60, 60)) > 0.98, (1.0, 2.0, 2.0)
    reach, cut = growth_halo(growth), np.s_[3:27, 10:50, 5:55]
    whole, again = gaps(mask, growth)[cut], gaps(mask[cut], growth)
    within = (slice(reach, -reach),) * 3
    assert whole[within].any()
    np.testing.assert_array_equal(again[within], whole[within])


def test_nothing_grows_by_less_than_a_pixel_or_without_objects():
    mask = np.zeros((5, 6), bool)
    assert not gaps(mask, (2, 2)).any()
    mask[:, ::3] = True
    assert not gaps(mask, (0.9, 0.9)).any()
    assert not gaps(mask, ()).any()


def test_objects_that_were_learnt_with_a_border_come_back_as_they_were_drawn():
    z, y, x = np.mgrid[:16, :48, :60]
    wavy = 24 + 5 * np.sin(x / 9) + (z - 8) / 4
    drawn = np.where(y < wavy, 1, 2) * (x < 45)  # two objects, and background on the right
    learnt = (with_borders(drawn, 4, volumetric=True) > 0).astype(np.float32)
    found = instances(learnt[None], volumetric=True, method="watershed", growth=2.5)
    assert found.max() == 2
    assert (found[x >= 45] == 0).all()  # objects do not grow where they had no border
    near = distance_transform_edt(drawn == 1) + distance_transform_edt(drawn == 2) <= 1
    inside = ~near & (x < 43)
    np.testing.assert_array_equal(found[inside], drawn[inside])


def test_the_growth_is_over_half_of_the_border_and_at_most_what_parts_reach():
    assert [growth_of_border(width) for width in (0, 1, 2, 4, 100)] == pytest.approx(
        [0, 0, 1.4 * 1.5, 1.4 * 2.5, 4]
    )
