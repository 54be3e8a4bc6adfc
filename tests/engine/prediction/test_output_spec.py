"""What is written of a prediction: shape, dtypes and place."""

import numpy as np
import pytest

from tests.fixtures.output_specs import SHAPE, TILE, spec


def test_one_map_is_a_class_where_it_is_above_the_threshold():
    one = spec(1, ids=(1, 2), output="classes", threshold=0.3)
    assert one.decided(np.array([[[0.2, 0.3, 0.4]]], np.float32)).tolist() == [[1, 1, 2]]


VOXELS = 3 * 20 * 30


@pytest.mark.parametrize(
    ("settings", "channels", "types", "nbytes"),
    [
        ({}, (2,), ("uint8", "uint32"), 2 * VOXELS),
        ({"dtype": "float32"}, (2,), ("float32", "uint32"), 2 * VOXELS * 4),
        ({"output": "instances", "dtype": "float32"}, (), ("uint8", "uint32"), 5 * VOXELS),
        ({"output": "classes"}, (2,), ("uint8", "uint8"), 3 * VOXELS),
    ],
)
def test_shape_types_and_bytes(settings, channels, types, nbytes):
    one = spec(**settings)
    assert (one.shape, one.channels, one.chunks) == (SHAPE, channels, (1, *TILE))
    assert (one.probability_type, one.label_type) == types
    assert one.nbytes == nbytes


def test_a_part_lies_where_it_was_cut_out():
    one = spec(shape=(2, 10, 10), starts=(1, 4, 8))
    # 50 nm per slice and 4 nm per pixel from (0, 12, 8)
    assert one.like.translate == (50, 12 + 4 * 4, 8 + 8 * 4)
    assert (one.like.shape, one.like.axes) == ((2, 10, 10), "zyx")
