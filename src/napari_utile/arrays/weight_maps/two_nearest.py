"""Distances to the nearest and the second-nearest object, for any number of objects at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import Array, compiled

_Pair = tuple[Array, Array]


def two_nearest(
    labels: NDArray[np.int32], spacing: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Return the distances of every pixel to its nearest and its second-nearest object.

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
    along the first axis. Along a further axis pixel q stands for the parabola
    ``g(q) + (y - q)^2``: the lowest parabola at y leads to the nearest object, the lowest one
    of another id to the second nearest.

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


@compiled
def _sweep(labels: Array, step: float, squared: Array, ids: Array) -> None:
    """Write the two nearest objects along the first axis of `labels` (N, M)."""
    n, m = labels.shape
    # Forwards, then backwards: each pixel meets the last two objects passed on either side.
    for forth in (True, False):
        seen, where = np.zeros((2, m), np.int32), np.zeros((2, m), np.int32)  # last, before it
        for i in range(n) if forth else range(n - 1, -1, -1):
            for j in range(m):
                if labels[i, j] != 0:
                    # A new object: the last one becomes the one before it.
                    if labels[i, j] != seen[0, j]:
                        seen[1, j], where[1, j] = seen[0, j], where[0, j]
                    seen[0, j], where[0, j] = labels[i, j], i
                for rank in range(2):
                    id_, distance = seen[rank, j], step * (i - where[rank, j])
                    value = distance * distance if id_ != 0 else np.inf
                    # Keep the two least distances of different objects.
                    if value < squared[0, i, j]:
                        if id_ != ids[0, i, j]:
                            squared[1, i, j], ids[1, i, j] = squared[0, i, j], ids[0, i, j]
                        squared[0, i, j], ids[0, i, j] = value, id_
                    elif value < squared[1, i, j] and id_ != ids[0, i, j]:
                        squared[1, i, j], ids[1, i, j] = value, id_


@compiled
def _envelopes(step: float, squared: Array, ids: Array) -> None:
    """Carry the two nearest objects along axis 2 of arrays (2, outer, N, inner), in place."""
    _, outer, n, inner = squared.shape
    line = heights, labels = np.empty((2, n)), np.empty((2, n), np.int32)
    lowest = parabolas, begins = np.empty((2, n), np.int32), np.empty(n + 1, np.int32)
    others = np.empty((2, n), np.int32), np.empty(n + 1, np.int32)
    for o in range(outer):
        for j in range(inner):
            for rank in range(2):
                for q in range(n):
                    heights[rank, q] = squared[rank, o, q, j] / (step * step)
                    labels[rank, q] = ids[rank, o, q, j]

            # [1]: the lower envelope leads to the nearest object of each pixel.
            size = _envelope(line, 0, (0, n), (0, n), lowest)
            _draw(line, lowest, size, step, (squared[0, o, :, j], ids[0, o, :, j]))
            # Where object a is nearest: one more envelope, without a (see Notes).
            i = 0
            while i < size:
                a, k = labels[0, parabolas[0, i]], i + 1
                while k < size and labels[0, parabolas[0, k]] == a:
                    k += 1
                b = parabolas[0, i - 1] if i > 0 else 0
                c = parabolas[0, k] if k < size else n - 1
                count = _envelope(line, a, (b, c + 1), (begins[i], begins[k]), others)
                _draw(line, others, count, step, (squared[1, o, :, j], ids[1, o, :, j]))
                i = k


@compiled
def _envelope(
    line: _Pair, without: int, pixels: tuple[int, int], span: tuple[int, int], found: _Pair
) -> int:
    """Stack the parabolas of `pixels` that are lowest somewhere in `span`; return how many.

    Each pixel brings its nearest object that is not `without`. Parabola i is that of pixel
    ``parabolas[0, i]``, rank ``parabolas[1, i]``, lowest in ``begins[i]...begins[i + 1] - 1``.
    """
    (heights, labels), (parabolas, begins), (start, stop) = line, found, span
    size = 0
    for q in range(pixels[0], pixels[1]):
        rank = 1 if labels[0, q] == without else 0
        if heights[rank, q] == np.inf:
            continue
        begin = start
        while size > 0:
            p, r = parabolas[0, size - 1], parabolas[1, size - 1]
            rise, run = heights[rank, q] - heights[r, p] + q * q - p * p, 2 * (q - p)
            # The parabolas of p and q cross at rise / run; q is lower behind that.
            if rise > begins[size - 1] * run:
                begin = int(min(np.ceil(rise / run), stop))
                break
            size -= 1  # q is lower wherever p was lowest: p leaves the envelope
        if begin < stop:
            parabolas[0, size], parabolas[1, size], begins[size] = q, rank, begin
            size += 1
    begins[size] = stop
    return size


@compiled
def _draw(line: _Pair, found: _Pair, size: int, step: float, out: _Pair) -> None:
    """Write the squared distances and ids of an envelope of `size` parabolas."""
    (heights, labels), (parabolas, begins), (squared, ids) = line, found, out
    for i in range(size):
        q, rank = parabolas[0, i], parabolas[1, i]
        for y in range(begins[i], begins[i + 1]):
            squared[y] = step * step * (heights[rank, q] + (y - q) * (y - q))
            ids[y] = labels[rank, q]
