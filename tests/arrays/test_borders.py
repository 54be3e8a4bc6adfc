"""Borders between objects that touch: as wide as asked, alike on both sides."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_utile.arrays.borders import border_share, default_width, with_borders
from napari_utile.arrays.labels import with_gaps

HALVES = np.repeat([[1, 2]], 6, axis=1)


@pytest.mark.parametrize(("width", "cleared"), [(2, 2), (4, 4), (6, 6)])
def test_as_many_pixels_are_cleared_as_the_border_is_wide(width, cleared):
    found = with_borders(HALVES, width)[0]
    assert (found == 0).sum() == cleared
    assert (found == 1).sum() == (found == 2).sum()


def test_up_to_a_pixel_it_is_the_gap():
    for width in (0, 0.5, 1):
        np.testing.assert_array_equal(with_borders(HALVES, width), with_gaps(HALVES))


@pytest.mark.parametrize("volumetric", [False, True])
def test_what_is_cleared_is_near_another_object_and_no_other_pixel(volumetric):
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 4, (3, 3, 3)), np.ones((4, 5, 5), int))
    spacing = (2.0, 1.0, 1.0) if volumetric else (1.0, 1.0)
    found = with_borders(labels, 3, volumetric, spacing) > 0
    parts = [labels] if volumetric else labels
    expected = np.zeros(labels.shape, bool)
    for part, kept in zip(parts, [expected] if volumetric else expected, strict=True):
        for id_ in {*np.unique(part)} - {0}:
            others = (part != id_) & (part != 0)
            far = (
                distance_transform_edt(~others, spacing)
                if others.any()
                else np.full(part.shape, 99.0)
            )
            kept[(part == id_) & (far >= 2)] = True
    expected &= with_gaps(labels, volumetric) > 0
    alive = np.isin(labels, np.unique(labels[expected]))  # the others keep all but the gap
    np.testing.assert_array_equal(found[alive], expected[alive])


def test_an_object_never_vanishes():
    labels = np.array([[1, 1, 1, 2, 3, 3, 3]])
    assert {*np.unique(with_borders(labels, 4))} == {*np.unique(with_gaps(labels))}


def test_objects_that_fill_the_image_have_a_wider_border():
    assert border_share(HALVES) == 1
    assert default_width(HALVES) == 4
    apart = np.pad(HALVES, 1)
    # two faces of 12 + 2 beside the background, one between the objects
    assert border_share(apart) == pytest.approx(1 / (12 * 2 + 2 + 1))
    assert default_width(apart) == 1
    assert border_share(np.zeros((3, 3), int)) == 0


def test_along_z_only_in_volumes():
    above = np.repeat([[[1]], [[2]]], 4, axis=0) * np.ones((8, 3, 3), int)
    assert (with_borders(above, 4) > 0).all()
    assert (with_borders(above, 4, volumetric=True) == 0).any(axis=(1, 2)).sum() == 4
