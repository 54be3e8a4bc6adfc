"""The normalization of an image by its own gray values, read part by part, whatever its size.

Mean and standard deviation take one pass over the image. Percentiles are exact: numbers of 8
and 16 bits take one pass, those of 32 bits two, those of 64 bits four, by 16 bits of an order-
preserving code at a time. What is held is one part, and a few tables of 65,536 counts.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from math import floor, isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.intensity import Normalization, rescaled
from napari_utile.events import drain
from napari_utile.settings.options import NormalizedBy

LOW, HIGH = 1.0, 99.8
"""Percentiles by which an image is normalized: those of stardist's and other recipes, which a
few saturated pixels do not move."""
AT = (0.0, LOW, HIGH, 100.0)
DIGIT = 16
"""Bits of a code that one pass looks at."""

Parts = Callable[[], Iterable[NDArray[Any]]]
"""Begins a pass over an image: arrays (C, ...) of one dtype, together all of its pixels."""


def own_normalization(pixels: NDArray[Any], by: NormalizedBy) -> Normalization:
    """Return the normalization of an image in memory by its own gray values.

    Parameters
    ----------
    pixels : ndarray, shape (C, ...)
    by : {"image", "percentiles"}

    Returns
    -------
    Normalization
        As of `normalization_in_parts`.
    """
    return drain(normalization_in_parts(lambda: [pixels], by))


def normalization_in_parts(
    parts: Parts, by: NormalizedBy
) -> Generator[None, None, Normalization]:
    """Measure an image part by part; each channel by itself.

    Parameters
    ----------
    parts : callable
        Called once per pass.
    by : {"image", "percentiles"}
        Mean and standard deviation, or the percentiles `LOW` and `HIGH`, which become
        those that they have in a normal distribution, -2 and 3 in round numbers.

    Yields
    ------
    None
        After each part.

    Returns
    -------
    Normalization
        A constant channel has the standard deviation 1. Where both percentiles are the same
        gray value, the smallest and the largest one take their place.

    Raises
    ------
    ValueError
        If no pixel of a channel is finite, or some are too large to calculate with.
    """
    if by == "image":
        moments = yield from _moments_in_parts(parts)
        numbers = [(each.mean, each.std) for each in moments]
    else:
        found = yield from percentiles_in_parts(parts, AT)
        ends = ((b, c) if b < c else (a, d) for a, b, c, d in found)
        numbers = [rescaled(*both) for both in ends]
    means, stds = zip(*numbers, strict=True)
    if not all(map(isfinite, [*means, *stds])):
        raise ValueError("gray values are too large to calculate with")
    return Normalization.with_contrast(means, stds)


@dataclass
class _Moments:
    """Number, mean and squared deviations of the finite pixels of a channel, so far."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def std(self) -> float:
        return sqrt(self.squares / self.count)

    def add(self, pixels: NDArray[Any]) -> None:
        """Add a part: two passes within it, then the formula of Chan et al. (1983)."""
        known = pixels[np.isfinite(pixels)]
        if not known.size:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(np.mean(known, dtype=np.float64))
            squares = float(np.square(known - np.float64(mean)).sum())
        apart, both = mean - self.mean, self.count + known.size
        self.squares += squares + apart * apart * self.count * known.size / both
        self.mean += apart * known.size / both
        self.count = both


def _moments_in_parts(parts: Parts) -> Generator[None, None, list[_Moments]]:
    found: list[_Moments] = []
    for part in parts():
        found = found or [_Moments() for _ in part]
        for moments, channel in zip(found, part, strict=True):
            moments.add(channel)
        yield
    if not found or not all(moments.count for moments in found):
        raise ValueError("no pixel is finite")
    return found


def percentiles_in_parts(
    parts: Parts, at: Sequence[float]
) -> Generator[None, None, list[list[float]]]:
    """Return the percentiles of the finite pixels of each channel, exactly.

    Parameters
    ----------
    parts : callable
        Called once per pass.
    at : sequence of float
        From 0 to 100.

    Yields
    ------
    None
        After each part.

    Returns
    -------
    list of list of float
        For each channel, those of `at`, interpolated between neighbours as NumPy does.

    Raises
    ------
    ValueError
        If no pixel of a channel is finite.
    """
    channels: list[_Selection] = []
    is_done = False
    while not is_done:
        for part in parts():
            channels = channels or [_Selection(_coded_dtype(part.dtype), at) for _ in part]
            for selection, channel in zip(channels, part, strict=True):
                selection.add(channel)
            yield
        for selection in channels:
            is_done = selection.end_pass()
    return [selection.percentiles() for selection in channels]


@dataclass
class _Selection:
    """Finds gray values by their rank, `DIGIT` bits of their code in each pass.

    Attributes
    ----------
    dtype : dtype
        Of the pixels.
    at : sequence of float
        Percentiles that are looked for.
    known : dict of int to int
        By rank: the leading bits of the pixel of that rank, as far as they are known.
    before : dict of int to int
        By rank: the number of pixels whose leading bits are lower.
    counts : dict of int to ndarray
        By leading bits: how many pixels that begin with them go on with each digit.
    """

    dtype: np.dtype[Any]
    at: Sequence[float]
    bits: int = 0  # that are known
    pixels: int = 0
    known: dict[int, int] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    counts: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.width = 8 * self.dtype.itemsize
        self.digit = min(DIGIT, self.width)
        self.counts = {0: np.zeros(2**self.digit, np.int64)}

    def add(self, pixels: NDArray[Any]) -> None:
        """Count the next digit of the pixels of a part."""
        pixels = pixels.astype(self.dtype, copy=False)
        codes = _codes(pixels[np.isfinite(pixels)])
        rest = self.width - self.bits
        for prefix, counts in self.counts.items():
            inside = codes
            if self.bits:
                inside = codes[codes >> np.asarray(rest, codes.dtype) == prefix]
            digits = inside >> np.asarray(rest - self.digit, codes.dtype)
            digits &= np.asarray(2**self.digit - 1, codes.dtype)
            found = np.bincount(digits.astype(np.intp), minlength=2**self.digit)
            np.add(counts, found, out=counts)

    def end_pass(self) -> bool:
        """Take the digits that were found; return whether all are."""
        if not self.bits:
            self.pixels = int(self.counts[0].sum())
            if not self.pixels:
                raise ValueError("no pixel is finite")
            self.known = dict.fromkeys(self._ranks(), 0)
            self.before = dict.fromkeys(self.known, 0)
        for rank, prefix in self.known.items():
            up_to = np.cumsum(self.counts[prefix]) + self.before[rank]
            digit = int(np.searchsorted(up_to, rank, side="right"))
            self.before[rank] = int(up_to[digit] - self.counts[prefix][digit])
            self.known[rank] = prefix << self.digit | digit
        self.bits += self.digit
        self.counts = {
            prefix: np.zeros(2**self.digit, np.int64) for prefix in {*self.known.values()}
        }
        return self.bits == self.width

    def percentiles(self) -> list[float]:
        """Return what was looked for, between the pixels of two ranks."""
        found = []
        for place in map(self._place, self.at):
            low, high = floor(place), min(floor(place) + 1, self.pixels - 1)
            first, second = (_value(self.known[rank], self.dtype) for rank in (low, high))
            found.append(float(first) + (place - low) * float(second - first))
        return found

    def _ranks(self) -> set[int]:
        """Return the ranks of the pixels on both sides of each percentile."""
        lower = {floor(self._place(percent)) for percent in self.at}
        return lower | {min(rank + 1, self.pixels - 1) for rank in lower}

    def _place(self, percent: float) -> float:
        return percent / 100 * (self.pixels - 1)


def _coded_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which pixels are ordered: their own, of 8 to 64 bits."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    own = dtype.newbyteorder("=")
    return own if own.itemsize in (1, 2, 4, 8) else np.dtype(np.float64)


def _codes(pixels: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    """Return unsigned integers of the same width, in the order of the pixels (N,)."""
    kind, width = pixels.dtype.kind, 8 * pixels.dtype.itemsize
    codes = np.ascontiguousarray(pixels).view(f"u{pixels.dtype.itemsize}")
    top = np.asarray(1 << (width - 1), codes.dtype)
    if kind == "i":
        return codes ^ top
    if kind == "f":  # of negative numbers, those with larger bits are smaller
        return np.where(codes & top, ~codes, codes | top)
    return codes


def _value(code: int, dtype: np.dtype[Any]) -> int | float:
    """Return the number that has a code."""
    top, all_bits = 1 << (8 * dtype.itemsize - 1), (1 << 8 * dtype.itemsize) - 1
    if dtype.kind == "u":
        return code
    if dtype.kind == "i":
        return code - top
    bits = code ^ top if code & top else code ^ all_bits
    return float(np.array(bits, f"u{dtype.itemsize}").view(dtype))
