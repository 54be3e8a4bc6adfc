"""Distances to the nearest and the second-nearest object, for any number of objects at once."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import Array, compiled

inlined = partial(compiled, inline="always")
"""For what is called once for each line: to pass an array takes longer than a few pixels."""

TOGETHER = 16
"""Neighbouring lines that are copied together where lines are not contiguous in memory."""
SHORT = 16
"""Bits of ids and of distances if both fit into the memory of the result."""
LONG = 32
"""Bits of all other ids and distances."""
NO_ID = 2**40

_Pair = tuple[Array, Array]
_Four = tuple[Array, Array, Array, Array]


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
    along the first axis, as integers of which the high bits are the distance and the low bits
    the id. Along a further axis pixel q stands for the parabola ``g(q) + (y - q)^2``: the
    lowest parabola at y leads to the nearest object, the lowest one of another id to the
    second nearest. Parabolas that are lowest somewhere are the lower convex hull of the points
    ``(q, g(q) + q^2)``, which is found without a division.

    Where id a is lowest, between its neighbours b and c on the lower envelope, only parabolas
    of the pixels b...c can be the lowest of another id: b and c stay on the envelope when a
    is taken away, and an envelope is sorted by q. So one more envelope over b...c without a
    is enough, and as no pixel lies in more than three such stretches, all are linear together.

    Fresh memory costs as much time as the work on it, so the sweeps write into the result.

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
    distances = np.empty((2, *labels.shape), np.float32)
    _measure(labels, spacing, distances[0], distances[1], is_sum=False)
    return distances


def gaps_between(
    labels: NDArray[np.int32], spacing: Sequence[float] | None, out: NDArray[np.float32]
) -> None:
    """Write the sum of both distances of `two_nearest`, and ``inf`` on objects.

    Parameters
    ----------
    labels, spacing
        As in `two_nearest`.
    out : ndarray of float32, shape of `labels`, contiguous
        Overwritten.
    """
    _measure(labels, spacing, out, np.empty_like(out), is_sum=True)


def _measure(
    labels: NDArray[np.int32],
    spacing: Sequence[float] | None,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    is_sum: bool,
) -> None:
    """Write both distances, or their sum into `first`; `second` is then scratch."""
    if labels.size == 0:
        return
    steps = np.array((1.0,) * labels.ndim if spacing is None else tuple(map(float, spacing)))
    planes = np.ascontiguousarray(labels).reshape(labels.shape[0], -1)
    out = first.reshape(planes.shape), second.reshape(planes.shape)
    # Distances may double in a sweep where there is no object, and one bit is the sign.
    if labels.min() >= 0 and labels.max() < 2**SHORT and len(planes) < 2 ** (SHORT - 2):
        keys, bits = (out[0].view(np.int32), out[1].view(np.int32)), SHORT
    else:
        keys, bits = (np.empty(planes.shape, np.int64), np.empty(planes.shape, np.int64)), LONG
    _transform(planes, np.array(labels.shape), steps, keys, bits, out, is_sum)


@compiled
def _transform(
    labels: Array, shape: Array, steps: Array, keys: _Pair, bits: int, out: _Pair, is_sum: bool
) -> None:
    """Sweep forth; then back, and in each plane (or row) that is passed along further axes."""
    n, m = labels.shape
    far = np.int64(1) << (2 * bits - 2)
    key = np.full((2, m), far, np.int64)  # of the plane before
    for i in range(n):
        sweep_forth(labels[i], bits, key[0], key[1], keys[0][i], keys[1][i])
    key[:] = far

    squared, ids = np.empty((2, m), np.float32), np.empty((2, m), np.int32)
    longest = max(shape)
    strip = np.empty((2, TOGETHER, longest)), np.empty((2, TOGETHER, longest), np.int32)
    drawn = (
        np.empty((2, TOGETHER, longest), np.float32),
        np.empty((2, TOGETHER, longest), np.int32),
    )
    # Arrays of their own: a row 2^k bytes behind another slows both down.
    room, whole = longest + 1, np.uint32
    hull = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    stretches = (
        np.zeros(room, whole), np.empty(room, whole),
        np.empty(room, whole), np.empty(room, whole),
    )  # fmt: skip
    for i in range(n - 1, -1, -1):
        sweep_back(bits, key[0], key[1], keys[0][i], keys[1][i])
        for rank in range(2):
            _unpack(key[rank], bits, steps[0], squared[rank], ids[rank])
        outer, inner = 1, m
        for axis in range(1, len(shape)):
            inner = inner // shape[axis]
            block = (2, outer, shape[axis], inner)
            lines = squared.reshape(block), ids.reshape(block)
            _along(lines, steps[axis], axis < len(shape) - 1, strip, drawn, hull, stretches)
            outer *= shape[axis]
        if is_sum:
            _write_sums(labels[i], squared[0], squared[1], out[0][i])
        else:
            _write_roots(squared[0], out[0][i])
            _write_roots(squared[1], out[1][i])


# The loops of one short function each: with few arrays and no branch they become vector code.


@compiled
def sweep_forth(
    labels: Array, bits: int, before0: Array, before1: Array, here0: Array, here1: Array
) -> None:
    """Step to the next plane: write the keys of the last two objects passed."""
    one = np.int64(1) << bits
    for j in range(len(labels)):
        label = np.int64(np.uint32(labels[j]))
        key0, key1 = before0[j] + one, before1[j] + one  # one pixel further away
        other = key1 if (key0 & (one - 1)) == label else key0
        least = key0 if label == 0 else label
        second = key1 if label == 0 else other
        before0[j], before1[j] = least, second
        here0[j], here1[j] = least, second


@compiled
def sweep_back(bits: int, before0: Array, before1: Array, here0: Array, here1: Array) -> None:
    """Step to the plane before: merge its keys with those that come back, in `before`."""
    one = np.int64(1) << bits
    for j in range(len(here0)):
        back0, back1 = before0[j] + one, before1[j] + one
        forth0, forth1 = np.int64(here0[j]), np.int64(here1[j])
        is_same = ((forth0 ^ back0) & (one - 1)) == 0
        behind = forth1 if forth0 <= back0 else back1
        before0[j] = min(forth0, back0)
        before1[j] = min(forth1, back1) if is_same else min(max(forth0, back0), behind)


@compiled
def _unpack(keys: Array, bits: int, step: float, squared: Array, ids: Array) -> None:
    """Write the squared distances and the ids of keys."""
    one, far = np.int64(1) << bits, np.int64(1) << (2 * bits - 2)
    for j in range(len(keys)):
        distance = step * np.float64(np.int32(keys[j] >> bits))
        squared[j] = distance * distance if keys[j] < far else np.inf
        ids[j] = np.int32(keys[j] & (one - 1))


@compiled
def _write_sums(labels: Array, first: Array, second: Array, out: Array) -> None:
    for j in range(len(labels)):
        width = np.sqrt(first[j]) + np.sqrt(second[j])
        out[j] = width if labels[j] == 0 else np.float32(np.inf)


@compiled
def _write_roots(squared: Array, out: Array) -> None:
    for j in range(len(squared)):
        out[j] = np.sqrt(squared[j])


@compiled
def _along(
    lines: _Pair,
    step: float,
    has_next: bool,
    strip: _Pair,
    drawn: _Pair,
    hull: _Four,
    stretches: _Four,
) -> None:
    """Carry the two nearest objects along axis 2 of arrays (2, outer, N, inner), in place.

    Ids are carried only if there is a next axis.
    """
    (squared, ids), (heights, names), (out, found) = lines, strip, drawn
    _, outer, n, inner = squared.shape
    square = step * step
    if not has_next:  # lines of the last axis are contiguous
        flat, labels = squared.reshape(2, outer * n), ids.reshape(2, outer * n)
        for begin in range(0, outer * n, n):
            end = begin + n
            for rank in range(2):
                _divide(flat[rank, begin:end], square, heights[rank, 0])
            _along_line(
                (heights[0, 0], heights[1, 0], labels[0, begin:end], labels[1, begin:end]),
                square, has_next, hull, stretches,
                (flat[0, begin:end], flat[1, begin:end], found[0, 0], found[1, 0]),
            )  # fmt: skip
        return
    for o in range(outer):
        for first in range(0, inner, TOGETHER):
            width = min(TOGETHER, inner - first)
            for rank in range(2):
                for q in range(n):
                    for j in range(width):
                        heights[rank, j, q] = squared[rank, o, q, first + j] / square
                        names[rank, j, q] = ids[rank, o, q, first + j]
            for j in range(width):
                _along_line(
                    (heights[0, j], heights[1, j], names[0, j], names[1, j]),
                    square, has_next, hull, stretches,
                    (out[0, j, :n], out[1, j, :n], found[0, j], found[1, j]),
                )  # fmt: skip
            for rank in range(2):
                for q in range(n):
                    for j in range(width):
                        squared[rank, o, q, first + j] = out[rank, j, q]
                        ids[rank, o, q, first + j] = found[rank, j, q]


@compiled
def _divide(squared: Array, square: float, heights: Array) -> None:
    for q in range(len(squared)):
        heights[q] = squared[q] / square


@compiled
def _along_line(
    line: _Four,
    square: float,
    has_next: bool,
    hull: _Four,
    stretches: _Four,
    out: _Four,
) -> None:
    """Write squared distances and ids of a line; `line` has the heights and ids of both ranks.

    The first of `stretches`, the owners, is 0 before and after.
    """
    heights0, heights1, ids0, ids1 = line
    out0, out1, found0, found1 = out
    owners, begins, befores, firsts = stretches
    positions, tops, rises, runs = hull
    n = len(out0)
    size = _hull(heights0, heights1, ids0, NO_ID, 0, n, positions, tops, rises, runs)
    if size == 0:
        for row in (out0, out1):
            row[:] = np.inf
        for names in (found0, found1):
            names[:] = 0
        return

    # [1]: the lower envelope leads to the nearest object of each pixel y, seen from pixel q.
    _place_owners(size, 0, n, positions, rises, runs, owners)
    q, before, id_, count = np.uint32(0), np.uint32(0), np.int64(NO_ID), 0
    for y in range(n):
        q = max(q, owners[y])
        owners[y] = 0
        if ids0[q] != id_:  # a stretch of another object
            id_ = np.int64(ids0[q])
            begins[count], befores[count], firsts[count] = y, before, q
            count += 1
        before, away = q, y - np.int64(q)
        out0[y] = square * (heights0[q] + np.float64(away * away))
        if has_next:
            found0[y] = ids0[q]
    begins[count], firsts[count] = n, n - 1

    # Where object id_ is nearest: one more envelope, without it (see Notes).
    for i in range(count):
        id_, b, c = np.int64(ids0[firsts[i]]), np.int64(befores[i]), np.int64(firsts[i + 1])
        begin, end = np.int64(begins[i]), np.int64(begins[i + 1])
        size = _hull(heights0, heights1, ids0, id_, b, c + 1, positions, tops, rises, runs)
        if size == 0:
            for y in range(begin, end):
                out1[y], found1[y] = np.inf, 0
            continue
        _place_owners(size, begin, end, positions, rises, runs, owners)
        q = np.uint32(0)
        for y in range(begin, end):
            q = max(q, owners[y])
            owners[y] = 0
            away, is_hidden = y - np.int64(q), ids0[q] == id_
            height0, height1 = heights0[q], heights1[q]
            height = height1 if is_hidden else height0
            out1[y] = square * (height + np.float64(away * away))
            if has_next:
                found1[y] = ids1[q] if is_hidden else ids0[q]


@inlined
def _hull(
    heights0: Array, heights1: Array, ids0: Array, without: int, start: int, stop: int,
    positions: Array, tops: Array, rises: Array, runs: Array,
) -> int:  # fmt: skip
    """Find the parabolas of pixels `start`...`stop` that may be lowest; return how many.

    Each pixel brings its nearest object that is not `without`. Rise and run lead from the
    point of the hull before; the last point is kept in variables.
    """
    size = 0
    position, top, rise, run = -1.0, np.inf, -np.inf, 1.0
    for q in range(start, stop):
        height0, height1 = heights0[q], heights1[q]
        height = height1 if ids0[q] == without else height0
        if height == np.inf:
            continue
        here = np.float64(q)
        lifted = height + here * here
        next_rise, next_run = lifted - top, here - position
        while next_rise * run < rise * next_run:  # the last point lies above the hull
            size -= 1
            k = np.uint64(size - 1)
            position, top, rise, run = positions[k], tops[k], rises[k], runs[k]
            next_rise, next_run = lifted - top, here - position
        k = np.uint64(size)
        position, top, rise, run = here, lifted, next_rise, next_run
        positions[k], tops[k], rises[k], runs[k] = position, top, rise, run
        size += 1
    return size


@inlined
def _place_owners(
    size: int, start: int, stop: int, positions: Array, rises: Array, runs: Array, owners: Array
) -> None:
    """Write each parabola's pixel where it begins to be lowest, within `start`...`stop`."""
    for k in range(size):
        begin = np.ceil(rises[k] / (2 * runs[k]))
        begin = begin if begin > start else np.float64(start)
        if begin >= stop:
            break
        owners[np.uint32(begin)] = np.uint32(positions[k])
