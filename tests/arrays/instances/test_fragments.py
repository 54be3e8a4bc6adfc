"""What a block needs around it, and what its tables say."""

import numpy as np
import pytest

from napari_utile.arrays.instances.fragments import fragments
from napari_utile.arrays.instances.heights import halo
from napari_utile.arrays.instances.object_rule import ObjectRule
from tests.fixtures.planes_in_blocks import in_one_piece, objects_of, random_plane


def test_a_volume_deeper_than_the_halo_needs_the_halo():
    deep = random_plane(5, (20, 110, 120), smoothing=(3, 10, 10), contrast=120)
    found, _ = objects_of(deep, (20, 30, 37), ObjectRule())
    np.testing.assert_array_equal(found, in_one_piece(deep, ObjectRule()))
    with pytest.raises(ValueError, match=f"halo of {halo(3)} pixels"):
        objects_of(deep, (20, 30, 37), ObjectRule(), reach=halo(3) - 1)


def test_a_watershed_takes_planes_and_volumes():
    with pytest.raises(ValueError, match=r"axes \(Y, X\) or \(Z, Y, X\)"):
        objects_of(np.zeros((2, 2, 2, 2), np.uint8), (2,) * 4, ObjectRule(), reach=0)


def test_fewer_pixels_around_a_block_would_not_do():
    deep = random_plane(5, (300, 300), smoothing=12)
    found, _ = objects_of(deep, (60, 60), ObjectRule())
    np.testing.assert_array_equal(found, in_one_piece(deep, ObjectRule()))
    with pytest.raises(ValueError, match=f"halo of {halo(2)} pixels"):
        objects_of(deep, (60, 60), ObjectRule(), reach=halo(2) - 1)


def test_a_fragment_that_leaves_its_block_does_not_say_how_high_its_top_is():
    # its last pixel may be background in a narrow gap, and deeper by name than the top
    plane = random_plane(0, (90, 90))
    part = np.s_[41:50, 41:50]
    tables = fragments(plane, part, (41, 41), plane.shape, ObjectRule()).tables
    leaving = tables["exits"][:, 0] - 1
    assert len(leaving) > 0
    assert (tables["heights"][leaving] == 0).all()
    assert (tables["heights"] > 0).sum() == len(tables["heights"]) - len(leaving)
