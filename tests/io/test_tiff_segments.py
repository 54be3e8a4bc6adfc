"""Strips and tiles: bits, bombs, cuts and what is damaged, by its page."""

import io
import lzma
import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io import tiff_segments
from napari_utile.io.images import open_image

PLANES = np.random.default_rng(0).integers(0, 255, (3, 40, 37), np.uint8)


@pytest.fixture
def raw(tmp_path):
    """Write one strip as it is, and say of it what the tags say."""

    def write(strip, shape, compression=1, bits=8, **tags):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, np.zeros(shape, np.uint8), metadata=None, photometric=1)
        content = path.read_bytes()
        path.write_bytes(content + strip)
        values = {
            "Compression": compression, "BitsPerSample": bits, "StripOffsets": len(content),
            "StripByteCounts": len(strip), **tags,
        }  # fmt: skip
        with tifffile.TiffFile(path, mode="r+") as tif:
            for name, value in values.items():
                tif.pages.first.tags[name].overwrite(value)
        return path

    return write


def packed(pixels, bits):
    """Pack integers, the highest bit first, each row from a new byte on (TIFF 6.0, p. 33)."""
    rows = [
        "".join(f"{value:0{bits}b}" for value in row).ljust(-(-len(row) * bits // 8) * 8, "0")
        for row in pixels.tolist()
    ]
    return b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 10, 12, 14, 20])
def test_packed_bits_are_read_right(raw, bits, compression):
    pixels = np.random.default_rng(bits).integers(0, 2**bits, (9, 13))
    strip = packed(pixels, bits)
    path = raw(zlib.compress(strip) if compression == 8 else strip, (9, 13), compression, bits)
    stack = open_image(path)
    np.testing.assert_array_equal(stack.read(), pixels)
    np.testing.assert_array_equal(
        stack.plane((), slice(2, 5), slice(3, 9))[0], pixels[2:5, 3:9]
    )


@pytest.mark.parametrize("shape", [(64, 48), (5, 64, 77)])
@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"byteorder": ">"}], ids=str)
def test_masks_of_one_bit_are_read(tmp_path, shape, how):
    mask = np.random.default_rng(0).random(shape) > 0.5
    tifffile.imwrite(tmp_path / "a.tif", mask, **how)
    stack = open_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(stack.read(), mask)
    assert stack.doubts == ()


def test_bits_in_the_other_order_are_reversed(raw):
    path = raw(b"\x01\x02\x80", (1, 3))
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<HHI", 296, 3, 1))  # the unit of the resolution
    content[at : at + 12] = struct.pack("<HHII", 266, 3, 1, 2)  # becomes the fill order
    path.write_bytes(content)
    assert open_image(path).read().tolist() == [[128, 64, 1]]


BOMB = bytes(3_000_000)
BOMBS = {8: zlib.compress, 32946: zlib.compress, 34925: lzma.compress}


@pytest.mark.parametrize("compression", BOMBS)
def test_a_strip_that_holds_more_than_it_may_is_stopped(raw, compression):
    stack = open_image(raw(BOMBS[compression](BOMB), (64, 48), compression))
    with pytest.raises(UserError, match=r"page 1, strip 1 is damaged: it decodes to more than"):
        stack.read()


@pytest.mark.parametrize("compression", BOMBS)
def test_a_strip_that_ends_early_is_said(raw, compression):
    data = BOMBS[compression](PLANES[0].tobytes())
    stack = open_image(raw(data[: len(data) // 2], (40, 37), compression))
    with pytest.raises(UserError, match=r"a\.tif, slice \(\): .*page 1, strip 1 is damaged"):
        stack.read()


@pytest.mark.parametrize("how", [{"rowsperstrip": 8}, {"tile": (16, 16)}], ids=str)
def test_what_is_damaged_is_named_by_page_and_strip_and_the_others_are_read(tmp_path, how):
    path = tmp_path / "a.tif"
    options = {"metadata": None, "photometric": "minisblack", "compression": "zlib"}
    tifffile.imwrite(path, PLANES, **options, **how)
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[1].dataoffsets[2]
    content = bytearray(path.read_bytes())
    content[at : at + 10] = b"\xff" * 10
    path.write_bytes(content)
    stack = open_image(path)
    np.testing.assert_array_equal(stack.plane((2,))[0], PLANES[2])
    kind = "tile" if "tile" in how else "strip"
    with pytest.raises(UserError, match=rf"slice \(1,\): .*page 2, {kind} 3 is damaged"):
        stack.plane((1,))


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
def test_a_file_that_is_cut_off_while_it_is_read_gives_a_sentence(tmp_path, how):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PLANES, photometric="minisblack", **how)
    stack = open_image(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(UserError, match=r"a\.tif was cut off while it was read"):
        stack.plane((2,))


def pictures():
    """The first bytes of pictures of 300 rows and 200 columns."""
    found = {}
    for kind in ("JPEG", "PNG", "JPEG2000"):
        file = io.BytesIO()
        Image.new("L", (200, 300)).save(file, kind)
        found[kind] = file.getvalue()
    return found


@pytest.mark.parametrize(("kind", "data"), pictures().items())
def test_a_picture_in_a_strip_may_not_claim_more_than_the_strip(kind, data):
    assert tiff_segments._picture_size(data) == (300, 200)
    assert tiff_segments._picture_size(data[:8]) == (0, 0)


def test_packed_runs_are_decoded_and_bounded(raw):
    # From TIFF 6.0, section 9: the example of Apple's PackBits.
    runs = bytes.fromhex("FEAA0280002AFDAA0380002A22F7AA")
    expected = "AAAAAA80002AAAAAAAAA80002A22" + "AA" * 10
    assert open_image(raw(runs, (1, 24), 32773)).read().tobytes().hex().upper() == expected
    bomb = open_image(raw(b"\x81\x07" * 100, (2, 24), 32773))
    assert bomb.read().tolist() == [[7] * 24] * 2
