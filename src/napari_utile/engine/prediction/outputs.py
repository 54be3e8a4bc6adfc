"""A result on disk: where each block goes, in which numbers, and what it is called meanwhile.

OME-Zarr keeps the probabilities as its image and what was decided from them, classes or
instances, as its labels. A TIFF has room for one of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Block, Blocks
from napari_utile.arrays.instances.decoding import classes, foreground
from napari_utile.errors import UserError
from napari_utile.folders.journal import WorkFolder
from napari_utile.io import ome_zarr, tiff, zarr_folders
from napari_utile.io.disk import check_file_output
from napari_utile.io.images import Stack
from napari_utile.settings import PredictSettings

TIFF = (".tif", ".tiff")
LARGEST = 2**32 - 1
"""Id in 32 bits."""


@dataclass(frozen=True)
class OutputSpec:
    """What is written of an image.

    Attributes
    ----------
    blocks : Blocks
        Shape and cut of the result.
    like : Stack
        Axes, scale, position and units of the result; it has no pixels.
    settings : PredictSettings
        What is asked for.
    maps : int
        Channels of the network's probabilities.
    ids : tuple of int
        Label id of each class.
    """

    blocks: Blocks
    like: Stack
    settings: PredictSettings
    maps: int
    ids: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result, without channels."""
        return self.blocks.shape

    @property
    def channels(self) -> tuple[int, ...]:
        """The leading axis of the probabilities, if they have one."""
        return () if self.settings.output == "instances" else (self.maps,)

    @property
    def chunks(self) -> tuple[int, ...]:
        """A block: one chunk of what has no channels."""
        return (*[1] * (len(self.shape) - 2), *self.blocks.tile)

    @property
    def probability_type(self) -> np.dtype:
        """Number format of the probabilities; objects are always found in bytes."""
        whole = self.settings.output == "instances"
        return np.dtype("uint8" if whole else self.settings.dtype)

    @property
    def label_type(self) -> np.dtype:
        """Number format of ids."""
        if self.settings.output == "classes":
            return np.min_scalar_type(max(self.ids))
        return np.dtype(np.uint32 if prod(self.shape) <= LARGEST else np.uint64)

    @property
    def nbytes(self) -> int:
        """Bytes of the result in full resolution, if nothing can be compressed."""
        voxels = prod(self.shape)
        taken = prod(self.channels) * voxels * self.probability_type.itemsize
        if self.settings.output != "probabilities":
            taken += voxels * self.label_type.itemsize
        return taken

    def encoded(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Give probabilities as they are kept: (K, Y, X), or the foreground (Y, X)."""
        if self.settings.output == "instances":
            return foreground(probabilities)
        if self.probability_type == np.uint8:
            return np.rint(probabilities * np.float32(255)).astype(np.uint8)
        return probabilities.astype(self.probability_type, copy=False)

    def decided(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Give the label id of the most probable class."""
        ids = np.asarray(self.ids, self.label_type)
        return ids[classes(probabilities, self.settings.threshold)]


def form_of(
    stack: Stack, blocks: Blocks, settings: PredictSettings, maps: int, ids: tuple[int, ...]
) -> OutputSpec:
    """Say what will be written of a stack; nothing is read."""
    nothing: Any = np.broadcast_to(np.zeros((), stack.dtype), blocks.shape)
    translate = tuple(
        origin + start * scale
        for origin, start, scale in zip(
            stack.translate, blocks.starts, stack.scale, strict=True
        )
    )
    like = replace(
        stack, data=nothing, axes=stack.spatial_axes, translate=translate, alpha=False
    )
    return OutputSpec(blocks, like, settings, maps, ids)


class Output(ABC):
    """One result, filled block by block, by one process or by several.

    Attributes
    ----------
    probabilities : array or None
        Takes (K, *shape), or the foreground, of `shape`. None if nobody wants them.
    labels : array or None
        Takes classes or instances.
    """

    def __init__(self, path: Path, form: OutputSpec, work: WorkFolder):
        self.path, self.form, self.work = path, form, work
        self.probabilities: Any = None
        self.labels: Any = None

    @property
    @abstractmethod
    def exists(self) -> bool:
        """Whether something was made, complete or not."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that it takes on disk at most, with what is only there meanwhile."""

    @abstractmethod
    def create(self) -> None:
        """Make everything that blocks are written to; replace what is there."""

    @abstractmethod
    def open(self) -> None:
        """Open what was made."""

    def put(self, block: Block, probabilities: NDArray[np.float32]) -> None:
        """Write one block, and see that it is on disk."""
        where, form = (*block.index, *block.window), self.form
        if self.probabilities is not None:
            channels = (slice(None),) * len(form.channels)
            self.probabilities[(*channels, *where)] = form.encoded(probabilities)
            sync(self.probabilities, block, len(form.channels), form.blocks)
        if form.settings.output == "classes":
            self.put_labels(block, form.decided(probabilities))

    def put_labels(self, block: Block, labels: NDArray[Any]) -> None:
        """Write the classes or instances of one block, and see that they are on disk."""
        self.labels[(*block.index, *block.window)] = labels
        sync(self.labels, block, 0, self.form.blocks)

    def foreground(self, block: Block, halo: int) -> tuple[NDArray[np.uint8], Any]:
        """Read the foreground of a block and around it; say where the block is in it."""
        wide, inner = self.form.blocks.around(block, halo)
        return np.asarray(self.probabilities[(*block.index, *wide)]), inner

    @abstractmethod
    def pyramids(self) -> Iterator[tuple[int, int]]:
        """Make the smaller copies for viewers; yield what is done of how much."""

    @abstractmethod
    def remove(self) -> None:
        """Remove what was made."""

    @abstractmethod
    def complete(self, facts: dict[str, Any]) -> None:
        """Say on disk that nothing is missing."""


class ZarrOutput(Output):
    """An OME-Zarr of probabilities, and of what was decided from them as its labels."""

    @property
    def exists(self) -> bool:
        return zarr_folders.is_zarr(self.path)

    @property
    def nbytes(self) -> int:
        return self.form.nbytes * 4 // 3 + fragment_bytes(self.form)

    def create(self) -> None:
        form, output = self.form, self.form.settings.output
        self.probabilities = ome_zarr.create_image(
            self.path,
            (*form.channels, *form.shape),
            form.probability_type,
            chunks=(*form.channels, *form.chunks),
            like=form.like,
            channel_names=[f"class {i}" for i in form.ids[-form.maps :]]
            if form.channels
            else None,
            overwrite=True,
            attributes={"kind": output, "settings": form.settings.model_dump(mode="json")},
        )
        if output != "probabilities":
            self.labels = ome_zarr.create_labels(
                self.path, output, form.shape, form.label_type, form.chunks, form.like
            )

    def open(self) -> None:
        output = self.form.settings.output
        self.probabilities = ome_zarr.reopen(self.path)
        if output != "probabilities":
            self.labels = ome_zarr.reopen(self.path, output)

    def pyramids(self) -> Iterator[tuple[int, int]]:
        yield from ome_zarr.pyramid(self.path)
        if self.labels is not None:
            yield from ome_zarr.pyramid(self.path, self.form.settings.output)

    def remove(self) -> None:
        zarr_folders.remove_zarr(self.path)

    def complete(self, facts: dict[str, Any]) -> None:
        ome_zarr.mark_complete(self.path, **facts)


class TiffOutput(Output):
    """An OME-TIFF of what was asked for; while blocks are missing its name says so."""

    @property
    def partial(self) -> Path:
        """The file while it is filled."""
        return tiff.partial_name(self.path)

    @property
    def exists(self) -> bool:
        return self.partial.exists()

    @property
    def nbytes(self) -> int:
        (shape, dtype), form = self._kind, self.form
        meanwhile = prod(form.shape) if form.settings.output == "instances" else 0
        return prod(shape) * dtype.itemsize + meanwhile + fragment_bytes(form)

    @property
    def _kind(self) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and type of what is written."""
        form = self.form
        if form.settings.output == "probabilities":
            return (*form.channels, *form.shape), form.probability_type
        ids = form.label_type
        return form.shape, np.dtype(np.uint32) if ids == np.uint64 else ids

    def create(self) -> None:
        form = self.form
        array = tiff.create_tiff(self.partial, *self._kind, form.like)
        if form.settings.output == "instances":
            create_plain(self.work / "foreground", form.shape, np.uint8, form.chunks)
        self._take(array)

    def open(self) -> None:
        self._take(tiff.reopen_tiff(self.partial, *self._kind))

    def _take(self, array: Any) -> None:
        if self.form.settings.output == "probabilities":
            self.probabilities = array
        else:
            self.labels = array
        if self.form.settings.output == "instances":
            self.probabilities = open_plain(self.work / "foreground")

    def pyramids(self) -> Iterator[tuple[int, int]]:
        return iter(())

    def remove(self) -> None:
        self.partial.unlink(missing_ok=True)

    def complete(self, facts: dict[str, Any]) -> None:
        tiff.finish_tiff(self.path)


def output_for(path: Path, form: OutputSpec, work: WorkFolder) -> Output:
    """Choose by the name: .tif and .tiff are TIFF, all else is OME-Zarr."""
    kind = TiffOutput if path.suffix.lower() in TIFF else ZarrOutput
    return kind(path, form, work)


def fragment_bytes(form: OutputSpec) -> int:
    """Count what the fragments of objects take meanwhile."""
    return 4 * prod(form.shape) if form.settings.output == "instances" else 0


def create_plain(path: Path, shape: tuple[int, ...], dtype: Any, chunks: Any) -> zarr.Array:
    """Make an array of zeros without any metadata, for what is on its way."""
    return zarr.create_array(path, shape=shape, dtype=dtype, chunks=chunks, overwrite=True)


def open_plain(path: Path) -> zarr.Array:
    """Open such an array to read and write."""
    return zarr.open_array(path, mode="r+")


def sync(array: Any, block: Block, channels: int, blocks: Blocks) -> None:
    """See that a block that was written is on disk."""
    if isinstance(array, zarr.Array):
        row, column = divmod(block.number - block.plane * blocks.per_plane, blocks.grid[1])
        ome_zarr.sync_chunk(array, (*[0] * channels, *block.index, row, column))
    else:
        array.flush()


def check_result(path: Path, stack: Stack, overwrite: bool) -> None:
    """Refuse a place where a result would replace what it must not.

    Raises
    ------
    UserError
        If something is there without `overwrite`, or the image itself.
    """
    if path.suffix.lower() not in TIFF:
        zarr_folders.check_zarr_output(path, stack, overwrite)
        return
    for written in (path, tiff.partial_name(path)):
        if stack.path and written.exists() and written.samefile(stack.path):
            raise UserError(f"{written} is the image itself; choose another output.")
        check_file_output(written, overwrite)
