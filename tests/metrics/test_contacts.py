"""Surfaces between two objects inside a third."""

import numpy as np

from napari_utile.metrics.contacts import (
    block_contacts,
    joined_contacts,
    joined_slices,
    no_contacts,
)

WHOLE = ((0, 0, 0), (0, 0, 0))


def test_a_surface_is_one_row_per_slice():
    inside = np.full((2, 3, 4), 9)
    parts = np.array([[[1, 1, 2, 2]] * 3, [[1, 2, 2, 2]] * 3])
    rows = block_contacts(inside, parts, *WHOLE)
    # slice 0: three faces between columns 1 and 2; slice 1: three there and three from below
    assert rows.tolist() == [[9, 1, 2, 3, 3, 0, 1, 2], [9, 1, 2, 6, 6, 1, 1, 1]]
    assert joined_contacts(rows).tolist() == [[9, 1, 2, 9, 6, 1, 1, 1]]


def test_the_border_of_the_object_around_is_no_surface_inside():
    inside, parts = np.array([[[5, 5, 6, 0]]]), np.array([[[1, 0, 2, 3]]])
    assert block_contacts(inside, parts, *WHOLE).shape == no_contacts().shape


def test_the_rim_gives_neighbours_and_has_no_faces_of_its_own():
    inside = np.ones((1, 3, 4), int)
    parts = np.array([[[1, 1, 2, 2]] * 3])
    whole = block_contacts(inside, parts, *WHOLE)
    left = block_contacts(inside[..., :2], parts[..., :2], *WHOLE)
    right = block_contacts(inside[..., 1:], parts[..., 1:], (0, 0, 1), (0, 0, 1))
    np.testing.assert_array_equal(joined_slices(np.concatenate([left, right])), whole)
    upper = block_contacts(inside[:, :2], parts[:, :2], *WHOLE)
    lower = block_contacts(inside[:, 1:], parts[:, 1:], (0, 1, 0), (0, 1, 0))
    joined = joined_slices(np.concatenate([upper, lower]))
    assert joined[0, :6].tolist() == [1, 1, 2, 3, 3, 0]
