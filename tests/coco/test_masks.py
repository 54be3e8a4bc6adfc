"""Masks, checked against pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask

from napari_utile.coco.masks import (
    area_of,
    box_of,
    compressed,
    counts_of,
    expanded,
    masks_in,
    stretches,
    union,
)

small = array_shapes(min_dims=2, max_dims=2, max_side=12)


def filled(counts, shape):
    """Draw counts by the definition: off, on, off, ... down the columns."""
    on = np.arange(counts.size) % 2 == 1
    return np.repeat(on, counts).reshape(shape[::-1]).T


@given(arrays(np.uint8, small, elements=st.integers(0, 1)))
def test_a_mask_has_the_text_area_and_box_of_pycocotools(pixels):
    theirs = mask.encode(np.asfortranarray(pixels))
    counts = expanded(theirs["counts"])
    np.testing.assert_array_equal(filled(counts, pixels.shape), pixels)
    assert compressed(counts) == theirs["counts"].decode()
    assert area_of(counts) == mask.area(theirs)
    assert box_of(counts, pixels.shape[0]) == mask.toBbox(theirs).tolist()


def test_counts_of_more_than_a_digit_go_to_text_and_back():
    counts = np.array([0, 10**9, 3, 2**40, 5, 1, 2**40, 1])
    np.testing.assert_array_equal(expanded(compressed(counts)), counts)


@given(arrays(np.int32, small, elements=st.sampled_from([0, 1, 5, 70_000])))
def test_every_object_of_a_label_image_is_found(labels):
    ids, masks = masks_in(labels)
    np.testing.assert_array_equal(ids, np.unique(labels[labels != 0]))
    for id, counts in zip(ids, masks, strict=True):
        theirs = mask.encode(np.asfortranarray(labels == id, dtype=np.uint8))
        assert compressed(counts) == theirs["counts"].decode()


@given(st.integers(0, 2**32 - 1))
def test_masks_that_overlap_are_merged(seed):
    pixels = np.random.default_rng(seed).random((3, 7, 5)) < 0.4
    masks = [masks_in(layer.astype(np.uint8))[1] for layer in pixels]
    merged = union([m for found in masks for m in found], pixels[0].size)
    np.testing.assert_array_equal(filled(merged, pixels[0].shape), pixels.any(0))


def test_polygons_and_both_kinds_of_run_lengths_are_one_mask():
    square = [[1, 1, 4, 1, 4, 3, 1, 3]]  # columns 1 to 3, rows 1 and 2 of 4
    expected = np.zeros((4, 6), bool)
    expected[1:3, 1:4] = True
    text = mask.encode(np.asfortranarray(expected, dtype=np.uint8))["counts"].decode()
    numbers = [5, 2, 2, 2, 2, 2, 9]
    for given_ in (square, {"counts": text}, {"counts": numbers}):
        np.testing.assert_array_equal(filled(counts_of(given_, 4, 6), (4, 6)), expected)
    starts, lengths = stretches(counts_of({"counts": numbers}, 4, 6))
    assert (starts.tolist(), lengths.tolist()) == ([5, 9, 13], [2, 2, 2])


@pytest.mark.parametrize(
    "text",
    ["6P", "6 1", "6é1", "6p", "6\ud8001", "0O", "P" * 13 + "1", "oooooooooo?oooooooooo?"],
)
def test_a_damaged_text_is_refused(text):
    with pytest.raises(ValueError, match="text is damaged"):
        expanded(text)
