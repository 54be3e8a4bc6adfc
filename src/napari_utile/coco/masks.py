"""Masks of COCO files: polygons, run lengths and labels, converted into each other.

A mask is kept as *counts*: the lengths of its runs of pixels that are off, on, off, ..., down
the columns, one column after the other. The first run is off, and may be empty. COCO files hold
counts as a list of numbers ("uncompressed"), or as a text of 5-bit digits ("compressed"), see
`compressed`.

References
----------
Lin et al., "Microsoft COCO: common objects in context", ECCV 2014; run lengths as in
`common/maskApi.c` of cocoapi (rleEncode, rleToString, rleFrString).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.coco.polygons import polygon_counts

Counts = NDArray[np.int64]
MAX_MASK_PIXELS = 2**48
"""Larger masks are refused as damaged, so that sums of counts fit into 64 bits."""
Rle = dict[str, Any]
"""Run lengths as COCO files hold them: "size" (height, width) and "counts"."""


def counts_of(segmentation: Any, height: int, width: int) -> Counts:
    """Return the counts of a segmentation of any of COCO's three kinds.

    Parameters
    ----------
    segmentation : list of list of float, or mapping
        Polygons x, y, x, y, ... in pixels, drawn as pycocotools draws them; or run lengths,
        with counts as numbers or as text.
    height, width : int
        Size of the image.

    Returns
    -------
    ndarray of int64, shape (N,)

    Raises
    ------
    ValueError
        If the text of compressed counts is damaged, or an outline is endless.
    """
    if isinstance(segmentation, list):
        parts = [polygon_counts(polygon, height, width) for polygon in segmentation]
        return union(parts, height * width)
    counts = segmentation["counts"]
    return expanded(counts) if isinstance(counts, str | bytes) else np.array(counts, np.int64)


def rle_of(counts: Counts, height: int, width: int) -> Rle:
    """Return counts as COCO files and pycocotools have them: compressed, with the size.

    Parameters
    ----------
    counts : ndarray of int64, shape (N,)
    height, width : int
        Size of the image.
    """
    return {"size": [height, width], "counts": compressed(counts)}


def compressed(counts: Counts) -> str:
    """Return counts as compressed text, like `rleToString` of cocoapi.

    From the fourth on, a count is stored as its difference from the last but one: the runs of
    neighboring columns are alike. A number is a sequence of 5-bit digits, the lowest first, as
    characters from "0" on. A digit has 32 added if more follow; bit 16 of the last is the sign.

    Parameters
    ----------
    counts : ndarray of int64, shape (N,)

    Examples
    --------
    >>> compressed(np.array([6, 1, 40, 4, 5, 4, 5, 4, 21]))
    '61X13mN000`0'
    """
    text: NDArray[np.uint8] = _write_digits(np.ascontiguousarray(counts, dtype=np.int64))
    return text.tobytes().decode("ascii")


def expanded(text: str | bytes) -> Counts:
    """Return the counts of a compressed text, like `rleFrString` of cocoapi.

    Parameters
    ----------
    text : str or bytes

    Returns
    -------
    ndarray of int64, shape (N,)

    Raises
    ------
    ValueError
        If the text is damaged: a wrong character, cut off, or counts that cannot be.

    Examples
    --------
    >>> expanded("61X13mN000`0").tolist()
    [6, 1, 40, 4, 5, 4, 5, 4, 21]
    """
    digits = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    counts: Counts = _read_digits(np.frombuffer(digits, np.uint8))
    if counts.size == 0 and digits:
        raise ValueError("has run lengths whose text is damaged")
    return counts


def stretches(counts: Counts) -> tuple[Counts, Counts]:
    """Return first pixels and lengths of the runs that are on.

    Parameters
    ----------
    counts : ndarray of int64, shape (N,)

    Returns
    -------
    starts, lengths : ndarray of int64, shape (N // 2,)
        Pixels are numbered down the columns.
    """
    ends = np.cumsum(counts)
    return ends[0:-1:2].copy(), counts[1::2].copy()  # of one layout: compiled only once


def area_of(counts: Counts) -> int:
    """Return the number of pixels that are on."""
    return int(counts[1::2].sum())


def box_of(counts: Counts, height: int) -> list[int]:
    """Return the bounding box of the pixels that are on.

    Parameters
    ----------
    counts : ndarray of int64, shape (N,)
    height : int
        Of the image.

    Returns
    -------
    list of int
        Left, top, width and height, as in "bbox" of COCO; all 0 if no pixel is on.
    """
    starts, lengths = stretches(counts)
    starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    if starts.size == 0:
        return [0, 0, 0, 0]
    last = starts + lengths - 1
    left, right = int(starts[0] // height), int(last[-1] // height)
    # A run over the end of a column covers the last row, and the first one of the next column.
    over = last // height > starts // height
    top = 0 if over.any() else int((starts % height).min())
    bottom = height - 1 if over.any() else int((last % height).max())
    return [left, top, right - left + 1, bottom - top + 1]


def masks_in(labels: NDArray[Any]) -> tuple[NDArray[Any], list[Counts]]:
    """Return the mask of every object of a label image, in one pass over the pixels.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        Instances, 0 is background.

    Returns
    -------
    ids : ndarray, shape (N,)
        Ids of the objects, in ascending order.
    masks : list of N counts
    """
    # Cut the columns into runs of equal ids.
    columns = labels.T.ravel()
    is_start = np.ones(columns.size, dtype=bool)
    np.not_equal(columns[1:], columns[:-1], out=is_start[1:])
    starts = np.flatnonzero(is_start)
    lengths, owners = np.diff(starts, append=columns.size), columns[starts]
    # Group the runs by id; a stable sort keeps those of an object in order. Drop background.
    order = np.argsort(owners, kind="stable")
    order = order[owners[order] != 0]
    ids, first = np.unique(owners[order], return_index=True)
    return ids, [
        _counts(starts[part], lengths[part], columns.size)
        for part in np.split(order, first[1:])
        if part.size
    ]


def union(masks: list[Counts], pixels: int) -> Counts:
    """Return the union of masks of one image, which may overlap.

    Parameters
    ----------
    masks : list of counts
    pixels : int
        Number of pixels of the image.
    """
    if len(masks) == 1:
        return masks[0]
    starts, lengths = map(np.concatenate, zip(*map(stretches, masks), strict=True))
    starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    # Count the masks that are on at each place where one begins or ends.
    places = np.concatenate([starts, starts + lengths])
    steps = np.repeat([1, -1], starts.size)
    order = np.lexsort((-steps, places))
    depth = np.cumsum(steps[order])
    is_begun, is_over = (depth == 1) & (steps[order] == 1), depth == 0
    begun, over = places[order][is_begun], places[order][is_over]
    return _counts(begun, over - begun, pixels)


def _counts(starts: Counts, lengths: Counts, pixels: int) -> Counts:
    """Return counts from the runs that are on, in order, without an empty last one."""
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
    """Whether all pixels of the runs are 0."""
    for i in range(starts.size):
        for pixel in range(starts[i], starts[i] + lengths[i]):
            if columns[pixel] != 0:
                return False
    return True


def _digits_of(counts: Counts) -> NDArray[np.uint8]:
    text = np.empty(13 * counts.size, np.uint8)  # 64 bits are at most 13 digits of 5
    n = 0
    for i in range(counts.size):
        rest = counts[i] - (counts[i - 2] if i > 2 else 0)
        more = True
        while more:
            digit = rest & 31
            rest >>= 5  # arithmetic: a negative number ends as -1
            # Done if the sign of the last digit is that of the number.
            more = rest != (-1 if digit & 16 else 0)
            text[n] = 48 + digit + (32 if more else 0)
            n += 1
    return text[:n]


def _counts_in(text: NDArray[np.uint8]) -> Counts:
    """Return the counts of a text; none if it is damaged."""
    counts = np.empty(text.size, np.int64)
    number, shift, n, total = 0, 0, 0, 0
    for i in range(text.size):
        # Add one more digit to the number.
        digit = int(text[i]) - 48
        if digit < 0 or digit > 63 or shift > 55:
            return counts[:0]
        number |= (digit & 31) << shift
        shift += 5
        # The last digit: extend its sign, and add the count before the last.
        if not digit & 32:
            if digit & 16:
                number -= 1 << shift
            counts[n] = number + (counts[n - 2] if n > 2 else 0)
            total += counts[n]
            if counts[n] < 0 or total > MAX_MASK_PIXELS:
                return counts[:0]
            number, shift, n = 0, 0, n + 1
    return counts[:0] if shift else counts[:n].copy()


paint = compiled(_paint)
is_free = compiled(_is_free)
_write_digits = compiled(_digits_of)
_read_digits = compiled(_counts_in)
