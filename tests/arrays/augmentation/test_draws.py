"""What chance decides about a tile keeps to its limits, and to its pixels where it must."""

from collections import Counter

import numpy as np
import pytest

from napari_utile.arrays.augmentation.draws import Deformation, _on_pixels
from napari_utile.arrays.augmentation.warp import turned
from napari_utile.settings.training import TrainSettings

STILL = Deformation(elastic=0, rotation=0, flips=False, gray=0, deformed=1)
NORMAL = np.random.default_rng(0).normal(size=(3, 3, 2)).astype(np.float32)


def placed(deformation, angle=0.5, side=0.9, kind=0.0, centre=(20.3, 30.9), **options):
    return deformation.place(centre, 16, np.array([angle, side, kind]), NORMAL, **options)


def test_every_field_is_the_option_of_that_name():
    asked = {"elastic": 3.0, "rotation": 20.0, "flips": False, "gray": 0.1, "deformed": 0.7}
    assert Deformation.of(TrainSettings(**asked)) == Deformation(**asked)
    assert Deformation() == Deformation.of(TrainSettings())


def test_with_everything_off_a_tile_lies_still():
    centre, turn, displacements = placed(STILL)
    assert centre == (20.3, 30.9)
    assert turn == ((1, 0), (0, 1))
    assert not displacements.any()


@pytest.mark.parametrize(("chance", "degrees"), [(0, -30), (0.5, 0), (0.75, 15), (1, 30)])
def test_the_angle_is_spread_over_its_limits(chance, degrees):
    _, turn, _ = placed(Deformation(rotation=30, flips=False), angle=chance)
    np.testing.assert_allclose(turn, turned(degrees), atol=1e-12)


def test_displacements_have_the_standard_deviation_that_was_asked_for():
    _, _, displacements = placed(Deformation(elastic=7.0))
    np.testing.assert_allclose(displacements, 7 * NORMAL)
    assert displacements.dtype == np.float32


def test_a_fixed_middle_stays_where_it_is():
    _, _, displacements = placed(Deformation(elastic=7.0), fixed=True)
    np.testing.assert_allclose(displacements, 7 * (NORMAL - NORMAL[1, 1]), rtol=1e-6)


def test_half_of_the_tiles_are_mirrored_if_that_is_wanted():
    for flips in (False, True):
        for kind in (0.0, 1.0):  # deformed, and not
            sides = [
                np.linalg.det(placed(Deformation(flips=flips, deformed=0.5), 0.5, s, kind).turn)
                for s in (0.2, 0.49, 0.51, 0.8)
            ]
            expected = [-1, -1, 1, 1] if flips else [1, 1, 1, 1]
            np.testing.assert_allclose(sides, expected)


def test_the_share_says_how_many_tiles_are_deformed():
    kinds = np.linspace(0, 1, 200, endpoint=False)
    bent = [placed(Deformation(deformed=0.35), kind=k).displacements.any() for k in kinds]
    assert np.mean(bent) == pytest.approx(0.35)


def test_tiles_that_are_not_deformed_turn_by_quarters_onto_pixels():
    found = [placed(Deformation(deformed=0), angle=a) for a in (0, 0.3, 0.6, 0.999)]
    for quarters, (centre, turn, displacements) in enumerate(found):
        assert turn == turned(90.0 * quarters)
        assert centre == (20.5, 30.5)  # of an even tile, the middle lies between pixels
        assert not displacements.any()


def test_tiles_do_not_turn_by_quarters_where_that_is_too_far():
    for angle in (0, 0.3, 0.6, 0.999):
        assert placed(Deformation(deformed=0, rotation=89), angle).turn == turned(0.0)


@pytest.mark.parametrize("rotation", [90, 179])
def test_no_quarter_turns_a_tile_too_far(rotation):
    angles = np.linspace(0, 1, 60, endpoint=False)
    found = [placed(Deformation(deformed=0, rotation=rotation), angle=a).turn for a in angles]
    assert Counter(found) == {turned(quarter): 20 for quarter in (0.0, 90.0, 270.0)}


def test_the_middle_moves_to_the_nearest_pixels():
    assert _on_pixels((3.49, -0.51), (9, 9)) == (3.0, -1.0)
    assert _on_pixels((3.01, 3.99), (8, 8)) == (3.5, 3.5)


def test_gray_values_change_within_their_limits():
    assert Deformation(gray=0.2).shade(0, 1) == pytest.approx((0.8, 0.2))
    assert Deformation(gray=0.2).shade(1, 0) == pytest.approx((1.2, -0.2))
    assert STILL.shade(0.1, 0.9) == (1, 0)
