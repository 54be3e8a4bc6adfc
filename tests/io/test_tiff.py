import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io import tiff_segments
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.lazy_arrays import FileArray
from napari_utile.io.stack import Stack
from napari_utile.io.tiff import create_tiff, finish_tiff, partial_name, reopen_tiff
from napari_utile.io.tiff_metadata import stack_axes

VOLUME = np.random.default_rng(0).integers(0, 255, (5, 64, 48), np.uint8)
WAYS = {
    "plain": {},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "deflate": {"compression": "zlib"},
    "predictor": {"compression": "zlib", "predictor": True},
    "tiles": {"tile": (16, 16)},
    "deflate tiles": {"tile": (16, 16), "compression": "zlib"},
    "big": {"bigtiff": True},
    "big endian": {"byteorder": ">"},
    "pages": {"metadata": None},
}


@pytest.fixture
def tiff(tmp_path):
    def write(array=VOLUME, **how):
        path = tmp_path / "a b-ü.tif"
        tifffile.imwrite(path, array, **how)
        return path

    return write


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_tiff_gives_its_planes(tiff, way):
    stack = open_image(tiff(**({"photometric": "minisblack"} | WAYS[way])))
    assert (stack.axes, stack.shape, stack.name) == ("zyx", VOLUME.shape, "a b-ü.tif")
    part = stack.plane((3,), slice(20, 50), slice(5, 9))
    np.testing.assert_array_equal(part, VOLUME[3:4, 20:50, 5:9])
    np.testing.assert_array_equal(stack.read(), VOLUME)


def test_compressed_is_read_strip_by_strip_and_each_only_once(tiff, monkeypatch):
    assert isinstance(open_image(tiff()).data, FileArray)
    stack = open_image(tiff(compression="zlib", rowsperstrip=8, photometric="minisblack"))
    read, read_exactly = [], tiff_segments.read_exactly

    def counted(*where):
        read.append(where)
        return read_exactly(*where)

    monkeypatch.setattr(tiff_segments, "read_exactly", counted)
    for x in range(0, 48, 12):  # a row of tiles
        part = stack.plane((2,), slice(8, 24), slice(x, x + 12))
        np.testing.assert_array_equal(part[0], VOLUME[2, 8:24, x : x + 12])
    assert len(read) == 2


def test_sixteen_bits_in_foreign_byte_order(tiff):
    wide = VOLUME.astype(np.uint16) * 257
    np.testing.assert_array_equal(open_image(tiff(wide, byteorder=">")).read(), wide)


def test_color_pages_have_their_channels_last(tiff):
    color = np.random.default_rng(0).integers(0, 255, (5, 32, 24, 3), np.uint8)
    stack = open_image(tiff(color[0], photometric="rgb"))
    assert (stack.axes, stack.shape, stack.channels) == ("yxc", (32, 24), 3)
    stack = open_image(tiff(color, photometric="rgb"))
    assert (stack.axes, stack.shape, stack.channels) == ("zyxc", (5, 32, 24), 3)
    np.testing.assert_array_equal(stack.plane((4,)), color[4].transpose(2, 0, 1))


def test_alpha_is_left_out(tiff):
    color = np.random.default_rng(0).integers(0, 255, (32, 24, 4), np.uint8)
    stack = open_image(tiff(color, photometric="rgb", extrasamples=["unassalpha"]))
    np.testing.assert_array_equal(stack.plane(), color[..., :3].transpose(2, 0, 1))


def test_ome_scale_units_and_channels_are_read(tiff):
    metadata = {
        "axes": "ZCYX", "PhysicalSizeX": 4.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 5.0,
        "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.05, "PhysicalSizeZUnit": "µm",
    }  # fmt: skip
    path = tiff(np.zeros((5, 2, 8, 9), np.uint16), ome=True, metadata=metadata)
    stack = open_image(path)
    assert (stack.axes, stack.shape, stack.channels) == ("zcyx", (5, 8, 9), 2)
    assert stack.scale == (0.05, 5.0, 4.0)
    assert stack.units == ("micrometer", "nanometer", "nanometer")


@pytest.mark.parametrize("spelling", ["um", "micron", "\\u00B5m"])
def test_imagej_spacing_and_unit_are_read(tiff, spelling):
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": spelling}
    stack = open_image(tiff(imagej=True, resolution=(10, 20), metadata=metadata))
    assert stack.scale == pytest.approx((0.5, 1 / 20, 1 / 10))
    assert stack.units == ("micrometer",) * 3


def test_dots_per_inch_are_no_scale(tiff):
    stack = open_image(tiff(resolution=(72, 72), resolutionunit="inch"))
    assert stack.scale == (1, 1, 1)


def test_the_image_is_chosen_beside_its_thumbnail_but_not_among_equals(tmp_path):
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(VOLUME[0, :8, :8], metadata=None)
        writer.write(VOLUME[0], metadata=None)
    np.testing.assert_array_equal(open_image(path).read(), VOLUME[0])
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(VOLUME[0])
        writer.write(VOLUME[1])
    with pytest.raises(UserError, match=r"two\.tif holds several images of the same size"):
        open_image(path)


def test_a_compression_that_cannot_be_read_is_said_at_once(tmp_path):
    Image.fromarray(VOLUME[0]).save(tmp_path / "a.tif", compression="tiff_lzw")
    if tifffile.COMPRESSION.LZW in tifffile.TIFF.DECOMPRESSORS:  # imagecodecs is installed
        np.testing.assert_array_equal(open_image(tmp_path / "a.tif").read(), VOLUME[0])
        return
    with pytest.raises(
        UserError, match=r"a\.tif is compressed by LZW: `pip install imagecodecs`"
    ):
        open_image(tmp_path / "a.tif")


def test_more_axes_than_five_are_refused():
    with pytest.raises(UserError, match="has the axes QRTZYX, more than t, z, c, y and x"):
        stack_axes("QRTZYX", (2, 2, 2, 2, 8, 8))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", [0.001, 0.3, 0.5, 0.8])
def test_a_file_cut_off_anywhere_is_refused(tiff, way, share):
    path = tiff(**({"photometric": "minisblack"} | WAYS[way]))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError) as refused:
        open_image(path)
    said = str(refused.value)
    assert said.startswith(str(path))
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize("how", [{"compression": "zlib"}, {"tile": (16, 16)}])
def test_the_last_bytes_of_the_last_page_are_missed(tiff, how):
    path = tiff(**how, metadata=None, photometric="minisblack")
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    said = rf"is cut off: it has {len(content) - 10} of {len(content)} bytes"
    with pytest.raises(UserError, match=said):
        open_image(path)


def test_a_header_that_claims_too_much_is_refused(tiff):
    path = tiff(
        np.zeros((64, 48), np.uint8), compression="zlib", rowsperstrip=64, metadata=None
    )
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tif.pages.first.tags[name].overwrite(60_000)
    with pytest.raises(UserError, match=r"claims 3600000000 bytes .*cannot hold"):
        open_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int64, np.uint64, bool])
def test_what_is_written_is_what_is_read(tmp_path, dtype):
    array = (VOLUME % 2 if dtype is bool else VOLUME).astype(dtype)
    like = Stack(VOLUME, "zyx", scale=(50.0, 4.0, 4.0), units=("nanometer",) * 3)
    write_tiff(tmp_path / "out.tif", array, like)
    stack = open_image(tmp_path / "out.tif")
    np.testing.assert_array_equal(stack.read(), array)
    assert (stack.axes, stack.scale, stack.units) == ("zyx", like.scale, like.units)
    assert isinstance(stack.data, FileArray)


def test_channels_are_written_first_and_no_color_is_made_of_them(tmp_path):
    probabilities = np.random.default_rng(0).random((3, 16, 24), np.float32)
    write_tiff(tmp_path / "p.tif", probabilities, Stack(VOLUME[0, :16, :24], "yx"))
    stack = open_image(tmp_path / "p.tif")
    assert (stack.axes, stack.channels, stack.shape) == ("cyx", 3, (16, 24))
    np.testing.assert_array_equal(stack.read(), probabilities)


def test_ids_that_no_tiff_holds_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"4294967296: use \.zarr"):
        write_tiff(tmp_path / "big.tif", np.array([[0, 2**32]]).astype(np.uint64))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [VOLUME.shape, (2, *VOLUME.shape)])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "f4"])
def test_a_tiff_is_filled_window_by_window_and_read_by_others(tmp_path, shape, dtype):
    like = Stack(VOLUME, "zyx", scale=(50.0, 4.0, 4.0), units=("nanometer",) * 3)
    expected = np.random.default_rng(0).integers(1, 255, shape).astype(dtype)
    array = create_tiff(partial_name(tmp_path / "r.tif"), shape, dtype, like)
    assert (array.shape, array.dtype) == (shape, dtype)
    for z, y, x in np.ndindex(5, 4, 2):
        where = (..., z, slice(16 * y, 16 * y + 16), slice(32 * x, 32 * x + 32))
        array = reopen_tiff(tmp_path / "r.partial.tif")  # as after a stop
        assert not array[where].any()
        array[where] = expected[where]
        np.testing.assert_array_equal(array[where], expected[where])
    array.flush()
    finish_tiff(tmp_path / "r.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["r.tif"]
    with tifffile.TiffFile(tmp_path / "r.tif") as tif:
        np.testing.assert_array_equal(tif.asarray(), expected)
    stack = open_image(tmp_path / "r.tif")
    assert (stack.axes[-3:], stack.scale, stack.units) == ("zyx", like.scale, like.units)


def test_a_large_tiff_is_a_bigtiff_that_takes_room_only_where_it_is_written(tmp_path):
    like = Stack(np.zeros((1, 1, 1), np.uint8), "zyx")
    array = create_tiff(tmp_path / "r.tif", (50, 10_000, 10_000), np.uint8, like)
    array[49, -1, -2:] = 7
    assert (tmp_path / "r.tif").stat().st_blocks * 512 < 10_000_000
    stack = open_image(tmp_path / "r.tif")
    assert stack.shape == (50, 10_000, 10_000)
    assert stack.plane((49,), slice(9998, None), slice(9997, None)).tolist() == [
        [[0, 0, 0], [0, 7, 7]]
    ]
    with tifffile.TiffFile(tmp_path / "r.tif") as tif:
        assert tif.is_bigtiff


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("yx", (1, 20, 30)),  # one map
        ("zyx", (1, 20, 30)),
        ("zyx", (2, 1, 20, 30)),
        ("tzyx", (3, 1, 20, 30)),
        ("yx", (1, 30)),
        ("yx", (1, 1)),
    ],
)
def test_axes_of_length_one_come_back(tmp_path, axes, shape):
    like = Stack(np.zeros(shape[-len(axes) :], np.uint8), axes)
    made = create_tiff(tmp_path / "r.tif", shape, np.float32, like)
    array = reopen_tiff(tmp_path / "r.tif", shape, np.float32)
    assert (array.offset, array.shape, array.dtype) == (made.offset, shape, np.float32)
    array[(slice(None),) * len(shape)] = 0.5
    assert (tifffile.imread(tmp_path / "r.tif") == 0.5).all()


def test_what_is_no_unfinished_tiff_cannot_be_resumed(tiff, tmp_path):
    compressed = tiff(compression="zlib")
    (tmp_path / "empty.tif").touch()
    words = "cannot be resumed: .* Overwrite it to start again"
    for path in (compressed, tmp_path / "empty.tif", tmp_path / "none.tif"):
        with pytest.raises(UserError, match=f"{path.name} {words}"):
            reopen_tiff(path, VOLUME.shape, np.uint8)
    with pytest.raises(UserError, match=f"none.tif {words.replace('.*', 'it was not found.')}"):
        reopen_tiff(tmp_path / "none.tif")


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((4, 64, 48), "u1"), ((5, 48, 64), "u1"), ((5, 1, 64, 48), "u2"), ((64, 48), "u1")],
)
def test_a_tiff_of_another_shape_or_type_cannot_be_resumed(tiff, shape, dtype):
    path = tiff()
    assert reopen_tiff(path, VOLUME.shape, "u1").shape == VOLUME.shape
    with pytest.raises(UserError, match="it is another TIFF, not one of "):
        reopen_tiff(path, shape, dtype)


@pytest.mark.parametrize("z", [1, 5])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.7, 0.97])
def test_an_unfinished_tiff_that_was_cut_off_is_left_as_it_is(tmp_path, z, share):
    path, shape = tmp_path / "r.tif", (z, 64, 48)
    create_tiff(path, shape, np.uint8, Stack(np.zeros(shape, np.uint8), "zyx"))
    length = int(share * path.stat().st_size)
    os.truncate(path, length)
    with pytest.raises(UserError, match=r"cannot be resumed: it is .*cut off"):
        reopen_tiff(path, shape, np.uint8)
    assert path.stat().st_size == length


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_four_threads_may_read(tiff, how):
    stack = open_image(tiff(photometric="minisblack", **how))
    windows = [(z, y, x) for z in range(5) for y in range(0, 60, 5) for x in range(0, 40, 7)]

    def read(window):
        z, y, x = window
        return stack.plane((z,), slice(y, y + 20), slice(x, x + 9))[0]

    with ThreadPoolExecutor(4) as threads:
        for (z, y, x), part in zip(windows, threads.map(read, windows), strict=True):
            np.testing.assert_array_equal(part, VOLUME[z, y : y + 20, x : x + 9])


def test_a_result_says_of_itself_whether_it_is_complete(tmp_path):
    like = Stack(np.zeros((3, 4, 5)), "zyx")
    array = create_tiff(partial_name(tmp_path / "r.tif"), like.shape, "u4", like, "instances")
    array[0] = 7
    array.flush()
    copy = tmp_path / "copy.tif"  # under another name
    shutil.copy(partial_name(tmp_path / "r.tif"), copy)
    assert "copy.tif is a partial result" in open_image(copy).doubts[0]
    finish_tiff(tmp_path / "r.tif")
    whole = open_image(tmp_path / "r.tif")
    assert (whole.doubts, whole.holds, whole.read()[0, 0, 0]) == ((), "instances", 7)
    assert "napari-utile" in tifffile.TiffFile(tmp_path / "r.tif").ome_metadata
