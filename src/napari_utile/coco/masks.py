"""Masks of COCO files: polygons and run lengths to pixels, labels to run lengths.

A mask is kept as *counts*: how many pixels are off, on, off, ... down the columns, one column
after the other, beginning with those that are off. COCO files hold counts as a list of numbers
("uncompressed"), or as a text of 5-bit digits ("compressed").
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask

from napari_utile.arrays.compiled import compiled

Counts = NDArray[np.int64]
LARGEST = 2**48
"""More pixels than any mask has: sums stay far from what 64 bits hold."""
Rle = dict[str, Any]
"""Run lengths as COCO files hold them: "size" (height, width) and "counts"."""


def counts_of(segmentation: Any, height: int, width: int) -> Counts:
    """Give the counts of a segmentation, whichever of COCO's three kinds it is.

    Parameters
    ----------
    segmentation : list of list of float, or mapping
        Polygons x, y, x, y, ... in pixels, drawn as pycocotools draws them; or run lengths,
        with counts as numbers or as text.
    height, width : int
        Size of the image.

    Raises
    ------
    ValueError
        If the text of compressed counts is damaged.
    """
    if isinstance(segmentation, list):
        drawn = mask.merge(mask.frPyObjects(segmentation, height, width))
        return expanded(drawn["counts"])
    counts = segmentation["counts"]
    return expanded(counts) if isinstance(counts, str | bytes) else np.array(counts, np.int64)


def rle_of(counts: Counts, height: int, width: int) -> Rle:
    """Put counts down as COCO files and pycocotools read them: compressed, as text."""
    return {"size": [height, width], "counts": compressed(counts)}


def compressed(counts: Counts) -> str:
    """Write counts as text.

    From the fourth on, a count is noted as its difference to the last but one. Numbers are
    digits of 5 bits, the lowest first, as characters from "0" on; 32 is added if more follow.

    >>> compressed(np.array([6, 1, 40, 4, 5, 4, 5, 4, 21]))
    '61X13mN000`0'
    """
    text: NDArray[np.uint8] = _write_digits(np.ascontiguousarray(counts, dtype=np.int64))
    return text.tobytes().decode("ascii")


def expanded(text: str | bytes) -> Counts:
    """Read counts that were written as text.

    Raises
    ------
    ValueError
        If the text is no such text: a wrong character, or it is cut off.

    >>> expanded("61X13mN000`0").tolist()
    [6, 1, 40, 4, 5, 4, 5, 4, 21]
    """
    digits = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    counts: Counts = _read_digits(np.frombuffer(digits, np.uint8))
    if counts.size == 0 and digits:
        raise ValueError("has run lengths whose text is damaged")
    return counts


def stretches(counts: Counts) -> tuple[Counts, Counts]:
    """Give first pixel and length of each stretch that is on, along the columns."""
    ends = np.cumsum(counts)
    return ends[0:-1:2], counts[1::2]


def area_of(counts: Counts) -> int:
    """Count the pixels that are on."""
    return int(counts[1::2].sum())


def box_of(counts: Counts, height: int) -> list[int]:
    """Give left, top, width and height of the pixels that are on; all 0 if none is."""
    starts, lengths = stretches(counts)
    starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    if starts.size == 0:
        return [0, 0, 0, 0]
    last = starts + lengths - 1
    left, right = int(starts[0] // height), int(last[-1] // height)
    over = last // height > starts // height  # on across the end of a column
    top = 0 if over.any() else int((starts % height).min())
    bottom = height - 1 if over.any() else int((last % height).max())
    return [left, top, right - left + 1, bottom - top + 1]


def masks_in(labels: NDArray[Any]) -> tuple[NDArray[Any], list[Counts]]:
    """Find every object of a label image, in one pass over the pixels.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        Instances, 0 is background.

    Returns
    -------
    ids : ndarray, shape (N,)
        Ids of the objects, in rising order.
    masks : list of N counts
    """
    columns = labels.T.ravel()
    is_start = np.ones(columns.size, dtype=bool)
    np.not_equal(columns[1:], columns[:-1], out=is_start[1:])
    starts = np.flatnonzero(is_start)
    lengths, owners = np.diff(starts, append=columns.size), columns[starts]
    order = np.argsort(owners, kind="stable")
    order = order[owners[order] != 0]
    ids, first = np.unique(owners[order], return_index=True)
    return ids, [
        _counts(starts[part], lengths[part], columns.size)
        for part in np.split(order, first[1:])
        if part.size
    ]


def union(masks: list[Counts], pixels: int) -> Counts:
    """Merge masks of one image that may overlap."""
    if len(masks) == 1:
        return masks[0]
    canvas = np.zeros(pixels, np.int8)
    for counts in masks:
        paint(canvas, *stretches(counts), 1)
    edges = np.flatnonzero(np.diff(canvas, prepend=0, append=0))
    return _counts(edges[::2], np.diff(edges)[::2], pixels)


def _counts(starts: Counts, lengths: Counts, pixels: int) -> Counts:
    """Say how long it is off and on, for stretches that are on, in order."""
    counts = np.empty(2 * starts.size + 1, np.int64)
    counts[1::2] = lengths
    counts[0:-1:2] = starts
    counts[2:-1:2] -= starts[:-1] + lengths[:-1]
    counts[-1] = pixels - starts[-1] - lengths[-1] if starts.size else pixels
    return counts[:-1] if starts.size and counts[-1] == 0 else counts


def _paint(columns: NDArray[Any], starts: Counts, lengths: Counts, value: int) -> None:
    for i in range(starts.size):
        columns[starts[i] : starts[i] + lengths[i]] = value


def _is_free(columns: NDArray[Any], starts: Counts, lengths: Counts) -> bool:
    """Say whether no pixel of the stretches has a value yet."""
    for i in range(starts.size):
        for pixel in range(starts[i], starts[i] + lengths[i]):
            if columns[pixel] != 0:
                return False
    return True


def _digits_of(counts: Counts) -> NDArray[np.uint8]:
    text = np.empty(13 * counts.size, np.uint8)
    n = 0
    for i in range(counts.size):
        rest = counts[i] - (counts[i - 2] if i > 2 else 0)
        more = True
        while more:
            digit = rest & 31
            rest >>= 5
            more = rest != (-1 if digit & 16 else 0)
            text[n] = 48 + digit + (32 if more else 0)
            n += 1
    return text[:n]


def _counts_in(text: NDArray[np.uint8]) -> Counts:
    """Read the digits; nothing comes out of a text that is damaged."""
    counts = np.empty(text.size, np.int64)
    number, shift, n, total = 0, 0, 0, 0
    for i in range(text.size):
        digit = int(text[i]) - 48
        if digit < 0 or digit > 63 or shift > 55:
            return counts[:0]
        number |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            if digit & 16:
                number -= 1 << shift
            counts[n] = number + (counts[n - 2] if n > 2 else 0)
            total += counts[n]
            if counts[n] < 0 or total > LARGEST:
                return counts[:0]
            number, shift, n = 0, 0, n + 1
    return counts[:0] if shift else counts[:n].copy()


paint = compiled(_paint)
is_free = compiled(_is_free)
_write_digits = compiled(_digits_of)
_read_digits = compiled(_counts_in)
