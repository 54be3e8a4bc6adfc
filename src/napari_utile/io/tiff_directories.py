"""The chain of pages in a TIFF file, walked before a library follows it.

A damaged or hostile chain is refused here in a bounded time: tifffile drops what it does not
understand, and needs a time that grows with the square of the number of pages.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from napari_utile.errors import UserError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins; the latter two are BigTIFF."""
MAX_PAGES = 65_536
"""Pages of one file; a file of more is read by no one in a time worth waiting for."""
MAX_TAGS = 4096
"""Tags of one page: what tifffile accepts, too."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
"""Bytes of one value, by the number of its type."""
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_FORM = {257: 1, 256: 1, 258: 1, 339: 1, 277: 1}
"""Tags that say what a page holds, with defaults: height, width, bits, format, samples."""
_CODING = {259: 1, 262: 1, 284: 1, 317: 1, 266: 1, 274: 1, 278: 0, 322: 0, 323: 0, 32997: 1}
_CODING |= {320: 0}
"""Tags that say how: compression, photometric, planes, predictor, fill order, orientation,
rows per strip, width and length of a tile, depth; and the palette."""
_PALETTE, _DESCRIPTION = 320, 270
MAX_DESCRIPTION = 64_000_000
"""Bytes of a description that are read."""
_SUBFILE = 254
_FORMATS = {1: "uint", 2: "int", 3: "float", 5: "complex int", 6: "complex"}


@dataclass(frozen=True)
class Directory:
    """What one page of a TIFF says of itself.

    Attributes
    ----------
    offset : int
        Where it stands in the file.
    form : tuple of int
        Height, width, bits, format and samples: pages of one stack share them.
    coding : tuple of int
        How it is stored.
    is_reduced, is_mask : bool
        Whether it is marked as a smaller version, or as the mask, of another page.
    """

    offset: int
    form: tuple[int, ...]
    coding: tuple[int, ...]
    is_reduced: bool
    is_mask: bool

    @property
    def text(self) -> str:
        """Its form in words: "64 x 48 pixels of uint8"."""
        height, width, bits, kind, samples = self.form
        several = f", {samples} samples each" if samples > 1 else ""
        return f"{height} x {width} pixels of {_FORMATS.get(kind, 'uint')}{bits}{several}"


def read_directories(path: Path) -> list[Directory]:
    """Read what every page in the chain of a TIFF says of itself, but for SubIFDs.

    Parameters
    ----------
    path : Path
        A file that begins as a TIFF does.

    Returns
    -------
    list of Directory
        In the order of the chain.

    Raises
    ------
    UserError
        If there is no page, the chain is broken or leads back, a tag lies outside the file, or
        there are more than `MAX_PAGES` pages.
    """
    there = path.stat().st_size
    with path.open("rb") as file:
        found = list(_directories(file, path, there))
    if not found:
        raise UserError(f"{path} is cut off: it has no page.")
    return found


def description_of(path: Path) -> bytes:
    """Return the description of the first page of a TIFF, empty if there is none.

    Parameters
    ----------
    path : Path
        A file that is damaged, or no TIFF, has none.
    """
    with suppress(OSError, OverflowError, struct.error), path.open("rb") as file:
        if (start := file.read(16))[:4] not in MAGIC:
            return b""
        order, number, entry, where, offset = _layout(start)
        head, size = struct.Struct(order + entry), struct.calcsize(where)
        file.seek(offset)
        (count,) = struct.unpack(order + number, file.read(struct.calcsize(order + number)))
        for _ in range(min(count, MAX_TAGS)):
            tag, _, length = head.unpack(file.read(head.size))
            value = file.read(size)
            if tag == _DESCRIPTION:
                if length > size:
                    file.seek(*struct.unpack(order + where, value))
                    value = file.read(min(length, MAX_DESCRIPTION))
                return value[:length]
    return b""


def _layout(start: bytes) -> tuple[str, str, str, str, int]:
    """Return byte order, formats of a count, an entry and a position, and the first position.

    Raises
    ------
    struct.error
        If the file ends before.
    """
    order = "<" if start[:2] in (b"II", b"EP") else ">"
    is_big = start[2:4] in (b"+\0", b"\0+")
    number, entry, where = ("Q", "HHQ", "Q") if is_big else ("H", "HHI", "I")
    (offset,) = struct.unpack_from(order + where, start, 8 if is_big else 4)
    return order, number, entry, where, offset


def _directories(file: BinaryIO, path: Path, there: int) -> Iterator[Directory]:
    try:
        order, number, entry, where, offset = _layout(file.read(16))
    except struct.error:
        raise UserError(f"{path} is cut off: it has {there} bytes.") from None
    seen: dict[int, int] = {}
    while offset:
        page = len(seen) + 1
        if offset in seen:
            raise UserError(
                f"{path} is damaged: after page {page - 1} comes page {seen[offset]} again."
            )
        if page > MAX_PAGES:
            raise UserError(
                f"{path} has more than {MAX_PAGES} pages: save it as OME-Zarr, or in parts."
            )
        seen[offset] = page
        # A page is a count, the entries of its tags, and the position of the next page.
        file.seek(min(offset, there))
        size = struct.calcsize(order + number)
        count = int.from_bytes(file.read(size), "little" if order == "<" else "big")
        if not count and offset + size <= there:
            raise UserError(
                f"{path} is cut off or damaged: its page {page} consists of zeros, as in a "
                "copy that was stopped."
            )
        length = struct.calcsize(order + entry) + struct.calcsize(where)
        if not 0 < count <= MAX_TAGS or offset + size + count * length > there:
            raise UserError(
                f"{path} is cut off or damaged: its page {page} should stand at byte {offset} "
                f"of {there}, and does not."
            )
        block = file.read(count * length + struct.calcsize(where))
        values = _values(file, block[: count * length], order, entry, there)
        if values is None:
            raise UserError(f"{path} is cut off or damaged: page {page} points outside of it.")
        subfile = values.get(_SUBFILE, 0)
        yield Directory(
            offset,
            tuple(values.get(tag, default) for tag, default in _FORM.items()),
            tuple(values.get(tag, default) for tag, default in _CODING.items()),
            bool(subfile & 1),
            bool(subfile & 4),
        )
        rest = block[count * length :]
        # A file that ends right behind its last tag lacks the 0 that says so.
        full = len(rest) == struct.calcsize(where)
        offset = struct.unpack(order + where, rest)[0] if full else 0


def _values(
    file: BinaryIO, block: bytes, order: str, entry: str, there: int
) -> dict[int, int] | None:
    """Return the first integer of each tag that is wanted; None if one lies outside."""
    head, where = struct.Struct(order + entry), order + ("Q" if entry == "HHQ" else "I")
    room = struct.calcsize(where)
    wanted = _FORM.keys() | _CODING.keys() | {_SUBFILE}
    found: dict[int, int] = {}
    for start in range(0, len(block), head.size + room):
        tag, kind, count = head.unpack_from(block, start)
        value, size = block[start + head.size :][:room], count * _SIZES.get(kind, 0)
        if size > room:  # the values stand elsewhere in the file
            (place,) = struct.unpack(where, value)
            if place + size > there:
                return None
            if tag in wanted:
                file.seek(place)
                value = file.read(size if tag == _PALETTE else 8)
        if tag == _PALETTE:
            found[tag] = crc32(value)  # a number that tells two palettes apart
            continue
        if tag in wanted and count and kind in _INTEGERS:
            (found[tag],) = struct.unpack_from(order + _INTEGERS[kind], value)
    return found
