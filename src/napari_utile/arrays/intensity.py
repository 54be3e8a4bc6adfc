"""Gray values as a network wants them: shifted and scaled by the model's own numbers.

Never by those of a tile or of the image at hand, or crop and whole would disagree.
"""

from collections.abc import Iterable, Sequence
from math import isfinite, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

LIMIT = 1e6
"""Standard deviations beyond which a pixel is an accident, not an intensity."""


class Normalization(BaseModel):
    """Mean and standard deviation of each channel, and what is done with them.

    Attributes
    ----------
    mean, std : tuple of float
        One number per channel; all finite, and `std` positive.
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
        """Leave gray values as they are."""
        return cls(mean=(0.0,) * channels, std=(1.0,) * channels)

    @classmethod
    def of(cls, images: Iterable[NDArray[Any]]) -> Self:
        """Measure images, each of shape (C, ...), as if they were one.

        A constant channel gets the standard deviation 1.

        Raises
        ------
        ValueError
            If there are no pixels, or some are NaN or infinite.
        """
        channels = list(zip(*images, strict=True))
        moments = [mean_and_std(parts) for parts in channels]
        return cls(
            mean=tuple(mean for mean, _ in moments),
            std=tuple(std if std > 1e-13 * abs(mean) else 1.0 for mean, std in moments),
        )

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Normalize pixels of shape (C, ...). What is NaN stays NaN; see `finite`.

        Integers of 32 bits and more are subtracted in float64: large offsets cost no digits.
        """
        wide = np.result_type(pixels.dtype, np.float32)
        per_channel = (-1,) + (1,) * (pixels.ndim - 1)
        mean, std = (np.array(n, wide).reshape(per_channel) for n in (self.mean, self.std))
        with np.errstate(over="ignore", invalid="ignore"):
            return ((pixels - mean) / std).astype(np.float32, copy=False)

    def far_from(self, pixels: NDArray[Any]) -> str | None:
        """Say how pixels of shape (C, ...) lie far from those that were measured, if they do.

        Far is ten standard deviations away, or a contrast ten times higher or lower: an
        8-bit model on a 16-bit image, not a darker section.
        """
        for mean, std, channel in zip(self.mean, self.std, pixels, strict=True):
            known = channel[np.isfinite(channel)]
            if not known.size:
                continue
            its_mean, its_std = mean_and_std([known])
            # no contrast at all is an empty corner
            contrast = its_std / std if its_std > 0 else 1
            if abs(its_mean - mean) > 10 * std or not 0.1 <= contrast <= 10:
                return (
                    f"gray values are {its_mean:.4g} ± {its_std:.2g}, "
                    f"but the model was trained on {mean:.4g} ± {std:.2g}"
                )
        return None


def mean_and_std(parts: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Measure the pixels of several arrays together, in float64 and two passes."""
    count = sum(part.size for part in parts)
    if not count:
        raise ValueError("there are no pixels to measure")
    mean = sum(np.sum(part, dtype=np.float64) for part in parts) / count
    if not np.isfinite(mean):
        raise ValueError("pixels must be finite")
    squares = sum(np.square(part - np.float64(mean)).sum() for part in parts)
    return float(mean), sqrt(squares / count)


def finite(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Replace, in place, normalized pixels that would make the logits NaN.

    NaN becomes 0, the mean of its channel; what is infinite or more than `LIMIT` standard
    deviations away becomes plus or minus `LIMIT`.

    Parameters
    ----------
    pixels : ndarray of float32, shape (C, Y, X)
        Changed in place.

    Returns
    -------
    ndarray of bool, shape (Y, X)
        Where something was replaced in any channel.
    """
    accidents = ~(np.abs(pixels) <= LIMIT)  # NaN compares false
    if accidents.any():
        np.nan_to_num(pixels, copy=False, nan=0.0)
        np.clip(pixels, -LIMIT, LIMIT, out=pixels)
    return np.logical_or.reduce(accidents, axis=0)
