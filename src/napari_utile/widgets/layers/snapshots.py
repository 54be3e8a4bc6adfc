"""Layers as they are when a button is pressed, and where the engine finds them on disk."""

import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.folders.places import plain_name, unused
from napari_utile.io.disk import check_free, room_for
from napari_utile.io.images import open_image
from napari_utile.io.lazy_arrays import reads_file
from napari_utile.io.ome_zarr import create_image, mark_complete, provenance
from napari_utile.io.stack import Stack
from napari_utile.widgets.layers.regions import Region
from napari_utile.widgets.layers.stacks import (
    is_in_memory,
    placement,
    shifted,
    stack_of,
    with_copied_pixels,
)

CHUNK = 1024
"""Side of what a copied layer is written in, px."""
PATCH = 256
"""Side of what is compared of a plane to find out whether two are the same, px."""

Check = Callable[[NDArray[Any], tuple[int, ...]], None]


@dataclass(frozen=True)
class Snapshot:
    """A layer as it was, and which part of it is segmented.

    Attributes
    ----------
    stack : Stack
    region : str or None
        Ranges of pixels along its spatial axes; None for all of it.
    place : dict
        Of the part in the world; see `placement`.
    subfolder : str
        Where a copy of it is made, within the folder of all copies.
    copy_name : str
        Of that copy; empty if it is named after the layer.
    """

    stack: Stack
    region: str | None
    place: dict[str, Any]
    subfolder: str = ""
    copy_name: str = ""

    @classmethod
    def of(
        cls,
        layer: Layer,
        channels: int,
        region: Region | None = None,
        subfolder: str = "",
        context: int | None = 0,
    ) -> "Snapshot":
        """Take a layer; pixels in memory are copied: painting on does not matter.

        With a region, so many slices of `context` on each side are kept with it; all if None,
        as where the gray values of the whole count.
        """
        stack = stack_of(layer, channels)
        place = placement(layer, stack.axes)
        if region is None:
            return cls(with_copied_pixels(stack), None, place, subfolder)
        axes = [axis for axis in range(len(region)) if stack.axes[axis] != "c"]
        ranges = [region[axis] for axis in axes]
        place["translate"] = shifted(place, [first for first, _ in ranges])
        is_copied = is_in_memory(stack.data) or (hasattr(stack.data, "dask") and not stack.path)
        if is_copied and context is not None:
            # what is not seen is not copied
            stack, ranges = _sliced(stack, ranges, context)
        text = ",".join(f"{first}:{end}" for first, end in ranges)
        return cls(with_copied_pixels(stack), text, place, subfolder)


@dataclass(frozen=True)
class Source:
    """What is segmented: layers as they were, or paths.

    Attributes
    ----------
    name : str
    parts : tuple of Snapshot
    paths : tuple of str
        Files, folders and globs.
    is_batch : bool
        Whether there are several results, in a folder.
    """

    name: str
    parts: tuple[Snapshot, ...] = ()
    paths: tuple[str, ...] = ()
    is_batch: bool = False

    @property
    def region(self) -> str | None:
        """Which part of the only layer; None for all of it."""
        return self.parts[0].region if len(self.parts) == 1 else None

    @classmethod
    def of_layers(
        cls,
        layers: Sequence[Layer],
        channels: int,
        region: Region | None = None,
        context: int | None = 0,
    ) -> "Source":
        """Take layers as they are now; with the slices around a region that the model sees.

        See `Snapshot.of`.
        """
        if len(layers) == 1:
            only = Snapshot.of(layers[0], channels, region, context=context)
            return cls(layers[0].name, (only,))
        parts = [Snapshot.of(x, channels, None, f"{i}") for i, x in enumerate(layers, 1)]
        names = _copy_names([part.stack for part in parts])
        parts = [replace(p, copy_name=name) for p, name in zip(parts, names, strict=True)]
        return cls(f"{len(layers)} layers", tuple(parts), is_batch=True)

    @classmethod
    def of_files(cls, paths: Sequence[str], is_batch: bool) -> "Source":
        """Take paths, under a name for the job."""
        name = Path(paths[0]).stem.strip("*") or Path(paths[0]).parent.name
        return cls(name, paths=tuple(paths), is_batch=is_batch)


def _copy_names(stacks: Sequence[Stack]) -> list[str]:
    """Return a name for the copy of each: results are named after copies and files."""
    names: list[str] = []
    for stack in stacks:
        files = {other.path.stem for other in stacks if other.path and other is not stack}
        taken = {name.casefold() for name in (*names, *files)}
        plain = plain_name(stack.name)
        numbered = chain([plain], (f"{plain}-{i}" for i in count(2)))
        names.append(next(name for name in numbered if name.casefold() not in taken))
    return names


def path_on_disk(
    stack: Stack, folder: Path, check: Check | None = None, name: str = ""
) -> Generator[None, None, Path]:
    """Return the path where the engine finds a stack: its own file, or a copy in `folder`.

    Pixels that are not in a file are copied to an OME-Zarr named after the layer, unless it is
    there already; if another one is, to the folder beside it. Yields after each plane. A
    negative scale, which mirrors a layer, is copied as a size.

    Parameters
    ----------
    stack : Stack
    folder : Path
    check : callable, optional
        Called with each plane that is copied, (C, Y, X), and its index; may raise `UserError`.
    name : str, optional
        Of the copy. Default that of the layer.
    """
    if stack.path and (yield from _is_in_file(stack, stack.path)):
        return stack.path
    stack = replace(stack, scale=tuple(map(abs, stack.scale)))
    name = f"{name or plain_name(stack.name)}.zarr"
    if (yield from _is_copy(folder / name, stack)):
        return folder / name
    there = folder / name
    path, digest = unused(folder) / name if there.exists() else there, blake2b()
    check_free(path, stack.nbytes)
    channels = (stack.channels,) if "c" in stack.axes else ()
    shape = (*channels, *stack.shape)
    chunks = (1,) * (len(shape) - 2) + (CHUNK, CHUNK)
    like, kept = replace(stack, path=None), {"kind": "layer", "doubts": [*stack.doubts]}
    try:
        with room_for(path, stack.nbytes):
            copy = create_image(path, shape, stack.dtype, chunks, like, attributes=kept)
            for index in stack.indices:
                plane = stack.plane(index)
                if check:
                    check(plane, index)
                where = (slice(None), *index) if channels else index
                copy[where] = plane if channels else plane[0]
                digest.update(plane.tobytes())
                yield
            mark_complete(path, digest=digest.hexdigest())
    except Exception:  # the next one is made beside it
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # it holds others
            path.parent.rmdir()
        raise
    return path


def _is_in_file(stack: Stack, path: Path) -> Generator[None, None, bool]:
    """Whether `path` opens to the very same array, not to its source."""
    if is_in_memory(stack.data):
        return False
    try:
        there = open_image(path)
        same_shape = tuple(there.data.shape) == tuple(stack.data.shape)
        same_kind = there.dtype == stack.dtype and there.axes == stack.axes
        if not (same_shape and same_kind and _look_alike(stack, there)):
            return False
        if reads_file(stack.data, path):
            return True
        for index in stack.indices:
            if not np.array_equal(stack.plane(index), there.plane(index), equal_nan=True):
                return False
            yield
        return True
    except UserError:
        return False


def _look_alike(a: Stack, b: Stack) -> bool:
    """Whether the centers of the first, middle and last plane are equal."""
    y, x = (slice(max(0, (n - PATCH) // 2), (n + PATCH) // 2) for n in a.shape[-2:])
    planes = a.indices
    return all(
        np.array_equal(a.plane(index, y, x), b.plane(index, y, x), equal_nan=True)
        for index in {planes[0], planes[len(planes) // 2], planes[-1]}
    )


def _is_copy(path: Path, stack: Stack) -> Generator[None, None, bool]:
    """Whether `path` is a copy of a stack. The pixels of the copy are not read."""
    try:
        there = open_image(path)
        names = ("axes", "dtype", "scale", "translate", "units")
        if there.data.shape != stack.data.shape or any(
            getattr(there, name) != getattr(stack, name) for name in names
        ):
            return False
    except UserError:
        return False
    digest = blake2b()
    for index in stack.indices:
        digest.update(stack.plane(index).tobytes())
        yield
    return provenance(path).get("digest") == digest.hexdigest()


def _sliced(
    stack: Stack, ranges: list[tuple[int, int]], context: int = 0
) -> tuple[Stack, list[tuple[int, int]]]:
    """Crop a stack to the slices in `ranges`; planes stay whole, for their context.

    With a `context`, as many slices on each side are kept, as far as there are any.

    Returns
    -------
    stack : Stack
    ranges : list of (int, int)
        The same pixels, in the stack that comes back.
    """
    data, translate = stack.data, list(stack.translate)
    cut: list[tuple[int, int]] = []
    for i, axis in enumerate(stack.spatial_axes[:-2]):
        start, stop = ranges[i]
        more = context if axis == "z" else 0
        first, end = max(0, start - more), min(stop + more, stack.shape[i])
        cut.append((start - first, stop - first))
        where = [slice(None)] * len(stack.axes)
        where[stack.axes.index(axis)] = slice(first, end)
        data = data[tuple(where)]
        translate[i] += stack.scale[i] * first
    return replace(stack, data=data, translate=tuple(translate)), [*cut, *ranges[-2:]]
