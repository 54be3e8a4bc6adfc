"""Names of files that messages, events and records can hold."""

import os
from pathlib import Path

from napari_utile.errors import UserError


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
