import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_utile.errors import UserError
from napari_utile.io import fingerprints, zarr_nodes
from napari_utile.io.fingerprints import PATCHES, SIDE, fingerprint, image_change
from napari_utile.io.images import as_stack, open_image
from napari_utile.io.stack import Stack

PIXELS = np.random.default_rng(0).integers(0, 255, (5, 300, 200), np.uint8)
FORMATS = ["a.npy", "a.tif", "packed.tif", "v2.zarr", "v3.zarr", "sharded.zarr"]


def save(path, pixels=PIXELS):
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".tif":
        how = {"compression": "zlib"} if path.stem == "packed" else {}
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None, **how)
    else:
        how = {"shards": (1, 100, 200)} if path.stem == "sharded" else {}
        how["zarr_format"] = 2 if path.stem == "v2" else 3
        array = zarr.create_array(
            path,
            shape=pixels.shape,
            dtype=pixels.dtype,
            chunks=(1, 50, 50),
            overwrite=True,
            **how,
        )
        array[:] = pixels
    return path


@pytest.fixture
def large(monkeypatch):
    """Take every image for one that is too large to be read in full."""
    monkeypatch.setattr(fingerprints, "SMALL", 1000)


def compare(there, here):
    """Compare what was kept on disk with what is found."""
    return image_change(json.loads(json.dumps(there)), here)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", ["small", "large"])
def test_the_same_image_is_the_same(tmp_path, name, size, request):
    if size == "large":
        request.getfixturevalue("large")
    path = save(tmp_path / name)
    there = fingerprint(open_image(path))
    assert compare(there, fingerprint(open_image(path))) is None
    moved = path.rename(tmp_path / f"moved{path.suffix}")
    assert compare(there, fingerprint(open_image(moved))) is None


@pytest.mark.parametrize("name", FORMATS)
def test_one_changed_pixel_of_a_small_image_is_noticed_whatever_the_date(tmp_path, name):
    path = save(tmp_path / name)
    there = fingerprint(open_image(path))
    changed = PIXELS.copy()
    changed[2, 77, 33] ^= 1
    save(path, changed)
    assert compare(there, fingerprint(open_image(path))) == "its pixels have changed"


@pytest.mark.parametrize("name", FORMATS)
def test_a_copy_of_a_small_image_is_the_same_image(tmp_path, name):
    path = save(tmp_path / name)
    there = fingerprint(open_image(path))
    for file in [path, *path.rglob("*")]:
        os.utime(file, (1, 1))
    assert compare(there, fingerprint(open_image(path))) is None
    assert compare(there, fingerprint(as_stack(PIXELS))) is None


@pytest.mark.parametrize("name", FORMATS)
def test_a_large_image_that_was_written_anew_is_told_by_its_date(tmp_path, name, large):
    path = save(tmp_path / name)
    there = fingerprint(open_image(path))
    assert "pixels" not in there
    for file in [path, *path.rglob("*")]:
        os.utime(file, (1e9, 1e9))
    said = compare(there, fingerprint(open_image(path)))
    assert said.startswith("it was modified on 2001-09-0")  # 1e9 s after 1970


@pytest.mark.parametrize("name", ["a.tif", "v3.zarr", "sharded.zarr"])
def test_a_large_image_that_was_truncated_or_lost_a_chunk_is_noticed(tmp_path, name, large):
    path = save(tmp_path / name)
    there = fingerprint(open_image(path))
    if path.is_dir():
        chunks = [p for p in path.rglob("*") if p.is_file() and p.suffix != ".json"]
        chunks[-1].unlink()
    else:
        with path.open("ab") as file:
            file.write(b"more")
    # pixels of a lost chunk read as zeros, which a sample may see
    assert compare(there, fingerprint(open_image(path))) is not None


def test_a_file_that_is_small_though_its_image_is_large_is_told_by_its_content(
    tmp_path, monkeypatch
):
    flat = np.full((5, 300, 200), 7, np.uint8)
    monkeypatch.setattr(fingerprints, "SMALL", flat.nbytes - 1)
    path = save(tmp_path / "packed.tif", flat)
    there = fingerprint(open_image(path))
    assert "pixels" not in there
    os.utime(path, (1, 1))
    assert compare(there, fingerprint(open_image(path))) is None
    path.write_bytes(path.read_bytes().replace(b"tifffile.py", b"another tool"[:11]))
    os.utime(path, (1, 1))
    assert compare(there, fingerprint(open_image(path))).startswith("it was modified on")


def test_shape_type_and_axes_are_named():
    here = Stack(PIXELS, "zyx")
    there = fingerprint(here)
    shorter = fingerprint(Stack(PIXELS[:4], "zyx"))
    assert compare(there, shorter) == "its shape was (5, 300, 200) and is (4, 300, 200)"
    wider = fingerprint(Stack(PIXELS.astype("u2"), "zyx"))
    assert compare(there, wider) == "its dtype was uint8 and is uint16"
    course = fingerprint(replace(here, axes="tyx"))
    assert compare(there, course) == "its axes were zyx and are tyx"
    colors = fingerprint(Stack(np.stack([PIXELS] * 2), "czyx"))
    assert compare(there, colors) == "its channels were 1 and are 2"


class Counting:
    """A large array that remembers what was asked for."""

    shape, dtype = (100, 5000, 7000), np.dtype("u2")

    def __init__(self):
        self.asked = []

    def __getitem__(self, where):
        z, y, x = where
        self.asked.append((z, y.start, x.start))
        assert (y.stop - y.start, x.stop - x.start) == (SIDE, SIDE)
        return np.full((SIDE, SIDE), z, self.dtype)


def test_little_is_read_of_a_large_image_but_from_everywhere():
    data = Counting()
    fingerprint(Stack(data, "zyx"))
    assert len(data.asked) == PATCHES
    planes, rows, columns = zip(*data.asked, strict=True)
    assert planes[0] == 0 and planes[-1] == 99 and len(set(planes)) == PATCHES
    for places, length in ((rows, 5000), (columns, 7000)):
        assert max(places) <= length - SIDE
        quarters = {4 * place // length for place in places}
        assert quarters == {0, 1, 2, 3}


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 40, 31)])
def test_images_smaller_than_a_sample_have_one_too(shape, large):
    pixels = np.ones(shape, np.float32)
    there = fingerprint(as_stack(pixels))
    assert there["shape"] == list(shape)
    assert compare(there, fingerprint(as_stack(2 * pixels))) == "its pixels have changed"


def test_byte_order_on_disk_is_no_difference():
    wide = PIXELS.astype("u2")
    there = fingerprint(Stack(wide, "zyx"))
    assert compare(there, fingerprint(Stack(wide.astype(">u2"), "zyx"))) is None


def test_only_some_of_very_many_chunks_are_looked_at(tmp_path, large, monkeypatch):
    monkeypatch.setattr(zarr_nodes, "MOST_FILES", 10)
    path = save(tmp_path / "v3.zarr")  # 5 x 6 x 4 chunks
    there = fingerprint(open_image(path))
    assert there["files"]["count"] == 10
    os.utime(path / "c" / "0" / "0" / "0", (1e9, 1e9))  # first and last are among them
    assert compare(there, fingerprint(open_image(path))) == "its files have changed"
    os.utime(path / "c" / "4" / "5" / "3", (2e9, 2e9))
    said = compare(there, fingerprint(open_image(path)))
    assert said.startswith("it was modified on 2033-05-1")  # 2e9 s after 1970


def test_a_copied_tree_that_kept_its_dates_is_the_same(tmp_path, large):
    path = save(tmp_path / "v3.zarr")
    copy = shutil.copytree(path, tmp_path / "copy.zarr")  # as cp -p does
    assert compare(fingerprint(open_image(path)), fingerprint(open_image(copy))) is None


def test_of_a_sharded_array_the_shards_are_looked_at(tmp_path, large, monkeypatch):
    monkeypatch.setattr(zarr_nodes, "MOST_FILES", 15)
    path = save(tmp_path / "sharded.zarr")  # 5 x 3 x 1 shards of 2 x 4 chunks
    assert fingerprint(open_image(path))["files"]["count"] == 15


class Damaged:
    """An array of which some planes cannot be read."""

    shape, dtype = PIXELS.shape, PIXELS.dtype

    def __init__(self, *planes):
        self.planes = planes

    def __getitem__(self, where):
        if where[0] in self.planes:
            raise OSError("a chunk is damaged")
        return PIXELS[where]


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("path", [None, "a.zarr"])  # without a path errors come as they are
def test_a_damaged_block_makes_no_stack_useless(size, path, request):
    if size == "large":
        request.getfixturevalue("large")
    there = fingerprint(Stack(Damaged(2), "zyx", path=path and Path(path)))
    assert compare(there, fingerprint(Stack(Damaged(2), "zyx"))) is None
    for other in (PIXELS, Damaged(3), Damaged(2, 3)):
        assert compare(there, fingerprint(Stack(other, "zyx"))) == "its pixels have changed"


def test_an_image_of_which_nothing_can_be_read_is_refused():
    with pytest.raises(UserError, match=r"a\.zarr, slice \(0,\): .*a chunk is damaged"):
        fingerprint(Stack(Damaged(*range(5)), "zyx", path=Path("a.zarr")))
