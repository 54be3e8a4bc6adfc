"""Smaller levels of an OME-Zarr image, each of half the width and height."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_utile.io.ngff import with_smaller_levels
from napari_utile.io.ome_zarr import (
    chunks_touching,
    create_level,
    open_multiscale,
    sync_chunk,
)
from napari_utile.io.threads import run_in_order, usable_cores


def write_smaller_levels(
    path: Path | str, labels: str | None = None
) -> Iterator[tuple[int, int]]:
    """Write the smaller levels of an image, or of labels in it.

    Each level is half as wide and high as the one before it, and there are as many as it takes
    until a plane is one chunk. The metadata name them when all are complete. After a stop or a
    kill the same call resumes at the level that was not finished, with the same result.

    Parameters
    ----------
    path : path
        Of the image.
    labels : str, optional
        Name of the labels, to write their levels.

    Yields
    ------
    done, total : int
        Chunks that are on the disk, of all levels, and how many there are.

    Notes
    -----
    Images are halved by `halved_by_mean`, labels by `halved_by_majority`. Memory holds four
    chunks of the larger level and the one made of them, for each core that works.
    """
    group = open_multiscale(path, labels)
    halve = halved_by_majority if labels else halved_by_mean
    level: Any = group["0"]
    shapes = level_shapes(level.shape, level.chunks)
    total, done = sum(map(_chunk_count, shapes, [level.chunks] * len(shapes))), 0
    ngff: Any = group.attrs["ome"]
    if len(ngff["multiscales"][0]["datasets"]) > len(shapes):  # levels are named when complete
        return
    for number, shape in enumerate(shapes, 1):
        larger, blocks = level, _chunk_count(shape, level.chunks)
        if str(number + 1) in group:  # begun only when the one before it is complete
            level, done = group[str(number)], done + blocks
            continue
        axes = "".join(larger.metadata.dimension_names)
        level = create_level(group, number, shape, larger.dtype, larger.chunks, axes)
        fill = partial(_fill, level, larger, halve)
        with ThreadPoolExecutor(usable_cores(), "pyramid") as pool:
            for _ in run_in_order(pool, fill, np.ndindex(level.cdata_shape)):
                done += 1
                yield done, total
    group.attrs["ome"] = with_smaller_levels(ngff, len(shapes))


def renew_smaller_levels(
    path: Path | str, labels: str, box: Sequence[Sequence[int]]
) -> Iterator[None]:
    """Write the chunks of the smaller levels of labels anew that show a part of the largest.

    Parameters
    ----------
    path : path
        Of the image.
    labels : str
        Name of the labels.
    box : sequence of (int, int)
        First pixel and one past the last of the part, along each axis.

    Yields
    ------
    None
        After each chunk that is on the disk.
    """
    group = open_multiscale(path, labels)
    ngff: Any = group.attrs["ome"]
    larger: Any = group["0"]
    for number in range(1, len(ngff["multiscales"][0]["datasets"])):
        level: Any = group[str(number)]
        box = [*box[:-2], *([first // 2, -(-end // 2)] for first, end in box[-2:])]
        for chunk in chunks_touching(level.chunks, box):
            _fill(level, larger, halved_by_majority, chunk)
            yield
        larger = level


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


def _chunk_count(shape: tuple[int, ...], chunks: tuple[int, ...]) -> int:
    return prod(ceil(n / c) for n, c in zip(shape, chunks, strict=True))


def _fill(
    level: zarr.Array,
    larger: zarr.Array,
    halve: Callable[[NDArray[Any]], NDArray[Any]],
    chunk: tuple[int, ...],
) -> None:
    """Write one chunk of a level from the four of the larger one that it covers."""
    at = [slice(i * c, (i + 1) * c) for i, c in zip(chunk, level.chunks, strict=True)]
    wide = [slice(2 * s.start, 2 * s.stop) for s in at[-2:]]
    level[tuple(at)] = halve(larger[(*at[:-2], *wide)])
    sync_chunk(level, chunk)
