"""Warping against NumPy where pixels meet pixels, and against SciPy's splines between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import map_coordinates

from napari_utile.arrays.augmentation.warp import (
    Layers,
    Placement,
    mirror_place,
    spline_basis,
    turned,
    warp,
)

FLAT = np.zeros((3, 3, 2), np.float32)
STRAIGHT = turned(0.0)
BENT = np.random.default_rng(3).normal(scale=6, size=(3, 3, 2)).astype(np.float32)


def noise(height, width, channels=2):
    random = np.random.default_rng(7)
    return Layers(
        random.random((channels, height, width), np.float32),
        random.integers(0, 256, (height, width)).astype(np.uint8),
        random.random((height, width), np.float32),
    )


def places(height, width):
    """A plane whose image and weights say where each pixel is."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return Layers(np.stack([y, x]), np.zeros((height, width), np.uint8), 1000 * y + x)


def warped(plane, size, centre, turn=STRAIGHT, displacements=FLAT, inner=None):
    inner = size if inner is None else inner
    tile = Layers(
        np.full((len(plane.image), size, size), np.nan, np.float32),
        np.zeros((inner, inner), np.uint8),
        np.full((inner, inner), np.nan, np.float32),
    )
    warp(plane, Placement(centre, turn, displacements), tile)
    return tile


def sources(size, centre, turn, displacements):
    """Where pixels come from, (2, size, size), by SciPy's spline of the displacements."""
    offset = np.mgrid[:size, :size] - (size - 1) / 2
    knots = np.mgrid[:size, :size] * 2 / (size - 1)
    bend = [map_coordinates(d, knots, order=3, mode="mirror") for d in displacements.T]
    bend = [part.T for part in bend]  # displacements.T has x before y
    return np.array(centre)[:, None, None] + np.tensordot(turn, offset, 1) + bend


@pytest.mark.parametrize("size", [5, 7, 16, 33])
@pytest.mark.parametrize("margin", [0, 2])
def test_a_tile_at_rest_is_the_image_itself(size, margin):
    plane = noise(40, 60)
    inner = size - 2 * margin
    centre = (5 + (size - 1) / 2, 11 + (size - 1) / 2)
    tile = warped(plane, size, centre, inner=inner)
    np.testing.assert_array_equal(tile.image, plane.image[:, 5 : 5 + size, 11 : 11 + size])
    middle = np.s_[5 + margin : 5 + margin + inner, 11 + margin : 11 + margin + inner]
    np.testing.assert_array_equal(tile.classes, plane.classes[middle])
    np.testing.assert_array_equal(tile.weights, plane.weights[middle])


@pytest.mark.parametrize("quarters", [-2, -1, 0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [16, 17])
def test_quarter_turns_and_mirrors_are_those_of_numpy(quarters, mirrored, size):
    plane, middle = noise(size, size), (size - 1) / 2
    tile = warped(plane, size, (middle, middle), turned(90.0 * quarters, mirrored))
    for found, whole in zip(tile, plane, strict=True):
        # what is read along a turned line lies turned the other way
        expected = np.rot90(whole, -quarters, axes=(-2, -1))
        expected = expected[..., ::-1] if mirrored else expected
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(12, 12), (5, 9), (2, 30), (1, 16), (1, 1)])
def test_beyond_the_border_the_plane_is_mirrored_as_by_numpy(shape):
    plane, size = noise(*shape), 48
    padding = [(17, size - 17 - shape[0]), (13, size - 13 - shape[1])]
    start = np.array([-17, -13]) + (size - 1) / 2
    tile = warped(plane, size, tuple(start))
    for found, whole in zip(tile, plane, strict=True):
        widths = [(0, 0)] * (whole.ndim - 2) + padding
        np.testing.assert_array_equal(found, np.pad(whole, widths, mode="reflect"))


@given(place=st.integers(-50, 50), length=st.integers(1, 12))
def test_a_place_is_folded_as_numpy_pads(place, length):
    expected = np.pad(np.arange(length), 51, mode="reflect")[51 + place]
    assert mirror_place(place, length) == expected


@pytest.mark.parametrize("size", [2, 3, 4, 9, 64])
def test_the_grid_is_interpolated_by_the_mirrored_cubic_spline_of_scipy(size):
    grid = np.random.default_rng(1).normal(size=(3, 3))
    knots = np.mgrid[:size, :size] * 2 / (size - 1)
    expected = map_coordinates(grid, knots, order=3, mode="mirror")
    basis = spline_basis(size)
    np.testing.assert_allclose(basis @ grid @ basis.T, expected, atol=2e-6)


def test_one_point_is_the_knot_in_the_middle():
    np.testing.assert_array_equal(spline_basis(1), [[0, 1, 0]])


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, -135.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_pixel_comes_from_where_the_formula_says(angle, mirrored):
    size, centre, turn = 48, (99.3, 101.8), turned(angle, mirrored)
    expected = sources(size, centre, turn, BENT)
    tile = warped(places(200, 200), size, centre, turn, BENT)
    # cubic convolution carries straight lines over as they are
    np.testing.assert_allclose(tile.image, expected, atol=5e-5)
    y, x = np.floor(expected + 0.5)
    between = np.abs(expected % 1 - 0.5).min(0) < 1e-4
    np.testing.assert_array_equal(tile.weights[~between], (1000 * y + x)[~between])
    assert between.mean() < 0.01


def test_a_turn_is_rigid_and_a_mirror_changes_the_side():
    for angle in (17.0, 90.0, 200.0):
        for mirrored, side in ((False, 1), (True, -1)):
            turn = np.array(turned(angle, mirrored))
            np.testing.assert_allclose(turn @ turn.T, np.eye(2), atol=1e-12)
            assert np.linalg.det(turn) == pytest.approx(side)


def test_quarter_turns_are_whole_numbers():
    for degrees in (-270.0, -90.0, 0.0, 90.0, 180.0, 270.0, 450.0):
        assert {abs(number) for row in turned(degrees) for number in row} == {0, 1}


def test_between_pixels_the_image_is_the_hermite_spline_of_central_differences():
    row = np.random.default_rng(5).random(20, np.float32)
    plane = Layers(np.tile(row, (1, 20, 1)), *(np.zeros((20, 20), t) for t in "Bf"))
    beyond = np.pad(row, 8, mode="reflect").astype(float)
    slopes = np.gradient(beyond)
    spline = CubicHermiteSpline(np.arange(-8, 28), beyond, slopes)
    tile = warped(plane, 12, (9.5, 14.2), turned(23.0))
    _, x = sources(12, (9.5, 14.2), turned(23.0), FLAT)
    assert x.max() > 19  # the mirrored border is among them
    np.testing.assert_allclose(tile.image[0], spline(x), atol=1e-5)


def test_parabolas_are_carried_over_as_they_are():
    y, x = np.mgrid[:80, :80] - 40.0
    image = (0.1 * y * y - 0.2 * x * x + 0.05 * x * y + y)[None].astype(np.float32)
    plane = Layers(image, *(np.zeros((80, 80), t) for t in "Bf"))
    tile = warped(plane, 31, (39.6, 41.3), turned(70.0), BENT / 3)
    y, x = sources(31, (39.6, 41.3), turned(70.0), BENT / 3) - 40
    expected = 0.1 * y * y - 0.2 * x * x + 0.05 * x * y + y
    np.testing.assert_allclose(tile.image[0], expected, atol=2e-3)


def test_far_from_the_corner_of_a_large_plane_no_digit_is_lost():
    small = noise(40, 64, channels=1)
    large = Layers(*(np.pad(p, [(0, 0)] * (p.ndim - 1) + [(2**16, 0)]) for p in small))
    near = warped(small, 24, (20.3, 32.7), turned(30.0), BENT / 4)
    far = warped(large, 24, (20.3, 32.7 + 2**16), turned(30.0), BENT / 4)
    np.testing.assert_allclose(near.image, far.image, atol=1e-5)


def test_nearest_gives_only_ids_that_are_there():
    plane = noise(30, 30)
    plane.classes[:] = plane.classes // 60 * 51
    tile = warped(plane, 48, (14.5, 14.5), turned(40.0), BENT)
    assert {*np.unique(tile.classes)} <= {0, 51, 102, 153, 204}


def test_the_same_placement_gives_the_same_bits():
    plane = noise(90, 90)
    first, again = (warped(plane, 64, (40.2, 44.4), turned(51.0), BENT) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
