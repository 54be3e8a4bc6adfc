"""Output stores: block layout, dtype, and the temporary name while incomplete.

An OME-Zarr has the probabilities as its image and what was decided from them, classes or
instances, as its labels. A TIFF has room for one of them. What one format can do and the other
cannot is asked of the classes here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zarr
from numpy.typing import DTypeLike, NDArray

from napari_utile.arrays.blocks import Block, Blocks
from napari_utile.arrays.tiling import Window
from napari_utile.engine.prediction.output_spec import MAX_LABEL, OutputSpec
from napari_utile.errors import UserError
from napari_utile.folders.journal import WorkFolder
from napari_utile.io import ome_zarr, pyramids, tiff, zarr_folders
from napari_utile.io.disk import check_file_output, check_free
from napari_utile.io.lazy_views import ChannelsFirst
from napari_utile.io.ngff import AFFINITIES
from napari_utile.io.stack import Stack


class Output(ABC):
    """One result, filled block by block, by one process or by several.

    Attributes
    ----------
    suffixes : tuple of str
        Of the file names of this format.
    supports_parts : bool
        Whether several processes can write it at once.
    max_label : int or None
        Largest id that it can hold.
    probabilities : array or None
        Takes (K, *shape), or the foreground, of `shape`. None if they are not written.
    labels : array or None
        Takes classes or instances.
    affinities : array or None
        Takes (offsets, *shape), where instances are found by affinities; temporary.
    """

    suffixes: ClassVar[tuple[str, ...]]
    supports_parts: ClassVar[bool] = True
    max_label: ClassVar[int | None] = None

    def __init__(self, path: Path, spec: OutputSpec, work: WorkFolder):
        self.path, self.spec, self.work = path, spec, work
        self.probabilities: Any = None
        self.labels: Any = None
        self.affinities: Any = None

    @property
    @abstractmethod
    def exists(self) -> bool:
        """Whether there is an output, partial or complete."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that it takes on disk at most, temporary files included."""

    @classmethod
    @abstractmethod
    def finished(cls, path: Path) -> dict[str, Any]:
        """Return what was written down with a complete result; empty if it is none."""

    @abstractmethod
    def check(self, image: Stack, overwrite: bool) -> None:
        """Refuse a place where the output would overwrite what it must not, or has no room.

        Raises
        ------
        UserError
            If something is there without `overwrite`, or the image itself.
        """

    def check_dtype(self) -> None:  # noqa: B027, the default is that all are possible
        """Refuse a dtype that the format does not have.

        Raises
        ------
        UserError
        """

    @abstractmethod
    def create(self) -> None:
        """Create all files and arrays; overwrite existing ones."""

    @abstractmethod
    def open(self) -> None:
        """Open a partial output."""

    def put(self, block: Block, probabilities: NDArray[np.float32]) -> None:
        """Write the probabilities (K, Y, X) of one block; on disk when this returns."""
        where, spec = (*block.index, *block.window), self.spec
        if self.probabilities is not None:
            channels = (slice(None),) * len(spec.channels)
            self.probabilities[(*channels, *where)] = spec.encoded(probabilities)
            sync_block(self.probabilities, block, spec.blocks, len(spec.channels))
        if self.affinities is not None:
            as_bytes = np.rint(probabilities[1:] * np.float32(255)).astype(np.uint8)
            self.affinities[(slice(None), *where)] = as_bytes
            sync_block(self.affinities, block, spec.blocks, 1)
        if spec.settings.output == "classes":
            self.put_labels(block, spec.decided(probabilities))

    def put_labels(self, block: Block, labels: NDArray[Any]) -> None:
        """Write the classes or instances (Y, X) of one block; on disk when this returns."""
        self.labels[(*block.index, *block.window)] = labels
        sync_block(self.labels, block, self.spec.blocks)

    def foreground(self, block: Block, halo: int) -> tuple[NDArray[np.uint8], Window]:
        """Read the foreground of a block with a halo; return it, and the block in it."""
        wide, inner = self.spec.blocks.around(block, halo)
        return np.asarray(self.probabilities[(*block.index, *wide)]), inner

    def affinities_around(self, block: Block, halo: int) -> NDArray[np.uint8]:
        """Read the affinities (offsets, Z, Y, X) of a block with a halo."""
        wide, _ = self.spec.blocks.around(block, halo)
        return np.asarray(self.affinities[(slice(None), *block.index, *wide)])

    def _create_affinities(self) -> None:
        """Create the temporary array of affinities, where they are kept, and open it."""
        if count := self.spec.kept_affinities:
            shape, chunks = (count, *self.spec.shape), (count, *self.spec.chunks)
            create_plain(self._affinities_path, shape, np.uint8, chunks)
        self._open_affinities()

    def _open_affinities(self) -> None:
        if self.spec.kept_affinities:
            self.affinities = open_plain(self._affinities_path)

    @property
    def _affinities_path(self) -> Path:
        """Where affinities are until objects are found."""
        return self.work / AFFINITIES

    def lost(self) -> str:
        """Return which parts of a complete output are gone, as a sentence, or ''."""
        return ""

    @abstractmethod
    def pyramids(self) -> Iterator[tuple[int, int]]:
        """Make the smaller copies for viewers; yield the blocks done, and of how many."""

    @abstractmethod
    def remove(self) -> None:
        """Remove the partial output."""

    @abstractmethod
    def complete(self, facts: dict[str, Any]) -> None:
        """Mark the output as complete, and write down `facts` with it."""


class ZarrOutput(Output):
    """An OME-Zarr of probabilities, and of classes or instances as its labels."""

    suffixes = (".zarr",)

    @property
    def exists(self) -> bool:
        return zarr_folders.is_zarr(self.path)

    @property
    def nbytes(self) -> int:
        # each level of the pyramid is a quarter of the one before: 1 + 1/4 + 1/16 + ... = 4/3
        return self.spec.nbytes * 4 // 3 + _fragment_bytes(self.spec)

    @classmethod
    def finished(cls, path: Path) -> dict[str, Any]:
        facts = ome_zarr.provenance(path) if zarr_folders.is_zarr(path) else {}
        return facts if facts.get("complete") else {}

    def lost(self) -> str:
        return ome_zarr.lost_chunks(self.path)

    def check(self, image: Stack, overwrite: bool) -> None:
        zarr_folders.check_zarr_output(self.path, image, overwrite)

    @property
    def _affinities_path(self) -> Path:
        is_kept = self.spec.settings.keep_affinities
        return self.path / AFFINITIES if is_kept else super()._affinities_path

    def create(self) -> None:
        spec, output = self.spec, self.spec.settings.output
        self.probabilities = ome_zarr.create_image(
            self.path,
            (*spec.channels, *spec.shape),
            spec.probability_type,
            chunks=(*spec.channels, *spec.chunks),
            like=spec.like,
            channel_names=spec.channel_names if spec.channels else None,
            overwrite=True,
            attributes={
                "kind": output,
                "settings": spec.settings.model_dump(mode="json"),
                "rule": spec.rule.as_dict(),
            },
        )
        if output != "probabilities":
            self.labels = ome_zarr.create_labels(
                self.path, output, spec.shape, spec.label_type, spec.chunks, spec.like
            )
        self._create_affinities()

    def open(self) -> None:
        self._open_affinities()
        output = self.spec.settings.output
        self.probabilities = ome_zarr.reopen(self.path)
        if output != "probabilities":
            self.labels = ome_zarr.reopen(self.path, output)

    def pyramids(self) -> Iterator[tuple[int, int]]:
        yield from pyramids.write_smaller_levels(self.path)
        if self.labels is not None:
            yield from pyramids.write_smaller_levels(self.path, self.spec.settings.output)

    def remove(self) -> None:
        zarr_folders.remove_zarr(self.path)

    def complete(self, facts: dict[str, Any]) -> None:
        ome_zarr.mark_complete(self.path, **facts)


class TiffOutput(Output):
    """An OME-TIFF of one kind of output; its name has ".partial" until it is complete."""

    suffixes = (".tif", ".tiff")
    supports_parts = False
    max_label = MAX_LABEL

    @property
    def partial(self) -> Path:
        """Path of the file until it is complete."""
        return tiff.partial_name(self.path)

    @property
    def exists(self) -> bool:
        return self.partial.exists()

    @property
    def nbytes(self) -> int:
        (shape, dtype), spec = self._kind, self.spec
        foreground = prod(spec.shape) if spec.settings.output == "instances" else 0
        return prod(shape) * dtype.itemsize + foreground + _fragment_bytes(spec)

    @property
    def _kind(self) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of the file."""
        spec = self.spec
        if spec.settings.output == "probabilities":
            return (*spec.channels, *spec.shape), spec.probability_type
        ids = spec.label_type
        return spec.shape, np.dtype(np.uint32) if ids == np.uint64 else ids

    @classmethod
    def finished(cls, path: Path) -> dict[str, Any]:
        return WorkFolder(path).finished if path.exists() else {}

    def check(self, image: Stack, overwrite: bool) -> None:
        for written in (self.path, self.partial):
            if image.path and written.exists() and written.samefile(image.path):
                raise UserError(f"{written} is the image itself; choose another output.")
            check_file_output(written, overwrite, is_ours=written == self.partial)
        check_free(self.path, self.nbytes)  # the file has its full size from the start

    def check_dtype(self) -> None:
        if self.spec.probability_type == np.float16:
            raise UserError(f"{self.path}: a TIFF has no float16; choose the dtype float32.")

    def create(self) -> None:
        self._create_affinities()
        spec = self.spec
        holds, is_named = spec.settings.output, bool(spec.offsets)
        has_maps = holds == "probabilities"
        ids = spec.ids[-spec.maps :] if has_maps and not is_named else ()
        names = spec.channel_names if has_maps and is_named else ()
        rule = spec.rule.as_dict() if has_maps else {}
        array = tiff.create_tiff(self.partial, *self._kind, spec.like, holds, ids, names, rule)
        if spec.settings.output == "instances":
            create_plain(self.work / "foreground", spec.shape, np.uint8, spec.chunks)
        self._take(array)

    def open(self) -> None:
        self._open_affinities()
        self._take(tiff.reopen_tiff(self.partial, *self._kind))

    def _take(self, array: Any) -> None:
        if self.spec.settings.output == "probabilities":
            self.probabilities = array
        else:
            self.labels = array
        if self.spec.settings.output == "instances":
            self.probabilities = open_plain(self.work / "foreground")

    def pyramids(self) -> Iterator[tuple[int, int]]:
        return iter(())

    def remove(self) -> None:
        self.partial.unlink(missing_ok=True)

    def complete(self, facts: dict[str, Any]) -> None:
        # The facts first: a TIFF has no room for them. A kill in between leaves a partial
        # output, and the facts of a file that does not exist, which count for nothing. They
        # hold the time of the last change, so that nothing may be changed after them.
        tiff.say_complete(self.partial)
        self.work.finish(facts, of=self.partial)
        tiff.finish_tiff(self.path)


def output_type(path: Path) -> type[Output]:
    """Return the format of a result by its name: .tif and .tiff are TIFF, all else OME-Zarr."""
    return TiffOutput if path.suffix.lower() in TiffOutput.suffixes else ZarrOutput


def output_for(path: Path, spec: OutputSpec, work: WorkFolder) -> Output:
    """Return the output at a path; nothing is created or opened.

    Parameters
    ----------
    path : Path
        Of the result; its name says the format, see `output_type`.
    spec : OutputSpec
    work : WorkFolder
        Gets what is temporary.

    Returns
    -------
    Output
    """
    return output_type(path)(path, spec, work)


def _fragment_bytes(spec: OutputSpec) -> int:
    """Temporary disk space of the fragment labels, and of affinities, in bytes."""
    per_pixel = 4 + spec.kept_affinities
    return per_pixel * prod(spec.shape) if spec.settings.output == "instances" else 0


def create_plain(
    path: Path, shape: tuple[int, ...], dtype: DTypeLike, chunks: tuple[int, ...]
) -> zarr.Array:
    """Create a temporary array of zeros, without the metadata of an image.

    Parameters
    ----------
    path : Path
    shape, chunks : tuple of int
    dtype : dtype

    Returns
    -------
    zarr.Array
    """
    return zarr.create_array(path, shape=shape, dtype=dtype, chunks=chunks, overwrite=True)


def open_plain(path: Path) -> zarr.Array:
    """Open an array of `create_plain` to read and write."""
    return zarr.open_array(path, mode="r+")


def sync_block(array: Any, block: Block, blocks: Blocks, channels: int = 0) -> None:
    """Wait until a block that was written is on disk.

    Parameters
    ----------
    array : zarr.Array, ChannelsFirst or FileArray
    block : Block
    blocks : Blocks
        Of the result; a block is a chunk.
    channels : int, default 0
        Number of leading axes in front of those of the result.
    """
    if isinstance(array, zarr.Array | ChannelsFirst):
        place = np.unravel_index(block.number - block.plane * blocks.per_plane, blocks.grid)
        ome_zarr.sync_chunk(array, (*[0] * channels, *block.index, *map(int, place)))
    else:
        array.flush()
