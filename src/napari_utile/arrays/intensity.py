"""Normalization of gray values: shifted and scaled by numbers of training, or of an image.

Never by statistics of the tile at hand, or a crop and the whole would disagree.
"""

from collections.abc import Iterable, Sequence
from math import isfinite, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

LIMIT = 1e6
"""Standard deviations beyond which a pixel is a defect of the file, not an intensity."""
_FAR = 10
"""Standard deviations, and ratio of contrasts, from which an image is unlike those learnt."""
GAIN, OFFSET = 5.0, -2.0
"""What the range between two percentiles, 0 to 1, is multiplied by, and what is added then.
The 1st and the 99.8th one of a normal distribution are -2.3 and 2.9 standard deviations from
its mean, so that gray values become about what mean and standard deviation make of them."""


class Normalization(BaseModel):
    """A shift and a scale of each channel, by which gray values are normalized.

    Attributes
    ----------
    mean, std : tuple of float
        In gray values, one number per channel; all finite, and `std` positive. Mean and
        standard deviation, or what takes their place; see `rescaled`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _can_be_applied(self) -> Self:
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError("mean and std need one number per channel")
        if not all(map(isfinite, self.mean + self.std)) or min(self.std) <= 0:
            raise ValueError("mean and std must be finite, and std positive")
        return self

    @classmethod
    def none(cls, channels: int) -> Self:
        """Return the normalization that leaves gray values as they are."""
        return cls(mean=(0.0,) * channels, std=(1.0,) * channels)

    @classmethod
    def of(cls, images: Iterable[NDArray[Any]]) -> Self:
        """Return the normalization of images, measured as if they were one.

        Parameters
        ----------
        images : iterable of ndarray, each of shape (C, ...)
            Of any dtype and any sizes.

        Returns
        -------
        Normalization
            A constant channel has the standard deviation 1.

        Raises
        ------
        ValueError
            If there are no pixels, or some are NaN or infinite.
        """
        channels = list(zip(*images, strict=True))
        moments = [_mean_and_std(parts) for parts in channels]
        return cls.with_contrast(*zip(*moments, strict=True))

    @classmethod
    def with_contrast(cls, means: Sequence[float], stds: Sequence[float]) -> Self:
        """Return the normalization of these numbers, where 1 stands for no contrast.

        Below 1e-13 of the mean a std is the rounding of a constant channel in float64.
        """
        both = zip(means, stds, strict=True)
        std = tuple(s if s > 1e-13 * abs(mean) else 1.0 for mean, s in both)
        return cls(mean=tuple(means), std=std)

    def repeated(self, times: int) -> Self:
        """Return the normalization of as many channels, `times` one after the other."""
        return type(self)(mean=self.mean * times, std=self.std * times)

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return normalized pixels, ``(pixels - mean) / std`` for each channel.

        Parameters
        ----------
        pixels : ndarray of any dtype, shape (C, ...)

        Returns
        -------
        ndarray of float32, shape of `pixels`
            In standard deviations. NaN stays NaN; see `finite`.

        Notes
        -----
        Integers of 32 bits and more are subtracted in float64: large offsets cost no digits.
        """
        wide = np.result_type(pixels.dtype, np.float32)
        per_channel = (-1,) + (1,) * (pixels.ndim - 1)
        mean, std = (np.array(n, wide).reshape(per_channel) for n in (self.mean, self.std))
        with np.errstate(over="ignore", invalid="ignore"):
            return ((pixels - mean) / std).astype(np.float32, copy=False)

    def far_from(self, pixels: NDArray[Any]) -> str | None:
        """Return a sentence on how far gray values are from those of training, or None.

        Far is ten standard deviations away, or a contrast ten times higher or lower: an
        8-bit model on a 16-bit image, not a darker section.

        Parameters
        ----------
        pixels : ndarray, shape (C, ...)
            Before normalization. NaN and infinite ones are left out.

        Returns
        -------
        str or None
            About the first channel that is far.
        """
        for mean, std, channel in zip(self.mean, self.std, pixels, strict=True):
            known = channel[np.isfinite(channel)]
            if not known.size:
                continue
            its_mean, its_std = _mean_and_std([known])
            # An image without contrast is an empty corner, not a wrong one.
            contrast = its_std / std if its_std > 0 else 1
            if abs(its_mean - mean) > _FAR * std or not 1 / _FAR <= contrast <= _FAR:
                return (
                    f"gray values are {its_mean:.4g} ± {its_std:.2g}, "
                    f"but the model was trained on {mean:.4g} ± {std:.2g}"
                )
        return None


def _mean_and_std(parts: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Return mean and std of the pixels of several arrays, in float64.

    Two passes: the difference of E[x^2] and E[x]^2 has no digits left where the mean is large.
    """
    count = sum(part.size for part in parts)
    if not count:
        raise ValueError("there are no pixels to measure")
    mean = sum(np.sum(part, dtype=np.float64) for part in parts) / count
    if not np.isfinite(mean):
        raise ValueError("pixels must be finite")
    squares = sum(np.square(part - np.float64(mean)).sum() for part in parts)
    return float(mean), sqrt(squares / count)


def rescaled(low: float, high: float) -> tuple[float, float]:
    """Return mean and std by which `low` becomes `OFFSET`, and `high` `OFFSET` + `GAIN`.

    Parameters
    ----------
    low, high : float
        Gray values.

    Examples
    --------
    >>> rescaled(0.0, 100.0)
    (40.0, 20.0)
    """
    std = (high - low) / GAIN
    return low - OFFSET * std, std


def finite(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a mask of the pixels that would make the logits NaN, after replacing them.

    NaN and what is infinite, or more than `LIMIT` standard deviations away, becomes 0, the mean
    of its channel. Convolutions would spread a single one over all pixels within the receptive
    field.

    Parameters
    ----------
    pixels : ndarray of float32, shape (C, Y, X)
        Normalized; changed in place.

    Returns
    -------
    ndarray of bool, shape (Y, X)
        Where a pixel of any channel was replaced.
    """
    defects = ~(np.abs(pixels) <= LIMIT)  # NaN compares false
    pixels[defects] = 0
    return np.logical_or.reduce(defects, axis=0)
