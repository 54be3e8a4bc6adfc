"""Objects that a leak joins, and those that are one."""

import numpy as np
import pytest
from scipy.ndimage import label

from napari_utile.arrays.instances import merging
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.heights import DEEPEST, FINENESS
from napari_utile.arrays.instances.merging import (
    RISE,
    _mean_foreground,
    agglomerate,
    merge_hills,
    surely_one,
    surely_one_by_affinity,
)
from napari_utile.arrays.instances.watershed import REACH

Y, X = np.mgrid[:64, :96]
ENDS, SPECK = 4 * REACH, merging.SPECK[2]


def probability(objects, inside=0.95, outside=0.05):
    return np.where(objects, inside, outside).astype(np.float32)


def count(foreground, threshold=0.5):
    return int(instances(foreground[None], threshold).max())


def two_cells_and_a_leak(width):
    """Two cells of 40 x 40 with a membrane of four pixels between, open for `width` pixels."""
    cells = (Y >= 12) & (Y < 52) & (X >= 6) & (X < 90) & ((X < 46) | (X >= 50))
    leak = (abs(Y - 31.5) < width / 2) & (X >= 46) & (X < 50)
    return cells | leak


def blobs(seed=0):
    """Smooth probabilities with cells of many sizes and shapes."""
    rng = np.random.default_rng(seed)
    waves = (
        rng.normal() * np.sin(Y / (3 + 2 * i) + rng.normal()) * np.cos(X / (4 + i))
        for i in range(4)
    )
    return np.clip(sum(waves) / 4 + 0.5, 0, 1).astype(np.float32)


# --- what is one object


@pytest.mark.parametrize("width", [2, 4, 8])
def test_a_leak_in_a_membrane_does_not_join_two_cells(width):
    foreground = probability(two_cells_and_a_leak(width))
    assert label(foreground > 0.5)[1] == 1
    assert count(foreground) == 2


def test_where_most_of_the_membrane_is_missing_it_is_one_cell():
    assert count(probability(two_cells_and_a_leak(32))) == 1


def test_the_whole_border_counts_and_not_its_best_place():
    cells = two_cells_and_a_leak(6)
    membrane = (abs(X - 47.5) < 2) & (Y >= 12) & (Y < 52) & ~cells
    assert count(np.where(membrane, np.float32(0.49), probability(cells))) == 2
    weak = np.where(membrane, np.float32(0.8), probability(cells))
    assert count(weak) == 1


@pytest.mark.parametrize("width", [1, 2, 4, 7, 12])
@pytest.mark.parametrize("turn", [0, 30, 45])
def test_a_thin_object_stays_whole(width, turn):
    angle = np.deg2rad(turn)
    along = (X - 48) * np.cos(angle) + (Y - 32) * np.sin(angle)
    across = (Y - 32) * np.cos(angle) - (X - 48) * np.sin(angle)
    bar = (abs(along) < 28) & (abs(across) <= width / 2)
    assert count(probability(bar)) == label(bar)[1]


def test_a_bent_object_and_a_ring_stay_whole():
    radius = np.hypot(Y - 32, X - 48)
    ring = (radius < 28) & (radius > 22)
    assert count(probability(ring)) == 1
    assert count(probability(ring & (X < 48))) == 1


def test_an_ellipse_of_several_peaks_is_one():
    assert count(probability(((Y - 32) / 10) ** 2 + ((X - 48) / 40) ** 2 < 1)) == 1


def test_an_object_deeper_than_depth_is_measured_is_one():
    y, x = np.mgrid[:300, :260]
    disc = np.hypot(y - 150, x - 130) < 3.5 * DEEPEST
    assert count(probability(disc)) == 1


def test_parts_that_do_not_touch_are_never_joined():
    foreground = probability(two_cells_and_a_leak(0), outside=0.499)
    assert count(foreground) == 2


def test_every_pixel_of_the_mask_is_in_an_object_and_every_object_is_connected():
    foreground = blobs()
    mask = foreground > 0.5
    objects = instances(foreground[None])
    assert ((objects > 0) == mask).all()
    for i in range(1, objects.max() + 1):
        assert label(objects == i)[1] == 1
    assert objects.max() >= label(mask)[1]


def test_nothing_is_found_in_an_empty_mask_and_one_object_in_a_full_one():
    nothing = np.zeros((1, 9, 7), np.float32)
    assert not instances(nothing).any()
    assert (instances(nothing + 1) == 1).all()
    assert instances(np.ones((1, 1, 5), np.float32)).tolist() == [[1] * 5]


def test_a_speck_goes_to_what_it_touches_however_unlikely_its_border():
    cell = np.hypot(Y - 32, X - 30) < 16
    speck = (abs(Y - 32) < 3.5) & (X >= 46) & (X < 53)
    assert (speck & ~cell).sum() == 49
    assert count(np.where(speck & ~cell, np.float32(0.51), probability(cell))) == 1


def test_instances_separates_slice_by_slice_and_links_unless_told_otherwise():
    foreground = probability(two_cells_and_a_leak(4))
    stack = np.stack([foreground, foreground])
    assert instances(stack[None], linking="none").max() == 4
    assert instances(stack[None]).max() == 2
    assert instances(np.stack([1 - stack, stack])).max() == 2
    assert instances((stack[None] * 255).astype(np.uint8)).max() == 2
    assert instances(stack[None], method="components", linking="none").max() == 2
    assert instances(stack[None], volumetric=True).max() == 1


# --- in a volume


AT = np.mgrid[:40, :44, :80] - np.array([20, 22, 40]).reshape(3, 1, 1, 1)
TURNED = np.tensordot(np.linalg.qr(np.array([[1.0, 1, 1], [1, -1, 0], [1, 1, -2]]).T)[0], AT, 1)


def count_in_volume(objects):
    volume = probability(objects)[np.newaxis]
    return int(instances(volume, volumetric=True, method="watershed").max())


@pytest.mark.parametrize("axes", [AT, TURNED], ids=["straight", "diagonal"])
@pytest.mark.parametrize(("width", "objects"), [(3, 2), (9, 2), (40, 1)])
def test_a_leak_in_a_membrane_does_not_join_two_cells_of_a_volume(axes, width, objects):
    z, y, x = axes
    cells = (np.hypot(z, y) < 17) & (abs(x) < 26) & (abs(x) > 2)
    leak = (np.hypot(z, y) < min(width / 2, 17)) & (abs(x) <= 2)
    assert label(cells | leak)[1] == 1
    assert count_in_volume(cells | leak) == objects


@pytest.mark.parametrize("axes", [AT, TURNED], ids=["straight", "diagonal"])
def test_thin_flat_and_waisted_objects_of_a_volume_stay_whole(axes):
    z, y, x = axes
    rods = [(abs(x) < 28) & (np.hypot(y, z) <= width / 2) for width in (2, 5, 11)]
    sheets = [(abs(x) < 24) & (abs(y) < 18) & (abs(z) <= width / 2) for width in (2, 5, 11)]
    balls = np.hypot(np.hypot(z, y), abs(x) - 14) < 12
    waisted = balls | ((abs(x) < 14) & (np.hypot(z, y) < 5))
    for whole in (*rods, *sheets, waisted):
        assert label(whole)[1] == 1
        assert count_in_volume(whole) == 1


def test_a_speck_of_a_volume_is_a_ball_of_that_reach():
    assert round(4 / 3 * np.pi * REACH**3) == merging.SPECK[3]
    assert round(np.pi * REACH**2) == merging.SPECK[2]


# --- how it is found


def mean_in_a_plane(border):
    return _mean_foreground(np.array(border), merging.ENDS[2])


def test_the_mean_leaves_out_the_ends():
    assert mean_in_a_plane([2, 918, ENDS, 0]) == pytest.approx(0.9)
    assert mean_in_a_plane([2, 918, ENDS + 2, 0]) == pytest.approx(0.45)
    assert mean_in_a_plane([2, 918, 2 * ENDS, 51 * ENDS]) == pytest.approx(
        (1.8 + 0.05 * ENDS) / (2 + ENDS)
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_hill_is_joined_over_the_highest_saddle_it_hardly_rises_over(ndim):
    steps = int(RISE[ndim] * FINENESS[ndim])
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    saddles = np.array([5, 0, 4]) * steps
    measures = np.stack([np.ones(3, int), *np.zeros((3, 3), int), saddles], axis=1)

    def joined(*heights):
        return merge_hills(pairs, measures, np.array(heights) * steps, steps).tolist()

    # 1 rises half a step over 0; 2 rises a step, which is no longer hardly
    assert joined(9, 5.5, 5) == [0, 0, 2]
    assert joined(9, 5.5, 4.9) == [0, 0, 0]
    # then together they are as high as the higher one
    assert joined(5.5, 9, 6) == [0, 0, 2]


def test_parts_that_meet_off_the_mask_only_are_joined_in_volumes_if_that_is_likely():
    measures = np.array([[0, 0, 30, 30 * 510 * 0.6, 0]], int)
    apart, sizes = np.array([[0, 1]]), np.array([1, 1])
    assert merge_hills(apart, measures, np.array([1, 1])).tolist() == [0, 1]
    assert agglomerate(apart, measures, sizes, 0.5).tolist() == [0, 1]
    assert agglomerate(apart, measures, sizes, 0.5, 3).tolist() == [0, 0]
    assert agglomerate(apart, measures, sizes, 0.7, 3).tolist() == [0, 1]  # also specks


def border(pixels, share):
    return [pixels, round(510 * pixels * share), 0, 0, 0]


def test_the_likeliest_border_goes_first_and_its_neighbours_are_added_up():
    # 0-1 is surely none; 1-2 alone would be, but with 0-2 it is not
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    measures = np.array([border(4, 1), border(4, 0.8), border(4, 0.2)])
    large = np.full(3, SPECK)
    assert agglomerate(pairs, measures, large, 0.6).tolist() == [0, 0, 2]
    assert agglomerate(pairs[:2], measures[:2], large, 0.6).tolist() == [0, 0, 0]


def test_a_speck_is_joined_where_its_border_is_likeliest():
    pairs = np.array([[0, 1], [1, 2]])
    measures = np.array([border(4, 0.3), border(4, 0.2)])
    with_speck = np.array([SPECK, SPECK - 1, SPECK])
    assert agglomerate(pairs, measures, with_speck, 0.6).tolist() == [0, 0, 2]
    assert agglomerate(pairs, measures, np.full(3, SPECK), 0.6).tolist() == [0, 1, 2]


def test_of_equal_borders_the_first_goes_first():
    # whichever is joined first, the other border then has a mean of 0.55
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    measures = np.array([border(4, 0.9), border(4, 0.9), border(4, 0.2)])
    assert agglomerate(pairs, measures, np.full(3, SPECK), 0.6).tolist() == [0, 0, 2]


def test_a_border_is_none_from_two_thirds_on_and_in_a_volume_from_less():
    assert surely_one(0.5) == pytest.approx(2 / 3)
    assert surely_one(0.7) == pytest.approx(0.8)
    assert surely_one(0.5, 3) == 0.4


def test_two_large_parts_join_only_if_their_affinity_is_surer():
    pairs = np.array([[0, 1], [1, 2], [3, 4]])
    measures = np.array([border(4, 0.7), border(4, 0.65), border(4, 0.9)])
    sizes, limits = np.array([300, 200, 99, 100, 100]), (0.6, 3, (0.85, 100))
    assert agglomerate(pairs, measures, sizes, *limits).tolist() == [0, 1, 1, 3, 3]
    # 1 and 2 are large only when they are one; a part of the mask's edge alone always joins
    sizes = np.array([100, 60, 40, 0, 100])
    measures = np.array([border(4, 0.65), border(4, 0.7), border(4, 0.1)])
    assert agglomerate(pairs, measures, sizes, *limits).tolist() == [0, 1, 1, 3, 3]
    assert surely_one_by_affinity(0.5) == pytest.approx((0.6, 0.85))
    assert surely_one_by_affinity(0.9) == pytest.approx((0.92, 0.97))


def test_a_border_that_was_added_up_keeps_the_first_of_its_places():
    # 1-3 goes first, then 0-1-3 and 0-2 are equal: that of 0 and 1 is the first
    pairs = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [3, 4], [3, 5]])
    shares = (0.8, 0.8, 0.8, 0.1, 1, 0.1, 0.1)
    measures = np.array([border(8, share) for share in shares])
    joined = agglomerate(pairs, measures, np.full(6, SPECK), 0.6)
    assert joined.tolist() == [0, 0, 2, 0, 4, 5]
