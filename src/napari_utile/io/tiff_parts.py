"""Files that are parts of one TIFF image, each of which opens as the whole of it."""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import tifffile

from napari_utile.errors import UserError
from napari_utile.io.ome_xml import named_parts, parse_ome
from napari_utile.io.tiff_checks import logged_by_tifffile
from napari_utile.io.tiff_directories import description_of

_MICRO_MANAGER = (54773648, 483729)
"""What stands behind the header of a TIFF stack, and of an NDTiff, of Micro-Manager."""


def parts_among(files: Iterable[Path | str]) -> dict[Path, Path]:
    """Find files that are parts of an image which another of these files opens, too.

    Parameters
    ----------
    files : iterable of Path or str
        Of any format. Addresses, which are strings, are no parts.

    Returns
    -------
    dict
        Such a part -> the file that stands for its image: the first that names all parts.
    """
    here = {os.path.abspath(file): file for file in files if isinstance(file, Path)}
    found: dict[Path, Path] = {}
    for file in here.values() if len(here) > 1 else ():
        if file in found:  # it would name the same ones
            continue
        for other in _other_files(file):
            part = here.get(os.path.abspath(other))
            if part is not None and part != file:
                found[part] = file
    return found


def parts_text(parts: Mapping[Path, Path]) -> str:
    """Describe in a sentence what `parts_among` found; empty if that is nothing.

    Parameters
    ----------
    parts : mapping of Path to Path

    Examples
    --------
    >>> parts_text({Path("z1.tif"): Path("z0.tif"), Path("z2.tif"): Path("z0.tif")})
    '3 files are the parts of one image, which is read once: z0.tif.'
    """
    if not parts:
        return ""
    wholes = [*dict.fromkeys(parts.values())]
    images = "one image, which" if len(wholes) == 1 else f"{len(wholes)} images, each of which"
    shown = ", ".join(whole.name for whole in wholes[:3]) + ", ..." * (len(wholes) > 3)
    count = len(parts) + len(wholes)
    return f"{count} files are the parts of {images} is read once: {shown}."


def _other_files(path: Path) -> Iterator[Path]:
    """List the files that a TIFF is read from beside itself."""
    if b"FileName" in (xml := description_of(path)):
        with suppress(UserError):
            root = parse_ome(path, xml.rstrip(b"\0").decode(errors="replace"))
            for name in named_parts(path, root) if root is not None else ():
                yield path.parent / name
    elif _is_of_micro_manager(path):
        # each file is read as the stack of all, whose pages tell where they are
        with logged_by_tifffile(), suppress(Exception), tifffile.TiffFile(path) as tif:
            pages = [page for series in tif.series for page in series if page is not None]
            yield from {Path(page.parent.filehandle.path) for page in pages}


def _is_of_micro_manager(path: Path) -> bool:
    with suppress(OSError, struct.error), path.open("rb") as file:
        start = file.read(12)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(start[:4])
        return order is not None and struct.unpack_from(order + "I", start, 8)[0] in (
            _MICRO_MANAGER
        )
    return False
