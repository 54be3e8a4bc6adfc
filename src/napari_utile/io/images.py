"""Opening any image that a user names, without reading its pixels.

A file is recognized by its content, not by its name. To add a format, write a function that
opens a path as a `Stack`, and add an entry to `FORMATS`.
"""

import glob
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from natsort import natsorted, ns

from napari_utile.arrays.doubts.shapes import shape_hint
from napari_utile.arrays.given import given_array
from napari_utile.errors import UserError
from napari_utile.io.foreign import FIRST_BYTES, described, is_foreign_image
from napari_utile.io.lazy_arrays import npy_array
from napari_utile.io.names import (
    check_name,
    composed,
    found_path,
    is_url,
    last_part,
    location,
)
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.io.pictures import open_picture
from napari_utile.io.remote import open_url
from napari_utile.io.stack import Stack, guess_axes, narrow_doubts
from napari_utile.io.tiff import open_tiff, write_tiff
from napari_utile.io.tiff_directories import MAGIC
from napari_utile.io.tiff_parts import parts_among, parts_text
from napari_utile.io.zarr_folders import is_zarr

__all__ = ["Stack", "as_stack", "expand", "open_image", "write_tiff"]

NAMED = 5
"""Folders that a message names."""
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


def open_image(path: str | Path, upright: bool = True) -> Stack:
    """Open a TIFF (also BigTIFF, OME-TIFF), OME-Zarr, Zarr, PNG, JPEG or .npy file.

    Parameters
    ----------
    path : str or Path
        A file or Zarr folder; for OME-Zarr and Zarr also an address (https://..., s3://...).
    upright : bool, default True
        Whether PNG and JPEG are turned as their EXIF orientation says.

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
        is_as_stored = form.open is open_picture and not upright
        return open_picture(path, upright=False) if is_as_stored else form.open(path)
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(
            f"{path} does not fit into the memory: save it as OME-Zarr, which is read tile by "
            "tile."
        ) from error
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
        image = _first_level(image, name)
    image = given_array(image, name)
    try:
        axes = guess_axes(image.shape, channels, shape)
    except ValueError:
        wanted, hint = "", ""
        if shape is not None:
            wanted, hint = (
                f" that fits the labels {tuple(shape)}",
                shape_hint(image.shape, shape),
            )
        raise UserError(f"{name} {tuple(image.shape)} is no image{wanted}.{hint}") from None
    return Stack(image, axes, name=name)


def _first_level(levels: Sequence[Any], name: str) -> Any:
    """Return the first of the levels of a multiscale image; refuse several images."""
    for large, small in itertools.pairwise(level.shape for level in levels):
        steps = [a / max(1, b) for a, b in zip(large, small, strict=False)]
        # a level is about half as large as the one before, along one axis at least
        if len(large) != len(small) or min(steps) < 1 or max(steps) < 1.8:
            raise UserError(
                f"The {name}: {len(levels)} arrays, which are not levels of one image. Give "
                "one image at a time, or a stack."
            )
    return levels[0]


def expand(names: Names) -> list[Path | str]:
    """List the images behind paths, globs and folders, slice_2 before slice_10.

    Parameters
    ----------
    names : path, or iterable of paths
        Files, folders, globs, or addresses (https://..., s3://...).

    Returns
    -------
    list of Path or str
        In natural order within each folder or glob. Addresses stay strings. Of the files of
        one image, as an OME-TIFF may have, it is the first.

    Raises
    ------
    UserError
        If a name stands for no image, or is not UTF-8.
    """
    files = files_behind(names)
    parts = parts_among(files)
    return [file for file in files if file not in parts]


def files_behind(names: Names) -> list[Path | str]:
    """List the files behind names, as `expand` does, with all parts of an image.

    Parameters
    ----------
    names : path, or iterable of paths
        As for `expand`.
    """
    found: list[Path | str] = []
    for name in [names] if isinstance(names, str | Path) else names:
        if not str(name):
            raise UserError("The name of an image is empty: give a file, a folder or a glob.")
        check_name(name)
        if is_url(name):
            found.append(location(name))
            continue
        try:
            inside = _images_of_name(found_path(name))
        except UserError:
            raise
        except (OSError, ValueError) as error:  # too long, or a folder that may not be read
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{name} cannot be opened: {reason}.") from None
        for file in inside:
            check_name(file)
        found += natsorted(inside, key=str, alg=ns.IGNORECASE)
    return found


def unread_images(names: Names) -> list[str]:
    """Describe what looks like an image in folders, and is not among those of `expand`.

    Parameters
    ----------
    names : path, or iterable of paths
        As for `expand`.

    Returns
    -------
    list of str
        A sentence for each folder of that kind: how many of its images are read, and a name;
        and one about files that are parts of an image.
    """
    told = parts_text(parts_among(files_behind(names)))
    said = [told] if told else []
    for name in [names] if isinstance(names, str | Path) else names:
        if is_url(name) or not (folder := found_path(name)).is_dir() or is_zarr(folder):
            continue
        others = [path for path in _files_beside(folder) if _looks_like_image(path)]
        if others:
            n, first = len(images_in(folder)), natsorted(others, key=str)[0]
            said.append(
                f"{n} of the {n + len(others)} images in {name} are read: {first.name} "
                f"{'and others are' if len(others) > 1 else 'is'} not called like one of "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}."
            )
    return said


def _images_of_name(path: Path) -> list[Path]:
    """List the images of one name: a file, those in a folder, or those that a glob matches."""
    if path.is_dir() and not is_zarr(path):
        if found := images_in(path):
            return found
        raise UserError(f"{path} holds no image: {_what_it_holds(path)}.")
    if path.exists():
        return [path]
    if path.is_symlink():
        raise UserError(f"{path} is a link to {os.readlink(path)}, which was not found.")
    if found := _matches(str(path)):
        return found
    raise UserError(f"{path} was not found.")


def images_in(folder: Path) -> list[Path]:
    """List what is called like an image; hidden files are none, such as those of macOS.

    Parameters
    ----------
    folder : Path
    """
    return [path for path in folder.glob("[!.]*") if path.suffix.lower() in IMAGE_SUFFIXES]


def folders_with_images(folder: Path) -> list[Path]:
    """List the folders in a folder that hold images.

    Parameters
    ----------
    folder : Path
    """
    inside = (path for path in folder.glob("[!.]*") if path.is_dir() and not is_zarr(path))
    return natsorted(filter(images_in, inside), key=str)


def _files_beside(folder: Path) -> list[Path]:
    """List the other files of a folder of images."""
    others = (p for p in folder.glob("[!.]*") if p.suffix.lower() not in IMAGE_SUFFIXES)
    return [path for path in others if path.is_file()]


def _looks_like_image(path: Path) -> bool:
    """Whether a file is called like a foreign image, or is one without a suffix."""
    if path.suffix:
        return is_foreign_image(path)
    try:
        with path.open("rb") as file:
            start = file.read(FIRST_BYTES)
    except OSError:
        return False
    return any(form.recognizes(path, start) for form in FORMATS)


def _what_it_holds(folder: Path) -> str:
    """Describe a folder without images, and the way on."""
    if inside := folders_with_images(folder):
        names = ", ".join(path.name for path in inside[:NAMED])
        several = "one of its folders" if len(inside) > 1 else "its folder"
        more = f" and {len(inside) - NAMED} more" if len(inside) > NAMED else ""
        return f"name {several} {names}{more}, or all of them as {folder}/*/*"
    if others := natsorted(filter(_looks_like_image, _files_beside(folder)), key=str):
        with others[0].open("rb") as file:
            return described(
                Path(others[0].name), file.read(FIRST_BYTES), _format_names()
            ).rstrip(".")
    return f"its files would end in {', '.join(sorted(IMAGE_SUFFIXES))}"


def _matches(pattern: str) -> list[Path]:
    """List what matches a glob. Folders that exist are no part of it, whatever their names."""
    folder, rest = Path(pattern).parent, [Path(pattern).name]
    while not folder.is_dir():
        folder, rest = folder.parent, [folder.name, *rest]
    wanted = os.path.join(*rest)
    if "**" not in rest:
        return [folder / name for name in glob.glob(wanted, root_dir=folder)]
    # `Path.glob` follows no links: those in a ring would be followed for ever
    found = [path.relative_to(folder) for path in folder.glob(wanted)]
    return [folder / p for p in found if not any(part.startswith(".") for part in p.parts)]


def _format_of(path: Path) -> ImageFormat:
    """Recognize a file by its content.

    Raises
    ------
    UserError
        If it cannot be read, is empty, or of no format that is known.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            start = b""
        elif not stat.S_ISREG(mode):  # to open a pipe would wait for ever
            raise UserError(f"{path} is {_kind_of_node(mode)}, not a file: name an image.")
        else:
            with path.open("rb") as file:
                start = file.read(FIRST_BYTES)
    except UserError:
        raise
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
    raise UserError(described(path, start, _format_names()))


def _kind_of_node(mode: int) -> str:
    """Return what an entry of a file system is that is neither file nor folder."""
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _format_names() -> str:
    *names, last = (form.name for form in FORMATS)
    return f"{', '.join(names)} or {last}"


def _open_npy(path: Path) -> Stack:
    data = npy_array(path)
    if data.dtype.kind not in "biuf":
        raise UserError(f"{path} holds {data.dtype}, not numbers: save its pixels alone.")
    try:
        axes = guess_axes(data.shape)
    except ValueError:
        raise UserError(
            f"{path} has the shape {data.shape}: an image has 2 to 4 axes, and channels."
        ) from None
    doubts = narrow_doubts(path, axes, data.shape)
    return Stack(data, axes, name=path.name, path=path, doubts=doubts)


FORMATS = (
    ImageFormat(
        "TIFF",
        (".tif", ".tiff"),
        _begins(*MAGIC),
        open_tiff,
    ),
    ImageFormat("Zarr", (".zarr",), lambda path, start: not start and is_zarr(path), open_zarr),
    ImageFormat("PNG", (".png",), _begins(b"\x89PNG\r\n\x1a\n"), open_picture),
    ImageFormat("JPEG", (".jpg", ".jpeg"), _begins(b"\xff\xd8\xff"), open_picture),
    ImageFormat(".npy", (".npy",), _begins(b"\x93NUMPY"), _open_npy),
)
"""Every image format that is read. A new one is one more entry."""
IMAGE_SUFFIXES = {suffix for form in FORMATS for suffix in form.suffixes}


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
