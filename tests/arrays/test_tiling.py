import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_utile.arrays.tiling import mirrored, read_mirrored, tile_around, tiles

SIZES = st.integers(1, 40)


MARGIN = (3, 3)


def unpadded(sides):
    return tuple(side + 2 * 3 for side in sides)


@given(shape=st.tuples(SIZES, SIZES), write=st.tuples(SIZES, SIZES))
def test_every_pixel_is_written_once(shape, write):
    written = np.zeros(shape, int)
    for tile in tiles(shape, write, MARGIN, unpadded):
        written[tile.write] += 1
    assert (written == 1).all()


@given(shape=st.tuples(SIZES, SIZES), write=st.tuples(SIZES, SIZES))
def test_a_tile_reads_its_margin(shape, write):
    for tile in tiles(shape, write, MARGIN, unpadded):
        for read, side in zip(tile.read, tile.write, strict=True):
            assert (read.start, read.stop) == (side.start - 3, side.stop + 3)


def test_tiles_are_laid_row_by_row_and_end_with_the_image():
    writes = [tile.write for tile in tiles((20, 8), (16, 8), MARGIN, unpadded)]
    assert writes == [(slice(0, 16), slice(0, 8)), (slice(16, 20), slice(0, 8))]


def test_a_tile_writes_something():
    with pytest.raises(ValueError, match="at least one pixel"):
        tiles((20, 8), (0, 8), MARGIN, unpadded)


def test_the_tile_of_any_window_is_laid_at_a_multiple():
    tile = tile_around(
        (slice(21, 30), slice(16, 20)), alignment=(8, 8), margin=MARGIN, input_size=unpadded
    )
    assert tile.read == (slice(16 - 3, 30 + 3), slice(16 - 3, 20 + 3))
    assert tile.cut(MARGIN) == (slice(5, 14), slice(0, 4))


@given(
    shape=st.tuples(SIZES, SIZES),
    before=st.tuples(SIZES, SIZES),
    after=st.tuples(SIZES, SIZES),
)
def test_beyond_the_image_it_is_as_numpy_pads_it(shape, before, after):
    image = np.arange(2 * shape[0] * shape[1]).reshape(2, *shape)
    padding = list(zip(before, after, strict=True))
    read = tuple(slice(-b, n + a) for n, (b, a) in zip(shape, padding, strict=True))
    expected = np.pad(image, [(0, 0), *padding], mode="reflect")
    np.testing.assert_array_equal(mirrored(image, read), expected)


@given(shape=st.tuples(SIZES, SIZES), start=st.integers(-60, 60), length=SIZES)
def test_any_window_is_a_window_of_the_mirrored_image(shape, start, length):
    image = np.arange(shape[0] * shape[1]).reshape(shape)
    whole = np.pad(image, 100, mode="reflect")
    window = slice(start, min(start + length, 100))
    there = slice(window.start + 100, window.stop + 100)
    np.testing.assert_array_equal(mirrored(image, (window, window)), whole[there, there])


def test_three_pixels_are_reflected_again_and_again():
    row = np.array([[1, 2, 3]])
    assert mirrored(row, (slice(0, 1), slice(-3, 5))).tolist() == [[2, 3, 2, 1, 2, 3, 2, 1]]


def test_a_single_pixel_is_repeated():
    assert (mirrored(np.array([[7]]), (slice(-4, 9), slice(-2, 3))) == 7).all()


def test_only_what_is_needed_is_read_and_only_once():
    image, asked = np.arange(10_000).reshape(100, 100), []

    def reader(y, x):
        asked.append((y, x))
        return image[y, x]

    read_mirrored(reader, image.shape, (slice(-5, 20), slice(40, 60)))
    assert asked == [(slice(0, 20), slice(40, 60))]
