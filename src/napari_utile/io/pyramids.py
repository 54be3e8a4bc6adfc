"""Smaller levels of a multiscale image, each of half the width and height. No files here."""

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray


def level_shapes(shape: tuple[int, ...], chunks: tuple[int, ...]) -> list[tuple[int, ...]]:
    """List the shapes of the smaller levels, until a plane is one chunk.

    Parameters
    ----------
    shape : tuple of int
        Of the largest level, (..., Y, X).
    chunks : tuple of int
        Shape of a chunk, the same in every level.

    Returns
    -------
    list of tuple of int
        Odd lengths are rounded up, so no edge is lost.

    Examples
    --------
    >>> level_shapes((30, 1000, 1001), (1, 512, 512))
    [(30, 500, 501)]
    """
    shapes = []
    while shape[-2] > chunks[-2] or shape[-1] > chunks[-1]:
        shape = (*shape[:-2], ceil(shape[-2] / 2), ceil(shape[-1] / 2))
        shapes.append(shape)
    return shapes


def halved_by_mean(pixels: NDArray[Any]) -> NDArray[Any]:
    """Average 2 x 2 pixels.

    Parameters
    ----------
    pixels : ndarray, shape (..., Y, X)

    Returns
    -------
    ndarray, shape (..., ceil(Y / 2), ceil(X / 2)), dtype of `pixels`
        Integers are rounded to the nearest, halves to the even one.

    Examples
    --------
    >>> halved_by_mean(np.array([[1, 2, 7], [2, 2, 8]], np.uint8))
    array([[2, 8]], dtype=uint8)
    """
    small = pixels.dtype.itemsize <= 2  # sums of four are exact in the type of the mean
    means = _four(pixels).mean(axis=0, dtype=np.float32 if small else np.float64)
    return (means.round() if pixels.dtype.kind in "iu" else means).astype(pixels.dtype)


def halved_by_majority(pixels: NDArray[Any]) -> NDArray[Any]:
    """Take the most frequent id of 2 x 2 pixels.

    Parameters
    ----------
    pixels : ndarray of int, shape (..., Y, X)

    Returns
    -------
    ndarray, shape (..., ceil(Y / 2), ceil(X / 2)), dtype of `pixels`
        Of several equally frequent ids, the first in reading order.

    Examples
    --------
    >>> halved_by_majority(np.array([[1, 2, 0], [3, 2, 9]]))
    array([[2, 0]])
    """
    a, b, c, d = _four(pixels)
    # `a` wins if it equals any other; else a pair among b, c, d; else all differ: `a`.
    without_a = np.where((b == c) | (b == d), b, np.where(c == d, c, a))
    return np.where((a == b) | (a == c) | (a == d), a, without_a)


def _four(pixels: NDArray[Any]) -> NDArray[Any]:
    """Split squares into their four pixels; at an odd edge the last pixels are repeated."""
    odd = [(0, 0)] * (pixels.ndim - 2) + [(0, n % 2) for n in pixels.shape[-2:]]
    even = np.pad(pixels, odd, mode="edge")
    return np.stack([even[..., y::2, x::2] for y in (0, 1) for x in (0, 1)])
