"""The OME-XML of a TIFF: parsed, and checked before a library acts on it."""

import re
from math import isfinite, prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_utile.errors import UserError
from napari_utile.io.tiff_directories import MAX_DESCRIPTION, MAX_PAGES


def ome_root(path: Path, tif: tifffile.TiffFile) -> ElementTree.Element | None:
    """Parse the OME-XML of a file, and check it before a library acts on it.

    Parameters
    ----------
    path : Path
        As messages name it.
    tif : tifffile.TiffFile

    Returns
    -------
    Element or None
        None if there is none, or it is no XML.

    Raises
    ------
    UserError
        If it defines entities, is larger than `MAX_DESCRIPTION`, counts absurdly many planes,
        or names files that are missing, or that lie in another folder.
    """
    text = tif.ome_metadata if tif.is_ome else None
    root = parse_ome(path, text) if text else None
    if root is not None:
        _check_planes(path, root)
        _check_parts(path, root)
    return root


def parse_ome(path: Path, text: str) -> ElementTree.Element | None:
    """Parse OME-XML; None if it is no XML.

    Parameters
    ----------
    path : Path
        As messages name it.
    text : str

    Raises
    ------
    UserError
        If it defines entities, or is larger than `MAX_DESCRIPTION`.
    """
    if len(text) > MAX_DESCRIPTION:
        raise UserError(
            f"{path} has {len(text)} characters of OME-XML, more than {MAX_DESCRIPTION}."
        )
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{path}: its OME-XML defines entities, which are not read.")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None


def _check_planes(path: Path, root: ElementTree.Element) -> None:
    """Refuse numbers of planes for which a library would take all memory."""
    for pixels in elements(root, "Pixels"):
        sizes = [integer(pixels.get(f"Size{axis}"), 1) for axis in "ZCT"]
        planes = prod(sizes)
        if min(sizes) < 1 or planes > 16 * MAX_PAGES:
            raise UserError(f"{path}: its OME-XML claims {short_text(planes)} planes.")
        for data in elements(pixels, "TiffData"):
            for name in ("PlaneCount", "NumPlanes", "IFD", "FirstZ", "FirstC", "FirstT"):
                count = integer(data.get(name), 0)
                if not 0 <= count <= max(planes, MAX_PAGES):
                    raise UserError(
                        f"{path}: its OME-XML gives {name}={short_text(data.get(name))}, "
                        f"of {planes} planes."
                    )
    for along in root.iter():
        if "Along" in along.tag and "Start" in along.attrib:
            start, end, step = (
                number(along.get(name), default)
                for name, default in (("Start", 0.0), ("End", 0.0), ("Step", 1.0))
            )
            if not step or abs(end - start) / abs(step) > MAX_PAGES:
                raise UserError(f"{path}: its OME-XML divides an axis without end.")


def _check_parts(path: Path, root: ElementTree.Element) -> None:
    """Refuse a file that consists of several, some of which are missing or lie elsewhere."""
    parts = named_parts(path, root)
    missing = []
    for name in parts:
        # Nothing outside the folder is opened, and nothing that is no plain file.
        if name != Path(name).name or "\\" in name or "\0" in name:
            raise UserError(
                f"{path} consists of several files, and names one in another folder: "
                f"{short_text(name)}."
            )
        try:
            is_there = (path.parent / name).is_file()
        except OSError:  # a name that no file system takes
            is_there = False
        if not is_there:
            missing.append(short_text(name))
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise UserError(
            f"{path} is one of {len(parts) + 1} files of an image, and {len(missing)} of them "
            f"{'are' if len(missing) > 1 else 'is'} missing: {shown}. Put "
            f"{'them' if len(missing) > 1 else 'it'} beside it, under the name that it had."
        )


def named_parts(path: Path, root: ElementTree.Element) -> list[str]:
    """Return the names of the other files that an image consists of.

    Parameters
    ----------
    path : Path
        The file itself.
    root : Element
        Of its OME-XML.
    """
    own = root.get("UUID")
    names: dict[str, None] = {}
    for uuid in elements(root, "UUID"):
        name, identity = uuid.get("FileName"), (uuid.text or "").strip()
        if name is not None and identity != own and name.lower() != path.name.lower():
            names[name] = None
    return [*names]


def companion_of(root: ElementTree.Element | None) -> str | None:
    """Return the name of the file that holds the OME-XML of a part which has none.

    Parameters
    ----------
    root : Element, optional
    """
    for element in elements(root, "BinaryOnly") if root is not None else []:
        return short_text(element.get("MetadataFile", "another file"))
    return None


def elements(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """List the elements of a name, in whatever namespace.

    Parameters
    ----------
    root : Element
    name : str
        Without namespace.
    """
    return [e for e in root.iter() if isinstance(e.tag, str) and _local(e.tag) == name]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def integer(text: str | None, default: int) -> int:
    """Return an attribute as an integer: the default if it is not there, -1 if it is none.

    Parameters
    ----------
    text : str or None
    default : int
    """
    try:
        return int(text) if text is not None and len(text) < 20 else default if not text else -1
    except ValueError:
        return -1


def number(text: str | None, default: float) -> float:
    """Return an attribute as a number: the default if it is not there, 0 if it is none.

    Parameters
    ----------
    text : str or None
    default : float
    """
    try:
        found = float(text) if text is not None else default
    except ValueError:
        return 0.0
    return found if isfinite(found) else 0.0


def short_text(value: Any) -> str:
    """Write a value of a file into a message: in one line, and not all of it.

    Parameters
    ----------
    value : object
    """
    text = re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]+", " ", str(value))
    return text if len(text) <= 60 else text[:57] + "..."
