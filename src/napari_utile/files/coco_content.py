"""COCO files as they lie on disk: the JSON, and where its images are."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari_utile.errors import UserError
from napari_utile.files.names import check_name

PARTS = ("images", "annotations", "categories")
"""The lists that a file of instances has."""


def content_of(path: Path) -> dict[str, Any]:
    """Read the JSON, and make sure that the three lists are there.

    Raises
    ------
    UserError
        If it cannot be read, is no JSON, or lacks one of `PARTS`.
    """
    check_name(path)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} was not found.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        size = path.stat().st_size
        reason = f"no JSON, or cut off ({error})" if size else "empty"
        raise UserError(f"{path} is {reason}.") from error
    if not isinstance(content, dict):
        what = "a list, perhaps of results" if isinstance(content, list) else "no object"
        raise UserError(f"{path} is {what}: COCO instances are an object with {_named(PARTS)}.")
    lacking = [part for part in PARTS if not isinstance(content.get(part), list)]
    if lacking:
        raise UserError(
            f"{path} is no COCO instances file: it has no list of {_named(lacking)}."
        )
    return content


def is_coco(path: Path | str) -> bool:
    """Say whether a file looks like COCO annotations, without parsing it.

    One that is broken or cut off does, so that reading it says so. COCO results do not.
    """
    try:
        text = Path(path).read_bytes()
    except OSError:
        return False
    lists = (rb'"images"\s*:\s*\[', rb'"annotations"\s*:\s*\[')
    return text.lstrip().startswith(b"{") and all(re.search(name, text) for name in lists)


def image_folder(path: Path, names: Iterable[str]) -> Path | None:
    """Find the folder of the images of a COCO file.

    It is the first that holds one of the names: the folder of the file, the one in it that is
    called like the file ("val2017" for instances_val2017.json), "images", or the same a folder
    higher. None if it is nowhere.
    """
    own, above = path.stem.removeprefix("instances_"), path.absolute().parent
    places = [base / name for base in (above, above.parent) for name in ("", own, "images")]
    wanted = list(names)
    return next((place for place in places if any(image_file(place, n) for n in wanted)), None)


def image_file(folder: Path, name: str) -> Path | None:
    """Find the file of an image in a folder: by its path, else by the last part of it."""
    name = name.replace("\\", "/")
    for path in (folder / name.lstrip("/"), folder / name.rpartition("/")[2]):
        if path.is_file():
            return path
    return None


def _named(names: Iterable[str]) -> str:
    return ", ".join(names)
