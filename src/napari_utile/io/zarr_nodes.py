"""Opening groups and arrays of Zarr that a stranger may have made: checked, never executed."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_utile.errors import UserError
from napari_utile.io.memory import memory_budget
from napari_utile.io.units import size_text
from napari_utile.io.zarr_codecs import bounded, plain_reason
from napari_utile.json_files import read_json_object

MARKS = ("zarr.json", ".zgroup", ".zarray")
"""A Zarr folder holds one of these files."""
METADATA = (*MARKS, ".zattrs")
MAX_METADATA = 50_000_000
"""Bytes of a file of metadata."""
MAX_COMPRESSED_CHUNK = 1_000_000_000
"""Bytes that a compressed chunk may decode to: a file of a few kB can claim any size."""
MAX_INNER_CHUNKS = 10_000_000
"""In a shard, whose table of them is read at once."""
MOST_FILES = 10_000
"""Chunks of an array that are looked for on disk, spread over all of it."""


def open_folder(path: Path) -> zarr.Group | zarr.Array:
    """Open a Zarr group or array on this machine for reading.

    Parameters
    ----------
    path : Path

    Returns
    -------
    zarr.Group or zarr.Array
        Without consolidated metadata, which may be out of date.

    Raises
    ------
    UserError
        If there is none, or its metadata are broken.
    """
    with zarr_errors(path):
        kind, version = _node_type(path)
        with warnings.catch_warnings(action="ignore"):
            if kind == "array":
                return zarr.open_array(path, mode="r", zarr_format=version)
            return zarr.open_group(path, mode="r", zarr_format=version, use_consolidated=False)


def _node_type(path: Path) -> tuple[str, Any]:
    """Return "array" or "group", and the version of Zarr; check the metadata as JSON."""
    if (path / "zarr.json").is_file():
        return str(_metadata_in(path / "zarr.json").get("node_type")), 3
    if (path / ".zattrs").is_file():
        _metadata_in(path / ".zattrs")
    for name, kind in ((".zarray", "array"), (".zgroup", "group")):
        if (path / name).is_file():
            _metadata_in(path / name)
            return kind, 2
    raise UserError(f"{path} is no Zarr folder: it has none of the files {', '.join(MARKS)}.")


def _metadata_in(path: Path) -> dict[str, Any]:
    """Read a file of metadata. A value that fills gaps may be NaN."""
    return read_json_object(path, MAX_METADATA, finite=False)


@contextmanager
def zarr_errors(source: object) -> Iterator[None]:
    """Turn every error of reading metadata into a `UserError` of one sentence.

    Parameters
    ----------
    source : object
        Path or address, for the message.
    """
    try:
        yield
    except UserError:
        raise
    except KeyError as error:
        raise UserError(f"{source} is broken: its metadata lack {error}.") from error
    except Exception as error:  # zarr has no common type for broken metadata
        raise UserError(
            f"{source} cannot be read as Zarr: {plain_reason(error)}. Save or copy it again."
        ) from error


def member(group: zarr.Group, name: object, source: object) -> Any:
    """Return a group or array in a group, by a path that stays in it.

    Parameters
    ----------
    group : zarr.Group
    name : object
        As the metadata give it.
    source : object
        Path or address of the group, for messages.

    Returns
    -------
    zarr.Group or zarr.Array

    Raises
    ------
    UserError
        If it is not there, or leads out of the group.
    """
    if not isinstance(name, str) or not name:
        raise UserError(f"{source} is broken: it names a level {name!r}, which is no name.")
    parts = name.replace("\\", "/").split("/")
    if name.startswith("/") or ":" in name or ".." in parts:
        raise UserError(f"{source} names the level {name!r}, which is outside of it.")
    root = getattr(group.store, "root", None)
    if root is not None:
        inside, top = Path(root, group.path, name), Path(root).resolve()
        if top not in inside.resolve().parents:
            raise UserError(f"{source} names the level {name!r}, a link that leads out of it.")
        for mark in METADATA:
            if (inside / mark).is_file():
                _metadata_in(inside / mark)
    with zarr_errors(f"{source}, {name}"), warnings.catch_warnings(action="ignore"):
        if name not in group:
            raise UserError(f"{source} names the level {name!r}, which is not there.")
        return group[name]


def checked(array: Any, source: object) -> zarr.Array:
    """Refuse an array that cannot be read within memory and time.

    Parameters
    ----------
    array : zarr.Array
    source : object
        Path or address, for messages.

    Returns
    -------
    zarr.Array
        The same; its chunks never decode to more than they hold.

    Raises
    ------
    UserError
        If its shape or chunks are impossible or too large, or its codecs are not trusted.
    """
    if not isinstance(array, zarr.Array):
        raise UserError(f"{source} is a group, where an array should be.")
    shape, dtype = array.shape, np.dtype(array.dtype)
    if dtype.kind not in "biuf":
        raise UserError(f"{source} holds {dtype}, not numbers.")
    if not 2 <= len(shape) <= 5:
        raise UserError(f"{source} has the shape {shape}; images have 2 to 5 axes.")
    if 0 in shape:
        raise UserError(f"{source} is empty: its shape is {shape}.")
    if prod(shape) >= 2**63:
        raise UserError(f"{source} claims the shape {shape}, which is larger than any image.")
    if min(array.chunks) < 1:
        raise UserError(f"{source} has chunks of {array.chunks}.")
    size = prod(array.chunks) * dtype.itemsize
    limit = min(MAX_COMPRESSED_CHUNK, memory_budget())
    if size > limit:
        raise UserError(
            f"{source} has chunks of {array.chunks}, {size_text(size)} each, and "
            f"{size_text(limit)} may be used: save it with smaller chunks."
        )
    if array.shards and prod(array.shards) // prod(array.chunks) > MAX_INNER_CHUNKS:
        raise UserError(f"{source} has shards of {array.shards}: save it with smaller ones.")
    return bounded(array, source)


def chunk_files(array: zarr.Array) -> list[Path]:
    """List the files of an array in a local folder: its chunks, or shards if there are any.

    Parameters
    ----------
    array : zarr.Array

    Returns
    -------
    list of Path
        Of many, `MOST_FILES` spread evenly; files of chunks of zeros may not exist. Empty for
        arrays elsewhere.
    """
    if not hasattr(array.store, "root"):
        return []
    root, unit = Path(array.store.root, array.path), array.shards or array.chunks
    grid = [ceil(n / u) for n, u in zip(array.shape, unit, strict=True)]
    total = prod(grid)
    count = min(total, MOST_FILES)
    chosen = [i * (total - 1) // max(1, count - 1) for i in range(count)]
    encode: Callable[[tuple[int, ...]], str] = array.metadata.encode_chunk_key
    return [root / encode(_chunk_position(number, grid)) for number in chosen]


def _chunk_position(number: int, grid: list[int]) -> tuple[int, ...]:
    """Return the position of a chunk, of numbers of any size."""
    place = []
    for n in reversed(grid):
        number, here = divmod(number, n)
        place.append(here)
    return tuple(reversed(place))


def chunks_there(array: zarr.Array) -> int:
    """Return how many of `chunk_files` exist."""
    return sum(file.is_file() for file in chunk_files(array))


def missing_chunks(array: zarr.Array, source: object, written: object = None) -> str:
    """Return how many chunks of a local array have no file, as a sentence; '' if all have one.

    Parameters
    ----------
    array : zarr.Array
    source : object
        Path, for the message.
    written : object
        The number of them when it was completed, if that is known; else all should have one.

    Raises
    ------
    UserError
        If there is none of the chunks of an array larger than the memory.
    """
    files = chunk_files(array)
    if not files:  # it is on another machine
        return ""
    there = sum(file.is_file() for file in files)
    if isinstance(written, int) and there < written:
        return f"{source} has {there:,} of {written:,} chunks. Was it copied completely?"
    if there == len(files) or isinstance(written, int):
        return ""
    unit = array.shards or array.chunks
    total = prod(ceil(n / u) for n, u in zip(array.shape, unit, strict=True))
    asked = f"{len(files):,}" if total == len(files) else f"{len(files):,} chunks looked for"
    said = f"{source} has {there:,} of {asked}" + (" chunks" if total == len(files) else "")
    if there * 1000 < len(files) and prod(array.shape) > memory_budget():
        raise UserError(f"{said} ({array.shape}): copy it again, or crop it to what it holds.")
    return f"{said}; all others count as {array.fill_value}. Was it copied completely?"
