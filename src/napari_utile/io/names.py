"""Names of files and addresses (URLs) that messages, events and records can hold."""

import os
import re
from pathlib import Path

from napari_utile.errors import UserError

SCHEME = r"[A-Za-z][\w+.:-]+:/"
"""How an address begins. One letter before the colon would be a disk of Windows."""


def check_name(path: str | Path) -> None:
    """Refuse a name that is no text. File systems of Linux take any bytes.

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


def is_url(name: str | Path) -> bool:
    """Say whether a name is the address of something on another machine.

    >>> is_url("s3://bucket/a.zarr"), is_url("simplecache::https://host/a"), is_url("C:/a.tif")
    (True, True, False)
    """
    return re.match(SCHEME, _slashed(name)) is not None


def location(name: str | Path) -> Path | str:
    """Give a path, or an address with both of its slashes, of which a `Path` keeps one.

    >>> location(Path("https://host/a.zarr"))
    'https://host/a.zarr'
    """
    if not is_url(name):
        return Path(name)
    return re.sub(f"^{SCHEME}(?!/)", r"\g<0>/", _slashed(name))


def last_part(place: str | Path) -> str:
    """Give the last part of a path or address: a.zarr of s3://bucket/a.zarr?version=3."""
    if isinstance(place, Path):
        return place.name
    return place.partition("?")[0].rstrip("/").rpartition("/")[-1]


def _slashed(name: str | Path) -> str:
    return name.as_posix() if isinstance(name, Path) else name
