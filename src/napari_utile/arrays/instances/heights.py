"""The landscape whose hills are the parts of the foreground, in whole numbers.

In a plane that is the depth: how far a pixel lies inside the foreground. In a volume, where
objects often fill all of it and a part of one is rarely the deepest, it is the foreground
probability itself, smoothed; with affinities, the mean of both.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.instances.distances import as_rows, squared_distance

DEEPEST = 32
"""Depths are cut off here, in pixels."""
SMOOTHING = 2.0
"""Standard deviation of the Gaussian that smooths the landscape, in pixels."""
SMOOTHING_OF_AFFINITIES = 1.0
"""The same where affinities say which parts are one: a part too many does not matter."""
FINENESS = {2: 1024, 3: 256 * 255}
"""Units of height, in a plane per pixel of depth, in a volume per 1 of probability: heights are
in whole numbers, so sums have one order."""


def halo(ndim: int, smoothing: float = SMOOTHING) -> int:
    """Return how many pixels around a block decide where its own pixels lead to.

    Parameters
    ----------
    ndim : int
        Axes of the block, 2 or 3.
    smoothing : float, optional
        Of the landscape, in pixels.

    Returns
    -------
    int
        41 in a plane, 9 in a volume, if smoothed by `SMOOTHING`.
    """
    return (DEEPEST if ndim == 2 else 0) + len(_gaussian(smoothing)) // 2 + 1


def landscape(
    mask: NDArray[np.bool_], foreground: NDArray[np.uint8], smoothing: float = SMOOTHING
) -> NDArray[np.uint16]:
    """Return the landscape of a plane or volume. Beyond its border it is mirrored.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X) or (Z, Y, X)
        Where objects are.
    foreground : ndarray of uint8, shape of `mask`
        Probabilities; 255 is 1.
    smoothing : float, optional
        Standard deviation of the Gaussian that smooths a volume, in voxels.

    Returns
    -------
    ndarray of uint16, shape of `mask`
        In units of 1 / `FINENESS`: `depth` of a plane, smoothed probability of a volume.
    """
    if mask.ndim == 2:
        return depth(mask)
    return _as_heights(foreground.astype(float), 255, 3, smoothing)


def depth(mask: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return the smoothed distance of each pixel to the background, up to `DEEPEST`.

    Beyond the border the plane is mirrored.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)
        Where objects are.

    Returns
    -------
    ndarray of uint16, shape of `mask`
        In units of 1 / `FINENESS` pixel.
    """
    distances = np.rint(2**4 * np.sqrt(np.arange(DEEPEST**2 + 1)))
    return _as_heights(distances[squared_distance(mask, DEEPEST**2)], 2**4, 2)


def _as_heights(
    values: NDArray[np.float64], one: int, ndim: int, smoothing: float = SMOOTHING
) -> NDArray[np.uint16]:
    """Smooth whole numbers, of which `one` stands for 1; return units of height."""
    weights = _gaussian(smoothing)
    for axis in range(ndim):  # all sums stay below 2**53, so their order does not matter
        values = _smoothed(values, axis, weights)
    unit = one * weights.sum() ** ndim / FINENESS[ndim]
    return np.rint(values / unit).astype(np.uint16)


@cache
def _gaussian(smoothing: float) -> NDArray[np.float64]:
    """Return weights of a Gaussian, whole numbers, up to 4 standard deviations."""
    window = np.arange(-round(4 * smoothing), round(4 * smoothing) + 1)
    return np.rint(2**12 * np.exp(-((window / smoothing) ** 2) / 2))


def _smoothed(
    array: NDArray[np.float64], axis: int, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate an array with weights along one axis; beyond the border it is mirrored."""
    if axis == array.ndim - 1:
        smooth = _correlated_along_rows(array.reshape(-1, array.shape[axis]), weights)
    else:
        smooth = _correlated_across_rows(as_rows(array, array.shape, axis), weights)
    return smooth.reshape(array.shape)


@compiled
def _correlated_across_rows(
    rows: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate the middle axis with even weights: rows are added up, many pixels at once."""
    outer, length, inner = rows.shape
    result, reach = np.empty(rows.shape), len(weights) // 2
    for i in range(outer):
        for y in range(length):
            sums = result[i, y]
            middle = rows[i, y]
            for x in range(inner):
                sums[x] = weights[reach] * middle[x]
            for k in range(reach):
                weight = weights[k]
                one = rows[i, _mirrored_place(y + k - reach, length)]
                other = rows[i, _mirrored_place(y - k + reach, length)]
                for x in range(inner):
                    sums[x] += weight * (one[x] + other[x])
    return result


@compiled
def _correlated_along_rows(
    rows: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate rows with even weights: they are shifted and added up, many pixels at once."""
    count, length = rows.shape
    result, reach = np.empty(rows.shape), len(weights) // 2
    wide = np.empty(length + 2 * reach)
    for i in range(count):
        for x in range(len(wide)):
            wide[x] = rows[i, _mirrored_place(x - reach, length)]
        sums = result[i]
        for x in range(length):
            sums[x] = weights[reach] * rows[i, x]
        for k in range(reach):
            weight, one, other = weights[k], wide[k:], wide[2 * reach - k :]
            for x in range(length):
                sums[x] += weight * (one[x] + other[x])
    return result


@compiled
def _mirrored_place(place: int, length: int) -> int:
    """Return what lies at a place before or behind a row that is mirrored there."""
    within = place % (2 * length)
    return min(within, 2 * length - 1 - within)
