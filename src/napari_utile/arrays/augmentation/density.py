"""Where training tiles are drawn: how often each pixel is the centre of one."""

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import IGNORE
from napari_utile.settings.options import Sampling

_ON_OBJECTS = 0.75
"""Fraction of the tiles around objects, for "foreground"; the others show background."""


def density(
    classes: NDArray[np.uint8], weights: NDArray[np.float32], kind: Sampling
) -> NDArray[np.float32]:
    """Return how often each pixel is the centre of a training tile.

    Parameters
    ----------
    classes : ndarray of uint8, any shape
        Class of each pixel, `IGNORE` where unannotated. Planes of different sizes are
        raveled and joined, so that a class that is rare in all of them is drawn most where
        it is.
    weights : ndarray of float32, same shape
        Loss weight map. Only used for "borders".
    kind : {"uniform", "foreground", "classes", "borders"}
        Uniform: every annotated pixel alike. Foreground: three of four tiles lie around a
        pixel of an object, or more if there are more. Classes: as many tiles around each
        class that occurs. Borders: in proportion to the loss weights, so more where gaps
        are narrow, and where a class is rare if the weights balance the classes.

    Returns
    -------
    ndarray of float32, same shape
        Relative frequency with mean 1. 0 where unannotated, so that tiles show something to
        learn; positive everywhere else (for borders: where the weights are).

    Raises
    ------
    ValueError
        If nothing is annotated, or for "borders" nothing has a weight.

    Examples
    --------
    >>> one_rare = np.array([0, 0, 0, 0, 0, 0, 1, 255], np.uint8)
    >>> density(one_rare, np.ones(8, np.float32), "classes").round(2)
    array([0.67, 0.67, 0.67, 0.67, 0.67, 0.67, 4.  , 0.  ], dtype=float32)
    """
    counts = np.bincount(classes.ravel(), minlength=IGNORE + 1)[:IGNORE]
    if kind == "borders":
        frequency = weights * (classes != IGNORE)
    else:
        each = np.zeros(IGNORE + 1)  # frequency of one pixel of each class
        each[:IGNORE] = _totals(counts, kind) / np.maximum(counts, 1)
        frequency = each.astype(np.float32)[classes]
    mean = frequency.mean(dtype=np.float64)
    if not mean > 0:
        raise ValueError("nothing to draw tiles from is annotated")
    return (frequency / mean).astype(np.float32)


def _totals(counts: NDArray[np.int64], kind: Sampling) -> NDArray[np.float64]:
    """Return the tiles around each class, relative to each other; `counts` are its pixels."""
    if kind == "classes":
        return (counts > 0).astype(np.float64)
    totals = counts.astype(np.float64)  # uniform: as many tiles as pixels
    background, objects = counts[0], counts[1:].sum()
    if kind == "foreground" and 0 < objects * (1 - _ON_OBJECTS) < background * _ON_OBJECTS:
        # Raises the objects from less than _ON_OBJECTS of all tiles to that.
        totals[1:] *= background / objects * _ON_OBJECTS / (1 - _ON_OBJECTS)
    return totals
