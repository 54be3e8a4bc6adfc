"""A small sample of an image, the same at every call."""

import numpy as np

from napari_utile.engine.prediction.image_sample import image_sample
from napari_utile.io.stack import Stack


def test_a_small_image_is_read_whole():
    pixels = np.arange(2 * 4 * 5.0).reshape(2, 4, 5)
    sample = image_sample(Stack(pixels, "zyx"), 2, planes=9, side=3)
    assert sample.tolist() == [pixels.ravel().tolist()]


def test_planes_are_evenly_spaced():
    pixels = np.repeat(np.arange(9.0), 4).reshape(9, 2, 2)
    pixels[:, 0, 0] += 0.5  # no plane is of a single value
    sample = image_sample(Stack(pixels, "zyx"), 2, planes=3, side=9)
    assert np.unique(np.floor(sample)).tolist() == [1, 4, 7]


def test_of_a_large_plane_corners_edges_and_the_middle_are_read():
    y, x = np.mgrid[:100, :100]
    sample = image_sample(Stack(100 * y + x, "yx"), 2, planes=1, side=2)
    assert sample.size == 9 * 4
    assert {0, 49 * 100 + 49, 9999, 99, 9900} <= {*sample.ravel().tolist()}


def test_padding_is_left_out():
    pixels = np.zeros((100, 100))
    pixels[40:60, 40:60] = np.arange(400).reshape(20, 20)
    assert 0 not in image_sample(Stack(pixels, "yx"), 2, planes=1, side=10)
    assert (image_sample(Stack(np.zeros((9, 9)), "yx"), 2, planes=1, side=2) == 0).all()
