"""An opened image: pixels that are read when asked for, and what they mean. No formats here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.offsets import FOREGROUND
from napari_utile.errors import UserError
from napari_utile.io.memory import check_memory

SPATIAL = "tzyx"
"""Every axis but the channels, in the order of shapes and scales."""
Holds = Literal["", "probabilities", "labels", "instances", "classes"]
"""What pixels are: nothing is said, probabilities, or labels, maybe of which kind."""
COLORED_SLICES = (
    " If they are slices, save them as such; tifffile does with photometric='minisblack'."
)
NARROW = 4
"""Columns of a plane that are likelier channels."""
MAX_SLICES = 10_000_000
HOLDS = "utile_holds"
"""Key of the metadata in which a layer of napari says it."""
RULE = "utile_rule"
"""Key of the metadata in which a layer of probabilities keeps the `rule` of its stack."""
DOUBTS = "utile_doubts"
"""Key of the metadata in which a layer of napari keeps the doubts about its file."""


@dataclass(frozen=True, eq=False)
class Stack:
    """An image of any size. Nothing is read before `window` or `plane` is called.

    Parameters
    ----------
    data : array-like
        Has shape, dtype and basic indexing: ndarray, memmap, zarr or dask array.
    axes : str
        One letter of "tzcyx" per axis of `data`, in any order that has y and x.
    name : str
        What messages call it.
    path : Path, optional
        The local file or folder that it came from.
    scale, translate : tuple of float, optional
        Size of a pixel and position of the first one, per axis of `shape`. Default 1 and 0.
    units : tuple of str, optional
        Unit of scale and translate per axis of `shape`, in full: "nanometer". Default "pixel".
    alpha : bool, default False
        Whether the last channel is opacity, which was not measured: it is left out.
    source : str, optional
        Where it came from, for messages and other processes: the path, or the address (URL)
        of an image on another machine, which has no path. Empty in memory.
    doubts : tuple of str, optional
        What the file did not say and was taken for granted, or what it holds and is not read:
        a sentence each. Whoever uses the pixels reports them (see `events.doubted`).
    holds : Holds, optional
        What the file or layer says that the pixels are. Empty if it does not say.
    ids : tuple of int, optional
        Of probabilities: the label id of each channel, where the file says it.
    rule : mapping, optional
        Of probabilities in a result: how they become objects, as `ModelRule.read` takes it.
    labels_beside : tuple of str, optional
        Where in the file the labels of this image are.
    colors : mapping of int to (int, int, int), optional
        RGB of the ids that occur, if the pixels are indices of a palette of colors; empty if
        they are, and the colors were not looked up.
    channel_names : tuple of str, optional
        What the file calls each of several channels; empty if it does not tell them apart.
    is_complete : bool, default False
        Of labels: whether all pixels without an id are known to be background. Else they may
        not have been annotated.
    """

    data: Any
    axes: str
    name: str = "image"
    path: Path | None = None
    scale: tuple[float, ...] = ()
    translate: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    alpha: bool = False
    source: str = ""
    doubts: tuple[str, ...] = ()
    holds: Holds = ""
    ids: tuple[int, ...] = ()
    rule: Mapping[str, Any] | None = None
    labels_beside: tuple[str, ...] = ()
    colors: Mapping[int, tuple[int, int, int]] | None = None
    channel_names: tuple[str, ...] = ()
    is_complete: bool = False

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.data.shape) or not {"y", "x"} <= set(self.axes):
            raise ValueError(f"axes {self.axes!r} do not fit shape {self.data.shape}")
        if np.dtype(self.data.dtype).kind not in "biuf":
            raise UserError(f"{self.name} holds {self.data.dtype}, not numbers.")
        if 0 in self.data.shape:
            raise UserError(f"{self.name} is empty: its shape is {tuple(self.data.shape)}.")
        if math.prod(self.shape[:-2]) > MAX_SLICES:
            raise UserError(f"{self.name} claims the shape {self.shape}: too many slices.")
        object.__setattr__(self, "source", self.source or str(self.path or ""))
        n = len(self.spatial_axes)
        for field, default in (("scale", 1.0), ("translate", 0.0), ("units", "pixel")):
            object.__setattr__(self, field, tuple(getattr(self, field)) or (default,) * n)
            if len(getattr(self, field)) != n:
                raise ValueError(f"{field} {getattr(self, field)} needs {n} values")

    @property
    def spatial_axes(self) -> str:
        """The letters of `shape`: (t, z,) y, x."""
        return "".join(axis for axis in SPATIAL if axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of all axes but the channels: ((T, Z,) Y, X)."""
        return tuple(int(self._length(axis)) for axis in self.spatial_axes)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self._length("c")) - self.alpha if "c" in self.axes else 1

    @property
    def dtype(self) -> np.dtype:
        """Type of a pixel, in the byte order of this machine."""
        return np.dtype(self.data.dtype).newbyteorder("=")

    @property
    def nbytes(self) -> int:
        """Bytes of the whole image in memory."""
        return self.channels * math.prod(self.shape) * self.dtype.itemsize

    @property
    def indices(self) -> list[tuple[int, ...]]:
        """Where the planes are: [()] for one image, [(0,), (1,), ...] for a stack."""
        return self.indices_of(2)

    def indices_of(self, ndim: int) -> list[tuple[int, ...]]:
        """Where the images of `ndim` axes are, by their index along the axes before these."""
        return list(np.ndindex(self.shape[: len(self.shape) - ndim]))

    def plane(
        self, index: tuple[int, ...] = (), y: slice = slice(None), x: slice = slice(None)
    ) -> NDArray[Any]:
        """Read one plane (C, Y, X), or a part of it: the `window` of the last two axes."""
        return self.window(index, (y, x))

    def window(self, index: tuple[int, ...], slices: tuple[slice, ...]) -> NDArray[Any]:
        """Read a window along the last axes, and nothing else.

        Parameters
        ----------
        index : tuple of int
            Position along the axes before these: one of ``indices_of(len(slices))``.
        slices : tuple of slice
            One per axis of the window: (y, x), (z, y, x), ...

        Returns
        -------
        ndarray, shape (C, [[T,] Z,] Y, X)

        Raises
        ------
        UserError
            If the file behind it turns out to be damaged there.

        Examples
        --------
        >>> stack = Stack(np.arange(24).reshape(2, 3, 4), "zyx")
        >>> stack.window((), (slice(1, 2), slice(0, 2), slice(2, 4))).shape
        (1, 1, 2, 2)
        """
        where: dict[str, Any] = dict(
            zip(self.spatial_axes, (*index, *slices), strict=True), c=slice(self.channels)
        )
        read = tuple(where[axis] for axis in self.axes)
        for part, axis in zip(read, self.axes, strict=True):
            range(self._length(axis))[
                part
            ]  # an IndexError is the caller's, if it is raised here
        try:
            pixels = np.asarray(self.data[read])
        except UserError:
            raise
        except Exception as error:  # decoders have no common type for damaged data
            if not self.source:
                raise
            reason = str(error).rstrip(".") or type(error).__name__
            if isinstance(error, MemoryError):
                reason = "there is too little memory for it"
            said = f"{self.source}, slice {index}: cannot be read ({reason})."
            raise UserError(said) from error
        # An index takes its axis away; of those that are left, channels come first.
        wanted = "c" + self.spatial_axes[len(index) :]
        kept = [axis for axis in self.axes if axis in wanted]
        pixels = pixels.transpose([kept.index(axis) for axis in wanted if axis in kept])
        pixels = pixels.astype(self.dtype, copy=False)
        return pixels if "c" in kept else pixels[np.newaxis]

    def read(self) -> NDArray[Any]:
        """Read all of it, if the memory holds it.

        Returns
        -------
        ndarray
            Of `shape`, or (C, *shape) if there is an axis of channels.

        Raises
        ------
        UserError
            If it is larger than `memory_budget`.
        """
        check_memory(self.nbytes, self.name)
        pixels = np.empty((self.channels, *self.shape), self.dtype)
        planes = np.moveaxis(pixels, 0, -3)  # (..., C, Y, X), of the same memory
        for index in self.indices:
            planes[index] = self.plane(index)
        return pixels if "c" in self.axes else pixels[0]

    def _length(self, axis: str) -> int:
        return self.data.shape[self.axes.index(axis)]


def read_labels(stack: Stack) -> NDArray[Any]:
    """Read labels: one id per pixel.

    Parameters
    ----------
    stack : Stack

    Returns
    -------
    ndarray
        Of the shape of `stack`, without the axis of channels and without a single time point.

    Raises
    ------
    UserError
        If the file says that it holds no labels, if there are several channels, or if they do
        not fit into the memory.
    """
    check_holds_labels(stack)
    pixels = stack.read()
    return _at_one_time(stack, pixels[0] if "c" in stack.axes else pixels)


def check_holds_labels(stack: Stack) -> None:
    """Refuse what its file says to be no labels, or what has several channels.

    Parameters
    ----------
    stack : Stack

    Raises
    ------
    UserError
    """
    if stack.holds == "probabilities":
        raise UserError(
            f"Labels '{stack.name}' are probabilities, as their file says: give labels, one id "
            "per pixel."
        )
    if stack.labels_beside:
        raise UserError(
            f"{stack.source} is an image; its labels are {' and '.join(stack.labels_beside)}: "
            "give such a path."
        )
    check_one_channel(stack)


def check_one_channel(labels: Stack) -> None:
    """Refuse labels of several channels.

    Parameters
    ----------
    labels : Stack

    Raises
    ------
    UserError
    """
    if labels.channels == 1:
        return
    stored = labels._length("c")
    hint = COLORED_SLICES if len(labels.shape) == 2 and stored in (3, 4) else ""
    raise UserError(
        f"Labels '{labels.name}' have {stored} channels, but labels have one id per pixel: "
        f"give one channel, such as a gray or indexed picture in place of a colored one.{hint}"
    )


def read_prediction(stack: Stack, affinities: bool = False) -> NDArray[Any]:
    """Read a prediction: labels, or probabilities with the channels first.

    Parameters
    ----------
    stack : Stack
        Integers in one channel are labels. Otherwise each channel holds probabilities.
    affinities : bool, default False
        Whether to read affinities behind the foreground, too.

    Returns
    -------
    ndarray
        Labels of the shape of `stack`, or probabilities (C, *shape of `stack`); both without
        a single time point. Where the file says that it holds the probabilities of the
        foreground, alone or with affinities that are not asked for, C is 1.

    Raises
    ------
    UserError
        If it is a color picture, or does not fit into the memory.
    """
    if stack.holds == "probabilities":
        pixels = stack.read() if "c" in stack.axes else stack.read()[np.newaxis]
        leaves_out = stack.channel_names[:1] == (FOREGROUND,) and not affinities
        return _at_one_time(stack, pixels[:1] if leaves_out else pixels)
    is_whole = stack.dtype.kind in "biu"
    if "c" not in stack.axes or (is_whole and stack.channels == 1):
        return read_labels(stack)
    if is_whole and stack.channels == 3 and stack.axes.endswith("c"):
        raise UserError(
            f"Prediction '{stack.name}' is a color picture: give labels, one id per pixel in "
            "one channel, or the probabilities of the classes, one channel each, channels "
            "first."
        )
    return _at_one_time(stack, stack.read())


def _at_one_time(stack: Stack, pixels: NDArray[Any]) -> NDArray[Any]:
    """Remove the axis of time (before z, y and x) if it has length 1."""
    if "t" not in stack.axes or stack.shape[0] > 1:
        return pixels
    return pixels.squeeze(-len(stack.shape))


def guess_axes(
    shape: Sequence[int], channels: int | None = None, like: Sequence[int] | None = None
) -> str:
    """Guess the axes of an array that does not name them.

    Parameters
    ----------
    shape : sequence of int
        Of the array: 2 to 5 axes.
    channels : int, optional
        Channels that the image should have.
    like : sequence of int, optional
        Shape without the channels, that of the labels.

    Returns
    -------
    str
        E.g. "zyx". Channels are first or last. Without other evidence only a last axis of
        length 1, 3 or 4 is taken for channels: a gray or color picture.

    Raises
    ------
    ValueError
        If the array has too many or too few axes, cannot have the shape of `like`, or may have
        it by channels and is longer by slices.

    Examples
    --------
    >>> guess_axes((30, 512, 512)), guess_axes((512, 512, 3)), guess_axes((2, 64, 64), 2)
    ('zyx', 'yxc', 'cyx')
    >>> guess_axes((512, 512, 1)), guess_axes((512, 512), like=(1, 512, 512))
    ('yxc', 'yx')
    """
    shape, n = tuple(shape), len(shape)
    # Every reading of the shape: its axes, its shape without channels, its channels.
    spatial, rest = SPATIAL[-n:], SPATIAL[-n + 1 :]
    options = [(spatial, shape, 1)] if 2 <= n <= 4 else []
    if 3 <= n <= 5:
        options += [("c" + rest, shape[1:], shape[0]), (rest + "c", shape[:-1], shape[-1])]
    if like is not None:
        same = [option for option in options if option[1] == tuple(like)]
        # (1, Y, X) beside (Y, X) is the same plane.
        plane = _shape_of_planes(like)
        alike = [option for option in options if _shape_of_planes(option[1]) == plane]
        # (2, Y, X) beside (1, Y, X) are 2 channels of one slice, or 2 slices.
        is_open = like[0] == 1 and shape[1:] == tuple(like[1:]) and channels != shape[0]
        options = same or ([] if is_open else alike)
    if not options:
        raise ValueError(f"no image of 2 to 4 axes and channels has the shape {shape}")
    if channels is not None and channels > 1:
        options.sort(key=lambda option: option[2] != channels)
    # The sorts are stable: among equals the first reading stays first, that without channels.
    told = like is not None or options[0][2] == channels != 1
    if not told and n >= 3 and shape[-1] in (3, 4):
        options.sort(key=lambda option: option[0] != rest + "c" or min(option[1][-2:]) <= 4)
    elif not told and n >= 3 and shape[-1] == 1:
        options.sort(key=lambda option: option[0] != rest + "c")
    return options[0][0]


def narrow_doubts(source: object, axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Return a doubt about guessed axes whose columns are so few that they may be channels.

    Parameters
    ----------
    source : object
        Path or address, for messages.
    axes : str
        As they were guessed.
    shape : sequence of int
        Length of each.

    Examples
    --------
    >>> narrow_doubts("a.npy", "zyx", (40, 50, 2))
    ('a.npy does not name its axes: its 40 x 50 x 2 are read as z, y, x.',)
    >>> narrow_doubts("a.npy", "zyx", (2, 40, 50))
    ()
    """
    if not (len(axes) > 2 and axes.endswith("yx") and 1 < shape[-1] <= NARROW < shape[-2]):
        return ()
    sizes = " x ".join(map(str, shape))
    return (f"{source} does not name its axes: its {sizes} are read as {', '.join(axes)}.",)


def _shape_of_planes(shape: Sequence[int]) -> tuple[int, ...]:
    """Leave out axes of length 1 before y and x."""
    return (*(n for n in shape[:-2] if n > 1), *shape[-2:])
