"""Reading and writing TIFF, BigTIFF, OME-TIFF and ImageJ stacks, pixels only on demand."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import DTypeLike, NDArray

from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write, room_for, to_disk
from napari_utile.io.lazy_arrays import CachedChunks, FileArray
from napari_utile.io.memory import check_memory
from napari_utile.io.stack import Stack
from napari_utile.io.units import unit_name, unit_symbol

MAX_EXPANSION = {1: 1, 8: 1100, 32946: 1100}
"""TIFF compression -> bytes that one byte can decode to: none 1, deflate 1032 at best."""
MAX_EXPANSION_OF_OTHERS = 20_000
"""The same for every other compression."""
_OME_TYPES = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}


def open_tiff(path: Path) -> Stack:
    """Open the largest image in a TIFF file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Stack
        Uncompressed pixels are mapped window by window; of compressed ones some chunks are
        kept decoded.

    Raises
    ------
    UserError
        If the file is cut off, claims more than it can hold, or holds several such images.
    """
    with tifffile.TiffFile(path) as tif:
        with _logged_errors() as complaints:
            number = _largest_series(tif)
        if complaints:
            raise UserError(f"{path} is cut off or damaged: {complaints[0]}.")
        series = tif.series[number]
        _check_extent(tif, series)
        axes = stack_axes(series.axes)
        metadata = _ome(tif, number) or _imagej(tif) or {}
        page = series.keyframe
        if page.compression not in tifffile.TIFF.DECOMPRESSORS:
            name = page.compression.name
            raise UserError(
                f"{path} is compressed by {name}: `pip install imagecodecs` reads it."
            )
        colors = page.photometric == tifffile.PHOTOMETRIC.RGB and "c" in axes
        mapped = series.dataoffset is not None
    data: Any
    if mapped:
        data = FileArray.of(tifffile.memmap(path, series=number, level=0, mode="r"))
    else:
        store = tifffile.imread(path, aszarr=True, series=number, level=0)
        data = CachedChunks(zarr.open_array(store, mode="r"))
        check_memory(math.prod(data.chunks) * data.dtype.itemsize, f"A strip of {path}")
    spatial = [axis for axis in "tzyx" if axis in axes]
    known = [metadata.get(axis, (1.0, "pixel")) for axis in spatial]
    return Stack(
        data,
        axes,
        name=path.name,
        path=path,
        scale=tuple(scale for scale, _ in known),
        units=tuple(name for _, name in known),
        alpha=bool(colors and page.extrasamples and page.extrasamples[-1] in (1, 2)),
    )


def _largest_series(tif: tifffile.TiffFile) -> int:
    """Return the number of the largest image, which thumbnails and labels are not."""
    sizes = [series.size for series in tif.series]
    if sizes.count(max(sizes)) > 1:
        raise UserError(
            f"{tif.filehandle.path} holds several images of the same size; "
            "save the wanted one as a file of its own."
        )
    return sizes.index(max(sizes))


def _check_extent(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Refuse a file that is smaller than its header claims, before anything is allocated."""
    path, there = tif.filehandle.path, tif.filehandle.size
    pages = [page for page in series.pages if page is not None]
    # The file must reach to the end of its first and last page, and of the whole if that is one
    # contiguous block.
    ends = [0]
    for page in (pages[0], pages[-1]):
        ends += map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
    if series.dataoffset is not None:
        ends.append(series.dataoffset + series.nbytes)
    if max(ends) > there:
        raise UserError(f"{path} is cut off: it has {there} of {max(ends)} bytes.")
    compression = series.keyframe.compression
    # A page of 0 bytes is one of zeros, and an OME series may be spread over several files:
    # then the size of this file says nothing.
    is_sparse = 0 in pages[0].databytecounts or len({page.parent for page in pages}) > 1
    if not is_sparse and series.nbytes > there * MAX_EXPANSION.get(
        int(compression), MAX_EXPANSION_OF_OTHERS
    ):
        raise UserError(
            f"{path} claims {series.nbytes} bytes of pixels (shape {series.shape}), "
            f"which its {there} bytes cannot hold."
        )


def stack_axes(axes: str) -> str:
    """Translate the axes of tifffile: samples are channels, unknown axes z or else t.

    Parameters
    ----------
    axes : str
        Of a series, in capitals.

    Returns
    -------
    str
        In the letters of a `Stack`.

    Raises
    ------
    UserError
        If there are more axes than t, z, c, y and x.

    Examples
    --------
    >>> stack_axes("QYX"), stack_axes("IYXS"), stack_axes("TZCYX")
    ('zyx', 'zyxc', 'tzcyx')
    """
    known = axes.replace("S", "C")
    free = [axis for axis in "ZT" if axis not in known]
    named = "".join(a if a in "TZCYX" else free.pop(0) if free else "?" for a in known)
    if "?" in named or len(set(named)) < len(named):
        raise UserError(f"The axes {axes} are more than t, z, c, y and x.")
    return named.lower()


def write_tiff(path: Path | str, array: NDArray[Any], like: Stack | None = None) -> None:
    """Write an OME-TIFF, completely or not at all, with scale and units of `like`.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    array : ndarray, shape `like.shape` or (C, *like.shape)
        64-bit integers are written as 32-bit ones if none is too large.
    like : Stack, optional
        The image that it was made from. The position (`translate`) has no place in a TIFF.

    Raises
    ------
    UserError
        If there is no room, or a number does not fit.
    """
    like = like or Stack(array, "tzyx"[-array.ndim :])
    pixels = _as_ome_type(array)
    options = _ome_options(pixels.shape, pixels.nbytes, like)
    atomic_write(path, lambda draft: tifffile.imwrite(draft, pixels, **options))


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
    options = {"ome": True, "photometric": "rgb", "metadata": {"axes": "ZYXS"}}
    atomic_write(path, lambda draft: tifffile.imwrite(draft, pixels, **options))


def create_tiff(
    path: Path | str, shape: tuple[int, ...], dtype: DTypeLike, like: Stack
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
    options = _ome_options(shape, prod(shape) * kind.itemsize, like)
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
        with _logged_errors() as complaints, tifffile.TiffFile(path) as tif:
            series, there = tif.series[0], tif.filehandle.size
            kind, offset = np.dtype(tif.byteorder + series.dtype.char), series.dataoffset
            found, size = series.shape, series.nbytes
    except FileNotFoundError:
        raise _cannot_resume(path, "it was not found") from None
    except PermissionError:
        raise _cannot_resume(path, "it may not be read") from None
    except Exception as error:  # what is no TIFF raises whatever stumbles over it
        raise _cannot_resume(path, "it is no TIFF, or was cut off") from error
    if complaints or (offset is not None and offset + size > there):
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
    to_disk(partial_name(path))
    os.replace(partial_name(path), path)
    to_disk(path.parent)


def _ome_options(shape: tuple[int, ...], nbytes: int, like: Stack) -> dict[str, Any]:
    """Return options of tifffile for an OME-TIFF with axes, scale and units of `like`."""
    axes = like.spatial_axes if len(shape) == len(like.shape) else "c" + like.spatial_axes
    metadata: dict[str, Any] = {"axes": axes.upper()}
    for axis, scale, name in zip(like.spatial_axes, like.scale, like.units, strict=True):
        if axis != "t" and name != "pixel":
            metadata[f"PhysicalSize{axis.upper()}"] = scale
            metadata[f"PhysicalSize{axis.upper()}Unit"] = unit_symbol(name)
    bigtiff = nbytes > 2**32 - 2**25
    return {"ome": True, "photometric": "minisblack", "metadata": metadata, "bigtiff": bigtiff}


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


def _ome(tif: tifffile.TiffFile, number: int) -> dict[str, Any] | None:
    """Read pixel size and unit per axis from OME-XML."""
    if not tif.is_ome or not tif.ome_metadata:
        return None
    images = tifffile.xml2dict(tif.ome_metadata)["OME"].get("Image", [])
    images = images if isinstance(images, list) else [images]
    pixels = images[min(number, len(images) - 1)].get("Pixels", {}) if images else {}
    found = {}
    for axis in "XYZ":
        if scale := pixels.get(f"PhysicalSize{axis}"):
            name = pixels.get(f"PhysicalSize{axis}Unit", "µm")
            found[axis.lower()] = _scale_and_unit(scale, name)
    if step := pixels.get("TimeIncrement"):
        found["t"] = _scale_and_unit(step, pixels.get("TimeIncrementUnit", "s"))
    return found


def _imagej(tif: tifffile.TiffFile) -> dict[str, Any] | None:
    """Read pixel size and unit per axis from ImageJ's metadata and the resolution tags."""
    notes = tif.imagej_metadata
    if not notes:
        return None
    name = str(notes.get("unit", "")).encode().decode("unicode_escape", "ignore")
    found = {}
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        numerator, denominator = getattr(tif.pages.first.tags.get(tag), "value", (1, 1))
        if numerator and unit_name(name) != "pixel":
            found[axis] = _scale_and_unit(denominator / numerator, name)
    if (spacing := notes.get("spacing")) and unit_name(name) != "pixel":
        found["z"] = _scale_and_unit(spacing, name)
    if interval := notes.get("finterval"):
        found["t"] = _scale_and_unit(interval, notes.get("tunit", "s"))
    return found


def _scale_and_unit(scale: Any, name: Any) -> tuple[float, str]:
    """Return scale and unit, or 1 pixel for what is no scale: files hold zeros and text."""
    try:
        scale = abs(float(scale))
    except ValueError:
        scale = 0.0
    return (scale, unit_name(name)) if 0 < scale < float("inf") else (1.0, "pixel")


@contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """Collect the errors that tifffile only logs, such as pages missing in a cut-off file."""
    found: list[str] = []
    thread = get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and "series raised" not in record.getMessage():
                found.append(record.getMessage().partition("> ")[2] or record.getMessage())

    collector, logger = Collector(logging.ERROR), logging.getLogger("tifffile")
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)
