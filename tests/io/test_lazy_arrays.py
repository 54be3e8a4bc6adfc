"""Arrays that are read from files part by part, and chunks that are kept."""

import os
import pickle
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io import disk, lazy_arrays
from napari_utile.io.lazy_arrays import CachedChunks, ChunkCache, FileArray, npy_array
from napari_utile.io.stack import Stack
from napari_utile.io.tiff import create_tiff

PIXELS = np.random.default_rng(0).integers(0, 1000, (3, 4, 20, 30)).astype(np.uint16)


@pytest.fixture
def array(tmp_path):
    """The same numbers in a file, behind a header of 7 bytes."""
    (tmp_path / "a.raw").write_bytes(b"header " + PIXELS.tobytes())
    return FileArray(tmp_path / "a.raw", 7, PIXELS.shape, PIXELS.dtype)


WINDOWS = [
    np.s_[...],
    np.s_[1],
    np.s_[-1, ..., 5],
    np.s_[:, 2, 3:17, 5:6],
    np.s_[0, 3, 19, 29],
    np.s_[..., 10:, -7:],
    np.s_[1:3, :, 4:400],
    np.s_[2, 2, 5:5],
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_windows_are_read_and_written_as_in_memory(array, window):
    np.testing.assert_array_equal(array[window], PIXELS[window])
    expected = PIXELS.copy()
    expected[window] += 1000
    array[window] = PIXELS[window] + 1000
    np.testing.assert_array_equal(np.asarray(array), expected)
    array[window] = expected[window] = 5  # one number for all
    np.testing.assert_array_equal(array[...], expected)
    with open(array.filename, "rb") as file:
        assert file.read() == b"header " + expected.tobytes()


def test_what_does_not_fit_is_refused(array):
    with pytest.raises(ValueError, match="broadcast"):
        array[0, 0, :5, :5] = np.zeros((5, 6))
    with pytest.raises(IndexError):
        array[3] = 0
    with pytest.raises(IndexError, match="no steps"):
        array[:, :, ::2] = 0
    np.testing.assert_array_equal(array[...], PIXELS)


def test_what_was_read_is_a_copy(array):
    window = array[0]
    array[0] = 0
    np.testing.assert_array_equal(window, PIXELS[0])


def test_it_travels_to_other_processes(array):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array))[2], PIXELS[2])


def test_threads_write_beside_each_other(array):
    rows = [(c, z, y) for c in range(3) for z in range(4) for y in range(20)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda row: array.__setitem__(row, PIXELS[row][::-1]), rows))
    np.testing.assert_array_equal(array[...], PIXELS[..., ::-1])


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a file is limited there")
def test_a_full_disk_is_said_and_ends_nothing(array, monkeypatch):
    monkeypatch.setattr(disk, "DISK_FULL", {*disk.DISK_FULL, 27})  # EFBIG: the file is full
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(UserError, match=r"a\.raw: the disk is full"):
            array[2] = 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    np.testing.assert_array_equal(array[...], PIXELS)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_npy_files_are_described_without_reading_them(tmp_path, order, version):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, np.asarray(PIXELS, order=order), version)
    array = npy_array(tmp_path / "a.npy")
    assert (array.shape, array.dtype, array.order) == (PIXELS.shape, PIXELS.dtype, order)
    for window in [*WINDOWS, np.s_[::2, 3::-2, ::7], np.s_[[0, 2], 1], PIXELS > 500]:
        np.testing.assert_array_equal(array[window], PIXELS[window])


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([{}, None]), "holds Python objects or records"),
        (np.zeros(3, "u1,f4"), "holds Python objects or records"),
        (np.zeros(10**6), "is cut off: it has 4096 of 8000128 bytes"),
    ],
    ids=["objects", "records", "cut"],
)
def test_npy_files_that_hold_no_numbers_or_are_cut_off_are_refused(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    os.truncate(tmp_path / "a.npy", min(4096, (tmp_path / "a.npy").stat().st_size))
    with pytest.raises(UserError, match=rf"a\.npy {said}"):
        npy_array(tmp_path / "a.npy")


@pytest.mark.parametrize("where", [np.s_[2], np.s_[2, 3, 5:9, 5:9], np.s_[2, :, -1, -1]])
def test_a_file_that_is_cut_off_while_it_is_read_does_not_kill(array, where):
    os.truncate(array.filename, 7 + PIXELS.nbytes - 8000)
    np.testing.assert_array_equal(array[0], PIXELS[0])
    with pytest.raises(UserError, match=r"a\.raw was cut off while it was read: it ends at"):
        array[where]


GROWTH = """
import sys
import numpy as np
from napari_utile.io.images import open_image

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

stack = open_image(sys.argv[1])
stack.plane((0,), slice(0, 64), slice(0, 64))
before = most = resident()
for index in stack.indices:
    for y in range(0, 1024, 256):
        stack.plane(index, slice(y, y + 256)).max()
        most = max(most, resident())
print(most - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory there")
@pytest.mark.parametrize("name", ["a.npy", "a.tif"])
def test_memory_stays_flat_while_a_file_is_read(tmp_path, name):
    shape = (128, 1024, 1024)
    if name == "a.npy":
        np.lib.format.open_memmap(tmp_path / name, "w+", np.uint8, shape)
    else:
        create_tiff(tmp_path / name, shape, np.uint8, Stack(np.zeros((1, 1, 1)), "zyx"))
    command = [sys.executable, "-c", GROWTH, str(tmp_path / name)]
    grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(grown) < 20_000_000  # of 134 MB


PLANES = np.random.default_rng(0).integers(0, 255, (4, 25, 38), np.uint8)


class Chunked:
    """An array that remembers which chunks were decoded."""

    shape, dtype, ndim, chunks = PLANES.shape, PLANES.dtype, 3, (1, 8, 38)

    def __init__(self):
        self.decoded = []

    def __getitem__(self, where):
        z, y, _ = where
        self.decoded.append((z.start, y.start // 8))
        return PLANES[where]


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    """Begin with nothing kept."""
    monkeypatch.setattr(lazy_arrays, "CHUNK_CACHE", ChunkCache())


PARTS = [
    np.s_[0, 0:8, 0:38],
    np.s_[3, 5:25, 7:9],
    np.s_[1:3, :, 4],
    np.s_[..., 24, 37],
    np.s_[-1],
    np.s_[2, 9:9],
]


@pytest.mark.parametrize("window", PARTS, ids=str)
def test_windows_are_those_of_the_array(window):
    np.testing.assert_array_equal(CachedChunks(Chunked())[window], PLANES[window])


def test_a_chunk_is_decoded_once_while_it_is_kept():
    data = Chunked()
    array = CachedChunks(data)
    for x in range(0, 38, 6):
        array[1, 5:20, x : x + 6]
    assert data.decoded == [(1, 0), (1, 1), (1, 2)]


def test_two_arrays_do_not_share_chunks():
    first, second = Chunked(), Chunked()
    for data in (first, second):
        assert CachedChunks(data)[0, 0, 0] == PLANES[0, 0, 0]
    assert second.decoded == [(0, 0)]


def test_what_is_kept_stays_within_the_budget_of_all_arrays(monkeypatch):
    monkeypatch.setattr(lazy_arrays, "CACHE_BYTES", 3 * 8 * 38)
    arrays = [CachedChunks(Chunked()) for _ in range(2)]
    for z, array in product(range(4), arrays):
        np.testing.assert_array_equal(array[z], PLANES[z])
        assert lazy_arrays.CHUNK_CACHE.bytes <= 3 * 8 * 38
    assert len(lazy_arrays.CHUNK_CACHE) == 3  # of 8 rows, or the last one


def test_a_chunk_larger_than_the_budget_is_kept_until_the_next(monkeypatch):
    monkeypatch.setattr(lazy_arrays, "CACHE_BYTES", 1)
    data = Chunked()
    array = CachedChunks(data)
    for y in (0, 7, 8, 0):
        array[0, y]
    assert data.decoded == [(0, 0), (0, 1), (0, 0)]
    assert len(lazy_arrays.CHUNK_CACHE) == 1


def test_what_was_read_last_is_kept_longest(monkeypatch):
    monkeypatch.setattr(lazy_arrays, "CACHE_BYTES", 2 * 8 * 38)
    data = Chunked()
    array = CachedChunks(data)
    for row in (0, 8, 0, 16, 0):
        array[0, row]
    assert data.decoded == [(0, 0), (0, 1), (0, 2)]


def test_threads_may_read_at_once(monkeypatch):
    monkeypatch.setattr(lazy_arrays, "CACHE_BYTES", 2 * 8 * 38)
    array = CachedChunks(Chunked())
    corners = 20 * [*product(range(4), (0, 9), (0, 9))]
    windows = [np.s_[z, y : y + 10, x : x + 9] for z, y, x in corners]
    with ThreadPoolExecutor(4) as threads:
        parts = threads.map(array.__getitem__, windows)
        for window, part in zip(windows, parts, strict=True):
            np.testing.assert_array_equal(part, PLANES[window])
