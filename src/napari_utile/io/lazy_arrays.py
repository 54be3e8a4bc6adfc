"""Arrays on disk that are read, and some written, window by window. No formats here.

Files are read, not mapped: the pages of a mapped file count as memory of the process, and one
that is cut off while it is mapped kills the process (SIGBUS), where a read gives a sentence.
"""

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Literal

import numpy as np
import zarr
from numpy.typing import DTypeLike, NDArray

from napari_utile.errors import UserError
from napari_utile.io.disk import room_for, to_disk
from napari_utile.io.memory import check_memory


class FileArray:
    """An uncompressed array in a file, read and written window by window.

    It may be used from several threads, and is pickled as the name of its file.

    Parameters
    ----------
    filename : str
        Path of the file, named as in `numpy.memmap`.
    offset : int
        Position of the first number in it, in bytes.
    shape : tuple of int
    dtype : dtype
        Its byte order is that of the file.
    order : {"C", "F"}
        Whether the last or the first axis runs fastest.
    """

    def __init__(
        self,
        filename: str,
        offset: int,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        order: Literal["C", "F"] = "C",
    ):
        self.filename, self.offset, self.order = str(filename), offset, order
        self.shape, self.dtype = tuple(map(int, shape)), np.dtype(dtype)

    @classmethod
    def of(cls, mapped: np.memmap) -> "FileArray":
        """Describe an array that was mapped; the map is not kept."""
        order: Literal["C", "F"] = "C" if mapped.flags.c_contiguous else "F"
        return cls(str(mapped.filename), mapped.offset, mapped.shape, mapped.dtype, order)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of numbers."""
        return prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Read a window.

        Raises
        ------
        UserError
            If the file was cut off since it was opened.
        """
        parts = every_axis(where, self.ndim)
        if not all(isinstance(part, slice | int | np.integer) for part in parts):
            check_memory(self.size * self.dtype.itemsize, self.filename)
            return self[...][where]
        # The window without steps that covers what is wanted, and what to take of it.
        first: list[int] = []
        lengths: list[int] = []
        taken: list[int | slice] = []
        for part, n in zip(parts, self.shape, strict=True):
            chosen = range(n)[part]
            taken.append(0 if isinstance(chosen, int) else slice(None, None, chosen.step))
            chosen = range(chosen, chosen + 1) if isinstance(chosen, int) else chosen
            first.append(min(chosen, default=0))
            lengths.append(max(chosen, default=-1) + 1 - first[-1])
        if 0 in lengths:
            return np.zeros(lengths, self.dtype)[tuple(taken)]
        if self.order == "F":
            return self._read(first[::-1], lengths[::-1]).transpose()[tuple(taken)]
        return self._read(first, lengths)[tuple(taken)]

    def _read(self, first: list[int], lengths: list[int]) -> NDArray[Any]:
        """Read a window of the array whose last axis runs fastest."""
        shape = self.shape if self.order == "C" else self.shape[::-1]
        window = np.empty(lengths, self.dtype)
        # The last axes that are whole, and the one before them, lie in one run of bytes.
        axis = len(shape) - 1
        while axis > 0 and lengths[axis] == shape[axis]:
            axis -= 1
        strides = [prod(shape[i + 1 :]) * self.dtype.itemsize for i in range(len(shape))]
        run = prod(lengths[axis:]) * self.dtype.itemsize
        start = self.offset + sum(a * b for a, b in zip(first, strides, strict=True))
        runs = window.reshape(*lengths[:axis], -1).view(np.uint8)
        with open(self.filename, "rb", buffering=0) as file:
            if axis == 0:
                read_into(file, start, runs)
                return window
            # Runs that lie close together are read in one piece, with what is between them.
            gap = strides[axis - 1]
            at_once = max(1, PIECE // gap) if gap - run <= CLOSE else 1
            for outer in np.ndindex(*lengths[: axis - 1]):
                begin = start + sum(i * strides[k] for k, i in enumerate(outer))
                for row in range(0, lengths[axis - 1], at_once):
                    rows = runs[outer][row : row + at_once]
                    if len(rows) == 1:
                        read_into(file, begin + row * gap, rows[0])
                        continue
                    piece = np.empty((len(rows) - 1) * gap + run, np.uint8)
                    read_into(file, begin + row * gap, piece)
                    rows[:] = np.lib.stride_tricks.as_strided(piece, (len(rows), run), (gap, 1))
        return window

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype, copy=False)

    def __setitem__(self, where: Any, values: Any) -> None:
        """Write a window, given by integers and slices without steps, row by row.

        Notes
        -----
        Not through a map: on a full disk that would kill the process (SIGBUS).

        Raises
        ------
        UserError
            If the disk is full.
        """
        first, lengths, kept = window_of(where, self.shape)
        window = np.broadcast_to(values, kept).astype(self.dtype, order="C").reshape(lengths)
        path = Path(self.filename)
        with room_for(path), path.open("r+b") as file:
            for row in np.ndindex(*lengths[:-1]):
                corner = [start + i for start, i in zip(first, (*row, 0), strict=True)]
                number = int(np.ravel_multi_index(corner, self.shape))
                file.seek(self.offset + number * self.dtype.itemsize)
                file.write(window[row].tobytes())

    def flush(self) -> None:
        """Wait until all that was written is on the disk."""
        to_disk(Path(self.filename))


def npy_array(path: Path) -> FileArray:
    """Describe the array in a .npy file; nothing in it is run, and no pixel is read.

    Parameters
    ----------
    path : Path

    Returns
    -------
    FileArray

    Raises
    ------
    UserError
        If it is cut off, or holds Python objects.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
        offset, there = file.tell(), path.stat().st_size
    if dtype.hasobject or dtype.names or dtype.subdtype:
        raise UserError(f"{path} holds Python objects or records, not numbers.")
    wanted = offset + prod(shape) * dtype.itemsize
    if wanted > there:
        raise UserError(f"{path} is cut off: it has {there} of {wanted} bytes.")
    return FileArray(str(path), offset, shape, dtype, "F" if is_fortran else "C")


PIECE, CLOSE = 1_000_000, 16_384
"""Bytes that are read at once, and between two runs of them: less costs less than a call."""


def read_into(file: BinaryIO, offset: int, pixels: NDArray[np.uint8]) -> None:
    """Fill an array from a file.

    Parameters
    ----------
    file : file
        Opened without a buffer.
    offset : int
        Where to begin, in bytes.
    pixels : ndarray of uint8
        Contiguous.

    Raises
    ------
    UserError
        If the file ends before.
    """
    view, done = memoryview(pixels.data).cast("B"), 0
    file.seek(offset)
    while done < len(view):
        more = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not more:
            raise UserError(
                f"{file.name} was cut off while it was read: it ends at byte {offset + done}, "
                f"and {len(view) - done} more are needed."
            )
        done += more


def read_exactly(path: Path | str, offset: int, count: int) -> bytes:
    """Read a part of a file.

    Parameters
    ----------
    path : path
    offset, count : int
        Where to begin, and how much to read, in bytes.

    Raises
    ------
    UserError
        If the file ends before.
    """
    pixels = np.empty(count, np.uint8)
    with open(path, "rb", buffering=0) as file:
        read_into(file, offset, pixels)
    return pixels.tobytes()


def window_of(where: Any, shape: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    """Resolve an index into a window.

    Parameters
    ----------
    where : index
        Integers, slices without steps, and an ellipsis.
    shape : tuple of int
        Of the array.

    Returns
    -------
    first : list of int
        Start along each axis.
    lengths : list of int
        Length along each axis; 1 for an integer.
    kept : list of int
        Lengths without those of integers: the shape of the result.

    Raises
    ------
    IndexError
        If a slice has a step.

    Examples
    --------
    >>> window_of((3, ..., slice(2, 9)), (5, 6, 7))
    ([3, 0, 2], [1, 6, 5], [6, 5])
    """
    first, lengths, kept = [], [], []
    for part, n in zip(every_axis(where, len(shape)), shape, strict=True):
        chosen = range(n)[part]
        if isinstance(chosen, range):
            if chosen.step != 1:
                raise IndexError(f"a window has no steps, as {part} has")
            kept.append(len(chosen))
        else:
            chosen = range(chosen, chosen + 1)
        first.append(chosen.start)
        lengths.append(len(chosen))
    return first, lengths, kept


def every_axis(where: Any, ndim: int) -> tuple[Any, ...]:
    """Expand an index to one part per axis.

    Parameters
    ----------
    where : index
        Parts of it, with or without an ellipsis.
    ndim : int
        Axes of the array.

    Examples
    --------
    >>> every_axis((0, ..., slice(3)), 4)
    (0, slice(None, None, None), slice(None, None, None), slice(None, 3, None))
    """
    where = where if isinstance(where, tuple) else (where,)
    at = next((i for i, part in enumerate(where) if part is Ellipsis), len(where))
    given = len(where) - (at < len(where))
    return (*where[:at], *(slice(None),) * (ndim - given), *where[at + 1 :])


def reads_file(data: Any, path: Path) -> bool:
    """Whether a lazy array is what a file holds, and nothing that was computed of it.

    Parameters
    ----------
    data : array-like
        No ndarray in memory.
    path : Path
        Where it came from.
    """
    if isinstance(data, zarr.Array):
        inside = Path(getattr(data.store, "root", "")) / data.path
        return path.absolute() in (inside.absolute(), *inside.absolute().parents)
    if isinstance(data, np.memmap):
        return data.mode != "c"  # others cannot be painted on without the file
    graph = getattr(data, "dask", None)
    if graph is None:
        return type(data).__module__.startswith("napari_utile.")
    reading = ("original-from-zarr", "from-zarr", "rechunk")
    return all(name.startswith(reading) for name in getattr(graph, "layers", ["?"]))


CACHE_BYTES = 256_000_000
"""Size of the cache of all arrays together; the last chunk is always kept."""


class CachedChunks:
    """An array of compressed chunks, some of which are kept decoded. For several threads.

    zarr caches encoded chunks only (`zarr.experimental.cache_store`), and decoding is what
    takes the time.

    Parameters
    ----------
    data : zarr.Array
        Has shape, dtype, chunks and basic indexing.
    """

    def __init__(self, data: Any):
        self._data, self._number = data, next(ARRAY_NUMBERS)
        self.shape, self.dtype, self.ndim = data.shape, np.dtype(data.dtype), data.ndim
        self.chunks = data.chunks

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Copy a window, given by integers and slices without steps."""
        first, lengths, kept = window_of(where, self.shape)
        window = np.empty(lengths, self.dtype)
        # The numbers of the chunks that the window touches, per axis.
        touched = [
            range(a // c, (a + n - 1) // c + 1)
            for a, n, c in zip(first, lengths, self.chunks, strict=True)
        ]
        for place in np.ndindex(*map(len, touched)):
            chunk = tuple(numbers[i] for numbers, i in zip(touched, place, strict=True))
            pixels = self._chunk(chunk)
            # The part of the window in this chunk: in pixels of the chunk, and of the window.
            there, here = [], []
            for i, c, n, a, length in zip(
                chunk, self.chunks, pixels.shape, first, lengths, strict=True
            ):
                start, stop = max(a, i * c), min(a + length, i * c + n)
                there.append(slice(start - i * c, stop - i * c))
                here.append(slice(start - a, stop - a))
            window[tuple(here)] = pixels[tuple(there)]
        return window.reshape(kept)

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def _chunk(self, chunk: tuple[int, ...]) -> NDArray[Any]:
        at = tuple(slice(i * c, i * c + c) for i, c in zip(chunk, self.chunks, strict=True))
        return CHUNK_CACHE.get((self._number, *chunk), lambda: np.asarray(self._data[at]))


class ChunkCache:
    """Decoded chunks by their key; the least recently used are dropped first."""

    def __init__(self) -> None:
        self.bytes = 0
        self._chunks: OrderedDict[tuple[int, ...], NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._chunks)

    def get(self, key: tuple[int, ...], decode: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return a chunk, decoded if it is not kept; two threads never decode the same one."""
        with self._lock:
            if key not in self._chunks:
                self._chunks[key] = decode()
                self.bytes += self._chunks[key].nbytes
                while len(self) > 1 and self.bytes > CACHE_BYTES:
                    self.bytes -= self._chunks.popitem(last=False)[1].nbytes
            self._chunks.move_to_end(key)
            return self._chunks[key]


CHUNK_CACHE, ARRAY_NUMBERS = ChunkCache(), count()
"""The cache of all arrays, and the numbers that distinguish them in it."""
