"""Images of every format, opened by their content."""

import os
import socket
import unicodedata
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io.images import as_stack, expand, open_image, stem_of, unread_images
from napari_utile.io.lazy_arrays import FileArray
from napari_utile.io.pairs import pair_files
from napari_utile.io.stack import Stack
from tests.fixtures.touch import touch

PLANE = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
COLOR = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


@pytest.mark.parametrize("array", [PLANE, np.asfortranarray(PLANE), PLANE.astype(">i4")])
def test_npy_is_read_window_by_window(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    stack = open_image(tmp_path / "a.npy")
    assert isinstance(stack.data, FileArray)
    np.testing.assert_array_equal(stack.read(), PLANE)


def test_content_decides_not_the_name(tmp_path):
    Image.fromarray(PLANE).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", tmp_path / "a.tif")
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").read(), PLANE)


def test_an_array_is_never_read_whole():
    def read(block_info=None):
        where = block_info[None]["array-location"]
        asked.append(where)
        return np.zeros([stop - start for start, stop in where], np.uint8)

    asked = []
    huge = da.map_blocks(read, chunks=((1,) * 9, (512,) * 20, (512,) * 20), dtype=np.uint8)
    stack = as_stack(huge)
    assert stack.shape == (9, 10_240, 10_240)
    asked.clear()
    assert stack.plane((4,), slice(512, 1024), slice(0, 100)).shape == (1, 512, 100)
    assert asked == [[(4, 5), (512, 1024), (0, 512)]]


def test_the_first_level_of_a_multiscale_layer_is_taken():
    levels = [np.zeros((64, 64)), np.zeros((32, 32))]
    assert as_stack(levels).shape == (64, 64)
    for other in (levels[0], np.zeros((60, 60)), np.zeros((40, 128)), np.zeros((3, 32, 32))):
        with pytest.raises(UserError, match="2 arrays, which are not levels of one image"):
            as_stack([levels[0], other])


def test_channels_are_found_by_the_labels_or_the_model():
    assert as_stack(np.zeros((5, 20, 30)), shape=(20, 30)).channels == 5
    assert as_stack(np.zeros((20, 30, 2)), channels=2).axes == "yxc"
    with pytest.raises(UserError, match=r"cells \(5, 20, 30\) .* labels \(20, 31\)"):
        as_stack(np.zeros((5, 20, 30)), shape=(20, 31), name="cells")
    with pytest.raises(UserError, match=r"cells \(7,\) is no image"):
        as_stack(np.zeros(7), name="cells")


def test_a_stack_or_a_path_passes(tmp_path):
    stack = Stack(PLANE, "yx")
    assert as_stack(stack) is stack
    np.save(tmp_path / "a.npy", PLANE)
    assert as_stack(str(tmp_path / "a.npy")).shape == PLANE.shape


def test_a_folder_is_sorted_as_people_count(tmp_path):
    touch(tmp_path, "z10.tif", "z2.tif", "z1.PNG", "notes.txt", ".hidden.tif")
    zarr.create_array(tmp_path / "z3.zarr", shape=(2, 2), dtype="u1")
    assert [p.name for p in expand(tmp_path)] == ["z1.PNG", "z2.tif", "z3.zarr", "z10.tif"]
    assert expand(tmp_path / "z3.zarr") == [tmp_path / "z3.zarr"]


def test_globs_and_lists(tmp_path):
    touch(tmp_path, "a [1].tif", "b 2.tif", "sub/c.tif")
    assert [p.name for p in expand(f"{tmp_path}/*.tif")] == ["a [1].tif", "b 2.tif"]
    assert [p.name for p in expand(f"{tmp_path}/**/*.tif")][-1] == "c.tif"
    assert expand([tmp_path / "a [1].tif"]) == [tmp_path / "a [1].tif"]


@pytest.mark.parametrize("name", ["nothing.tif", "*.png", "empty"])
def test_a_name_that_leads_nowhere_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=name.replace("*", r"\*")):
        expand(tmp_path / name)


def test_real_stacks_open(shared_data):
    stack = open_image(shared_data / "isbi2012" / "volume.tif")
    assert (stack.shape, stack.dtype, stack.axes) == ((24, 512, 512), np.uint8, "zyx")
    folder = shared_data / "dsb2018" / "train"
    assert len(pair_files(folder / "images", folder / "labels")) == 64


def test_what_exists_is_no_pattern(tmp_path):
    touch(tmp_path, "1.tif", "[1].tif", "a*.tif", "ab.tif", "day [1]/x.tif", "day 1/y.tif")
    for name in ("[1].tif", "a*.tif", "day [1]/x.tif"):
        assert expand(tmp_path / name) == [tmp_path / name]
    assert expand(tmp_path / "day [1]") == [tmp_path / "day [1]/x.tif"]
    assert expand(tmp_path / "day [1]" / "*.tif") == [tmp_path / "day [1]/x.tif"]
    assert expand(tmp_path / "*" / "y.tif") == [tmp_path / "day 1/y.tif"]


def test_composed_and_decomposed_letters_are_the_same(tmp_path):
    stored = tmp_path / "Ma\u0308use" / "gro\u0308\u00dfe.tif"
    touch(tmp_path, stored.relative_to(tmp_path))
    asked = Path(unicodedata.normalize("NFC", str(stored)))
    assert expand(asked) == expand(stored) == [stored]
    assert expand(asked.parent) == [stored]
    assert stem_of(asked) == stem_of(stored)
    with pytest.raises(UserError, match="was not found"):
        expand(asked.with_name("gro\u0308sse.tif"))


def test_a_pattern_follows_no_ring_of_links(tmp_path):
    touch(tmp_path, "a/x.tif", "a/.hidden/y.tif")
    for name in ("one", "two"):
        (tmp_path / "a" / name).symlink_to(tmp_path / "a")
    assert expand(tmp_path / "**" / "*.tif") == [tmp_path / "a/x.tif"]
    (tmp_path / "ring.tif").symlink_to(tmp_path / "ring.tif")
    with pytest.raises(UserError, match=r"ring\.tif is a link to .*, which was not found"):
        expand(tmp_path / "ring.tif")


def test_what_is_no_file_is_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    for name, said in ((tmp_path / "a.tif", "a pipe"), ("/dev/zero", "a device")):
        with pytest.raises(UserError, match=f"is {said}, not a file"):
            open_image(name)
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(str(tmp_path / "s.tif"))
        with pytest.raises(UserError, match="is a socket, not a file"):
            open_image(tmp_path / "s.tif")


def test_images_that_a_folder_holds_and_that_are_not_read_are_counted(tmp_path):
    quiet = ("Thumbs.db", ".DS_Store", "._1.tif", ".hidden.czi", "notes.txt", "sub/3.tif")
    touch(tmp_path, "1.tif", "2.PNG", *quiet)
    assert unread_images([tmp_path, tmp_path / "1.tif"]) == []
    touch(tmp_path, "3.czi")
    np.save(tmp_path / "plain", PLANE)
    (tmp_path / "plain.npy").rename(tmp_path / "plain")
    (said,) = unread_images(tmp_path)
    assert said.startswith(
        f"2 of the 4 images in {tmp_path} are read: 3.czi and others are not"
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["sub/1.tif"], "name its folder sub, or all of them as"),
        (["a/1.tif", "b/1.tif"], "name one of its folders a, b, or all of them as"),
        (["a.czi"], r"a\.czi is empty"),
        (["notes.txt"], r"its files would end in \.jpeg"),
    ],
)
def test_a_folder_without_images_says_what_it_holds(tmp_path, files, said):
    touch(tmp_path, *files)
    with pytest.raises(UserError, match=f"holds no image: .*{said}"):
        expand(tmp_path)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([[None]]), "holds Python objects"),
        (np.array([["a"]]), "holds <U1, not numbers"),
        (np.zeros((2, 2), complex), "holds complex128, not numbers"),
        (np.zeros(5), r"has the shape \(5,\): an image has 2 to 4 axes"),
        (np.float32(1), r"has the shape \(\)"),
        (np.zeros((0, 5)), "is empty"),
    ],
)
def test_arrays_that_are_no_image(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=said):
        open_image(tmp_path / "a.npy")


def test_an_array_file_that_is_cut_off(tmp_path):
    np.save(tmp_path / "a.npy", PLANE)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"a\.npy is cut off: it has 727 of 728 bytes"):
        open_image(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(whole[:9])
    with pytest.raises(UserError, match=r"a\.npy "):
        open_image(tmp_path / "a.npy")


@pytest.mark.parametrize(("shape", "count"), [((40, 50, 2), 1), ((2, 40, 50), 0), ((9, 2), 0)])
def test_columns_of_an_array_that_may_be_channels_are_said(tmp_path, shape, count):
    pixels = np.zeros(shape, np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    zarr.save_array(tmp_path / "a.zarr", pixels + 1)
    for name in ("a.npy", "a.zarr"):
        doubts = open_image(tmp_path / name).doubts
        assert len(doubts) == count
        assert all("its 40 x 50 x 2 are read as z, y, x" in doubt for doubt in doubts)
