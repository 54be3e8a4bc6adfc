"""The chain of pages, whole, broken and endless."""

import struct

import numpy as np
import pytest
import tifffile

from napari_utile.errors import UserError
from napari_utile.io import tiff_directories
from napari_utile.io.images import open_image
from napari_utile.io.tiff_directories import read_directories

BEGUN = {"classic": b"II*\0\0\0\0\0", "big": b"II+\0\x08\0\0\0" + bytes(8)}


@pytest.fixture
def stack(tmp_path):
    def write(n=3, **how):
        path = tmp_path / "a.tif"
        with tifffile.TiffWriter(path, **how) as writer:
            for _ in range(n):
                writer.write(
                    np.ones((8, 9), np.uint16), metadata=None, contiguous=False, software=False
                )
        return path

    return write


@pytest.mark.parametrize("how", [{}, {"bigtiff": True}, {"byteorder": ">"}], ids=str)
def test_every_page_says_what_it_holds(stack, how):
    found = read_directories(stack(**how))
    assert len(found) == 3
    assert {d.text for d in found} == {"8 x 9 pixels of uint16"}
    with tifffile.TiffFile(stack(**how)) as tif:
        assert [d.offset for d in found] == [page.offset for page in tif.pages]


def test_colors_count_their_samples_and_bits(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    (found,) = read_directories(tmp_path / "a.tif")
    assert found.text == "8 x 9 pixels of uint8, 3 samples each"


@pytest.mark.parametrize("kind", BEGUN)
def test_a_file_without_a_page_is_cut_off(tmp_path, kind):
    (tmp_path / "a.tif").write_bytes(BEGUN[kind])
    with pytest.raises(UserError, match=r"a\.tif is cut off: it has no page\.$"):
        open_image(tmp_path / "a.tif")


def test_a_copy_that_stopped_has_zeros_for_pages(stack):
    path = stack()
    content = path.read_bytes()
    path.write_bytes(content[:8] + bytes(len(content) - 8))
    with pytest.raises(UserError, match=r"a\.tif is cut off or damaged: its page 1 consists"):
        open_image(path)


def test_pages_in_a_circle_are_refused(stack):
    path = stack()
    first, *_, last = read_directories(path)
    content = bytearray(path.read_bytes())
    (count,) = struct.unpack_from("<H", content, last.offset)
    struct.pack_into("<I", content, last.offset + 2 + 12 * count, first.offset)
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged: after page 3 comes page 1 again"):
        open_image(path)


def test_more_pages_than_anyone_waits_for_are_refused(stack, monkeypatch):
    monkeypatch.setattr(tiff_directories, "MAX_PAGES", 2)
    with pytest.raises(UserError, match="has more than 2 pages: save it as OME-Zarr"):
        open_image(stack())


def test_a_tag_that_points_outside_is_refused(stack):
    path = stack(1)
    (page,) = read_directories(path)
    content = bytearray(path.read_bytes())
    for at in range(page.offset + 2, len(content) - 12, 12):
        if struct.unpack_from("<H", content, at) == (273,):  # strip offsets: now 10^9 of them
            struct.pack_into("<II", content, at + 4, 10**9, 8)
    path.write_bytes(content)
    with pytest.raises(UserError, match="page 1 points outside of it"):
        open_image(path)
