"""What the metadata of a TIFF say of its axes, and of the size of a pixel along each."""

import re
from dataclasses import dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_utile.errors import UserError
from napari_utile.io.tiff_directories import MAX_PAGES
from napari_utile.io.units import known_unit

MAX_XML = 64_000_000
"""Characters of OME-XML that are read."""
DOTS_PER_INCH = (72, 75, 90, 96, 100, 120, 150, 180, 200, 240, 300, 360, 400, 600, 720, 1200)
"""Resolutions of screens and printers: no scale of a microscope, in whatever unit."""
_RESOLUTION_UNITS = {3: "centimeter", 4: "millimeter", 5: "micrometer"}


@dataclass
class Scales:
    """Size of a pixel and its unit along each axis that a file names, and what was not clear.

    Attributes
    ----------
    known : dict
        Axis, one of "tzyx" -> (size, unit in full).
    doubts : list of str
        Sentences about what could not be understood.
    """

    known: dict[str, tuple[float, str]] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    def add(self, path: Path, axis: str, size: Any, unit: Any) -> None:
        """Note a size; one that is no positive number, or has no known unit, is a doubt."""
        name = known_unit(unit)
        try:
            length = abs(float(size))
        except (TypeError, ValueError, OverflowError):
            length = 0.0
        if not 0 < length < float("inf"):
            self._doubt(path, axis, f"{_short(size)} {_short(unit)}".strip())
        elif name is None:
            self._doubt(path, axis, f"{length:g} '{_short(unit)}'")
        elif name != "pixel":
            self.known[axis] = (length, name)

    def _doubt(self, path: Path, axis: str, said: str) -> None:
        self.doubts.append(
            f"{path} gives {said} for a pixel along {axis}, which is not understood as a size: "
            "1 pixel is taken."
        )


def scales_of(
    path: Path, tif: tifffile.TiffFile, series: Any, ome: ElementTree.Element | None
) -> Scales:
    """Read the size of a pixel from OME-XML, ImageJ's or LSM's metadata, or resolution tags.

    Parameters
    ----------
    path : Path
        As messages name it.
    tif : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        The image in it.
    ome : Element, optional
        Its OME-XML, from `ome_root`.

    Returns
    -------
    Scales
    """
    found = Scales()
    if ome is not None:
        _ome_scales(found, path, ome, series)
    elif notes := tif.imagej_metadata:
        _imagej_scales(found, path, tif, notes)
    elif notes := tif.lsm_metadata:
        for axis in "XYZ":
            if size := notes.get(f"VoxelSize{axis}"):
                found.add(path, axis.lower(), float(size) * 1e6, "micrometer")
    else:
        _resolution_scales(found, path, series.keyframe)
    return found


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
        If it defines entities, is larger than `MAX_XML`, counts absurdly many planes, or names
        files that are missing, or that lie in another folder.
    """
    text = tif.ome_metadata if tif.is_ome else None
    if not text:
        return None
    if len(text) > MAX_XML:
        raise UserError(f"{path} has {len(text)} characters of OME-XML, more than {MAX_XML}.")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{path}: its OME-XML defines entities, which are not read.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    _check_planes(path, root)
    _check_parts(path, root)
    return root


def _check_planes(path: Path, root: ElementTree.Element) -> None:
    """Refuse numbers of planes for which a library would take all memory."""
    for pixels in _all(root, "Pixels"):
        sizes = [_integer(pixels.get(f"Size{axis}"), 1) for axis in "ZCT"]
        planes = prod(sizes)
        if min(sizes) < 1 or planes > 16 * MAX_PAGES:
            raise UserError(f"{path}: its OME-XML claims {_short(planes)} planes.")
        for data in _all(pixels, "TiffData"):
            for name in ("PlaneCount", "NumPlanes", "IFD", "FirstZ", "FirstC", "FirstT"):
                number = _integer(data.get(name), 0)
                if not 0 <= number <= max(planes, MAX_PAGES):
                    raise UserError(
                        f"{path}: its OME-XML gives {name}={_short(data.get(name))}, "
                        f"of {planes} planes."
                    )
    for along in root.iter():
        if "Along" in along.tag and "Start" in along.attrib:
            start, end, step = (
                _number(along.get(name), default)
                for name, default in (("Start", 0.0), ("End", 0.0), ("Step", 1.0))
            )
            if not step or abs(end - start) / abs(step) > MAX_PAGES:
                raise UserError(f"{path}: its OME-XML divides an axis without end.")


def _check_parts(path: Path, root: ElementTree.Element) -> None:
    """Refuse a file that consists of several, some of which are missing or lie elsewhere."""
    own = root.get("UUID")
    parts: dict[str, str] = {}
    for uuid in _all(root, "UUID"):
        name = uuid.get("FileName")
        identity = (uuid.text or "").strip()
        if name is not None and identity != own and name.lower() != path.name.lower():
            parts.setdefault(name, identity)
    missing = []
    for name in parts:
        # Nothing outside the folder is opened, and nothing that is no plain file.
        if name != Path(name).name or "\\" in name or "\0" in name:
            raise UserError(
                f"{path} consists of several files, and names one in another folder: "
                f"{_short(name)}."
            )
        try:
            is_there = (path.parent / name).is_file()
        except OSError:  # a name that no file system takes
            is_there = False
        if not is_there:
            missing.append(_short(name))
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise UserError(
            f"{path} is one of {len(parts) + 1} files of an image, and {len(missing)} of them "
            f"{'are' if len(missing) > 1 else 'is'} missing: {shown}. Put "
            f"{'them' if len(missing) > 1 else 'it'} beside it, under the name that it had."
        )


def companion_of(root: ElementTree.Element | None) -> str | None:
    """Return the name of the file that holds the OME-XML of a part which has none.

    Parameters
    ----------
    root : Element, optional
    """
    for element in _all(root, "BinaryOnly") if root is not None else []:
        return _short(element.get("MetadataFile", "another file"))
    return None


def _ome_scales(found: Scales, path: Path, root: ElementTree.Element, series: Any) -> None:
    images = [
        (image, pixels) for image in _all(root, "Image") for pixels in _all(image, "Pixels")
    ]
    # An image without pixels in this file is no series: the number does not tell which it is.
    sizes = dict(zip(series.axes, series.shape, strict=True))
    likely = [
        pixels
        for image, pixels in images
        if (image.get("Name") or "") == series.name
        and all(_integer(pixels.get(f"Size{a}"), 0) == sizes.get(a) for a in "XY")
    ]
    if not likely:
        likely = [pixels for _, pixels in images][series._index :][:1]
    if not likely:
        return
    pixels = likely[0]
    for axis in "XYZ":
        if (size := pixels.get(f"PhysicalSize{axis}")) is not None:
            unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
            found.add(path, axis.lower(), size, unit)
    if (step := pixels.get("TimeIncrement")) is not None and _number(step, 0.0) != 0:
        found.add(path, "t", step, pixels.get("TimeIncrementUnit", "s"))


def _imagej_scales(
    found: Scales, path: Path, tif: tifffile.TiffFile, notes: dict[str, Any]
) -> None:
    units = {"x": notes.get("unit", "")}
    units["y"] = notes.get("yunit") or units["x"]
    units["z"] = notes.get("zunit") or units["x"]
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        ratio = getattr(tif.pages.first.tags.get(tag), "value", None)
        if ratio is None or known_unit(units[axis]) == "pixel":
            continue
        found.add(path, axis, _per_unit(ratio), units[axis])
    if (spacing := notes.get("spacing")) is not None and known_unit(units["z"]) != "pixel":
        found.add(path, "z", spacing, units["z"])
    if interval := notes.get("finterval"):
        found.add(path, "t", interval, notes.get("tunit") or "s")


def _resolution_scales(found: Scales, path: Path, page: Any) -> None:
    """Read resolution tags in cm, mm or µm, but no dots per inch: those are of a screen."""
    unit = _RESOLUTION_UNITS.get(int(page.tags.valueof(296, 2) or 2))
    if unit is None:
        return
    for axis, tag in (("x", 282), ("y", 283)):
        size = _per_unit(page.tags.valueof(tag, (0, 1)))
        if not isfinite(size) or not 0 < size < 1:
            continue
        per_inch = {"centimeter": 2.54, "millimeter": 25.4, "micrometer": 25400}[unit] / size
        if not any(abs(per_inch - dots) < 0.01 * dots for dots in DOTS_PER_INCH):
            found.add(path, axis, size, unit)


def _per_unit(ratio: Any) -> float:
    """Return the size of a pixel from pixels per unit, a fraction."""
    try:
        numerator, denominator = ratio
        return float(denominator / numerator)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return float("nan")


def _all(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """List the elements of a name, in whatever namespace."""
    return [e for e in root.iter() if isinstance(e.tag, str) and _local(e.tag) == name]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _integer(text: str | None, default: int) -> int:
    try:
        return int(text) if text is not None and len(text) < 20 else default if not text else -1
    except ValueError:
        return -1


def _number(text: str | None, default: float) -> float:
    try:
        number = float(text) if text is not None else default
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0


def _short(value: Any) -> str:
    """Write a value of a file into a message: in one line, and not all of it."""
    text = re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]+", " ", str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def stack_axes(axes: str, shape: tuple[int, ...] = ()) -> tuple[str, tuple[int, ...]]:
    """Translate the axes of tifffile: samples are channels, unknown axes t and z.

    Parameters
    ----------
    axes : str
        Of a series, in capitals.
    shape : tuple of int
        Length of each.

    Returns
    -------
    axes : str
        In the letters of a `Stack`.
    shape : tuple of int
        Without axes of length 1 for which there is no letter.

    Raises
    ------
    UserError
        If there are more axes than t, z, c, y and x.

    Examples
    --------
    >>> stack_axes("QYX", (5, 8, 9)), stack_axes("YXQ", (8, 9, 1))
    (('zyx', (5, 8, 9)), ('yxc', (8, 9, 1)))
    >>> stack_axes("QQYX", (3, 5, 8, 9)), stack_axes("QQQYX", (1, 1, 5, 8, 9))
    (('tzyx', (3, 5, 8, 9)), ('tzyx', (1, 5, 8, 9)))
    """
    named = [axis if axis in "TZCYX" else "C" if axis == "S" else "?" for axis in axes]
    lengths = list(shape) or [2] * len(named)
    # A last axis behind y and x is a channel, and so is one of length 1.
    if named[-1] == "?" and "C" not in named:
        named[-1] = "C"
    elif named[-3:] == ["?", "Y", "X"] and lengths[-1] == 1 and "C" not in named:
        named[-3:] = ["Y", "X", "C"]
    for letter in ("?", *"TZC"):
        while (
            named.count("?") > sum(axis not in named for axis in "TZ")
            or max(map(named.count, "TZC")) > 1
        ):
            ones = [i for i, n in enumerate(lengths) if n == 1 and named[i] == letter]
            if not ones or (letter != "?" and named.count(letter) < 2):
                break
            del named[ones[0]], lengths[ones[0]]
    free = [axis for axis in "TZ" if axis not in named]
    unknown = named.count("?")
    if unknown > len(free) or any(named.count(axis) > 1 for axis in "TZCYX"):
        way = ""
        if "S" in axes and "C" in axes:
            way = ": save it without colors, or its channels as slices"
        raise UserError(f"has the axes {axes}, more than t, z, c, y and x{way}")
    # One unknown axis is z; two are t and z, in this order.
    letters = iter(free if unknown == len(free) else ["Z"] if "Z" in free else free)
    found = "".join(next(letters) if axis == "?" else axis for axis in named)
    return found.lower(), tuple(lengths) if shape else ()
