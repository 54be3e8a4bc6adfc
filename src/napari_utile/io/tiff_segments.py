"""The strips and tiles of a TIFF, decoded one by one when they are asked for.

A strip is never decoded to more than it may hold, whatever is in it, and a file that was cut
off since it was opened gives a sentence.
"""

import copy
import lzma
import struct
import zlib
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.lazy_arrays import read_exactly, window_of

MAX_EXPANSION = {1: 1, 8: 1100, 32946: 1100, 50013: 1100, 32773: 64, 5: 1500}
"""TIFF compression -> bytes that one byte can decode to: none 1, deflate 1032, packed bits 64,
LZW 1365 at best."""
MAX_EXPANSION_OF_OTHERS = 20_000
"""The same for every other compression."""
_DEFLATE, _LZMA, _PACKBITS, _JPEG = (8, 32946, 50013), 34925, 32773, 7


@dataclass(frozen=True)
class Page:
    """Where the strips or tiles of one page are.

    Attributes
    ----------
    path : Path
        The file; an OME-TIFF may have several.
    number : int
        From 1, in that file.
    offsets, counts : tuple of int
        Position and length of each strip or tile; 0 of one that is not stored.
    tables : bytes, optional
        What all JPEG strips share.
    """

    path: Path
    number: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tables: bytes | None


class Segments:
    """The pages of a TIFF as one array whose chunks are its strips or tiles.

    It opens a file for each strip that it reads, and keeps none open.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        No page of it is missing. Its file may be closed afterwards.
    shape : tuple of int
        Of the series, perhaps without axes of length 1.

    Raises
    ------
    UserError
        If its pages do not make this shape.
    """

    def __init__(self, series: Any, shape: tuple[int, ...]):
        frame = series.keyframe
        self._pages = [_page(page) for page in series]
        self._outer, inner = _axes_of_pages(shape, len(self._pages), frame.shaped)
        # A page is (separate samples, depth, rows, columns, samples); so is a strip or tile.
        self._shaped = tuple(map(int, frame.shaped))
        strip = (1, frame.rowsperstrip, frame.imagewidth)
        tile = (frame.tiledepth, frame.tilelength, frame.tilewidth)
        self._segment = (1, *(tile if frame.is_tiled else strip), self._shaped[-1])
        self._axes = inner
        self.shape = shape
        self.dtype, self.ndim = np.dtype(series.dtype), len(self.shape)
        ones = (1,) * len(self._outer)
        self.chunks = (*ones, *(1 if i is None else self._size(i) for i in inner))
        self._fill = frame.nodata
        self._frame, self._decode = frame, _decoder(frame)

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Decode a window that lies in one chunk."""
        first, lengths, kept = window_of(where, self.shape)
        n = len(self._outer)
        page = self._pages[int(np.ravel_multi_index(first[:n], self._outer)) if n else 0]
        start = [0] * 5
        for axis, at in zip(self._axes, first[n:], strict=True):
            if axis is not None:
                start[axis] = at // self._size(axis)
        pixels = self._read(page, start)
        # Axes of length 1 that the series does not have go, those that it adds come.
        parts = [slice(None)] * 5
        for axis, at, length in zip(self._axes, first[n:], lengths[n:], strict=True):
            if axis is not None:
                begin = at - start[axis] * self._size(axis)
                parts[axis] = slice(begin, begin + length)
        window: NDArray[Any] = pixels[tuple(parts)].reshape(kept)
        return window

    def _size(self, axis: int) -> int:
        return max(1, min(self._segment[axis], self._shaped[axis]))

    def _read(self, page: Page, start: list[int]) -> NDArray[Any]:
        """Read and decode a strip or tile by its place in the page, in strips or tiles."""
        many = [ceil(n / c) for n, c in zip(self._shaped, self._segment, strict=True)]
        number = int(np.ravel_multi_index(start, many))
        shape = tuple(
            min(c, n - i * c)
            for i, c, n in zip(start, self._segment, self._shaped, strict=True)
        )
        name = f"page {page.number}, {'tile' if self._frame.is_tiled else 'strip'} {number + 1}"
        if number >= min(len(page.offsets), len(page.counts)):
            raise ValueError(f"{name} is missing")
        offset, count = page.offsets[number], page.counts[number]
        if not offset or not count:
            return np.full(shape, self._fill, self.dtype)
        data = read_exactly(page.path, offset, count)
        try:
            pixels = self._decode(data, number, page.tables)
        except MemoryError:
            raise
        except Exception as error:  # decoders have no common type for damaged data
            raise ValueError(f"{name} is damaged: {str(error).rstrip('.')}") from error
        # (depth, rows, columns, samples); a tile may reach beyond the page.
        whole: NDArray[Any] = pixels[np.newaxis][tuple(map(slice, shape))]
        if whole.shape != shape:
            raise ValueError(f"{name} is damaged: it holds {whole.shape[1:]} of {shape[1:]}")
        return whole


def _page(page: Any) -> Page:
    if page is None:
        raise ValueError("a page is missing")
    frame, index = page.keyframe, page.index
    number = (index if isinstance(index, int) else index[0]) + 1
    tables = page.jpegtables if page.jpegtables is not None else frame.jpegtables
    path = Path(page.parent.filehandle.path)
    return Page(path, number, tuple(page.dataoffsets), tuple(page.databytecounts), tables)


def _axes_of_pages(
    shape: tuple[int, ...], pages: int, shaped: tuple[int, ...]
) -> tuple[tuple[int, ...], list[int | None]]:
    """Split a shape into the axes that count pages, and those of a page.

    Returns
    -------
    outer : tuple of int
    inner : list of int or None
        For each other axis its number in `shaped`; None for one of length 1 that is not there.
    """
    wanted = [(axis, n) for axis, n in enumerate(shaped) if n > 1]
    for k in range(len(shape) + 1):
        if prod(shape[:k]) != pages or [n for n in shape[k:] if n > 1] != [
            n for _, n in wanted
        ]:
            continue
        numbers = iter(wanted)
        return shape[:k], [next(numbers)[0] if n > 1 else None for n in shape[k:]]
    raise UserError(f"{pages} pages of {shaped} do not make the image {shape} that it claims")


def _decoder(frame: Any) -> Any:
    """Return a function (bytes, number, tables) -> pixels of the segments of a page."""
    compression = int(frame.compression)
    bits = frame.bitspersample
    ours = compression in (1, *_DEFLATE, _LZMA, _PACKBITS)
    if not ours:
        decode = frame.decode
        high = frame.tilelength if frame.is_tiled else frame.rowsperstrip
        wide = frame.tilewidth if frame.is_tiled else frame.imagewidth

        def library(data: bytes, number: int, tables: bytes | None) -> NDArray[Any]:
            rows, columns = _picture_size(data)
            if rows > high or columns > wide:
                raise ValueError(f"it claims {rows} x {columns} pixels, of {high} x {wide}")
            if compression == _JPEG:
                _refuse_damage(data, tables or b"")
            pixels: NDArray[Any] = decode(
                data, number, jpegtables=tables, jpegheader=frame.jpegheader
            )[0]
            return pixels

        return library

    # tifffile gives a decompressor no limit: it is run here, and tifffile decodes what is then
    # a page without compression.
    plain = copy.copy(frame)
    plain.__dict__.pop("decode", None)
    plain.__dict__.pop("hash", None)
    plain.compression, plain.fillorder = 1, 1
    columns = frame.tilewidth if frame.is_tiled else frame.imagewidth
    rows = frame.tilelength if frame.is_tiled else frame.rowsperstrip
    depth = frame.tiledepth if frame.is_tiled else 1
    samples = frame.shaped[-1]
    row = ceil(columns * samples * bits / 8)
    most = depth * rows * row
    packed = frame.sampleformat in (1, 2, 4) and bits not in (8, 16, 32, 64)
    if packed:
        kind = np.dtype(frame.dtype)
        plain.bitspersample, plain._dtype = kind.itemsize * 8, kind
        if kind.kind == "b":
            plain._dtype = np.dtype(np.uint8)
    decode = plain.decode

    def bounded(data: bytes, number: int, tables: bytes | None) -> NDArray[Any]:
        if frame.fillorder == 2:
            data = data.translate(_REVERSED)
        data = _decompress(data, compression, most)
        if packed:
            numbers = _unpacked(data, bits, columns * samples, row, plain._dtype)
            kind = numbers.dtype.newbyteorder(frame.parent.byteorder)
            data = numbers.astype(kind).tobytes()
        pixels: NDArray[Any] = decode(data, number)[0]
        return pixels.astype(frame.dtype, copy=False)

    return bounded


def _refuse_damage(data: bytes, tables: bytes) -> None:
    from napari_utile.io.jpeg_scans import damage_of  # loads numba

    found = damage_of(data, tables)
    if found and found.is_certain:
        raise ValueError(found.text)


_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
"""Every byte with its bits in reverse order."""


def _picture_size(data: bytes) -> tuple[int, int]:
    """Return the height and width that a JPEG, PNG or JPEG 2000 claims; 0 if it does not."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        columns, rows = struct.unpack_from(">II", data, 16)
        return rows, columns
    at = data.find(b"\xff\x4f\xff\x51")  # the start of a JPEG 2000 codestream, and its size
    if 0 <= at < 4096 and len(data) >= at + 16:
        columns, rows = struct.unpack_from(">II", data, at + 8)
        return rows, columns
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data):
        if data[at] != 0xFF:
            break
        # The frame headers of a JPEG are SOF0 to SOF15, but for three other markers.
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            rows, columns = struct.unpack_from(">HH", data, at + 5)
            return rows, columns
        at += 1 if marker == 0xFF else 2 + length
    return 0, 0


def _decompress(data: bytes, compression: int, most: int) -> bytes:
    """Decompress to `most` bytes, and refuse what holds more.

    Raises
    ------
    ValueError
        If it is damaged, or holds more.
    """
    if compression in _DEFLATE:
        inflate = zlib.decompressobj()
        found = inflate.decompress(data, most)
        more = bool(inflate.unconsumed_tail) and bool(
            inflate.decompress(inflate.unconsumed_tail, 1)
        )
        complete = inflate.eof
    elif compression == _LZMA:
        unpack = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
        found = unpack.decompress(data, most)
        more = not unpack.eof and not unpack.needs_input and bool(unpack.decompress(b"", 1))
        complete = unpack.eof
    elif compression == _PACKBITS:
        return _unpacked_bits(data, most)
    else:
        return data
    if more:
        raise ValueError(f"it decodes to more than the {most} bytes that it may hold")
    if not complete and len(found) < most:
        raise ValueError("it is cut off")
    return found


_LZMA_MEMORY = 256_000_000
"""Bytes that the dictionary of LZMA may take."""


def _unpacked_bits(data: bytes, most: int) -> bytes:
    """Decode PackBits: runs of one byte, and bytes as they are."""
    found, at = bytearray(), 0
    while at < len(data) and len(found) < most:
        n, at = data[at], at + 1
        if n < 128:
            found += data[at : at + n + 1]
            at += n + 1
        elif n > 128:
            found += data[at : at + 1] * (257 - n)
            at += 1
    return bytes(found[:most])


def _unpacked(
    data: bytes, bits: int, numbers: int, row: int, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Unpack integers of any number of bits, whose rows begin at whole bytes."""
    rows = np.frombuffer(data, np.uint8)[: len(data) // row * row].reshape(-1, row)
    found = np.zeros((len(rows), numbers), dtype)
    powers = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint64)
    for line, packed in zip(found, rows, strict=True):
        digits = np.unpackbits(packed)[: numbers * bits].reshape(numbers, bits)
        line[:] = digits @ powers if bits > 1 else digits[:, 0]
    return found
