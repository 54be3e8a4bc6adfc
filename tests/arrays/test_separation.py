"""Objects that a leak joins, and those that are one."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label

from napari_utile.arrays.labels import foreground as rounded
from napari_utile.arrays.labels import instances
from napari_utile.arrays.separation import (
    DEEPEST,
    DOWN,
    ENDS,
    HERE,
    LEFT,
    NOWHERE,
    REACH,
    RIGHT,
    SPECK,
    UP,
    agglomerated,
    borders,
    directions,
    mean,
    surely_one,
    trees,
)

Y, X = np.mgrid[:64, :96]


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
