"""What the metadata of a TIFF say of its axes, and of the size of a pixel along each."""

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_utile.errors import UserError
from napari_utile.io.channel_names import distinct_names, imagej_names
from napari_utile.io.ome_xml import elements, integer, number, short_text
from napari_utile.io.units import known_unit, micrometers

DOTS_PER_INCH = (72, 75, 90, 96, 100, 120, 150, 180, 200, 240, 300, 360, 400, 600, 720, 1200)
"""Resolutions of screens and printers: no scale of a microscope, in whatever unit."""
_PRINTED = {"inch": 0.01, "centimeter": 0.001}
"""Units in which other programs pass on such a resolution, and how exactly it is met then."""
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
            self._doubt(path, axis, f"{short_text(size)} {short_text(unit)}".strip())
        elif name is None:
            self._doubt(path, axis, f"{length:g} '{short_text(unit)}'")
        elif name != "pixel" and not _is_of_print(length, name, _PRINTED.get(name, 0.0)):
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


def channel_names(
    tif: tifffile.TiffFile, series: Any, ome: ElementTree.Element | None, channels: int
) -> tuple[str, ...]:
    """Read what OME-XML or ImageJ's metadata call the channels.

    Parameters
    ----------
    tif, series, ome
        As of `scales_of`.
    channels : int
        Number of channels that are read.

    Returns
    -------
    tuple of str
        Empty if they do not tell the channels apart.
    """
    if ome is not None:
        pixels = _ome_pixels(ome, series)
        found = [] if pixels is None else elements(pixels, "Channel")
        return distinct_names([channel.get("Name") for channel in found], channels)
    return imagej_names((tif.imagej_metadata or {}).get("Labels"), channels)


def _ome_pixels(root: ElementTree.Element, series: Any) -> ElementTree.Element | None:
    """Return the description of the image in a series."""
    images = [
        (image, pixels)
        for image in elements(root, "Image")
        for pixels in elements(image, "Pixels")
    ]
    # An image without pixels in this file is no series: the number does not tell which it is.
    sizes = dict(zip(series.axes, series.shape, strict=True))
    likely = [
        pixels
        for image, pixels in images
        if (image.get("Name") or "") == series.name
        and all(integer(pixels.get(f"Size{a}"), 0) == sizes.get(a) for a in "XY")
    ]
    if not likely:
        likely = [pixels for _, pixels in images][series._index :][:1]
    return likely[0] if likely else None


def _ome_scales(found: Scales, path: Path, root: ElementTree.Element, series: Any) -> None:
    pixels = _ome_pixels(root, series)
    if pixels is None:
        return
    for axis in "XYZ":
        if (size := pixels.get(f"PhysicalSize{axis}")) is not None:
            unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
            found.add(path, axis.lower(), size, unit)
    if (step := pixels.get("TimeIncrement")) is not None and number(step, 0.0) != 0:
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
    unit = known_unit(units["z"])
    is_told = unit != "pixel" and not (unit in _PRINTED and "x" not in found.known)
    if (spacing := notes.get("spacing")) is not None and is_told:
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
        is_size = isfinite(size) and 0 < size < 1
        if is_size and not _is_of_print(size, unit, tolerance=0.01):
            found.add(path, axis, size, unit)


def _is_of_print(size: float, unit: str, tolerance: float) -> bool:
    """Whether the size of a pixel is that of a screen or printer."""
    per_inch = (micrometers("inch") or 0.0) / (size * (micrometers(unit) or 1.0))
    return any(abs(per_inch - dots) < tolerance * dots for dots in DOTS_PER_INCH)


def _per_unit(ratio: Any) -> float:
    """Return the size of a pixel from pixels per unit, a fraction."""
    try:
        numerator, denominator = ratio
        return float(denominator / numerator)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return float("nan")


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
