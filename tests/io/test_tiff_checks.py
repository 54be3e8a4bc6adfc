"""Odd pages, missing parts and claims: named, or read with a word about what is not."""

import re

import numpy as np
import pytest
import tifffile

from napari_utile.errors import UserError
from napari_utile.io import memory, tiff, tiff_checks
from napari_utile.io.images import open_image

PLANES = np.random.default_rng(0).integers(1, 255, (9, 32, 32), np.uint8)
WIDE = PLANES.astype(np.uint16)


@pytest.fixture
def pages(tmp_path):
    """Write pages one by one, each with its own options."""

    def write(planes, **how):
        path = tmp_path / "a.tif"
        with tifffile.TiffWriter(path) as writer:
            for given in planes:
                plane, own = given if isinstance(given, tuple) else (given, {})
                options = {"contiguous": False, "metadata": None, "photometric": "minisblack"}
                writer.write(plane, **options | how | own)
        return path

    return write


def with_odd(odd, at, n=6):
    return [odd if z == at else PLANES[z] for z in range(n)]


@pytest.mark.parametrize(
    ("planes", "said"),
    [
        (with_odd(PLANES[0, :, :28], 3), "page 4 of 6 is 32 x 28 pixels of uint8"),
        (with_odd(PLANES[0, :, :28], 0), "page 1 of 6 is 32 x 28 pixels of uint8"),
        (with_odd(PLANES[0, :, :28], 5), "page 6 of 6 is 32 x 28 pixels of uint8"),
        (with_odd(PLANES[0, :16, :16], 3), "page 4 of 6 is 16 x 16 pixels of uint8"),
        (with_odd(PLANES[0, :, :28], 5, 9), "page 6 of 9"),  # tifffile looks at 1, 2, 8 and 9
        (with_odd(WIDE[3], 3), "page 4 of 6 is 32 x 32 pixels of uint16"),
        (with_odd(np.pad(PLANES[0], 2), 3), "page 4 of 6 is 36 x 36"),
        (with_odd((PLANES[3], {"compression": "zlib"}), 3), "page 4 of 6 is stored otherwise"),
        (
            with_odd((np.stack([PLANES[3]] * 3, -1), {"photometric": "rgb"}), 3),
            "page 4 of 6 is 32 x 32 pixels of uint8, 3 samples",
        ),
    ],
)
def test_an_odd_page_is_named(pages, planes, said):
    with pytest.raises(UserError, match=rf"a\.tif is no stack of equal pages: ({said})"):
        open_image(pages(planes))


def test_many_unlike_pages_are_not_sorted_for_hours(pages, monkeypatch):
    monkeypatch.setattr(tiff, "MANY_PAGES", 3)
    with pytest.raises(UserError, match="has 6 pages that are not alike"):
        open_image(pages(with_odd(WIDE[3], 3)))


@pytest.mark.parametrize(
    ("planes", "said"),
    [
        (
            [PLANES[0, :8, :8], *PLANES[:6]],
            "6 of 7 pages .*; page 1 .* is taken for a thumbnail",
        ),
        (
            [*PLANES[:6], PLANES[0, :8, :8]],
            "6 of 7 pages .*; page 7 .* is taken for a thumbnail",
        ),
        (
            [PLANES[0], (PLANES[0] > 9, {"subfiletype": 4})],
            "1 of 2 pages .*; page 2 .* is marked as mask",
        ),
    ],
)
def test_a_thumbnail_or_mask_is_left_out_with_a_word(pages, planes, said):
    stack = open_image(pages(planes))
    assert stack.shape[-2:] == (32, 32)
    (doubt,) = stack.doubts
    assert re.search(said, doubt)
    np.testing.assert_array_equal(np.ravel(stack.plane(stack.indices[0]))[:1], PLANES[0, 0, 0])


def test_smaller_levels_are_no_part_that_is_missed(pages, tmp_path):
    level = {"subfiletype": 1}
    stack = open_image(pages([PLANES[0], (PLANES[0, ::2, ::2], level)]))
    assert (stack.shape, stack.doubts) == ((32, 32), ())
    with tifffile.TiffWriter(tmp_path / "b.tif", ome=True) as writer:
        writer.write(PLANES, subifds=1, metadata={"axes": "ZYX"})
        writer.write(PLANES[:, ::2, ::2], subfiletype=1)
    stack = open_image(tmp_path / "b.tif")
    assert (stack.shape, stack.doubts) == (PLANES.shape, ())


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
@pytest.mark.parametrize(
    ("says", "said"),
    [
        ("images=10\nslices=10", "10|fewer images"),
        ("images=10", "says that it holds 10 planes, and has 8"),
        ("images=6\nslices=6", "says that it holds 6 of its 8 pages"),
    ],
)
def test_imagej_counts_other_images_than_there_are(pages, how, says, said):
    own = {"description": f"ImageJ=1.54f\n{says}\n", "software": False}
    path = pages([(PLANES[0], own), *PLANES[1:8]], **how)
    with pytest.raises(UserError, match=rf"a\.tif .*({said})"):
        open_image(path)


def test_imagej_that_counts_right_is_no_doubt(pages):
    own = {"description": "ImageJ=1.54f\nimages=8\nslices=8\n", "software": False}
    stack = open_image(pages([(PLANES[0], own), *PLANES[1:8]]))
    assert (stack.axes, stack.shape, stack.doubts) == ("zyx", (8, 32, 32), ())


@pytest.mark.parametrize("shape", ["[7, 32, 32]", "[5, 32, 32]", "[6, 16, 64]"])
def test_a_shape_that_the_pages_do_not_have_is_not_taken_in_silence(pages, shape):
    path = pages([(PLANES[0], {"description": f'{{"shape": {shape}}}'}), *PLANES[1:6]])
    try:
        assert "does not match page shape" in open_image(path).doubts[0]
    except UserError as error:
        assert "a.tif" in str(error)  # noqa: PT017


@pytest.mark.parametrize("bits", [(5, 6, 5), (2, 2, 2)])
def test_samples_of_unlike_bits_are_refused_by_name(tmp_path, bits):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 9, 3), np.uint8), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages.first.tags["BitsPerSample"].overwrite(bits)
    if len({*bits}) > 1:
        with pytest.raises(UserError, match=r"samples of different bits or types \(\(5, 6, 5"):
            open_image(path)
    else:
        assert open_image(path).dtype == np.uint8


@pytest.mark.parametrize(
    ("photometric", "said"), [(5, "inks"), (6, "YCbCr"), (8, "Lab"), (32803, "raw mosaic")]
)
def test_other_colors_than_rgb_are_refused_by_name(tmp_path, photometric, said):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 9, 4), np.uint8), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages.first.tags["PhotometricInterpretation"].overwrite(photometric)
    with pytest.raises(UserError, match=f"a.tif holds .*{said}.*: save it in gray or as RGB"):
        open_image(path)


def test_numbers_of_a_type_without_a_name_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 9), np.int16), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages.first.tags["BitsPerSample"].overwrite(12)
    with pytest.raises(UserError, match="holds signed numbers of 12 bits, which are not read"):
        open_image(path)


def test_what_is_claimed_must_be_there_or_fit_into_memory(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    shape, how = (4, 4096, 4096), {"photometric": "minisblack"}
    tifffile.memmap(path, shape=shape, dtype=np.uint8, **how).flush()
    assert open_image(path).shape == shape  # sparse, as an unfinished result is
    monkeypatch.setattr(memory, "memory_budget", lambda: 0)
    assert open_image(path).shape == shape  # however little memory is free
    monkeypatch.setattr(tiff_checks, "MAX_SPARSE", 1_000_000)
    monkeypatch.setattr(tiff_checks, "MAX_EXPANSION_OF_OTHERS", 10)
    with pytest.raises(UserError, match=r"claims 67108864 bytes of pixels .* cannot hold"):
        open_image(path)


def test_a_strip_that_is_too_large_to_decode_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PLANES[0], compression="zlib")
    monkeypatch.setattr(tiff_checks, "MAX_PIECE", 1000)
    with pytest.raises(UserError, match=r"is stored in strips or tiles of 1\.0 kB, and more"):
        open_image(path)


def test_tiles_that_are_not_stored_are_counted(tmp_path):
    def tiles():
        yield PLANES[0, :16, :16]
        yield None
        yield PLANES[0, 16:, :16]
        yield None

    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, tiles(), shape=(32, 32), dtype=np.uint8, tile=(16, 16), compression="zlib"
    )
    stack = open_image(path)
    assert stack.doubts == (f"{path} does not store 2 of its 4 tiles: they are read as 0.",)
    np.testing.assert_array_equal(stack.read()[:, :16], PLANES[0, :, :16])
    assert not stack.read()[:, 16:].any()
