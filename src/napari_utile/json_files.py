"""JSON files, of which every fault is named: written by hand, cut off, or hostile."""

import json
import math
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_utile.errors import UserError

MOST_BYTES = 16_000_000
"""Larger files are neither settings nor records of runs."""


def read_json(path: Path | str, most: int = MOST_BYTES, finite: bool = True) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : path
    most : int, default `MOST_BYTES`
        Larger files are refused unread.
    finite : bool, default True
        Whether NaN and infinite numbers are refused.

    Returns
    -------
    object
        Of plain types. No name stands twice in an object.

    Raises
    ------
    UserError
        Names the file and its fault, with the line where there is one.
    """
    text = _text_of(Path(path), most)
    if not text.strip():
        raise UserError(f"{path} is empty; JSON is expected.")
    try:
        if not finite:
            return json.loads(text, object_pairs_hook=_named_once)
        return json.loads(
            text,
            object_pairs_hook=_named_once,
            parse_constant=_no_number,
            parse_float=_finite_number,
        )
    except UserError as error:
        raise UserError(f"{path} {error}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        said = error.msg[:1].lower() + error.msg[1:]
        is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        cut = ", or cut off" if is_cut else ""
        raise UserError(f"{path} is not JSON{cut}: {said} ({place}).") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply to be read.") from None
    except ValueError:  # Python's limit of 4300 digits
        raise UserError(f"{path} holds a number with too many digits.") from None


def read_json_object(
    path: Path | str, most: int = MOST_BYTES, finite: bool = True
) -> dict[str, Any]:
    """Read a JSON file that holds an object of names and values; otherwise as `read_json`."""
    found = read_json(path, most, finite)
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no object of names and values, in braces.")
    return found


def _text_of(path: Path, most: int) -> str:
    """Read a text file in any encoding of JSON, with or without a byte order mark."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{path} is a folder, not a JSON file.")
        if not stat.S_ISREG(status.st_mode):  # to read a pipe would wait for ever
            raise UserError(f"{path} is no file that can be read as a whole, such as a pipe.")
        if status.st_size > most:
            raise UserError(
                f"{path} has {status.st_size:,} bytes, and at most {most:,} are read: is it "
                "another file?"
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} was not found.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} cannot be read: {error}.") from None
    for magic, kind in ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip")):
        if content.startswith(magic):
            raise UserError(f"{path} is compressed ({kind}): unpack it and give its JSON file.")
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = "UTF-8" if encoding.startswith("utf-8") else "UTF-8 or UTF-16"
        raise UserError(f"{path} is not {found} (line {line}): save it as UTF-8.") from None


def _named_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, n), *_) = Counter(name for name, _ in pairs).most_common(1)
        raise UserError(
            f"names {name[:60]!r} {n} times in one object, perhaps of two files in one: "
            "leave one."
        )
    return found


def _no_number(name: str) -> float:
    raise UserError(f"holds {name}, which is no number: give one, or null.")


def _finite_number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise UserError(f"holds {digits[:20]}, which is too large a number.")
    return number
