"""Smaller levels of an image."""

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_utile.io.ome_zarr import create_image
from napari_utile.io.pyramids import (
    halved_by_majority,
    halved_by_mean,
    level_shapes,
    write_smaller_levels,
)
from napari_utile.io.stack import Stack


def averaged(image):
    """Average 2 x 2 pixels one by one, as the definition says."""
    *leading, height, width = image.shape
    small = np.zeros((*leading, -(-height // 2), -(-width // 2)))
    for *index, y, x in np.ndindex(small.shape):
        four = image[(*index, slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))]
        small[(*index, y, x)] = four.mean()
    return np.rint(small) if image.dtype.kind == "u" else small


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_every_level_is_the_mean_of_the_one_before(tmp_path, dtype):
    like = Stack(np.zeros((2, 37, 70)), "zyx")
    pixels = np.random.default_rng(0).integers(0, 256, (2, *like.shape)).astype(dtype)
    create_image(tmp_path / "p.zarr", pixels.shape, dtype, (2, 1, 10, 16), like)[:] = pixels
    steps = list(write_smaller_levels(tmp_path / "p.zarr"))
    blocks = 2 * (2 * 3 + 1 * 2 + 1)  # of 19 x 35, 10 x 18 and 5 x 9 pixels in two slices
    assert steps == [(done, blocks) for done in range(1, blocks + 1)]
    group = zarr.open_group(tmp_path / "p.zarr", mode="r")
    for level, shape in enumerate([(19, 35), (10, 18), (5, 9)], 1):
        pixels = averaged(pixels)
        assert group[str(level)].shape == (2, 2, *shape)
        np.testing.assert_allclose(group[str(level)][:], pixels, rtol=1e-6)
        pixels = group[str(level)][:]


@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ((5, 33, 64), [(5, 17, 32), (5, 9, 16)]),  # until a plane is one chunk
        ((64, 3), [(32, 2), (16, 1)]),
        ((7, 16, 16), []),
    ],
)
def test_lengths_are_halved_and_rounded_up(shape, levels):
    assert level_shapes(shape, (1,) * (len(shape) - 2) + (16, 16)) == levels


def test_means_are_rounded_and_edges_repeated():
    pixels = np.array([[[1, 2, 10], [3, 4, 20], [7, 9, 255]]], np.uint8)
    # (1 + 2 + 3 + 4) / 4 = 2.5, to the even one; 15; 8; 255
    assert halved_by_mean(pixels).tolist() == [[[2, 15], [8, 255]]]
    large = np.full((2, 2), 2**40 + 1)
    assert halved_by_mean(large).item() == 2**40 + 1
    assert halved_by_mean(np.array([[0.5, 1.0]], np.float32)).tolist() == [[0.75]]


@given(arrays(np.int32, (4, 2, 2), elements=st.integers(0, 3)))
def test_the_most_frequent_id_wins_and_the_first_of_equals(squares):
    for square, found in zip(squares, halved_by_majority(squares).ravel(), strict=True):
        ids = square.ravel().tolist()
        assert found == max(ids, key=ids.count)
