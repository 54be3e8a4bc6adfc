"""OME-Zarr folders on this machine: opened, created, filled chunk by chunk, and completed.

`ngff` holds what is in their metadata, `pyramids` writes their smaller levels.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import DTypeLike
from zarr.codecs import ZstdCodec

from napari_utile.errors import UserError
from napari_utile.io.disk import to_disk
from napari_utile.io.lazy_views import ChannelsFirst
from napari_utile.io.ngff import (
    LABELS,
    PROBABILITIES,
    VERSION,
    image_in,
    image_metadata,
    labels_in,
    level_image,
    partial_text,
    utile_of,
)
from napari_utile.io.stack import Stack
from napari_utile.io.zarr_folders import check_zarr_output, is_zarr, remove_zarr
from napari_utile.io.zarr_nodes import (
    MARKS,
    chunks_there,
    missing_chunks,
    open_folder,
)

COMPRESSION = ZstdCodec(level=1, checksum=True)
"""Of those measured the smallest files at nearly the highest speed: blosc with lz4 is a third
faster and takes 1.3 to 4 times the space. The checksum detects chunks that the disk damaged."""


def open_zarr(path: Path, which: str | None = None) -> Stack:
    """Open an OME-Zarr image or a plain Zarr array; nothing is read but metadata.

    Parameters
    ----------
    path : Path
        Of an image, a label image, or a level of either.
    which : str, optional
        A result of U-Tile holds "probabilities" and what was decided from them, "classes" or
        "instances"; by default the latter, if there. Any other label image has a name, too.

    Returns
    -------
    Stack

    Raises
    ------
    UserError
        If there is no image, or there are several.
    """
    node = open_folder(path)
    if isinstance(node, zarr.Array) and (parent := _image_of_level(path)) is not None:
        return parent
    stack = image_in(node, path, which)
    if doubt := _doubt_of_the_whole(path):
        stack = replace(stack, doubts=(*stack.doubts, doubt))
    both = (path / "zarr.json").is_file() and any((path / old).is_file() for old in MARKS[1:])
    doubt = f"{path} has metadata of Zarr 2 and of Zarr 3; those of Zarr 3 were read."
    return replace(stack, doubts=(*stack.doubts, doubt)) if both else stack


def _doubt_of_the_whole(path: Path) -> str:
    """Return a doubt about the result in which labels lie, or ''."""
    whole = path.absolute().parent.parent
    if path.absolute().parent.name != LABELS or not is_zarr(whole):
        return ""
    with suppress(UserError):
        if not utile_of(open_folder(whole)).get("complete", True):
            return partial_text(whole)
    return ""


def _image_of_level(path: Path) -> Stack | None:
    """Open a level of an image as what the metadata of the image say; None if they do not."""
    if not is_zarr(path.parent):
        return None
    with suppress(UserError):
        group = open_folder(path.parent)
        if isinstance(group, zarr.Group):
            stack = level_image(path, group, path.name)
            doubt = stack and _doubt_of_the_whole(path.parent)
            return replace(stack, doubts=(*stack.doubts, doubt)) if stack and doubt else stack
    return None


def probabilities_beside(path: Path) -> Stack | None:
    """Open the probabilities that the instances in a result of U-Tile were made of.

    Parameters
    ----------
    path : Path
        A Zarr folder.

    Returns
    -------
    Stack or None
        None if it is no such result.
    """
    node = open_folder(path)
    if isinstance(node, zarr.Array) or utile_of(node).get("kind") != "instances":
        return None
    return image_in(node, path, PROBABILITIES)


def create_image(
    path: Path | str,
    shape: Sequence[int],
    dtype: DTypeLike,
    chunks: Sequence[int],
    like: Stack,
    *,
    channel_names: Sequence[str] | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> zarr.Array:
    """Create an OME-Zarr 0.5 image of zeros, with all metadata, to be filled block by block.

    Parameters
    ----------
    path : path
        Folder to create.
    shape : sequence of int
        ``like.shape`` or ``(C, *like.shape)``.
    dtype : dtype
    chunks : sequence of int
        One per axis of `shape`. Processes and threads may write at once, each its own chunks.
    like : Stack
        The image that it is made from; scale, translate, units and axes are kept.
    channel_names : sequence of str, optional
        One per channel.
    overwrite : bool, default False
        Replace an existing Zarr folder. Of others only empty folders are ever replaced.
    attributes : mapping, optional
        Kept under "utile", beside ``complete``, which is false until `mark_complete`.
        Results have a ``kind``: "probabilities", or "classes" or "instances", which are
        decided from this image and stand in a label image of that name; see `create_labels`.

    Returns
    -------
    zarr.Array or ChannelsFirst
        Level 0, to be indexed in the order of `shape`.

    Raises
    ------
    UserError
        If `path` exists and may not be overwritten, or cannot be written.

    Notes
    -----
    NGFF 0.5 wants the axes of time, channels and space in this order, so that an array with
    channels and time is stored as (T, C, ...).
    """
    path = Path(path)
    check_zarr_output(path, like, overwrite)
    remove_zarr(path)
    axes = "c" * (len(shape) - len(like.shape)) + like.spatial_axes
    if axes.startswith("ct"):
        axes = f"tc{axes[2:]}"
        shape, chunks = ((n[1], n[0], *n[2:]) for n in (shape, chunks))
    ngff = image_metadata(axes, like, path.stem)
    if channel_names:
        top = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
        window = {"min": 0.0, "max": top, "start": 0.0, "end": top}
        ngff["omero"] = {
            "channels": [
                {"label": name, "color": "FFFFFF", "active": True, "window": window}
                for name in channel_names
            ]
        }
    utile = {"complete": False} | dict(attributes or {})
    group = zarr.create_group(path, zarr_format=3, attributes={"ome": ngff, "utile": utile})
    return _in_memory_order(create_level(group, 0, shape, dtype, chunks, axes))


def _in_memory_order(level: zarr.Array) -> zarr.Array | ChannelsFirst:
    """Return a level with channels before time, as arrays in memory have them."""
    names = tuple(level.metadata.dimension_names or ())
    return ChannelsFirst(level) if names[:2] == ("t", "c") else level


def create_labels(
    root: Path | str,
    name: str,
    shape: Sequence[int],
    dtype: DTypeLike,
    chunks: Sequence[int],
    like: Stack,
) -> zarr.Array:
    """Create a label image of zeros in an image of `create_image`, to be filled block by block.

    Parameters
    ----------
    root : path
        Of the image.
    name : str
        Of the labels. Labels of this name are replaced.
    shape : sequence of int
        ``like.shape``.
    dtype : dtype
        Of whole numbers.
    chunks : sequence of int
        One per axis of `shape`.
    like : Stack
        The image that it is made from; scale, translate, units and axes are kept.

    Returns
    -------
    zarr.Array
        Level 0.
    """
    labels = zarr.open_group(root, mode="r+").require_group(LABELS)
    ngff = image_metadata(like.spatial_axes, like, name)
    ngff["image-label"] = {"source": {"image": "../../"}}
    attributes = {"ome": ngff, "utile": {"kind": name}}
    group = labels.create_group(name, overwrite=True, attributes=attributes)
    level = create_level(group, 0, shape, dtype, chunks, like.spatial_axes)
    listed: Any = labels.attrs.get("ome", {})
    names = sorted({*listed.get("labels", ()), name})
    labels.attrs["ome"] = {"version": VERSION, "labels": names}
    return level


def create_level(
    group: zarr.Group,
    number: int,
    shape: Sequence[int],
    dtype: DTypeLike,
    chunks: Sequence[int],
    axes: str,
) -> zarr.Array:
    """Create the array of one level, of zeros; an existing one is replaced.

    Parameters
    ----------
    group : zarr.Group
        Of an image, or of labels.
    number : int
        Of the level; 0 is the largest.
    shape, chunks : sequence of int
        One per axis; chunks are cut to the shape.
    dtype : dtype
    axes : str
        Their letters, kept as the names of dimensions.

    Returns
    -------
    zarr.Array
    """
    return group.create_array(
        str(number),
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(min(c, n) for c, n in zip(chunks, shape, strict=True)),
        fill_value=0,
        dimension_names=list(axes),
        compressors=COMPRESSION,
        config={"write_empty_chunks": False},  # a chunk of zeros takes no room
        overwrite=True,
    )


def reopen(path: Path | str, labels: str | None = None) -> zarr.Array | ChannelsFirst:
    """Open level 0 of a partial image of `create_image` for writing.

    Parameters
    ----------
    path : path
        Of the image.
    labels : str, optional
        Name of a label image in it, to open that one.

    Returns
    -------
    zarr.Array or ChannelsFirst
        As `create_image` returns it.

    Raises
    ------
    UserError
        If it is not there.
    """
    level = open_multiscale(path, labels).get("0") if is_zarr(Path(path)) else None
    if not isinstance(level, zarr.Array):
        raise UserError(f"{path} cannot be resumed: it is no partial image.")
    return _in_memory_order(level)


def open_multiscale(path: Path | str, labels: str | None = None) -> zarr.Group:
    """Open the group of an image, or of labels in it, for writing.

    Parameters
    ----------
    path : path
        Of the image.
    labels : str, optional
        Name of the labels.

    Raises
    ------
    UserError
        If there are no such labels.
    """
    group = zarr.open_group(path, mode="r+")
    return labels_in(group, Path(path), labels) if labels else group


def sync_chunk(array: zarr.Array | ChannelsFirst, chunk: Sequence[int]) -> None:
    """Wait until a chunk of a local array is on the disk. A chunk of zeros has no file.

    Parameters
    ----------
    array : zarr.Array or ChannelsFirst
        In a folder of this machine.
    chunk : sequence of int
        Its number along each axis: ``position // array.chunks``.
    """
    if isinstance(array, ChannelsFirst):
        array, chunk = array.stored, (chunk[1], chunk[0], *chunk[2:])
    root = Path(array.store.root, array.path)
    file = root / array.metadata.encode_chunk_key(tuple(chunk))
    with suppress(FileNotFoundError):
        to_disk(file)
        for folder in file.relative_to(root).parents:  # they hold its name and their own
            to_disk(root / folder)


def sync_chunks(array: zarr.Array, box: Sequence[Sequence[int]]) -> None:
    """Wait until all chunks of a local array that touch a part of it are on the disk.

    Parameters
    ----------
    array : zarr.Array
    box : sequence of (int, int)
        First pixel and one past the last, along each axis.
    """
    for chunk in chunks_touching(array.chunks, box):
        sync_chunk(array, chunk)


def chunks_touching(
    chunks: Sequence[int], box: Sequence[Sequence[int]]
) -> Iterator[tuple[int, ...]]:
    """Yield the chunks that touch a part of an array.

    Parameters
    ----------
    chunks : sequence of int
        Shape of a chunk.
    box : sequence of (int, int)
        First pixel and one past the last, along each axis.

    Yields
    ------
    tuple of int
        Number of the chunk along each axis.

    Examples
    --------
    >>> list(chunks_touching((1, 4), ((2, 3), (3, 9))))
    [(2, 0), (2, 1), (2, 2)]
    """
    sides = zip(chunks, box, strict=True)
    yield from product(*(range(first // n, -(-end // n)) for n, (first, end) in sides))


def mark_complete(path: Path | str, **attributes: Any) -> None:
    """Record that all of an image is written.

    Drafts of chunks that killed processes left are removed.

    Parameters
    ----------
    path : path
        Of the image.
    **attributes
        Other facts, kept under "utile".
    """
    for draft in Path(path).rglob("*.partial"):
        draft.unlink(missing_ok=True)
    group = zarr.open_group(path, mode="r+")
    facts = provenance(path) | {"complete": True} | attributes
    for name in ("classes", "instances"):
        found = group.get(f"{LABELS}/{name}")
        if isinstance(found, zarr.Group):
            found.attrs["utile"] = utile_of(found) | _chunks(found)
    group.attrs["utile"] = facts | _chunks(group)


def _chunks(group: zarr.Group) -> dict[str, int]:
    """Return how many chunks have a file, so that an incomplete copy is noticed."""
    level = group.get("0")
    return {"chunks": chunks_there(level)} if isinstance(level, zarr.Array) else {}


def lost_chunks(path: Path | str) -> str:
    """Return how many chunks of a completed image have no file, as a sentence, or ''.

    Parameters
    ----------
    path : path
        Of the image; its classes and instances are looked at, too.
    """
    whole = open_folder(Path(path))
    for name in ("", f"{LABELS}/classes", f"{LABELS}/instances"):
        group = whole.get(name) if name else whole
        level = group.get("0") if isinstance(group, zarr.Group) else None
        if isinstance(group, zarr.Group) and isinstance(level, zarr.Array):
            source = Path(path) / name
            if said := missing_chunks(level, source, utile_of(group).get("chunks", 0)):
                return said
    return ""


def provenance(path: Path | str) -> dict[str, Any]:
    """Return the facts under "utile", empty for an image of another program.

    Parameters
    ----------
    path : path
        Of the image.

    Returns
    -------
    dict
    """
    return utile_of(open_folder(Path(path)))
