"""Objects that a leak joins, and those that are one."""

import numpy as np
import pytest
from scipy.ndimage import label

from napari_utile.arrays.labels import instances
from napari_utile.arrays.separation import ENDS, borders, mean, merged, separated

Y, X = np.mgrid[:64, :96]


def probability(objects, inside=0.95, outside=0.05):
    return np.where(objects, inside, outside).astype(np.float32)


def count(foreground, threshold=0.5):
    return int(separated(foreground > threshold, foreground, threshold).max())


def two_cells_and_a_leak(width):
    """Two cells of 40 x 40 with a membrane of four pixels between, open for `width` pixels."""
    cells = (Y >= 12) & (Y < 52) & (X >= 6) & (X < 90) & ((X < 46) | (X >= 50))
    leak = (abs(Y - 31.5) < width / 2) & (X >= 46) & (X < 50)
    return cells | leak


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


def test_parts_that_do_not_touch_are_never_joined():
    foreground = probability(two_cells_and_a_leak(0), outside=0.499)
    assert count(foreground) == 2


def test_every_pixel_of_the_mask_is_in_an_object_and_every_object_is_connected():
    rng = np.random.default_rng(0)
    foreground = np.clip(
        sum(
            rng.normal(size=4)[i] * np.sin(Y / (3 + 2 * i)) * np.cos(X / (4 + i))
            for i in range(4)
        )
        / 4
        + 0.5,
        0,
        1,
    ).astype(np.float32)
    mask = foreground > 0.5
    objects = separated(mask, foreground)
    assert ((objects > 0) == mask).all()
    for i in range(1, objects.max() + 1):
        assert label(objects == i)[1] == 1
    assert objects.max() >= label(mask)[1]


def test_nothing_is_found_in_an_empty_mask_and_one_object_in_a_full_one():
    nothing = np.zeros((9, 7), np.float32)
    assert not separated(nothing > 0.5, nothing).any()
    assert (separated(nothing == 0, nothing + 1) == 1).all()
    assert separated(np.ones((1, 5), bool), np.ones((1, 5), np.float32)).tolist() == [[1] * 5]


def test_a_border_is_measured_pair_by_pair():
    parts = np.array([[1, 2, 2], [1, 2, 0], [1, 1, 3]])
    mask = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 1]], bool)
    foreground = np.arange(9, dtype=float).reshape(3, 3) / 10
    pairs, sums = borders(parts, mask, foreground)
    assert pairs.tolist() == [[1, 2], [1, 3]]
    # 1-2: (0, 0.1) in the mask; (0.3, 0.4) and (0.4, 0.7) half off it. 1-3: (0.7, 0.8)
    assert sums == pytest.approx(np.array([[1, 0.05, 2, 0.9], [1, 0.75, 0, 0]]))


def test_the_mean_leaves_out_the_ends():
    assert mean(np.array([2.0, 1.8, ENDS, 0.0])) == pytest.approx(0.9)
    assert mean(np.array([2.0, 1.8, ENDS + 2, 0.0])) == pytest.approx(0.45)
    assert mean(np.array([2.0, 1.8, 2.0 * ENDS, 0.1 * ENDS])) == pytest.approx(
        (1.8 + 0.05 * ENDS) / (2 + ENDS)
    )


def test_the_likeliest_border_goes_first_and_its_neighbours_are_added_up():
    # 1-2 is surely one; 2-3 alone would be, but with 1-3 it is not
    pairs = np.array([[1, 2], [2, 3], [1, 3]])
    sums = np.array([[4, 4, 0, 0], [4, 3.2, 0, 0], [4, 0.8, 0, 0]], float)
    assert merged(pairs, sums, 3, 0.6)[1:].tolist() == [1, 1, 3]
    assert merged(pairs[:2], sums[:2], 3, 0.6)[1:].tolist() == [1, 1, 1]


def test_instances_separates_slice_by_slice_unless_told_otherwise():
    foreground = probability(two_cells_and_a_leak(4))
    stack = np.stack([foreground, foreground])
    assert instances(stack[None]).max() == 4
    assert instances(np.stack([1 - stack, stack])).max() == 4
    assert instances((stack[None] * 255).astype(np.uint8)).max() == 4
    assert instances(stack[None], method="components").max() == 2
    assert instances(stack[None], volumetric=True).max() == 1
