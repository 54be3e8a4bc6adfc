"""Reading and writing TIFF, BigTIFF, OME-TIFF and ImageJ stacks, pixels only on demand."""

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import prod
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import tifffile
from numpy.typing import DTypeLike, NDArray

from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write, room_for, to_disk
from napari_utile.io.lazy_arrays import CachedChunks, FileArray
from napari_utile.io.lazy_views import Turned
from napari_utile.io.ome_xml import ome_root
from napari_utile.io.stack import SPATIAL, Holds, Stack
from napari_utile.io.tiff_checks import (
    Logged,
    check_decodable,
    check_extent,
    check_pages,
    largest_series,
    logged_by_tifffile,
)
from napari_utile.io.tiff_directories import Directory, read_directories
from napari_utile.io.tiff_metadata import channel_names, scales_of, stack_axes
from napari_utile.io.tiff_segments import Segments
from napari_utile.io.tiff_statement import completed, read_statement, says_partial, statement
from napari_utile.io.tiff_values import (
    axes_doubts,
    calibrated_values,
    has_mixed_palette,
    opacity_doubts,
    page_doubts,
    shown_values,
)
from napari_utile.io.units import unit_symbol

_OME_TYPES = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}
MANY_PAGES = 2000
"""From this number on, tifffile takes very long to sort unlike pages."""
BYTES_OF_DESCRIPTION, BYTES_OF_DIRECTORY = 2048, 512
"""What a file takes at most beside its pixels: once, and for each plane."""


def open_tiff(path: Path) -> Stack:
    """Open the largest image in a TIFF file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Stack
        Uncompressed pixels are read window by window; of compressed ones some chunks are kept
        decoded.

    Raises
    ------
    UserError
        If the file is cut off, claims more than it can hold, holds several such images, or
        pages that are not alike; if files that belong to it are missing; or if its numbers
        cannot be read as intensities.
    """
    directories = read_directories(path)
    try:
        return _open_pages(path, directories)
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # damaged tags raise whatever stumbles over them
        is_said = isinstance(error, tifffile.TiffFileError | NotImplementedError)
        reason = str(error).rstrip(".") if is_said else "its tags contradict each other"
        raise UserError(f"{path} cannot be read as TIFF: {reason}.") from error


def _open_pages(path: Path, directories: list[Directory]) -> Stack:
    with logged_by_tifffile() as said, tifffile.TiffFile(path) as tif:
        _refuse_logged(path, said)
        root = ome_root(path, tif)
        unlike = {(d.form, d.coding) for d in directories if not d.is_reduced}
        is_sorted = len(unlike) > 1 or tif.pages.first.subifds
        if is_sorted and len(directories) > MANY_PAGES and not (tif.is_ome or tif.is_lsm):
            raise UserError(
                f"{path} has {len(directories)} pages that are not alike: save those of one "
                "size and type as a file of their own."
            )
        if len(unlike) > 1:
            tif.is_uniform = False  # tifffile looks at three of the pages only
        series, doubts = largest_series(path, tif)
        _refuse_logged(path, said)
        if series.transform is not None:
            raise UserError(f"{path} holds roots of its intensities: save it as plain numbers.")
        check_decodable(path, series.keyframe)
        doubts += check_pages(path, tif, series, directories)
        doubts += check_extent(path, series)
        doubts += [f"{path}: {warning}." for warning in said.warnings]
        return _stack_of(path, tif, series, root, doubts)


def _refuse_logged(path: Path, said: Logged) -> None:
    if not said.errors:
        return
    if "ImageJ series" in said.errors[0]:
        raise UserError(
            f"{path} holds fewer images than its ImageJ description claims: it is cut off, or "
            "the description is wrong. Save it again."
        )
    raise UserError(f"{path} is cut off or damaged: {said.errors[0]}.")


def _stack_of(
    path: Path, tif: tifffile.TiffFile, series: Any, root: Any, doubts: list[str]
) -> Stack:
    """Put pixels, axes and scale together."""
    page = series.keyframe
    try:
        axes, shape = stack_axes(series.axes, tuple(map(int, series.shape)))
        data: Any
        if series.dataoffset is not None:
            kind = np.dtype(tif.byteorder + series.dtype.char)
            data = FileArray(str(path), series.dataoffset, shape, kind)
        else:
            data = CachedChunks(Segments(series, shape))
    except UserError as error:
        raise UserError(f"{path} {error}.") from None
    scales = scales_of(path, tif, series, root)
    doubts += scales.doubts + axes_doubts(path, series.axes, axes, shape)
    doubts += page_doubts(path, tif, series, root)
    data, more = shown_values(path, page, data, tif.is_imagej)
    doubts += more
    data, more = calibrated_values(path, data, tif.imagej_metadata)
    doubts += more
    known = scales.known
    orientation = int(page.tags.valueof(274, 1) or 1)
    if 2 <= orientation <= 8:
        data = Turned(data, axes.index("y"), axes.index("x"), orientation)
        doubts.append(f"{path} is turned as its orientation ({orientation}) says.")
        if orientation >= 5:
            known |= {a: known[b] for a, b in (("x", "y"), ("y", "x")) if b in known}
    spatial = [axis for axis in SPATIAL if axis in axes]
    taken = [known.get(axis, (1.0, "pixel")) for axis in spatial]
    channels = int(data.shape[axes.index("c")]) if "c" in axes else 1
    holds, ids, rule = read_statement(tif.ome_metadata or "")
    extra = tuple(page.extrasamples or ())
    # 1 and 2 mark opacity
    has_alpha = bool(extra) and extra[-1] in (1, 2) and "c" in axes
    if has_alpha := has_alpha and data.shape[axes.index("c")] == page.samplesperpixel:
        doubts += opacity_doubts(path, data, axes)
    if holds and (path.stem.endswith(".partial") or says_partial(tif.ome_metadata or "")):
        doubts.append(f"{path} is a partial result: what was not segmented yet is 0.")
    return Stack(
        data,
        axes,
        name=path.name,
        path=path,
        scale=tuple(scale for scale, _ in taken),
        units=tuple(name for _, name in taken),
        alpha=has_alpha,
        colors={} if not tif.is_imagej and has_mixed_palette(page) else None,
        doubts=tuple(doubts),
        holds=holds,
        ids=ids,
        rule=rule,
        channel_names=channel_names(tif, series, root, channels),
    )


def write_tiff(
    path: Path | str,
    array: NDArray[Any],
    like: Stack | None = None,
    holds: Holds = "",
    channel_names: Sequence[str] = (),
    rule: Mapping[str, Any] | None = None,
) -> None:
    """Write an OME-TIFF, completely or not at all, with scale and units of `like`.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    array : ndarray, shape `like.shape` or (C, *like.shape)
        64-bit integers are written as 32-bit ones if none is too large.
    like : Stack, optional
        The image that it was made from. The position (`translate`) has no place in a TIFF.
    holds : Holds, optional
        What the pixels are, to be written into the file.
    channel_names : sequence of str, optional
        What each channel is called.
    rule : mapping, optional
        Of probabilities: how they become objects, see `Stack`.

    Raises
    ------
    UserError
        If there is no room, or a number does not fit.
    """
    like = like or Stack(array, "tzyx"[-array.ndim :])
    pixels = _as_ome_type(array)
    said = statement(holds, rule=rule)
    options = _ome_options(pixels.shape, pixels.nbytes, like, said, channel_names)
    options["metadata"]["UUID"] = _uuid(pixels)
    atomic_write(
        path, lambda draft: tifffile.imwrite(draft, pixels, **options), _file_bytes(pixels)
    )


def write_colors(path: Path | str, array: NDArray[Any]) -> None:
    """Write an OME-TIFF of colored slices.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    array : ndarray, shape (Z, Y, X, 3)
        Red, green and blue.
    """
    pixels = _as_ome_type(array)
    metadata = {"axes": "ZYXS", "UUID": _uuid(pixels), **statement("")}
    options = {"ome": True, "photometric": "rgb", "metadata": metadata}
    atomic_write(
        path, lambda draft: tifffile.imwrite(draft, pixels, **options), _file_bytes(pixels)
    )


def create_tiff(
    path: Path | str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    like: Stack,
    holds: Holds = "",
    ids: Sequence[int] = (),
    channel_names: Sequence[str] = (),
    rule: Mapping[str, Any] | None = None,
) -> FileArray:
    """Create an OME-TIFF of zeros on disk, to be filled window by window.

    Parameters
    ----------
    path : path
        An existing file is replaced. While windows are missing, use its `partial_name`.
    shape : tuple of int
        ``like.shape`` or ``(C, *like.shape)``.
    dtype : dtype
        One that OME-TIFF knows.
    like : Stack
        The image that it is made from; scale and units are kept.
    holds : Holds, optional
        What the pixels are, to be written into the file.
    ids : sequence of int, optional
        Of probabilities: the label id of each channel.
    channel_names : sequence of str, optional
        What each channel is called, where that is not an id.
    rule : mapping, optional
        Of probabilities: how they become objects, see `Stack`.

    Returns
    -------
    FileArray
        What is assigned to it is written to the file; ``flush()`` brings it to the disk.

    Raises
    ------
    UserError
        If there is no room for the first bytes; the rest is allocated as it is written.
    """
    path, kind = Path(path), np.dtype(dtype)
    nbytes = prod(shape) * kind.itemsize
    options = _ome_options(
        shape, nbytes, like, statement(holds, ids, rule, is_partial=True), channel_names
    )
    options["metadata"]["UUID"] = _uuid(f"{shape} {kind} {options}".encode())
    with room_for(path):
        return FileArray.of(tifffile.memmap(path, shape=shape, dtype=kind, **options))


def reopen_tiff(
    path: Path | str, shape: tuple[int, ...] | None = None, dtype: DTypeLike | None = None
) -> FileArray:
    """Open a partial file of `create_tiff` for writing.

    Parameters
    ----------
    path : path
    shape, dtype : tuple of int, dtype
        As they were given to `create_tiff`: a TIFF does not keep axes of length 1.

    Returns
    -------
    FileArray
        As `create_tiff` returns it.

    Raises
    ------
    UserError
        If it is missing, its creation was interrupted, or it is another one.
    """
    path = Path(path)
    try:
        with logged_by_tifffile() as said, tifffile.TiffFile(path) as tif:
            series, there = tif.series[0], tif.filehandle.size
            kind, offset = np.dtype(tif.byteorder + series.dtype.char), series.dataoffset
            found, size = series.shape, series.nbytes
    except FileNotFoundError:
        raise _cannot_resume(path, "it was not found") from None
    except PermissionError:
        raise _cannot_resume(path, "it may not be read") from None
    except Exception as error:  # what is no TIFF raises whatever stumbles over it
        raise _cannot_resume(path, "it is no TIFF, or was cut off") from error
    if said.errors or (offset is not None and offset + size > there):
        raise _cannot_resume(path, "it is cut off")
    shape, wanted = found if shape is None else shape, np.dtype(dtype or kind)
    if offset is None or (_without_ones(found), kind) != (_without_ones(shape), wanted):
        raise _cannot_resume(path, f"it is another TIFF, not one of {shape} {wanted}")
    return FileArray(str(path.absolute()), offset, shape, wanted)


def _cannot_resume(path: Path, reason: str) -> UserError:
    return UserError(f"{path} cannot be resumed: {reason}. Overwrite it to start again.")


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    """Leave out axes of length 1: a TIFF does not keep them."""
    return [n for n in shape if n > 1]


def partial_name(path: Path | str) -> Path:
    """Return the name of a TIFF while it is not complete.

    Parameters
    ----------
    path : path
        Its final name.

    Examples
    --------
    >>> partial_name("cells.ome.tif").name
    'cells.ome.partial.tif'
    """
    path = Path(path)
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def finish_tiff(path: Path | str) -> None:
    """Rename a complete TIFF from its `partial_name` to its own.

    Parameters
    ----------
    path : path
        The final name. An existing file is replaced atomically.
    """
    path = Path(path)
    say_complete(partial_name(path))
    to_disk(partial_name(path))
    os.replace(partial_name(path), path)
    to_disk(path.parent)


def say_complete(path: Path) -> None:
    """Change what a file says of itself, in its place; one that says it stays as it is.

    Parameters
    ----------
    path : Path
        Of a partial TIFF whose pixels are all there.
    """
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages.first.tags.get(270)
        where, count = (tag.valueoffset, tag.count) if tag else (0, 0)
    with path.open("r+b") as file:
        file.seek(where)
        there = file.read(count)
        if (said := completed(there)) != there:
            file.seek(where)
            file.write(said)


def _ome_options(
    shape: tuple[int, ...],
    nbytes: int,
    like: Stack,
    said: Mapping[str, Any],
    channel_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Return options of tifffile for an OME-TIFF with axes, scale and units of `like`.

    `said` is a `statement`.
    """
    axes = like.spatial_axes if len(shape) == len(like.shape) else "c" + like.spatial_axes
    metadata: dict[str, Any] = {"axes": axes.upper(), **said}
    if channel_names:
        metadata["Channel"] = {"Name": [*channel_names]}
    for axis, scale, name in zip(like.spatial_axes, like.scale, like.units, strict=True):
        if axis != "t" and name != "pixel":
            metadata[f"PhysicalSize{axis.upper()}"] = scale
            metadata[f"PhysicalSize{axis.upper()}Unit"] = unit_symbol(name)
    bigtiff = nbytes > 2**32 - 2**25
    return {"ome": True, "photometric": "minisblack", "metadata": metadata, "bigtiff": bigtiff}


def _uuid(content: Any) -> str:
    """Return an identifier for a file, made of its content: the same run gives the same bytes.

    That of tifffile would hold the address of the network card, and the time.
    """
    content = content if isinstance(content, bytes) else np.ascontiguousarray(content).data
    return str(UUID(bytes=blake2b(content, digest_size=16).digest()))


def _file_bytes(pixels: NDArray[Any]) -> int:
    """Return how large the file of an array becomes at most."""
    planes = max(1, prod(pixels.shape[:-2]))
    return pixels.nbytes + BYTES_OF_DESCRIPTION + BYTES_OF_DIRECTORY * planes


def _as_ome_type(array: NDArray[Any]) -> NDArray[Any]:
    """Convert to a type that OME-TIFF knows, without changing any value."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.name in _OME_TYPES:
        return array
    if array.dtype.kind in "iu":
        smaller = np.dtype(array.dtype.kind + "4")
        limits = np.iinfo(smaller)
        if array.min() >= limits.min and array.max() <= limits.max:
            return array.astype(smaller)
        raise UserError(f"A TIFF holds ids up to {limits.max}, not {array.max()}: use .zarr.")
    return array.astype(np.float32 if array.dtype == np.float16 else np.float64)
