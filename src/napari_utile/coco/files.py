"""COCO files as JSON: read whole, and told from the files of other kinds and tools."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari_utile.errors import UserError
from napari_utile.io.memory import memory_budget
from napari_utile.io.names import check_name
from napari_utile.io.units import size_text
from napari_utile.json_files import read_json

PARTS = ("images", "annotations", "categories")
"""The lists that a file of instances has."""
MEMORY_PER_BYTE = 16
"""Bytes of memory that a byte of JSON takes, at most about."""
OTHER_TOOLS = {
    "_via_img_metadata": "a project of VIA",
    "_via_settings": "a project of VIA",
    "shapes": "a file of labelme",
    "features": "a GeoJSON file",
    "segments_info": "a panoptic file of COCO",
}
"""Keys by which files of other tools are known."""


def read_content(path: Path) -> dict[str, Any]:
    """Return the JSON object of a COCO file, which has the three lists `PARTS`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UserError
        If it cannot be read, takes too much memory, or lacks one of the lists.
    """
    check_name(path)
    _check_memory(path)
    content = read_json(path, most=sys.maxsize, finite=False)
    if not isinstance(content, dict):
        what = "a list, perhaps of results" if isinstance(content, list) else "no object"
        raise UserError(
            f"{path} is {what}: COCO instances are an object with {enumerated(PARTS)}."
        )
    for part in PARTS:
        if content.get(part) is None:
            content.pop(part, None)
    lacking = [part for part in PARTS if not isinstance(content.get(part), list)]
    if lacking:
        raise UserError(
            f"{path} is no COCO instances file: it has no list of {enumerated(lacking)}."
            + _advice(content, lacking)
        )
    _refuse_other_kinds(path, content["annotations"])
    return content


def is_coco(path: Path | str) -> bool:
    """Whether a file looks like COCO annotations. It is not parsed.

    A broken or cut-off file does, so that reading it can name the fault. COCO results do not.

    Parameters
    ----------
    path : path
    """
    try:
        if not Path(path).is_file():
            return False
        text = Path(path).read_bytes()
    except (OSError, ValueError):
        return False
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        text = text.replace(b"\0", b"")[2:]
    lists = (rb'"images"\s*:\s*\[', rb'"annotations"\s*:\s*\[')
    is_object = text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return is_object and all(re.search(name, text) for name in lists)


def enumerated(names: Iterable[str], most: int = 8) -> str:
    """Return names with commas between, and dots in place of those beyond the first few.

    Parameters
    ----------
    names : iterable of str
    most : int, default 8
        Number of names that are shown.
    """
    names = list(names)
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _check_memory(path: Path) -> None:
    """Refuse a file that would take more memory than there is, before it is read."""
    try:
        size = path.stat().st_size
    except (OSError, ValueError):  # reading it says why
        return
    needed, budget = size * MEMORY_PER_BYTE, memory_budget()
    if needed > budget:
        raise UserError(
            f"{path} may take {size_text(needed)} of memory and {size_text(budget)} may be "
            "used: split it into files of fewer images."
        )


def _advice(content: dict[str, Any], lacking: list[str]) -> str:
    """Return what another file is, or what to add; empty if neither is known."""
    for key, tool in OTHER_TOOLS.items():
        if key in content:
            return f" It looks like {tool}: export it as COCO instances."
    if lacking == ["categories"]:
        return ' Add one, such as "categories": [{"id": 1, "name": "cell"}].'
    if lacking == ["annotations"]:
        return " It describes images alone; give the file with their annotations."
    return ""


def _refuse_other_kinds(path: Path, annotations: list[Any]) -> None:
    """Refuse annotations of which none has an outline."""
    found = [entry for entry in annotations if isinstance(entry, dict)]
    if not found or any(entry.get("segmentation") for entry in found):
        return
    n = f"{len(found):,} of {len(annotations):,} annotations"
    if any("segments_info" in entry for entry in found):
        raise UserError(
            f"{path} is a panoptic file of COCO: convert it to instances, for example with "
            "panopticapi."
        )
    kinds = {"caption": "texts", "keypoints": "points", "bbox": "boxes"}
    for key, kind in kinds.items():
        if any(entry.get(key) for entry in found):
            raise UserError(
                f"{path}: {n} have no outline (segmentation), and are {kind} alone: export "
                "polygons or masks of the objects."
            )
