"""What the sums over the pixels of objects say: size, place, principal axes, surface."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.objects.sums import ObjectSums
from napari_utile.arrays.objects.wide import wide_sums
from napari_utile.arrays.objects.window import COUNT, XX, YX, YY, ZX, ZY, ZZ, X, Y, Z

PAIRS = {ZZ: (0, 0), YY: (1, 1), XX: (2, 2), ZY: (0, 1), ZX: (0, 2), YX: (1, 2)}
"""Axes of each sum of products."""
SAFE = 2.0**62
"""Whole numbers below it fit into 64 bits with sign."""


@dataclass(frozen=True, eq=False)
class ObjectMeasures:
    """Measures of N objects, in the order of their ids. There are 2 axes, or 3.

    Attributes
    ----------
    ids : ndarray of uint64, shape (N,)
    counts : ndarray of int64, shape (N,)
        Pixels.
    sizes : ndarray of float64, shape (N,)
        Area, or volume.
    centroids : ndarray of float64, shape (N, axes)
        Mean position of the centers of the pixels.
    boxes : ndarray of int64, shape (N, axes, 2)
        First pixel and one past the last along each axis.
    axes : ndarray of float64, shape (N, axes)
        Full lengths of the principal axes of the ellipse, or ellipsoid, that has the same
        second moments; the longest first.
    surfaces : ndarray of float64, shape (N,)
        Summed area of the exposed faces of the pixels; in the plane, length of the exposed
        edges.
    slices : ndarray of int64, shape (N,)
        Number of slices with a pixel.
    touching : ndarray of bool, shape (N,)
        Whether a pixel lies at the border of the stack, along an axis longer than 1.
    values : tuple of ndarray of float64, shape (N, 2)
        Mean and standard deviation in each channel.
    """

    ids: NDArray[np.uint64]
    counts: NDArray[np.int64]
    sizes: NDArray[np.float64]
    centroids: NDArray[np.float64]
    boxes: NDArray[np.int64]
    axes: NDArray[np.float64]
    surfaces: NDArray[np.float64]
    slices: NDArray[np.int64]
    touching: NDArray[np.bool_]
    values: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(
        cls, sums: ObjectSums, spacing: Sequence[float], origin: Sequence[float]
    ) -> "ObjectMeasures":
        """Compute the measures of all objects.

        Parameters
        ----------
        sums : ObjectSums
            Of all pixels.
        spacing, origin : sequence of float
            Size of a pixel, which may be negative, and position of the first one: per axis
            (y, x) of an image, (z, y, x) of a stack.

        Notes
        -----
        The lengths of axes are those of scikit-image: from the eigenvalues e of the covariance
        of the pixel centers, 4 sqrt(e) in the plane and sqrt(20 e) in a volume, which are the
        axes of a full ellipse, and of a full ellipsoid.
        """
        skipped = 3 - len(spacing)  # the axis z of an image
        order = np.argsort(np.array(sums.ids, np.uint64), kind="stable")
        n = len(order)
        low, high = sums.low[:n][order], sums.high[:n][order]
        box = sums.box[:n][order].reshape(n, 2, 3).transpose(0, 2, 1)[:, skipped:]
        size = np.abs(np.array(spacing, float))
        means, covariance = _moments(low, high, sums.box[:n][order])
        covariance = covariance[:, skipped:, skipped:] * np.outer(size, size)
        eigenvalues = np.maximum(np.linalg.eigvalsh(covariance)[:, ::-1], 0)
        counts = low[:, COUNT].astype(np.int64)
        face = size.prod() / size
        shape = np.array(sums.shape)[skipped:]
        at_border = (box[:, :, 0] == 0) | (box[:, :, 1] == shape)
        return cls(
            ids=np.array(sums.ids, np.uint64)[order],
            counts=counts,
            sizes=counts * size.prod(),
            centroids=np.array(origin) + means[:, skipped:] * np.array(spacing, float),
            boxes=box,
            axes=np.sqrt((16 if skipped else 20) * eigenvalues),
            surfaces=(sums.faces[:n][order][:, skipped:] * face).sum(axis=1),
            slices=sums.slices[:n][order],
            touching=(at_border & (shape > 1)).any(axis=1),
            values=tuple(each.mean_and_sd(low_counts(sums))[order] for each in sums.values),
        )


def low_counts(sums: ObjectSums) -> NDArray[np.int64]:
    """Return the number of pixels of each object, in the order in which they were found."""
    return sums.low[: len(sums), COUNT].astype(np.int64)


def _moments(
    low: NDArray[np.uint64], high: NDArray[np.int64], box: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means (N, 3) and covariances (N, 3, 3) of the coordinates, in pixels.

    Relative to the first pixel of the box of an object its sums are small: taken modulo 2^64
    they are exact. A numerator n S_ab - S_a S_b may take more than 64 bits in a large object.
    """
    n, first = low[:, COUNT], box[:, :3]
    extent = (box[:, 3:] - first).astype(float)
    shift = first.astype(np.uint64)
    sums = np.stack([low[:, a] - n * shift[:, i] for i, a in enumerate((Z, Y, X))], axis=1)
    numerators = np.empty((len(n), len(PAIRS)))
    squared = n.astype(float) ** 2
    for i, (column, (a, b)) in enumerate(PAIRS.items()):
        products = (
            low[:, column] - shift[:, a] * low[:, Z + b] - shift[:, b] * low[:, Z + a]
            + n * shift[:, a] * shift[:, b]
        )  # fmt: skip
        is_small = squared * extent[:, a] * extent[:, b] < SAFE
        exact = n * products - sums[:, a] * sums[:, b]
        numerators[:, i] = exact.view(np.int64)
        for row in np.flatnonzero(~is_small):
            numerators[row, i] = _wide_numerator(low[row], high[row], column, Z + a, Z + b)
    covariance = np.empty((len(n), 3, 3))
    for i, (a, b) in enumerate(PAIRS.values()):
        covariance[:, a, b] = covariance[:, b, a] = numerators[:, i] / squared
    means = first + sums / n[:, None].astype(float)
    return means, covariance


def _wide_numerator(
    low: NDArray[np.uint64], high: NDArray[np.int64], product: int, a: int, b: int
) -> float:
    """Return n S_ab - S_a S_b of one object, computed with whole numbers of any length."""
    total: list[Any] = wide_sums(low, high).tolist()
    return float(total[COUNT] * total[product] - total[a] * total[b])
