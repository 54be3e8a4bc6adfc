"""Whether the compressed data of a JPEG hold the blocks that its header claims.

libjpeg goes on over damaged data with gray, shifted or colored blocks, and only warns; Pillow
does not pass its warnings on. Here the codes are followed, and no pixel is computed: Huffman
codes fall out of step where data are damaged, so that blocks are missing or bytes are left.

References
----------
ITU-T T.81, "Digital compression and coding of continuous-tone still images", annexes B, F, G.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from napari_utile.arrays.compiled import Array, compiled

FOLLOWED = (0xC0, 0xC1, 0xC2)
"""Markers of frames whose codes are followed: baseline, extended and progressive Huffman."""
OTHER_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
MOST_SEGMENTS = 2000
"""That are looked at; a picture that has more was made to take time."""
FEW_LEFT, MOST_LEFT = 2, 64
"""Bytes behind the last block that are no damage, and that are perhaps none: of a camera."""
_SOUND, _BAD_CODE, _ENDS_EARLY = range(3)
_REASON = {_BAD_CODE: "a code is none", _ENDS_EARLY: "blocks are missing"}
_DC, _AC = 0, 1


class Damage(NamedTuple):
    """What is wrong with compressed data, in words, and whether that is certain."""

    text: str
    is_certain: bool = True


@dataclass
class _Picture:
    """What the segments before a scan say."""

    frame: int = 0
    size: tuple[int, int] = (0, 0)
    """Height and width."""
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Component -> blocks of it along y and x in a unit of all components."""
    tables: dict[tuple[int, int], tuple[Array, Array]] = field(default_factory=dict)
    """Class and number -> length and symbol of the code that begins 16 bits."""
    bits: int = 8
    interval: int = 0
    """Units between two restarts; 0 if there are none."""


def damage_of(data: bytes, tables: bytes = b"") -> Damage | None:
    """Return what is wrong with the compressed data of a JPEG, or None.

    Parameters
    ----------
    data : bytes
        A whole JPEG; of several in one file the first.
    tables : bytes, optional
        What several JPEGs share, as in a TIFF.

    Notes
    -----
    Not looked at are arithmetic and lossless coding, and the scans of a progressive JPEG that
    refine what others began: to follow those takes the coefficients.
    """
    picture = _Picture()
    try:
        for _ in _scans(tables, picture):
            pass
        for header, coded in _scans(data, picture):
            if picture.frame not in FOLLOWED or 0 in picture.size:
                return None
            if found := _damage_of_scan(picture, header, coded):
                return found
    except (IndexError, KeyError, ValueError, ZeroDivisionError):
        pass  # segments that make no picture are the decoder's to refuse
    return None


def _scans(data: bytes, picture: _Picture) -> Iterator[tuple[bytes, bytes]]:
    """Read segments into `picture`; yield header and compressed data of each scan."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        if at + 4 > len(data):
            return
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != 0xFF or marker == 0xD9:
            return
        if marker == 0xFF:  # a byte to fill up
            at += 1
            continue
        segment = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker in FOLLOWED or marker in OTHER_FRAMES:
            _read_frame(picture, marker, segment)
        elif marker == 0xC4:
            _read_tables(picture, segment)
        elif marker == 0xDD:
            picture.interval = int.from_bytes(segment[:2], "big")
        elif marker == 0xDA:
            end = _NEXT.search(data, at)
            stop = end.start() if end else len(data)
            yield segment, data[at:stop]
            at = stop


_NEXT = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""A marker that ends compressed data."""
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")


def _read_frame(picture: _Picture, marker: int, segment: bytes) -> None:
    picture.frame, picture.bits = marker, segment[0]
    picture.size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    parts = (segment[6 + 3 * i : 9 + 3 * i] for i in range(segment[5]))
    picture.sampling = {part[0]: (part[1] & 15, part[1] >> 4) for part in parts}


def _read_tables(picture: _Picture, segment: bytes) -> None:
    """Read Huffman tables (annex C): 16 counts of codes by length, then their symbols."""
    while len(segment) > 17:
        counts, n = segment[1:17], sum(segment[1:17])
        lengths, symbols = np.zeros(2**16, np.uint8), np.zeros(2**16, np.uint8)
        start, place = 0, 0
        for length, count in enumerate(counts, 1):
            for symbol in segment[17 + place : 17 + place + count]:
                end = start + 2 ** (16 - length)
                lengths[start:end], symbols[start:end] = length, symbol
                start = end
            place += count
        picture.tables[segment[0] >> 4, segment[0] & 15] = lengths, symbols
        segment = segment[17 + n :]


def _damage_of_scan(picture: _Picture, header: bytes, coded: bytes) -> Damage | None:
    """Follow the codes of one scan, from restart to restart."""
    chosen = [(header[1 + 2 * i], header[2 + 2 * i]) for i in range(header[0])]
    first, last, refines = (*header[1 + 2 * len(chosen) :][:2], header[-1] >> 4)
    if first > 0 and refines:
        return None
    units, blocks = _units_of_scan(picture, chosen)
    lengths, symbols, tables = _tables_of(picture, blocks, first == 0 and not refines, last > 0)
    done = 0
    for piece in _RESTART.split(coded):
        count = min(picture.interval or units, units - done)
        bits = np.frombuffer(piece.replace(b"\xff\x00", b"\xff") + bytes(8), np.uint8)
        how = first, last, bool(refines), picture.bits + 2
        status, there, end = _follow(bits, tables, lengths, symbols, count, *how)
        done += there
        left = bits[end : len(bits) - 8]
        if status != _SOUND:
            return Damage(f"its pixels are wrong from {done / units:.0%} on: {_REASON[status]}")
        if left.size > FEW_LEFT and not (left == left[0]).all():
            text = f"{left.size} bytes are left behind {done / units:.0%} of its pixels"
            return Damage(text, is_certain=done < units or left.size > MOST_LEFT)
    return Damage(f"its pixels end at {done / units:.0%}") if done < units else None


def _tables_of(
    picture: _Picture, blocks: list[int], has_dc: bool, has_ac: bool
) -> tuple[Array, Array, Array]:
    """Return lengths and symbols of all tables, and the numbers of those of each block.

    Raises
    ------
    ValueError
        If one is missing.
    """
    known, none = [*picture.tables], (np.zeros(2**16, np.uint8),) * 2
    lengths, symbols = (
        np.stack(each)
        for each in zip(*(picture.tables[key] for key in known), none, strict=True)
    )
    numbers = [
        (
            known.index((_DC, block >> 4)) if has_dc else -1,
            known.index((_AC, block & 15)) if has_ac else -1,
        )
        for block in blocks
    ]
    return lengths, symbols, np.array(numbers)


def _units_of_scan(picture: _Picture, chosen: list[tuple[int, int]]) -> tuple[int, list[int]]:
    """Return the units of a scan, and the tables of each block of one (annex A.2)."""
    height, width = picture.size
    most = [max(each) for each in zip(*picture.sampling.values(), strict=True)]
    if len(chosen) == 1:  # a unit is one block, and blocks that only fill up are left out
        ((part, tables),) = chosen
        y, x = picture.sampling[part]
        rows, columns = ceil(height * y / most[0]), ceil(width * x / most[1])
        return ceil(rows / 8) * ceil(columns / 8), [tables]
    units = ceil(height / (8 * most[0])) * ceil(width / (8 * most[1]))
    blocks = [t for part, t in chosen for _ in range(int(np.prod(picture.sampling[part])))]
    return units, blocks


def _sixteen_bits(data: Array, position: int) -> int:
    """Return the 16 bits at a position."""
    at = position >> 3
    three = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
    return int(three >> (8 - (position & 7)) & 65535)


_bits_at: Any = compiled(_sixteen_bits)


def _pass_coefficients(
    data: Array, position: int, lengths: Array, symbols: Array, limits: tuple[int, int, int]
) -> tuple[int, int]:
    """Follow the codes of the AC coefficients of a block (F.2.2.2, G.1.2.2).

    Returns
    -------
    position : int
        Behind them; -1 if a code is none.
    run : int
        Blocks that follow without coefficients.
    """
    k, last, most = limits
    while k <= last and position <= 8 * (len(data) - 8):
        bits = _bits_at(data, position)
        zeros, size = symbols[bits] >> 4, symbols[bits] & 15
        if lengths[bits] == 0 or size > most:
            return -1, 0
        position += lengths[bits] + size
        if size == 0 and zeros < 15:
            more = _bits_at(data, position) >> (16 - zeros)
            return position + zeros, (1 << zeros) + more - 1
        k += zeros + 1
        if size > 0 and k > last + 1:
            return -1, 0
    return position, 0


_pass_ac: Any = compiled(_pass_coefficients)


def _follow_codes(
    data: Array,
    tables: Array,
    lengths: Array,
    symbols: Array,
    units: int,
    first: int,
    last: int,
    refines: bool,
    most: int,
) -> tuple[int, int, int]:
    """Follow the codes of some units.

    Parameters
    ----------
    data : ndarray of uint8
        Without stuffed bytes; the last 8 are none of its own.
    tables : ndarray of int, shape (blocks of a unit, 2)
        Numbers of the tables of DC and AC.
    lengths, symbols : ndarray of uint8, shape (tables, 65536)
    units : int
    first, last : int
        Coefficients of the scan.
    refines : bool
        Whether it holds one more bit of each DC coefficient.
    most : int
        Bits of an AC coefficient; a difference of DC has one more.

    Returns
    -------
    status, done, end : int
        How it ended, after how many units, and at which byte.
    """
    position, total, run = 0, 8 * (len(data) - 8), 0
    for unit in range(units):
        for block in range(len(tables)):
            if refines:
                position += 1
            elif first == 0:
                dc, bits = tables[block, 0], _bits_at(data, position)
                if lengths[dc, bits] == 0 or symbols[dc, bits] > most + 1:
                    return 1, unit, 0
                position += lengths[dc, bits] + symbols[dc, bits]
            if run > 0:
                run -= 1
            elif last > 0:
                ac, limits = tables[block, 1], (max(first, 1), last, most)
                position, run = _pass_ac(data, position, lengths[ac], symbols[ac], limits)
            if position < 0 or position > total:
                return (1 if position < 0 else 2), unit, 0
    return 0, units, (position + 7) >> 3


_follow: Any = compiled(_follow_codes)
