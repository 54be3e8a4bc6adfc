"""What may be wrong with the images of one training set: exposures, polarity, copies."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.doubts.wording import MOST_NAMED, count_of
from napari_utile.events import to_set

FAR = 8
"""Ratio of contrasts, and distance in standard deviations, between images of two kinds."""
CLEAR = 0.5
"""Difference between objects and background that is no chance, in standard deviations."""
MOST = 0.75
"""Share of the images that the others may be compared with."""
OUTLYING = 20
"""Widths of the range of nearly all pixels beyond which one is an accident."""
FEWEST = 4
"""Images of which most can be told."""


@dataclass(frozen=True)
class Exposure:
    """Gray values of one image.

    Attributes
    ----------
    name : str
        What the image is called.
    dtype : str
        Of its pixels.
    mean, std : tuple of float
        Of each channel.
    objects : float
        How much brighter objects are than background, in standard deviations; 0 if unknown.
    """

    name: str
    dtype: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    objects: float = 0.0

    @classmethod
    def of(
        cls, name: str, pixels: NDArray, is_object: NDArray[np.bool_] | None = None
    ) -> "Exposure":
        """Measure pixels (C, ...), which are finite; `is_object` has the shape of a channel."""
        flat = pixels.reshape(len(pixels), -1)
        mean, std = flat.mean(1, dtype=np.float64), flat.std(1, dtype=np.float64)
        brighter = 0.0
        if is_object is not None and is_object.any() and not is_object.all() and std.any():
            inside = is_object.ravel()
            of_all = flat.mean(0, dtype=np.float64)
            difference = of_all[inside].mean() - of_all[~inside].mean()
            brighter = float(difference / max(of_all.std(), 1e-12))
        return cls(name, str(pixels.dtype), tuple(mean), tuple(std), brighter)

    def text(self, channel: int = 0) -> str:
        """Return mean and standard deviation in words."""
        return f"{self.mean[channel]:.4g} ± {self.std[channel]:.2g} ({self.dtype})"


def image_doubts(images: Sequence[Exposure], are_alike: bool = True) -> list[str]:
    """Return what may be wrong with the images of one set.

    Parameters
    ----------
    images : sequence of Exposure
        All of the same number of channels.
    are_alike : bool, default True
        Whether all are normalized by the same numbers, not each by its own.

    Returns
    -------
    list of str
        A message each.

    Examples
    --------
    >>> dark, light = (Exposure(n, "uint8", (m,), (m / 2,)) for n, m in [("a", 3), ("b", 90)])
    >>> print(image_doubts([dark, light])[0].partition(". ")[0])
    The images are of two kinds: 1 of 2 has about 3 ± 1.5 (uint8): 'a'; 1 of 2 has about 90 ± 45 (uint8): 'b'
    """  # noqa: E501
    return [*(_two_kinds(images) if are_alike else ()), *_negatives(images)]


def _two_kinds(images: Sequence[Exposure]) -> list[str]:
    """Doubt images that fall into two groups with nothing between."""
    for channel in range(len(images[0].mean) if images else 0):
        for key in ("std", "mean"):
            ordered = sorted(images, key=lambda image: getattr(image, key)[channel])
            for i in range(1, len(ordered)):
                if _contrasts_apart(ordered[i - 1], ordered[i], channel, key) >= FAR:
                    low, high = ordered[:i], ordered[i:]
                    return [_kinds_text(low, high, channel)]
    return []


def _contrasts_apart(a: Exposure, b: Exposure, channel: int, key: str) -> float:
    """Return the ratio of two contrasts, or the distance of two means in contrasts."""
    stds = a.std[channel], b.std[channel]
    if key == "std":
        return max(stds) / min(stds) if min(stds) > 0 else (inf if max(stds) > 0 else 1)
    return abs(a.mean[channel] - b.mean[channel]) / max(*stds, 1e-12)


def _kinds_text(low: Sequence[Exposure], high: Sequence[Exposure], channel: int) -> str:
    total = len(low) + len(high)

    def described(group: Sequence[Exposure]) -> str:
        gray = group[len(group) // 2].text(channel)
        has = "has" if len(group) == 1 else "have"
        names = _quoted([image.name for image in group])
        return f"{len(group)} of {total} {has} about {gray}: {names}"

    return (
        f"The images are of two kinds: {described(low)}; {described(high)}. These gray values "
        "are normalized alike, so that the network can hardly see those of one kind: "
        f"{to_set('normalize', 'image')}, or save all with the same bit depth and exposure."
    )


def _negatives(images: Sequence[Exposure]) -> list[str]:
    """Doubt few images in which objects are dark where they are bright in most, or opposite.

    In colored images, such as photos, either is usual.
    """
    if images and len(images[0].mean) > 1:
        return []
    clear = [image for image in images if abs(image.objects) > CLEAR]
    dark = [image for image in clear if image.objects < 0]
    bright = [image for image in clear if image.objects > 0]
    few, most = sorted((dark, bright), key=len)
    if not few or len(clear) < FEWEST or len(most) < MOST * len(clear):
        return []
    is_dark = few is dark
    words = ("darker", "brighter") if is_dark else ("brighter", "darker")
    return [
        f"In {len(few)} of {count_of(len(images), 'image')} the objects are {words[0]} than "
        f"the background ({_quoted([image.name for image in few])}), in most others "
        f"{words[1]}: if those are negatives, invert them."
    ]


def _quoted(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > MOST_NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:MOST_NAMED]) + more


def outlier_doubt(name: str, pixels: NDArray[Any]) -> str | None:
    """Doubt an image of which a few pixels are so far off that they make its contrast.

    Parameters
    ----------
    name : str
        What the image is called.
    pixels : ndarray, shape (N,)
        Of a channel, or a sample of it. NaN and infinite ones are left out.

    Returns
    -------
    str or None
        A sentence with their number and the most frequent value of them.
    """
    known = pixels[np.isfinite(pixels)].astype(np.float64)
    if not known.size:
        return None
    low, high = np.percentile(known, [1, 99])
    near = np.abs(known - (low + high) / 2) <= OUTLYING * max(high - low, 1e-12)
    count = int(known.size - np.count_nonzero(near))
    if not count or high == low:
        return None
    with np.errstate(over="ignore"):
        if known.std() < 2 * known[near].std():
            return None
    values, times = np.unique(known[~near], return_counts=True)
    if 2 * times.max() < count:  # of bright spots, each has another value
        return None
    return (
        f"{count:,} of {known.size:,} pixels of '{name}' are {values[times.argmax()]:g} or the "
        f"like, far from all others ({low:.4g} to {high:.4g}), as where there are no data, and "
        "spoil its normalization: replace them with a gray value of the others, or "
        f"{to_set('normalize', 'percentiles')}."
    )


def looks_like_labels(plane: NDArray) -> bool:
    """Whether a plane (Y, X) of an image holds few values in flat regions, as labels do.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)

    Returns
    -------
    bool
    """
    here = plane[:-1, :-1]
    if not here.size:
        return False
    flat = float(((here == plane[1:, :-1]) & (here == plane[:-1, 1:])).mean())
    return flat > 0.7 and len(np.unique(plane)) < max(2, plane.size // 64)
