"""Opening any image that a user names, without reading its pixels.

A file is recognized by its content, not by its name. To add a format, write a function that
opens a path as a `Stack`, and add an entry to `FORMATS`.
"""

import glob
import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from natsort import natsorted, ns
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io.lazy_arrays import npy_array
from napari_utile.io.memory import check_memory
from napari_utile.io.names import (
    check_name,
    composed,
    found_path,
    is_url,
    last_part,
    location,
)
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.io.remote import open_url
from napari_utile.io.stack import Stack, guess_axes
from napari_utile.io.tiff import open_tiff, write_tiff
from napari_utile.io.zarr_folders import is_zarr

__all__ = ["Stack", "as_stack", "expand", "open_image", "write_tiff"]

MAX_PICTURE_EXPANSION = 1100
"""Bytes of pixels that one byte of PNG or JPEG can decode to, at best."""

Names = str | Path | Iterable[str | Path]


def _begins(*magic: bytes) -> Callable[[Path, bytes], bool]:
    """Make a test of whether a file begins with one of these bytes."""
    return lambda _, start: start.startswith(magic)


@dataclass(frozen=True)
class ImageFormat:
    """One kind of image file.

    Attributes
    ----------
    name : str
        As messages call it.
    suffixes : tuple of str
        What is looked for in a folder, in lower case. A file that is named outright may be
        called anything.
    recognizes : callable
        Whether a path, with the first bytes of its file (none of a folder), is such an image.
    open : callable
        Opens a path as a `Stack`, without reading pixels if that can be.
    """

    name: str
    suffixes: tuple[str, ...]
    recognizes: Callable[[Path, bytes], bool]
    open: Callable[[Path], Stack]


def open_image(path: str | Path) -> Stack:
    """Open a TIFF (also BigTIFF, OME-TIFF), OME-Zarr, Zarr, PNG, JPEG or .npy file.

    Parameters
    ----------
    path : str or Path
        A file or Zarr folder; for OME-Zarr and Zarr also an address (https://..., s3://...).

    Returns
    -------
    Stack
        TIFF, Zarr and .npy are read when `Stack.window` asks for pixels, PNG and JPEG at once.
        A picture loses its alpha channel.

    Raises
    ------
    UserError
        If it is missing, empty, cut off, no image, or claims more than it can hold; or if its
        name is not UTF-8.
    """
    check_name(path)
    if is_url(path):
        return open_url(str(location(path)))
    path = found_path(path)
    form = _format_of(path)
    try:
        return form.open(path)
    except UserError:
        raise
    except Exception as error:  # decoders have no common type for damaged files
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise UserError(f"{path} cannot be read as {form.name}: {reason}.") from error


def as_stack(
    image: Any,
    channels: int | None = None,
    name: str = "image",
    *,
    shape: Sequence[int] | None = None,
) -> Stack:
    """Return an image of any kind as a `Stack`.

    Parameters
    ----------
    image : Stack, path, or array-like
        An array (ndarray, zarr, dask, ...) or a list of them, largest first, whose first
        level is taken. Pixels are read only on demand.
    channels : int, optional
        Channels that the image should have.
    name : str
        What messages call it.
    shape : sequence of int, optional
        Shape without channels, that of the labels; it decides which axis is channels.

    Returns
    -------
    Stack

    Raises
    ------
    UserError
        If it is no image, or cannot have that shape.
    """
    if isinstance(image, Stack):
        return image
    if isinstance(image, str | Path):
        return open_image(image)
    if isinstance(image, Sequence) and len(image) and hasattr(image[0], "shape"):
        image = image[0]  # level 0 of a multiscale layer
    if not hasattr(image, "shape"):
        image = np.asarray(image)
    try:
        axes = guess_axes(image.shape, channels, shape)
    except ValueError:
        wanted = f" that fits the labels {tuple(shape)}" if shape is not None else ""
        raise UserError(f"{name} {tuple(image.shape)} is no image{wanted}.") from None
    return Stack(image, axes, name=name)


def expand(names: Names) -> list[Path | str]:
    """List the images behind paths, globs and folders, slice_2 before slice_10.

    Parameters
    ----------
    names : path, or iterable of paths
        Files, folders, globs, or addresses (https://..., s3://...).

    Returns
    -------
    list of Path or str
        In natural order within each folder or glob. Addresses stay strings.

    Raises
    ------
    UserError
        If a name stands for no image, or is not UTF-8.
    """
    if isinstance(names, str | Path):
        names = [names]
    found: list[Path | str] = []
    for name in names:
        check_name(name)
        if is_url(name):
            found.append(location(name))
            continue
        path = found_path(name)
        if path.is_dir() and not is_zarr(path):
            inside = [p for p in path.glob("[!.]*") if p.suffix.lower() in IMAGE_SUFFIXES]
        elif path.exists():
            inside = [path]
        else:
            inside = _matches(str(name))
        if not inside:
            what = "holds no image" if path.is_dir() else "was not found"
            raise UserError(f"{name} {what}.")
        for file in inside:
            check_name(file)
        found += natsorted(inside, key=str, alg=ns.IGNORECASE)
    return found


def _matches(pattern: str) -> list[Path]:
    """List what matches a glob. Folders that exist are no part of it, whatever their names."""
    folder, rest = Path(pattern).parent, [Path(pattern).name]
    while not folder.is_dir():
        folder, rest = folder.parent, [folder.name, *rest]
    found = glob.glob(os.path.join(*rest), root_dir=folder, recursive=True)
    return [folder / name for name in found]


def _format_of(path: Path) -> ImageFormat:
    """Recognize a file by its content.

    Raises
    ------
    UserError
        If it cannot be read, is empty, or of no format that is known.
    """
    try:
        if path.is_dir():
            start = b""
        else:
            with path.open("rb") as file:
                start = file.read(FIRST_BYTES)
    except FileNotFoundError:
        raise UserError(f"{path} was not found.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except ValueError as error:
        raise UserError(f"{path} cannot be opened: {error}.") from error
    if not start and not path.is_dir():
        raise UserError(f"{path} is empty.")
    for form in FORMATS:
        if form.recognizes(path, start):
            return form
    if path.is_dir():
        raise UserError(f"{path} is a folder without Zarr metadata, not an image.")
    *names, last = (form.name for form in FORMATS)
    raise UserError(f"{path} is no image: its content is not {', '.join(names)} or {last}.")


def _open_picture(path: Path) -> Stack:
    """Read a PNG or JPEG. Indices of a palette are kept: labels are stored so."""
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        picture = Image.open(path)  # whether it is a bomb is checked below
    with picture:
        bands = len(picture.getbands())
        claimed = picture.width * picture.height * bands * (2 if "16" in picture.mode else 1)
        there = path.stat().st_size
        if claimed > there * MAX_PICTURE_EXPANSION:
            raise UserError(
                f"{path} claims {picture.width} x {picture.height} pixels, "
                f"which its {there} bytes cannot hold."
            )
        check_memory(claimed, str(path))
        if bands > 1 and any("16" in str(tile[-1]) for tile in picture.tile):
            raise UserError(
                f"{path} has 16 bits per color, of which 8 would be lost: use TIFF."
            )
        has_alpha = picture.mode in {"LA", "RGBA"}
        pixels = np.asarray(picture.convert("RGB") if picture.mode == "CMYK" else picture)
    axes = "yxc" if pixels.ndim == 3 else "yx"
    return Stack(pixels, axes, name=path.name, path=path, alpha=has_alpha)


def _open_npy(path: Path) -> Stack:
    data = npy_array(path)
    return Stack(data, guess_axes(data.shape), name=path.name, path=path)


FORMATS = (
    ImageFormat(
        "TIFF",
        (".tif", ".tiff"),
        _begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # the latter two are BigTIFF
        open_tiff,
    ),
    ImageFormat("Zarr", (".zarr",), lambda path, start: not start and is_zarr(path), open_zarr),
    ImageFormat("PNG", (".png",), _begins(b"\x89PNG\r\n\x1a\n"), _open_picture),
    ImageFormat("JPEG", (".jpg", ".jpeg"), _begins(b"\xff\xd8\xff"), _open_picture),
    ImageFormat(".npy", (".npy",), _begins(b"\x93NUMPY"), _open_npy),
)
"""Every image format that is read. A new one is one more entry."""
IMAGE_SUFFIXES = {suffix for form in FORMATS for suffix in form.suffixes}
FIRST_BYTES = 512
"""Of a file, for `ImageFormat.recognizes`."""


def stem_of(path: Path | str) -> str:
    """Return the name of a file, or the last part of an address, without suffixes.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    str
        With composed letters, so that names pair that look the same. ".ome" is part of a
        suffix.

    Examples
    --------
    >>> stem_of(Path("cells.x.ome.tif")), stem_of("s3://bucket/cells.x.zarr/")
    ('cells.x', 'cells.x')
    """
    return re.sub(r"(\.ome)?\.[^.]+$", "", composed(last_part(path)), flags=re.IGNORECASE)
