"""OME-Zarr in and out: NGFF images and labels up to 0.5, plain Zarr arrays, v2 and v3.

Zarr folders on this machine; `zarr_images` says what is in them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from napari_utile.errors import UserError
from napari_utile.io.disk import to_disk
from napari_utile.io.ngff import LABELS, PROBABILITIES, TYPES, image_in, labels_in
from napari_utile.io.pyramids import halved_by_majority, halved_by_mean, level_shapes
from napari_utile.io.stack import Stack
from napari_utile.io.zarr_folders import check_zarr_output, is_zarr, remove_zarr

VERSION = "0.5"
COMPRESSION = ZstdCodec(level=1, checksum=True)
"""Of all ways tried the smallest files at nearly the fastest speed (blosc with lz4 is a third
faster and takes 1.3 to 4 times the room). The checksum tells a chunk that the disk damaged."""


def open_zarr(path: Path, which: str | None = None) -> Stack:
    """Open an OME-Zarr image or a plain Zarr array; nothing is read but metadata.

    Parameters
    ----------
    path : Path
        Of an image, a label image, or a level of either.
    which : str, optional
        A result of ours holds "probabilities" and what was decided from them, "classes" or
        "instances". Without it the latter is opened if it is there. Any other label image is
        found by its name, too.

    Raises
    ------
    UserError
        If there is no image, or there are several.
    """
    return image_in(zarr.open(path, mode="r"), path, which)


def probabilities_beside(path: Path) -> Stack | None:
    """Open what the instances in a result of ours were made of; None if it is none."""
    node = zarr.open(path, mode="r")
    kind = dict(node.attrs).get("utile", {}).get("kind")
    if isinstance(node, zarr.Array) or kind != "instances":
        return None
    return image_in(node, path, PROBABILITIES)


def create_image(
    path: Path | str,
    shape: Sequence[int],
    dtype: Any,
    chunks: Sequence[int],
    like: Stack,
    *,
    channel_names: Sequence[str] | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> zarr.Array:
    """Make an OME-Zarr 0.5 image of zeros, with complete metadata, to be filled tile by tile.

    Parameters
    ----------
    path : path
        Folder to make.
    shape : sequence of int
        ``like.shape`` or ``(C, *like.shape)``.
    dtype : dtype
    chunks : sequence of int
        As long as `shape`. Two processes or threads may write as long as no chunk is shared.
    like : Stack
        The image that it is made from; scale, translate, units and axes are kept.
    channel_names : sequence of str, optional
        One per channel.
    overwrite : bool, default False
        Replace a Zarr folder that is there. Nothing else is ever replaced but empty folders.
    attributes : mapping, optional
        Kept under "utile", beside ``complete``, which is false until `mark_complete`.
        Results have a ``kind``: "probabilities", or "classes" or "instances", which are
        decided from this image and stand in a label image of that name; see `create_labels`.

    Returns
    -------
    zarr.Array
        Level 0.

    Raises
    ------
    UserError
        If `path` exists and may not be replaced, or cannot be written.

    Notes
    -----
    With a time axis, channels still come first, before time, as in memory.
    """
    path = Path(path)
    check_zarr_output(path, like, overwrite)
    remove_zarr(path)
    axes = "c" * (len(shape) - len(like.shape)) + like.spatial_axes
    ngff = ngff_metadata(axes, like, path.stem)
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
    return create_level(group, 0, shape, dtype, chunks, axes)


def create_labels(
    root: Path | str,
    name: str,
    shape: Sequence[int],
    dtype: Any,
    chunks: Sequence[int],
    like: Stack,
) -> zarr.Array:
    """Make a label image of zeros in an image made by `create`, to be filled block by block.

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
        As long as `shape`.
    like : Stack
        The image that it is made from; scale, translate, units and axes are kept.

    Returns
    -------
    zarr.Array
        Level 0.
    """
    labels = zarr.open_group(root, mode="r+").require_group(LABELS)
    ngff = ngff_metadata(like.spatial_axes, like, name)
    ngff["image-label"] = {"source": {"image": "../../"}}
    group = labels.create_group(name, overwrite=True, attributes={"ome": ngff})
    level = create_level(group, 0, shape, dtype, chunks, like.spatial_axes)
    listed: Any = labels.attrs.get("ome", {})
    names = sorted({*listed.get("labels", ()), name})
    labels.attrs["ome"] = {"version": VERSION, "labels": names}
    return level


def create_level(
    group: zarr.Group,
    number: int,
    shape: Sequence[int],
    dtype: Any,
    chunks: Sequence[int],
    axes: str,
) -> zarr.Array:
    """Make the array of one level, of zeros. One that is there is replaced."""
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


def reopen(path: Path | str, labels: str | None = None) -> zarr.Array:
    """Open level 0 of an image of ours to go on writing it.

    Parameters
    ----------
    path : path
        Of the image made by `create`.
    labels : str, optional
        Name of a label image in it, to open that one.

    Raises
    ------
    UserError
        If it is not there.
    """
    level = open_multiscale(path, labels).get("0") if is_zarr(Path(path)) else None
    if not isinstance(level, zarr.Array):
        raise UserError(f"{path} is no image that can be gone on with.")
    return level


def open_multiscale(path: Path | str, labels: str | None = None) -> zarr.Group:
    """Open the group of an image of ours, or of labels in it, for writing."""
    group = zarr.open_group(path, mode="r+")
    return labels_in(group, Path(path), labels) if labels else group


def sync_chunk(array: zarr.Array, chunk: Sequence[int]) -> None:
    """Wait until a chunk of a local array is on the disk; one of zeros has no file.

    Parameters
    ----------
    array : zarr.Array
    chunk : sequence of int
        Its number along each axis: position // ``array.chunks``.
    """
    root = Path(array.store.root, array.path)
    file = root / array.metadata.encode_chunk_key(tuple(chunk))
    with suppress(FileNotFoundError):
        to_disk(file)
        for folder in file.relative_to(root).parents:  # they hold its name and their own
            to_disk(root / folder)


def pyramid(path: Path | str, labels: str | None = None) -> Iterator[tuple[int, int]]:
    """Make the smaller levels of an image made by `create`, or of labels in it.

    Each level is half as wide and high as the one before it, and there are as many as it takes
    until a plane is one chunk. The metadata name them when all are complete. After a stop or a
    kill the same call goes on at the level that was not finished, with the same result.

    Parameters
    ----------
    path : path
        Of the image.
    labels : str, optional
        Name of the labels, to make those of the labels.

    Yields
    ------
    done, total : int
        Blocks that are on the disk, in all levels, and that there are.

    Notes
    -----
    A pixel of an image is the mean of four, one of labels the id that is most frequent among
    them: see `pyramids`. Memory holds four chunks of the larger level and what is made of them.
    """
    group = open_multiscale(path, labels)
    halve = halved_by_majority if labels else halved_by_mean
    level: Any = group["0"]
    shapes = level_shapes(level.shape, level.chunks)
    total, done = sum(map(_blocks, shapes, [level.chunks] * len(shapes))), 0
    ngff: Any = group.attrs["ome"]
    if len(ngff["multiscales"][0]["datasets"]) > len(shapes):  # they are named when complete
        return
    for number, shape in enumerate(shapes, 1):
        larger, blocks = level, _blocks(shape, level.chunks)
        if str(number + 1) in group:  # it is begun when the one before it is complete
            level, done = group[str(number)], done + blocks
            continue
        axes = "".join(larger.metadata.dimension_names)
        level = create_level(group, number, shape, larger.dtype, larger.chunks, axes)
        for chunk in np.ndindex(level.cdata_shape):
            _fill(level, larger, chunk, halve)
            sync_chunk(level, chunk)
            done += 1
            yield done, total
    _name_levels(group, len(shapes))


def mark_complete(path: Path | str, **attributes: Any) -> None:
    """Note that all of an image made by `create` is written, and what else is known by now.

    Drafts of chunks that killed processes left behind are removed.
    """
    for draft in Path(path).rglob("*.partial"):
        draft.unlink(missing_ok=True)
    group = zarr.open_group(path, mode="r+")
    group.attrs["utile"] = provenance(path) | {"complete": True} | attributes


def provenance(path: Path | str) -> dict[str, Any]:
    """Read what stands under "utile"; empty for an image that is not ours."""
    attributes: dict[str, Any] = dict(zarr.open(path, mode="r").attrs)
    return attributes.get("utile", {})


def ngff_metadata(axes: str, like: Stack, name: str) -> dict[str, Any]:
    """Write the NGFF 0.5 metadata of an image of one level."""
    scale = dict(zip(like.spatial_axes, like.scale, strict=True))
    translate = dict(zip(like.spatial_axes, like.translate, strict=True))
    units = dict(zip(like.spatial_axes, like.units, strict=True))
    named = []
    for axis in axes:
        named.append({"name": axis, "type": TYPES.get(axis, "space")})
        if units.get(axis, "pixel") != "pixel":
            named[-1]["unit"] = units[axis]
    level = dataset(
        0, [scale.get(axis, 1.0) for axis in axes], [translate.get(axis, 0.0) for axis in axes]
    )
    return {
        "version": VERSION,
        "multiscales": [{"name": name, "axes": named, "datasets": [level]}],
    }


def dataset(level: int, scale: list[float], translation: list[float]) -> dict[str, Any]:
    """Write the NGFF 0.5 metadata of one level."""
    placed = [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": translation},
    ]
    return {"path": str(level), "coordinateTransformations": placed}


def _blocks(shape: tuple[int, ...], chunks: tuple[int, ...]) -> int:
    return prod(ceil(n / c) for n, c in zip(shape, chunks, strict=True))


def _fill(
    level: zarr.Array,
    larger: zarr.Array,
    chunk: tuple[int, ...],
    halve: Callable[[NDArray[Any]], NDArray[Any]],
) -> None:
    """Make one chunk of a level from the four of the larger one that it covers."""
    at = [slice(i * c, (i + 1) * c) for i, c in zip(chunk, level.chunks, strict=True)]
    wide = [slice(2 * s.start, 2 * s.stop) for s in at[-2:]]
    level[tuple(at)] = halve(larger[(*at[:-2], *wide)])


def _name_levels(group: zarr.Group, levels: int) -> None:
    """Add the smaller levels to the metadata, with the middle of their first pixel."""
    ngff: Any = group.attrs["ome"]
    (multiscale,) = ngff["multiscales"]
    first = multiscale["datasets"][0]
    (scale, translation) = (
        np.array(place[place["type"]]) for place in first["coordinateTransformations"]
    )
    multiscale["datasets"] = [first]
    for level in range(1, levels + 1):
        factor = np.ones(len(scale))
        factor[-2:] = 2**level
        middle = translation + scale * (factor - 1) / 2
        multiscale["datasets"].append(
            dataset(level, (scale * factor).tolist(), middle.tolist())
        )
    group.attrs["ome"] = ngff
