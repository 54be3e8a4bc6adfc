"""Distances to the nearest and the second-nearest object, for any number of objects at once."""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray


def two_nearest(
    labels: NDArray[np.int32], spacing: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Measure how far every pixel is from its nearest and its second-nearest object.

    Parameters
    ----------
    labels : ndarray of int32, shape (Y, X), (Z, Y, X) or any other
        Instances. 0 is background, every other id is an object.
    spacing : sequence of float, one per axis, default 1
        Distance between the centres of neighbouring pixels along each axis.

    Returns
    -------
    ndarray of float32, shape (2, *labels.shape)
        Euclidean distances between pixel centres, in the unit of `spacing`: [0] to the nearest
        object (0 on objects), [1] to the second nearest. ``inf`` where there is no such object.

    Notes
    -----
    Exact, in time proportional to the pixels: the separable transform of [1]_, which carries
    for every pixel two (squared distance, id) pairs with different ids. Two sweeps find them
    along the first axis. Along a further axis each pixel q stands for the parabola
    ``g(q) + (y - q)^2``: the lowest parabola at y leads to the nearest object, the lowest one of
    another id to the second nearest.

    Where id a is lowest, between its neighbours b and c on the lower envelope, only parabolas
    of the pixels b...c can be the lowest of another id: b and c stay on the envelope when a
    is taken away, and an envelope is sorted by q. So one more envelope over b...c without a
    is enough, and as no pixel lies in more than three such stretches, all are linear together.

    References
    ----------
    .. [1] Felzenszwalb & Huttenlocher, "Distance Transforms of Sampled Functions", Theory of
       Computing 8, 2012, sec. 2.

    Examples
    --------
    >>> two_nearest(np.array([[1, 0, 0, 0, 2, 0]], np.int32))
    array([[[0., 1., 2., 1., 0., 1.]],
    <BLANKLINE>
           [[4., 3., 2., 3., 4., 5.]]], dtype=float32)
    """
    steps = (1.0,) * labels.ndim if spacing is None else tuple(map(float, spacing))
    squared = np.full((2, *labels.shape), np.inf, np.float32)
    ids = np.zeros((2, *labels.shape), np.int32)
    if labels.size == 0:
        return squared

    along_first = (2, labels.shape[0], -1)
    planes = np.ascontiguousarray(labels).reshape(along_first[1:])
    _sweep(planes, steps[0], squared.reshape(along_first), ids.reshape(along_first))
    for axis in range(1, labels.ndim):
        along_axis = (2, np.prod(labels.shape[:axis]), labels.shape[axis], -1)
        _envelopes(steps[axis], squared.reshape(along_axis), ids.reshape(along_axis))
    return np.sqrt(squared, out=squared)


@njit(cache=True, nogil=True)
def _sweep(labels, step, squared, ids):  # type: ignore[no-untyped-def]
    """Fill in the two nearest objects along the first axis of `labels` (N, M)."""
    n, m = labels.shape
    for direction in (1, -1):
        last = np.zeros((2, m), np.int32)  # the id met last, and the one before it
        where = np.zeros((2, m), np.int32)
        for i in range(n) if direction == 1 else range(n - 1, -1, -1):
            for j in range(m):
                label = labels[i, j]
                if label != 0:
                    if label != last[0, j]:
                        last[1, j], where[1, j] = last[0, j], where[0, j]
                    last[0, j], where[0, j] = label, i
                for rank in range(2):
                    if last[rank, j] != 0:
                        distance = step * (i - where[rank, j])
                        _insert(distance * distance, last[rank, j], i, j, squared, ids)


@njit(cache=True, nogil=True, inline="always")
def _insert(value, label, i, j, squared, ids):  # type: ignore[no-untyped-def]
    """Keep the two smallest values with different ids at (i, j)."""
    if value < squared[0, i, j]:
        if label != ids[0, i, j]:
            squared[1, i, j], ids[1, i, j] = squared[0, i, j], ids[0, i, j]
        squared[0, i, j], ids[0, i, j] = value, label
    elif value < squared[1, i, j] and label != ids[0, i, j]:
        squared[1, i, j], ids[1, i, j] = value, label


@njit(cache=True, nogil=True)
def _envelopes(step, squared, ids):  # type: ignore[no-untyped-def]
    """Carry the two nearest objects along axis 2 of arrays (2, outer, N, inner), in place."""
    _, outer, n, inner = squared.shape
    height, label = np.empty((2, n)), np.empty((2, n), np.int32)
    lowest, begin = np.empty((2, n), np.int32), np.empty(n + 1, np.int32)
    others, others_begin = np.empty((2, n), np.int32), np.empty(n + 1, np.int32)
    for o in range(outer):
        for j in range(inner):
            for rank in range(2):
                for q in range(n):
                    height[rank, q] = squared[rank, o, q, j] / (step * step)
                    label[rank, q] = ids[rank, o, q, j]

            size = _envelope(height, label, 0, 0, n, 0, n, lowest, begin)
            _draw(height, label, size, lowest, begin, step, squared[0, o, :, j], ids[0, o, :, j])
            i = 0
            while i < size:
                a, k = label[0, lowest[0, i]], i + 1
                while k < size and label[0, lowest[0, k]] == a:
                    k += 1
                b = lowest[0, i - 1] if i > 0 else 0
                c = lowest[0, k] + 1 if k < size else n
                count = _envelope(
                    height, label, a, b, c, begin[i], begin[k], others, others_begin
                )
                _draw(
                    height, label, count, others, others_begin, step,
                    squared[1, o, :, j], ids[1, o, :, j],
                )  # fmt: skip
                i = k


@njit(cache=True, nogil=True)
def _envelope(height, label, without, b, c, start, stop, parabolas, begin):  # type: ignore[no-untyped-def]
    """Stack the parabolas of the pixels b...c that are lowest somewhere in start...stop.

    Each pixel brings its nearest object that is not `without`. Parabola i is that of pixel
    ``parabolas[0, i]``, rank ``parabolas[1, i]``, and lowest in ``begin[i]...begin[i + 1]``.
    """
    size = 0
    for q in range(b, c):
        rank = 1 if label[0, q] == without else 0
        if height[rank, q] == np.inf:
            continue
        lift = height[rank, q] + q * q
        first = start
        while size > 0:
            p, r = parabolas[0, size - 1], parabolas[1, size - 1]
            meeting = (lift - height[r, p] - p * p) / (2 * (q - p))
            first = int(np.ceil(min(max(meeting, start), stop)))
            if first > begin[size - 1]:
                break
            size -= 1
            first = start
        if first < stop:
            parabolas[0, size], parabolas[1, size], begin[size] = q, rank, first
            size += 1
    begin[size] = stop
    return size


@njit(cache=True, nogil=True)
def _draw(height, label, size, parabolas, begin, step, squared, ids):  # type: ignore[no-untyped-def]
    """Write the heights and ids of an envelope."""
    for i in range(size):
        q, rank = parabolas[0, i], parabolas[1, i]
        for y in range(begin[i], begin[i + 1]):
            squared[y] = step * step * (height[rank, q] + (y - q) * (y - q))
            ids[y] = label[rank, q]
