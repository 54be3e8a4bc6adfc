"""Tiles of volumes: turned and mirrored as by NumPy, bent and interpolated as SciPy does."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_utile.arrays.augmentation.volume_warp import (
    VolumePlacement,
    volume_turn,
    warp_volume,
)
from napari_utile.arrays.augmentation.warp import Layers, spline_basis, turned

STILL = np.zeros((3, 3, 3, 3), np.float32)
NONE = turned(0.0)


def volume(*shape):
    rng = np.random.default_rng(0)
    image = rng.random((2, *shape), np.float32)
    ids = rng.integers(0, 200, shape).astype(np.uint8)
    return Layers(image, ids, rng.random(shape, np.float32))


def warped(source, placement, size, margin=(0, 0, 0)):
    inner = tuple(side - 2 * cut for side, cut in zip(size, margin, strict=True))
    tile = Layers(
        np.empty((len(source.image), *size), np.float32),
        np.empty(inner, np.uint8),
        np.empty(inner, np.float32),
    )
    warp_volume(source, placement, tile)
    return tile


@pytest.mark.parametrize("quarters", [0, 1, 3])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("exchanged", [0, 1, 2])
def test_quarter_turns_and_mirrors_are_those_of_numpy(quarters, mirrored, exchanged):
    source = volume(7, 7, 7)
    turn = volume_turn(turned(90.0 * quarters), mirrored, exchanged)
    found = warped(source, VolumePlacement((3.0, 3.0, 3.0), turn, STILL), (7, 7, 7))
    # the tile is turned in its slices, then mirrored along z, then z changes places
    for got, given in ((found.image[0], source.image[0]), (found.classes, source.classes)):
        expected = given.swapaxes(0, exchanged)
        expected = expected[::-1] if mirrored else expected
        expected = np.rot90(expected, -quarters, axes=(1, 2))
        np.testing.assert_array_equal(got, expected)


def test_beyond_the_border_the_volume_is_mirrored_as_by_numpy():
    source = volume(3, 5, 4)
    turn = volume_turn(NONE, False, 0)
    found = warped(source, VolumePlacement((1.0, 2.0, 1.5), turn, STILL), (9, 11, 12))
    expected = np.pad(source.image[0], ((3, 3), (3, 3), (4, 4)), mode="reflect")
    np.testing.assert_array_equal(found.image[0], expected)


def test_classes_and_weights_are_of_the_middle():
    source = volume(9, 9, 9)
    placement = VolumePlacement((4.0, 4.0, 4.0), volume_turn(NONE, False, 0), STILL)
    found = warped(source, placement, (7, 9, 5), (1, 2, 0))
    np.testing.assert_array_equal(found.classes, source.classes[2:7, 2:7, 2:7])
    np.testing.assert_array_equal(found.weights, source.weights[2:7, 2:7, 2:7])


def test_what_is_copied_is_what_would_be_interpolated():
    source = volume(9, 8, 9)
    nearly = STILL + np.float32(1e-30)  # not zero, but nothing
    for turn in (volume_turn(turned(270.0, True), True, 2), volume_turn(NONE, False, 1)):
        copied, bent = (
            warped(source, VolumePlacement((4.5, 3.0, 4.5), turn, bend), (4, 5, 6))
            for bend in (STILL, nearly)
        )
        for got, expected in zip(copied, bent, strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_tile_comes_from_where_its_placement_says():
    # parabolas are interpolated exactly, so gray values tell the place
    z, y, x = np.meshgrid(*3 * [np.arange(20.0)], indexing="ij")
    image = np.stack([z, y, x, z * y]).astype(np.float32)
    source = Layers(image, np.zeros((20, 20, 20), np.uint8), np.zeros_like(image[0]))
    rng = np.random.default_rng(1)
    bend = rng.normal(0, 0.5, (3, 3, 3, 3)).astype(np.float32)
    turn = volume_turn(turned(31.0), True, 0)
    size, centre = (5, 7, 6), np.array([9.3, 10.1, 8.9])
    found = warped(source, VolumePlacement(tuple(centre), turn, bend), size).image
    ramps = [np.arange(side) - (side - 1) / 2 for side in size]
    offsets = np.stack(np.meshgrid(*ramps, indexing="ij"))
    bases = [spline_basis(side) for side in size]
    places = np.einsum("ab,bzyx->azyx", turn, offsets) + centre[:, None, None, None]
    places += np.einsum("za,yb,xc,abcd->dzyx", *bases, bend)
    np.testing.assert_allclose(found[:3], places, atol=1e-4)
    np.testing.assert_allclose(found[3], places[0] * places[1], atol=2e-3)


def test_gray_values_are_near_those_of_a_cubic_spline():
    ramp = np.arange(16.0)
    smooth = np.sin(ramp / 3)[:, None, None] + ramp[:, None] / 9 + ramp / 7
    source = Layers(
        smooth[None].astype(np.float32),
        np.zeros(smooth.shape, np.uint8),
        np.zeros(smooth.shape, np.float32),
    )
    turn = volume_turn(turned(20.0), False, 0)
    found = warped(source, VolumePlacement((7.25, 7.5, 7.75), turn, STILL), (3, 3, 3)).image[0]
    offsets = np.stack(np.meshgrid(*3 * [np.arange(-1, 2)], indexing="ij"))
    places = np.einsum("ab,bzyx->azyx", turn, offsets)
    places = places + np.array([7.25, 7.5, 7.75])[:, None, None, None]
    np.testing.assert_allclose(found, map_coordinates(smooth, places, order=3), atol=5e-3)
