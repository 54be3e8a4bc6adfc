"""Arrays that are seen otherwise than they are stored."""

from copy import deepcopy

import numpy as np
import pytest
from PIL import Image, ImageOps

from napari_utile.errors import UserError
from napari_utile.io.lazy_views import Converted, Pages, ReadOnly, Turned

PIXELS = np.arange(2 * 5 * 7).reshape(2, 5, 7).astype(np.uint8)
WINDOWS = [np.s_[...], np.s_[1, 1:4, 2:5], np.s_[:, 2], np.s_[0, ..., 3], np.s_[1, 4:4, :]]


def test_labels_on_disk_are_not_painted_on_but_their_copy_is():
    shown = ReadOnly(np.arange(6).reshape(2, 3))
    with pytest.raises(UserError, match="duplicate the layer"):
        shown[0, 0] = 9
    copy = deepcopy(shown)
    copy[0, 0] = 9
    assert (shown[0, 0], copy[0, 0], type(copy)) == (0, 9, np.ndarray)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_pictures(orientation):
    pictures = []
    for plane in PIXELS:
        picture = Image.fromarray(plane)
        picture.getexif()[274] = orientation
        pictures.append(np.asarray(ImageOps.exif_transpose(picture)))
    expected = np.stack(pictures)
    turned = Turned(PIXELS, 1, 2, orientation)
    assert (turned.shape, turned.dtype) == (expected.shape, expected.dtype)
    for where in WINDOWS:
        np.testing.assert_array_equal(turned[where], expected[where])
    np.testing.assert_array_equal(np.asarray(turned), expected)


def test_rows_and_columns_may_be_any_axes():
    turned = Turned(PIXELS.transpose(1, 2, 0), 0, 1, 6)  # a quarter to the right
    np.testing.assert_array_equal(turned[..., 1], np.rot90(PIXELS[1], -1))


def test_values_are_converted_window_by_window():
    halved = Converted(PIXELS, lambda pixels: pixels / 2, np.float64)
    np.testing.assert_array_equal(halved[1, :2], PIXELS[1, :2] / 2)
    np.testing.assert_array_equal(np.asarray(halved), PIXELS / 2)
    assert (halved.shape, halved.dtype, halved.ndim) == (PIXELS.shape, np.float64, 3)


PICTURES = [np.full((2, 3, 3), 1), np.full((4, 1, 3), 2), np.full((3, 3, 3), 3)]
WHOLE = np.zeros((3, 4, 3, 3), np.uint8)
for page, picture in zip(WHOLE, PICTURES, strict=True):
    page[: picture.shape[0], : picture.shape[1]] = picture


def pages(read=PICTURES.__getitem__):
    return Pages(read, WHOLE.shape, np.uint8)


def test_pages_are_indexed_as_an_array_is():
    found = pages()
    facts = (found.shape, found.ndim, found.size, found.dtype)
    assert facts == ((3, 4, 3, 3), 4, 108, np.uint8)
    for where in (
        0, -1, np.int64(1), slice(None), slice(2, None, -2), slice(1, 1), (1, 2), (..., 0),
        (slice(0, 2), 0, slice(1), 2), ([0, 2], slice(2)),
    ):  # fmt: skip
        np.testing.assert_array_equal(found[where], WHOLE[where])
        assert found[where].dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(found), WHOLE)


def test_a_page_is_read_when_it_is_looked_at_and_no_other():
    read = []

    def page(number):
        read.append(number)
        return PICTURES[number]

    found = pages(page)
    assert read == []
    for _ in range(3):
        found[1, :2, :2]
    assert read == [1]
