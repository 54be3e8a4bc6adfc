"""The loss weight map of the U-Net paper (eq. 2): class balance plus a border term.

The costly part, `gap_widths`, depends on the labels alone. `border_term` is cheap, so that
w0 and sigma can be tried out live. A map that is made once measures only the gaps that count.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.doubts.ids import ids_doubts, ids_in
from napari_utile.arrays.doubts.labels import label_doubts, looked_at
from napari_utile.arrays.labels import (
    IGNORE,
    Labels,
    blocks,
    check_labels,
    consecutive,
    ignored_pixels,
)
from napari_utile.arrays.targets import TrainingTarget, annotated
from napari_utile.arrays.weight_maps.narrow_gaps import narrow_gaps
from napari_utile.events import doubted, warn
from napari_utile.settings.arrays import WEIGHT_DEFAULTS

FEW_COLUMNS = 4
"""Columns of slices that are likelier colors."""
LOOKED_AT = 2**20
"""Pixels of a stack in which doubts are looked for: in all it takes as long as the map."""
LOST = 2.0**-33
"""Less than half of the last digit of any class weight: added to it, it is rounded away."""


def weight_map(
    labels: ArrayLike,
    w0: float = WEIGHT_DEFAULTS.w0,
    sigma: float = WEIGHT_DEFAULTS.sigma,
    class_balance: bool = WEIGHT_DEFAULTS.class_balance,
    *,
    ignore: int | None = None,
    sparse: bool = False,
    spacing: Sequence[float] | None = None,
    volumetric: bool = False,
    strict: bool = False,
) -> NDArray[np.float32]:
    """Return the loss weights of labels: class balance, and more where a gap is narrow.

    ``w = w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2))`` on background and ``w_c`` on objects, with
    d1 and d2 the distances to the nearest and to the second-nearest object.

    Parameters
    ----------
    labels : array_like of int, shape (..., Y, X)
        Instances: 0 is background, each object has its own id. Split a binary mask with
        `as_instances` first. An axis of length 1 behind Y and X does not matter.
    w0 : float, default 10
        Height of the border term.
    sigma : float, default 5
        Gap width over which it fades: pixels, or the unit of `spacing`.
    class_balance : bool, default True
        w_c gives background and objects the same total, with mean 1. Otherwise w_c is 1.
    ignore : int, optional
        Id of pixels that weigh 0. They are no object: distances reach across them.
    sparse : bool, default False
        Whether pixels of 0 weigh 0, too, and 1 is background.
    spacing : sequence of float, default 1
        Size of a pixel along (Y, X), or a voxel along (Z, Y, X).
    volumetric : bool, default False
        Measure gaps in volumes (Z, Y, X); otherwise each slice is on its own.
    strict : bool, default False
        Whether labels that look like something else are refused, instead of a warning.

    Returns
    -------
    ndarray of float32, shape of `labels`

    Raises
    ------
    UserError
        If `labels` are not label ids; see `check_labels`. With `strict`, if they are doubtful.
    ValueError
        If `w0` is negative, `sigma` is not positive, or `spacing` does not fit.

    Notes
    -----
    The paper [1]_ gives no mask: we add the border term to background only, as in its fig.
    3d. It does not say how w_c balances: we take frequencies over the whole array. With fewer
    than two objects in a slice there is no gap and the border term is 0.

    References
    ----------
    .. [1] Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 3, eq. 2.

    Examples
    --------
    >>> gap_of_one = np.array([[1, 0, 2]])
    >>> weight_map(gap_of_one, class_balance=False).round(1)
    array([[ 1. , 10.2,  1. ]], dtype=float32)
    """
    widest = _faded(w0, sigma)
    given = check_labels(labels, ignore=ignore)
    has_channel = given.ndim > 2 + volumetric and given.shape[-1] == 1
    labels = given[..., 0] if has_channel else given
    doubts = label_doubts(
        looked_at(labels, ignore, LOOKED_AT), "", ignore=ignore, sparse=sparse
    )
    told = [] if ignore is None else ids_doubts([("", ids_in(labels))], ignore)
    told += [doubt.text for doubt in doubts]
    if labels.ndim > 2 and 1 < labels.shape[-1] <= FEW_COLUMNS < labels.shape[-2]:
        told.append(
            f"The labels {labels.shape} are read as slices of {labels.shape[-2]} x "
            f"{labels.shape[-1]} px: if the last axis is of colors, give one of them."
        )
    for event in doubted(told, strict):
        warn(event)
    objects, unannotated = annotated(labels, ignore, sparse)
    classes = (objects != 0).astype(np.uint8)
    classes[unannotated] = IGNORE
    gaps = _gaps(objects, None, spacing, volumetric, widest)
    gaps[unannotated] = np.inf
    return _weights(classes, class_balance, gaps, w0, sigma).reshape(given.shape)


def target_weights(
    target: TrainingTarget, w0: float, sigma: float, class_balance: bool
) -> NDArray[np.float32]:
    """Return the weight map of a training target; 0 where it is unannotated.

    Parameters
    ----------
    target : TrainingTarget
        Its objects have the gaps, slice by slice.
    w0, sigma, class_balance
        As in `weight_map`.

    Returns
    -------
    ndarray of float32, shape of the labels

    Raises
    ------
    ValueError
        If `w0` is negative, or `sigma` is not positive.
    """
    gaps = _gaps(target.objects, None, None, False, _faded(w0, sigma))
    gaps[target.classes != 0] = np.inf
    return _weights(target.classes, class_balance, gaps, w0, sigma)


def _weights(
    classes: NDArray[np.uint8],
    class_balance: bool,
    gaps: NDArray[np.float32],
    w0: float,
    sigma: float,
) -> NDArray[np.float32]:
    """Return the sum of class weights and border term, in the memory of `gaps`."""
    weights = border_term(gaps, w0, sigma, out=gaps)
    _add_of_class(classes.ravel(), _of_classes(classes, class_balance), weights.ravel())
    return weights


def class_weights(classes: NDArray[np.uint8], class_balance: bool) -> NDArray[np.float32]:
    """Return the class weight w_c of each pixel; 0 where unannotated.

    Parameters
    ----------
    classes : ndarray of uint8, any shape
        Class of each pixel, `IGNORE` where unannotated.
    class_balance : bool
        Whether all classes that occur get the same total weight, with mean 1 per pixel;
        otherwise every annotated pixel weighs 1.

    Returns
    -------
    ndarray of float32, shape of `classes`

    Examples
    --------
    >>> class_weights(np.array([[0, 0, 0, 1, 255]], np.uint8), True).round(2)
    array([[0.67, 0.67, 0.67, 2.  , 0.  ]], dtype=float32)
    """
    return _of_classes(classes, class_balance)[classes]


def _of_classes(classes: NDArray[np.uint8], class_balance: bool) -> NDArray[np.float32]:
    """Return the weight of each class, shape (`IGNORE` + 1,)."""
    weights = np.zeros(IGNORE + 1, np.float32)
    weights[:IGNORE] = balance(_class_counts(classes.ravel())[:IGNORE]) if class_balance else 1
    return weights


@compiled
def _class_counts(classes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the pixels of each class; `np.bincount` would make int64 of each of them."""
    counts = np.zeros((4, 256), np.int64)  # neighbours count apart: none waits for another
    for i in range(len(classes)):
        counts[i % 4, classes[i]] += 1
    return counts.sum(axis=0)


@compiled
def _add_of_class(
    classes: NDArray[np.uint8], of_classes: NDArray[np.float32], weights: NDArray[np.float32]
) -> None:
    """Add the weight of each pixel's class, in place."""
    for i in range(len(classes)):
        weights[i] += of_classes[classes[i]]


def balance(counts: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the weight of each class with which all have the same total, and pixels mean 1.

    Parameters
    ----------
    counts : ndarray of int, shape (K,)
        Pixels of each class.

    Returns
    -------
    ndarray of float64, shape (K,)
        1 for a class without pixels.

    Examples
    --------
    >>> balance(np.array([3, 1, 0])).round(2)
    array([0.67, 2.  , 1.  ])
    """
    present = counts > 0
    share = counts.sum() / max(np.count_nonzero(present), 1)
    return np.where(present, share / np.maximum(counts, 1), 1.0)


def gap_widths(
    labels: ArrayLike,
    *,
    ignore: int | None = None,
    spacing: Sequence[float] | None = None,
    volumetric: bool = False,
) -> NDArray[np.float32]:
    """Return the width d1 + d2 of the gap between two objects in which each pixel lies.

    Parameters
    ----------
    labels : array_like of int, shape (..., Y, X)
        Instances; 0 is background.
    ignore : int, optional
        Id of pixels that are no object.
    spacing : sequence of float, default 1
        Size of a pixel along (Y, X), or a voxel along (Z, Y, X).
    volumetric : bool, default False
        Measure in volumes (Z, Y, X); otherwise slice by slice.

    Returns
    -------
    ndarray of float32, shape of `labels`
        In pixels, or the unit of `spacing`. ``inf`` on objects, on ignored pixels, and where
        there are fewer than two objects.

    Raises
    ------
    UserError
        If `labels` are not label ids; see `check_labels`.
    ValueError
        If `spacing` is not one positive length per axis.

    Notes
    -----
    Exact, and linear in the pixels: about a third of one
    `scipy.ndimage.distance_transform_edt` on one thread, for any number of objects. Slices or
    volumes of a stack run in parallel.

    Examples
    --------
    >>> gap_widths(np.array([[1, 0, 0, 2, 0]]))
    array([[inf,  3.,  3., inf,  5.]], dtype=float32)
    """
    return _gaps(check_labels(labels, ignore=ignore), ignore, spacing, volumetric, np.inf)


def _gaps(
    labels: Labels,
    ignore: int | None,
    spacing: Sequence[float] | None,
    volumetric: bool,
    widest: float,
) -> NDArray[np.float32]:
    """Return `gap_widths`; of those from `widest` on, any width from there on."""
    objects = labels
    if ignore is not None:
        objects = np.where(ignored_pixels(labels, ignore), 0, labels)
    if objects.max(initial=0) > np.iinfo(np.int32).max:
        objects = consecutive(objects)
    objects = blocks(objects.astype(np.int32, copy=False), volumetric)
    sides = None if spacing is None else np.atleast_1d(spacing)
    if sides is not None and (
        sides.shape != (objects.ndim - 1,) or not ((sides > 0) & np.isfinite(sides)).all()
    ):
        raise ValueError(f"spacing must be {objects.ndim - 1} positive lengths, got {spacing}")

    gaps = np.empty(objects.shape, np.float32)

    def measure(objects: NDArray[np.int32], gaps: NDArray[np.float32]) -> None:
        narrow_gaps(objects, spacing, widest, gaps)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(measure, objects, gaps))
    gaps = gaps.reshape(labels.shape)
    if ignore is not None:
        np.copyto(gaps, np.inf, where=labels == ignore)
    return gaps


def border_term(
    gaps: NDArray[Any], w0: float, sigma: float, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the border term of the weight map, ``w0 exp(-gaps^2 / (2 sigma^2))``.

    Parameters
    ----------
    gaps : ndarray of float, any shape
        `gap_widths`.
    w0 : float
        Height of the term.
    sigma : float
        Gap width over which it fades, in the unit of `gaps`.
    out : ndarray of float32, shape of `gaps`, optional
        Where to write it; it may be `gaps`.

    Returns
    -------
    ndarray of float32, shape of `gaps`
        0 where a gap is ``inf`` wide.

    Raises
    ------
    ValueError
        If `w0` is negative, or `sigma` is not positive.

    References
    ----------
    Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 3, eq. 2, with `gaps` = d1 + d2.

    Examples
    --------
    >>> border_term(np.array([2.0, np.inf]), w0=10, sigma=5).round(1)
    array([9.2, 0. ], dtype=float32)
    """
    _check_border(w0, sigma)
    exponents = np.square(gaps, dtype=np.float32, out=out)
    exponents *= np.float32(-1 / (2 * sigma**2))
    return np.multiply(np.exp(exponents, out=exponents), np.float32(w0), out=exponents)


def _faded(w0: float, sigma: float) -> float:
    """Return the width of gaps from which the border term is less than `LOST`."""
    _check_border(w0, sigma)
    return float(sigma * np.sqrt(2 * np.log(max(w0 / LOST, 1))))


def _check_border(w0: float, sigma: float) -> None:
    if not (0 <= w0 < np.inf and 0 < sigma < np.inf):
        raise ValueError(f"w0 must be >= 0 and sigma > 0, got {w0} and {sigma}")
