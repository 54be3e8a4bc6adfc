"""Paths and addresses (URLs): told from each other, checked, and shortened for messages."""

import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path

from napari_utile.errors import UserError

_SCHEME = r"[A-Za-z][\w+.:-]+:/"
"""How an address begins. One letter before the colon would be a disk of Windows."""


def check_name(path: str | Path) -> None:
    """Refuse a name that is not UTF-8. File systems of Linux take any bytes; JSON does not.

    Parameters
    ----------
    path : path

    Raises
    ------
    UserError
        Shows the bytes that are no UTF-8 as their codes.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise UserError(f"{shown}: the name is not UTF-8; choose another name.") from None


def windows_problem(name: str) -> str:
    """Return why Windows has no file of this name, or an empty text.

    It drops dots and blanks at the end, and writes what follows a colon out of sight.

    Parameters
    ----------
    name : str
        Of a file or folder, without its path.

    Examples
    --------
    >>> windows_problem("aux.tif"), windows_problem("auxiliary.tif")
    ("'aux' is the name of a device", '')
    """
    stem = name.partition(".")[0].rstrip()
    if re.fullmatch(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", stem, re.IGNORECASE):
        return f"'{stem}' is the name of a device"
    if found := re.search(r'[<>:"|?*\x00-\x1f]', name):
        return f"names have no {found[0]!r}"
    return "names end in no dot or blank" if name != name.rstrip(". ") else ""


def composed(name: str) -> str:
    """Return a name with composed letters (NFC), so that names that look the same are the same.

    macOS and some archives store an umlaut as a letter and its dots (NFD), others as one.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> decomposed = "Ma\\u0308use.tif"
    >>> decomposed == "M\\u00e4use.tif", composed(decomposed) == "M\\u00e4use.tif"
    (False, True)
    """
    return unicodedata.normalize("NFC", name)


def found_path(path: str | Path) -> Path:
    """Return an existing path whose parts are spelled alike, composed or decomposed.

    Parameters
    ----------
    path : path

    Returns
    -------
    Path
        `path` itself if it exists, or if nothing of that spelling does.
    """
    path = Path(path)
    if str(path).isascii() or os.path.lexists(path):  # ASCII has one spelling
        return path
    folder, names = found_path(path.parent), []
    with suppress(OSError), os.scandir(folder) as entries:
        same = composed(path.name)
        names = [entry.name for entry in entries if composed(entry.name) == same]
    return folder / min(names) if names else path


def is_url(name: str | Path) -> bool:
    """Whether a name is an address (URL), not the path of a file. What exists is a path.

    Parameters
    ----------
    name : str or Path
        A `Path` keeps one slash only of "s3://"; it counts as an address all the same.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_url("s3://bucket/a.zarr"), is_url("simplecache::https://host/a"), is_url("C:/a.tif")
    (True, True, False)
    """
    return re.match(_SCHEME, _slashed(name)) is not None and not _is_on_disk(Path(name))


def _is_on_disk(path: Path) -> bool:
    """Whether a path exists, or the folder in which it, or a pattern, would be found."""
    while re.search(r"[*?[]", path.name):
        path = path.parent
    return os.path.lexists(path) or os.path.isdir(path.parent)


def location(name: str | Path) -> Path | str:
    """Return a path, or an address as a string with both of its slashes.

    Parameters
    ----------
    name : str or Path
        A `Path` keeps one slash only of an address.

    Returns
    -------
    Path or str

    Examples
    --------
    >>> location(Path("https://host/a.zarr"))
    'https://host/a.zarr'
    """
    if not is_url(name):
        return Path(name)
    return re.sub(f"^{_SCHEME}(?!/)", r"\g<0>/", _slashed(name))


def last_part(place: str | Path) -> str:
    """Return the last part of a path or address.

    >>> last_part("s3://bucket/a.zarr?version=3")
    'a.zarr'
    """
    if isinstance(place, Path):
        return place.name
    return place.partition("?")[0].rstrip("/").rpartition("/")[-1]


def _slashed(name: str | Path) -> str:
    return name.as_posix() if isinstance(name, Path) else name
