from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from napari_utile.io import lazy_arrays
from napari_utile.io.lazy_arrays import CachedChunks, ChunkCache

PIXELS = np.random.default_rng(0).integers(0, 255, (4, 25, 38), np.uint8)


class Chunked:
    """An array that remembers which chunks were decoded."""

    shape, dtype, ndim, chunks = PIXELS.shape, PIXELS.dtype, 3, (1, 8, 38)

    def __init__(self):
        self.decoded = []

    def __getitem__(self, where):
        z, y, _ = where
        self.decoded.append((z.start, y.start // 8))
        return PIXELS[where]


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    """Begin with nothing kept."""
    monkeypatch.setattr(lazy_arrays, "CHUNK_CACHE", ChunkCache())


WINDOWS = [
    np.s_[0, 0:8, 0:38],
    np.s_[3, 5:25, 7:9],
    np.s_[1:3, :, 4],
    np.s_[..., 24, 37],
    np.s_[-1],
    np.s_[2, 9:9],
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_windows_are_those_of_the_array(window):
    np.testing.assert_array_equal(CachedChunks(Chunked())[window], PIXELS[window])


def test_a_chunk_is_decoded_once_while_it_is_kept():
    data = Chunked()
    array = CachedChunks(data)
    for x in range(0, 38, 6):
        array[1, 5:20, x : x + 6]
    assert data.decoded == [(1, 0), (1, 1), (1, 2)]


def test_two_arrays_do_not_share_chunks():
    first, second = Chunked(), Chunked()
    for data in (first, second):
        assert CachedChunks(data)[0, 0, 0] == PIXELS[0, 0, 0]
    assert second.decoded == [(0, 0)]


def test_what_is_kept_stays_within_the_budget_of_all_arrays(monkeypatch):
    monkeypatch.setattr(lazy_arrays, "CACHE_BYTES", 3 * 8 * 38)
    arrays = [CachedChunks(Chunked()) for _ in range(2)]
    for z, array in product(range(4), arrays):
        np.testing.assert_array_equal(array[z], PIXELS[z])
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
            np.testing.assert_array_equal(part, PIXELS[window])
