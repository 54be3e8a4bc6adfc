"""More than a slice at once: the slices around each one as further channels, read when needed.

With a context of 1 and two channels, a slice of a stack of four is seen as (``'`` is mirrored):

    slice 0    1a' 1b'  0a  0b   1a  1b
    slice 1    0a  0b   1a  1b   2a  2b
    slice 3    2a  2b   3a  3b   2a' 2b'
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_utile.errors import UserError
from napari_utile.io.lazy_arrays import window_of
from napari_utile.io.stack import Stack
from napari_utile.settings.options import axes_seen

CACHE_BYTES = 2**28
"""Pixels kept in memory at most: each slice is seen from all slices around it."""
Index = tuple[int, ...]


def slices_seen(context: int) -> int:
    """Return how many slices are seen at once."""
    return 2 * context + 1


def check_slices(stack: Stack, context: int) -> None:
    """Refuse an image without slices where several are to be seen.

    Parameters
    ----------
    stack : Stack
    context : int
        Slices on each side.

    Raises
    ------
    UserError
        Time points are no slices.
    """
    if context and (problem := slices_problem(stack, context)):
        raise UserError(problem)


def slices_problem(stack: Stack, context: int) -> str:
    """Return why an image cannot be seen with the slices around each one; '' if it can.

    Parameters
    ----------
    stack : Stack
    context : int
        Slices on each side.
    """
    if not context or _thickness(stack) > 1:
        return ""
    is_in_time = "t" in stack.axes and "z" not in stack.axes
    has = "time points and no slices" if is_in_time else "no other slices"
    ways = "name the axis z if it is one of slices" if is_in_time else "give a stack"
    return (
        f"{slices_seen(context)} slices are to be seen at once (context {context}), and "
        f"'{stack.name}' {stack.shape} has {has}: {ways}, or use a network of context 0."
    )


def volume_problem(stack: Stack, network: str) -> str:
    """Return why a network that sees volumes cannot see an image; '' if it can.

    Parameters
    ----------
    stack : Stack
    network : str
        Its name. One that sees a slice at a time can see all images.
    """
    if axes_seen(network) == 2 or "z" in stack.spatial_axes:
        return ""
    has = "time points" if "t" in stack.spatial_axes else "one slice"
    return (
        f"The network {network} sees volumes, and the image '{stack.name}' has {has} but no z "
        f"axis: give a stack, or choose the network {network.removesuffix('-3d')}."
    )


def with_context(stack: Stack, context: int) -> Stack:
    """Return a stack in which each slice also has the channels of the slices around it.

    Parameters
    ----------
    stack : Stack
        With an axis of slices.
    context : int
        Slices on each side. With 0 the stack itself is returned.

    Returns
    -------
    Stack
        Of the same shape, with ``channels * (2 context + 1)`` channels: those of the slice
        `context` before, ..., of the slice itself, ..., of the slice `context` after. Beyond
        the ends of the stack slices are mirrored, as by `arrays.tiling.mirrored`. Nothing is
        read yet.
    """
    if not context:
        return stack
    return replace(
        stack,
        data=SlicesAround(stack, context),
        axes=f"c{stack.spatial_axes}",
        alpha=False,
        channel_names=(),
    )


def slices_around(stack: Stack, index: Index, context: int) -> list[Index]:
    """Return the slices that are seen with one, from the first to the last offset.

    Parameters
    ----------
    stack : Stack
    index : tuple of int
        Of a plane of the stack.
    context : int
        Slices on each side.

    Returns
    -------
    list of tuple of int
        ``2 context + 1`` indices of planes; beyond the ends of the stack they are mirrored.

    Examples
    --------
    >>> slices_around(Stack(np.zeros((4, 5, 6)), "zyx"), (0,), 2)
    [(2,), (1,), (0,), (1,), (2,)]
    """
    if not context:
        return [index]
    axis, length = stack.spatial_axes.index("z"), _thickness(stack)
    period = max(2 * (length - 1), 1)
    places = (z % period for z in range(index[axis] - context, index[axis] + context + 1))
    return [(*index[:axis], min(place, period - place), *index[axis + 1 :]) for place in places]


def planes_seen(
    stacks: Sequence[Stack], planes: Iterable[tuple[int, Index]], context: int
) -> list[tuple[int, Index]]:
    """Return planes and those that are seen with them, each once, in order.

    Parameters
    ----------
    stacks : sequence of Stack
    planes : iterable of (int, tuple of int)
        Number of the stack, and index of the plane in it.
    context : int
        Slices on each side.
    """
    return sorted(
        {
            (i, other)
            for i, index in planes
            for other in slices_around(stacks[i], index, context)
        }
    )


class SlicesAround:
    """An array (C, ..., Y, X) of the slices around each slice of a stack; see `with_context`.

    Parameters
    ----------
    stack : Stack
    context : int
        Slices on each side.
    """

    def __init__(self, stack: Stack, context: int):
        self._stack, self._context = stack, context
        self.shape = (stack.channels * slices_seen(context), *stack.shape)
        self.dtype, self.ndim, self.size = stack.dtype, len(self.shape), prod(self.shape)
        self._kept = RecentWindows()

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Read a window, given by integers and slices without steps."""
        first, lengths, kept = window_of(where, self.shape)
        of_channels, *spatial = (
            slice(start, start + n) for start, n in zip(first, lengths, strict=True)
        )
        *leading, y, x = spatial
        seen = slices_seen(self._context)
        pixels = np.empty((seen, self._stack.channels, *lengths[1:]), self.dtype)
        for place in np.ndindex(*lengths[1:-2]):
            index = tuple(side.start + i for side, i in zip(leading, place, strict=True))
            around = slices_around(self._stack, index, self._context)
            for offset, neighbour in enumerate(around):
                pixels[offset, :, *place] = self._window(neighbour, y, x)
        return pixels.reshape(-1, *lengths[1:])[of_channels].reshape(kept)

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def _window(self, index: Index, y: slice, x: slice) -> NDArray[Any]:
        """Read a window of a plane (C, Y, X), once for all slices that see it."""
        key = (*index, y.start, y.stop, x.start, x.stop)
        return self._kept.get(key, lambda: self._stack.plane(index, y, x))


class RecentWindows:
    """Windows that were read last, `CACHE_BYTES` of them at most. Any thread may use it."""

    def __init__(self) -> None:
        self.bytes = 0
        self._windows: OrderedDict[Index, NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Index, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return a window, which is read if it is not kept."""
        with self._lock:
            if key in self._windows:
                self._windows.move_to_end(key)
                return self._windows[key]
        window = read()  # other threads need not wait for it
        with self._lock:
            if key not in self._windows:
                self._windows[key] = window
                self.bytes += window.nbytes
            while self._windows and self.bytes > CACHE_BYTES:
                self.bytes -= self._windows.popitem(last=False)[1].nbytes
        return window


def _thickness(stack: Stack) -> int:
    """Return the number of slices; 1 if there is no such axis."""
    return stack.shape[stack.spatial_axes.index("z")] if "z" in stack.axes else 1
