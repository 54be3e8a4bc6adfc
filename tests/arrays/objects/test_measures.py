"""Measures of objects: those of scikit-image, and of bodies whose measures are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from napari_utile.arrays.objects import measures as module
from napari_utile.arrays.objects.measures import ObjectMeasures
from tests.fixtures.measured_labels import boxes, by_skimage, exposed_faces, summed


@given(
    st.sampled_from([(19, 23), (1, 9), (6, 12, 15), (1, 8, 9)]),
    st.integers(1, 12),
    st.integers(1, 4),
    st.lists(st.floats(0.01, 100), min_size=3, max_size=3),
    st.integers(0, 100),
)
def test_measures_are_those_of_skimage(shape, side, depth, spacing, seed):
    labels, axes = boxes(shape, seed, side=3), len(shape)
    image = np.random.default_rng(seed).integers(0, 2**16, shape).astype(np.uint16)
    spacing, origin = spacing[:axes], [5.0, -2.0, 0.5][:axes]
    found = ObjectMeasures.of(summed(labels, [image], side, depth), spacing, origin)
    expected = by_skimage(labels, image, spacing)
    assert_array_equal(found.ids, expected["label"])
    assert_array_equal(found.counts, expected["num_pixels"])
    assert_allclose(found.sizes, expected["area"], rtol=1e-9)
    for axis in range(axes):
        centroid = expected[f"centroid-{axis}"] + origin[axis]
        assert_allclose(found.centroids[:, axis], centroid, rtol=1e-9, atol=1e-9)
        assert_array_equal(found.boxes[:, axis, 0], expected[f"bbox-{axis}"])
        assert_array_equal(found.boxes[:, axis, 1], expected[f"bbox-{axis + axes}"])
    # scikit-image takes the root of differences of rounded numbers
    near = {"rtol": 1e-6, "atol": 1e-6 * max(spacing) * max(shape)}
    assert_allclose(found.axes[:, 0], expected["axis_major_length"], **near)
    assert_allclose(found.axes[:, -1], expected["axis_minor_length"], **near)
    assert_allclose(found.values[0][:, 0], expected["intensity_mean"], rtol=1e-9)
    assert_allclose(found.values[0][:, 1], expected["intensity_std"], rtol=1e-6, atol=1e-6)


def test_axes_of_an_ellipsoid_are_its_diameters():
    spacing, radii = (2.0, 0.5, 1.0), (40.0, 12.0, 20.0)
    z, y, x = np.ogrid[-22:23, -26:27, -22:23]
    inside = (z * 2 / 40) ** 2 + (y * 0.5 / 12) ** 2 + (x / 20) ** 2 <= 1
    found = ObjectMeasures.of(summed(inside.astype(np.uint8)), spacing, (0, 0, 0))
    assert_allclose(found.axes[0], [80, 40, 24], rtol=0.01)
    assert_allclose(found.sizes[0], 4 / 3 * np.pi * np.prod(radii), rtol=0.01)


def test_the_surface_is_that_of_all_faces_in_view():
    labels, spacing = boxes((4, 9, 11), side=3), (3.0, 0.5, 2.0)
    found = ObjectMeasures.of(summed(labels), spacing, (0, 0, 0))
    for number, surface in zip(found.ids, found.surfaces, strict=True):
        z, y, x = exposed_faces(labels, number)
        assert surface == pytest.approx(z * 0.5 * 2 + y * 3 * 2 + x * 3 * 0.5)


def test_the_boundary_of_an_image_is_the_length_of_its_edges():
    labels = np.zeros((5, 6), np.uint8)
    labels[1:4, 2:4] = 3
    found = ObjectMeasures.of(summed(labels), (0.5, 2.0), (0, 0))
    assert found.surfaces.tolist() == [2 * 3 * 0.5 + 2 * 2 * 2.0]


def test_which_objects_touch_the_border():
    labels = np.zeros((3, 7, 7), np.uint8)
    labels[1, 3, 3], labels[0, 2, 2], labels[1, 6, 3] = 1, 2, 3
    inner, first_slice, last_row = ObjectMeasures.of(
        summed(labels), (1, 1, 1), (0, 0, 0)
    ).touching
    assert [inner, first_slice, last_row] == [False, True, True]
    lone_slice = labels[1:2]
    assert ObjectMeasures.of(summed(lone_slice), (1, 1, 1), (0, 0, 0)).touching.tolist() == [
        False, True,
    ]  # fmt: skip


def test_sums_beyond_64_bits_give_the_same_numbers(monkeypatch):
    sums = summed(boxes((4, 9, 11), side=3))
    quick = ObjectMeasures.of(sums, (1, 2, 3), (0, 0, 0))
    monkeypatch.setattr(module, "SAFE", 0.0)
    slow = ObjectMeasures.of(sums, (1, 2, 3), (0, 0, 0))
    assert_array_equal(quick.axes, slow.axes)
    assert_array_equal(quick.centroids, slow.centroids)


def test_no_objects_have_no_measures():
    found = ObjectMeasures.of(summed(np.zeros((3, 4), int), [np.zeros((3, 4))]), (1, 1), (0, 0))
    assert len(found.ids) == len(found.axes) == len(found.values[0]) == 0
