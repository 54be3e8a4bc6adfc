"""What training images look like, as a model remembers it: gray values, pixel size, objects.

An image that looks otherwise is segmented, too, but perhaps into nonsense.
"""

from collections.abc import Sequence
from itertools import permutations
from math import sqrt
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_utile.events import to_set

PERCENTILES = np.linspace(0, 100, 33)
"""At which gray values are remembered."""
MOST_PIXELS = 100_000
"""Of one plane, for its gray values."""
FAR = 1.0
"""Standard deviations by which gray values may be further away than those of most training
planes times two."""
FAR_CONTRAST = 3.0
FAR_PIXEL_SIZE = 1.5
FAR_OBJECT_SIZE = 2.0
"""Ratios to the range of the training images, from which something is far from them."""
SAME = 0.2
"""Standard deviations by which the same gray values differ in a sample."""
BETTER = 3
"""Times that a channel is nearer to another one of training than to its own."""
MOST_ORDERED = 5
"""Channels of which the order is looked at."""
INVERTED = 0.25
"""Distance of the shapes of two histograms, from which one may be an inverted one."""
SET_NORMALIZE = f"If only brightness and contrast differ, {to_set('normalize', 'image')}."
SPECK = 0.05
"""Of a small object of training: what is smaller is noise."""
FEWEST_OBJECTS = 5
"""That tell a typical size."""

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class GrayValues(BaseModel):
    """The histogram of one channel of all training planes, and how far a single one is from it.

    Attributes
    ----------
    percentiles : tuple of float
        Gray values at `PERCENTILES`.
    mean, std : float
        Of all planes together.
    distance : float
        Of single planes from all together, in `std`, the 90th percentile; see `distance_to`.
    contrast : (float, float)
        Smallest and largest standard deviation of a plane.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    percentiles: tuple[_Number, ...] = Field(
        min_length=len(PERCENTILES), max_length=len(PERCENTILES)
    )
    mean: _Number
    std: _Positive
    distance: _Number
    contrast: tuple[_Positive, _Positive]

    @classmethod
    def of(cls, planes: Sequence[NDArray[Any]]) -> Self:
        """Return the gray values of planes, each an array of any shape and finite."""
        samples = [_sampled(plane) for plane in planes]
        joined = np.concatenate(samples)
        spread = [float(std) for sample in samples if (std := sample.std()) > 0]
        std = float(joined.std()) or 1.0
        together = np.percentile(joined, PERCENTILES)
        apart = [_distance(np.percentile(sample, PERCENTILES), together) for sample in samples]
        return cls(
            percentiles=tuple(together.tolist()),
            mean=float(joined.mean()),
            std=std,
            distance=float(np.percentile(apart, 90)) / std,
            contrast=(min(spread, default=std), max(spread, default=std)),
        )

    def distance_to(self, pixels: NDArray[Any]) -> float:
        """Return how far gray values are from those of training, in standard deviations.

        Parameters
        ----------
        pixels : ndarray, shape (N,)

        Returns
        -------
        float
            The Wasserstein-1 distance of the two distributions over `std`: by how much an
            average pixel would have to change.
        """
        return (
            _distance(np.percentile(pixels, PERCENTILES), np.array(self.percentiles)) / self.std
        )

    def doubt(
        self, pixels: NDArray[Any], is_normalized: bool = False, may_be_inverted: bool = True
    ) -> str | None:
        """Return a sentence if gray values are far from those of training, or None.

        Parameters
        ----------
        pixels : ndarray, shape (N,)
            Finite.
        is_normalized : bool, default False
            Whether the image is normalized by its own gray values: then only the shape of its
            histogram can be another.
        may_be_inverted : bool, default True
            Whether to ask if it looks like a negative.
        """
        mean, std = float(pixels.mean(dtype=np.float64)), float(pixels.std(dtype=np.float64))
        low, high = self.contrast[0] / FAR_CONTRAST, self.contrast[1] * FAR_CONTRAST
        # An image without contrast is an empty corner, not a wrong one.
        same_contrast = std == 0 or low <= std <= high
        is_near = self.distance_to(pixels) <= 2 * self.distance + FAR
        is_inverted = may_be_inverted and self._looks_inverted(pixels)
        if not is_inverted and (is_normalized or (is_near and same_contrast)):
            return None
        if is_inverted:
            cure = "It looks inverted: invert it."
        elif is_near and std < low:
            cure = f"Perhaps it shows no object. {SET_NORMALIZE}"
        else:
            cure = SET_NORMALIZE
        return (
            f"gray values are {mean:.4g} ± {std:.2g}, but the model was trained on "
            f"{self.mean:.4g} ± {self.std:.2g}; the result may be of no use. {cure}"
        )

    def _looks_inverted(self, pixels: NDArray[Any]) -> bool:
        """Whether the histogram has the shape of an inverted one of training."""
        learnt, here = (
            _standardized(np.array(self.percentiles)),
            np.percentile(pixels, PERCENTILES),
        )
        here = _standardized(here)
        as_it_is = _distance(here, learnt)
        return as_it_is > INVERTED and _distance(-here[::-1], learnt) < as_it_is / 2


class Appearance(BaseModel):
    """What the training images of a model look like.

    Attributes
    ----------
    channels : tuple of GrayValues
    pixel_um : (float, float) or None
        Smallest and largest side of a pixel, in µm; None if the images did not say.
    object_px : (float, float, float) or None
        Areas of the objects in a plane, in pixels: the 5th, 50th and 95th percentile. None if
        the labels were classes, or there were too few objects.
    channel_names : tuple of str
        What the files called each channel; empty if they did not say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[GrayValues, ...]
    pixel_um: tuple[_Positive, _Positive] | None = None
    object_px: tuple[_Positive, _Positive, _Positive] | None = None
    channel_names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        planes: Sequence[NDArray[Any]],
        pixel_um: Sequence[float] = (),
        object_px: Sequence[int] = (),
        channel_names: Sequence[str] = (),
    ) -> Self:
        """Return the appearance of training images.

        Parameters
        ----------
        planes : sequence of ndarray, shape (C, Y, X)
            Finite.
        pixel_um : sequence of float
            Sides of the pixels of the images that know them.
        object_px : sequence of int
            Areas of the objects.
        channel_names : sequence of str
            Of each channel, if they are known.
        """
        areas = np.percentile(object_px, [5, 50, 95]) if len(object_px) else ()
        return cls(
            channels=tuple(map(GrayValues.of, zip(*planes, strict=True))),
            pixel_um=(min(pixel_um), max(pixel_um)) if pixel_um else None,
            object_px=tuple(areas) if len(object_px) >= FEWEST_OBJECTS else None,
            channel_names=tuple(channel_names),
        )

    def gray_value_doubt(self, pixels: NDArray[Any], is_normalized: bool = False) -> str | None:
        """Return a sentence if gray values are far from those of training, or None.

        Parameters
        ----------
        pixels : ndarray, shape (C, ...)
            A sample of an image. NaN and infinite ones are left out.
        is_normalized : bool, default False
            Whether the image is normalized by its own gray values.

        Returns
        -------
        str or None
            About channels that seem to be exchanged, or about the first channel that is far.
        """
        finite = [channel[np.isfinite(channel)] for channel in pixels]
        if not is_normalized and (order := self._better_order(finite)):
            numbers = ", ".join(str(channel + 1) for channel in order)
            return (
                "channels seem to be exchanged: their gray values are those of training in the "
                f"order {numbers} alone. If so, save the image with its channels in that order."
            )
        for learnt, known in zip(self.channels, finite, strict=True):
            is_gray = len(self.channels) == 1  # photos are dark above or below
            if known.size and (doubt := learnt.doubt(known, is_normalized, is_gray)):
                return doubt
        return None

    def _better_order(self, pixels: Sequence[NDArray[Any]]) -> tuple[int, ...]:
        """Return the order of channels in which they look as in training; () if this is it.

        Each channel that moves is further from its counterpart than a training plane is; in
        its new place it is as near as one, and far nearer than before.
        """
        count = len(self.channels)
        if not 1 < count <= MOST_ORDERED or not all(channel.size for channel in pixels):
            return ()
        apart = np.array(
            [[k.distance_to(channel) for channel in pixels] for k in self.channels]
        )
        usual = np.array([learnt.distance + SAME for learnt in self.channels])
        places = np.arange(count)
        order = np.array(
            min(permutations(places), key=lambda order: apart[places, order].sum())
        )
        moved = places != order
        near, far = apart[places, order], apart.diagonal()
        is_better = (near <= usual) & (far > usual) & (far > BETTER * near)
        return tuple(order.tolist()) if moved.any() and is_better[moved].all() else ()

    def pixel_size_doubt(self, pixel_um: float | None) -> str | None:
        """Return a sentence if pixels are far larger or smaller than in training, or None.

        Parameters
        ----------
        pixel_um : float or None
            Side of a pixel in µm, if the image says it.
        """
        if pixel_um is None or self.pixel_um is None:
            return None
        low, high = self.pixel_um
        if low / FAR_PIXEL_SIZE <= pixel_um <= high * FAR_PIXEL_SIZE:
            return None
        learnt = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        return (
            f"a pixel is {pixel_um:.3g} µm wide, but the model was trained on {learnt} µm. "
            f"Resize the image by {pixel_um / sqrt(low * high):.2g}, or correct its pixel size."
        )

    def object_size_doubt(self, areas: Sequence[int]) -> str | None:
        """Return a sentence if objects are far larger or smaller than in training, or None.

        Parameters
        ----------
        areas : sequence of int
            In pixels, of objects that were found in a part of the image. Few of them tell
            nothing.
        """
        if self.object_px is None or len(areas) < FEWEST_OBJECTS:
            return None
        small, typical, large = self.object_px
        given = np.asarray(areas)
        # A mediocre network adds specks to the objects that it finds.
        larger = given[given >= small / 4]
        is_told = len(larger) >= FEWEST_OBJECTS and 2 * larger.sum() > given.sum()
        here = float(np.median(larger if is_told else given))
        if small / FAR_OBJECT_SIZE <= here <= large * FAR_OBJECT_SIZE:
            return None
        found = (
            f"the objects that are found have about {here:.3g} px, but those of training had "
            f"{small:.3g} to {large:.3g}"
        )
        if here < small * SPECK:
            return f"{found}: they look like noise. Does the image show such objects?"
        return (
            f"{found}. The image may have another scale: resize it by "
            f"{sqrt(typical / here):.2g}."
        )


def whole_areas(objects: NDArray[np.integer]) -> list[int]:
    """Return the areas of the objects of a plane that do not touch its border, in pixels.

    Parameters
    ----------
    objects : ndarray of int, shape (Y, X), or (Z, Y, X) of a volume
        0 is background.
    """
    areas = np.bincount(objects.ravel())
    for axis in range(objects.ndim):
        for end in (0, -1):
            areas[objects.take(end, axis)] = 0
    areas[0] = 0
    return [int(area) for area in areas[areas > 0]]


def _sampled(plane: NDArray[Any]) -> NDArray[np.float64]:
    """Return at most `MOST_PIXELS` of a plane, evenly chosen."""
    pixels = plane.reshape(-1)
    return pixels[:: -(-pixels.size // MOST_PIXELS)].astype(np.float64)


def _distance(here: NDArray[np.float64], there: NDArray[np.float64]) -> float:
    """Return the mean distance of two quantile functions given at `PERCENTILES`."""
    return float(np.trapezoid(np.abs(here - there)) / (len(PERCENTILES) - 1))


def _standardized(percentiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return percentiles with mean 0 and standard deviation 1."""
    std = percentiles.std()
    return (percentiles - percentiles.mean()) / (std if std > 0 else 1)
