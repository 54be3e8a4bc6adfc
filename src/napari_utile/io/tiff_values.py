"""What the numbers of a TIFF mean: polarity, palette and axes, and what a file leaves open."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_utile.io.lazy_views import Converted
from napari_utile.io.ome_xml import companion_of, short_text
from napari_utile.io.stack import narrow_doubts

_AXIS_NAMES = {
    "A": "angle", "E": "wavelength", "F": "phase", "H": "lifetime", "L": "exposure",
    "M": "mosaic", "P": "position", "R": "region", "V": "event",
}  # fmt: skip
_NO_FUNCTION = 20
"""Of a calibration, as ImageJ writes that there is none."""
_MAX_SHIFT = 2**30
"""Of a calibration that is applied, so that the values stay in 32 bits."""
LOOKED_AT = 512
"""Side of the part of a channel that is looked at, px."""


def shown_values(path: Path, page: Any, data: Any, is_imagej: bool) -> tuple[Any, list[str]]:
    """Return the values that a viewer shows, where the stored ones are others.

    Parameters
    ----------
    path : Path
    page : tifffile.TiffPage
    data : array-like
    is_imagej : bool
        Whether ImageJ wrote it: there an inverted display leaves the values as they are.

    Returns
    -------
    data : array-like
        White is the largest value, not 0; a gray palette is applied, a colored one is not.
    doubts : list of str
        What was done.
    """
    kind = int(page.photometric) if 262 in page.tags else 1
    if kind == 3:
        return _of_palette(path, page, data)
    if kind != 0 or page.samplesperpixel > 1:
        return data, []
    # tifffile writes boolean arrays so, and means 1 by True.
    if page.bitspersample == 1 and (page.is_shaped or page.software.startswith("tifffile")):
        return data, []
    if is_imagej or data.dtype.kind not in "bu":
        return data, [
            f"{path} is shown with 0 as white; its values are taken as they are stored."
        ]
    top = 2**page.bitspersample - 1

    def inverted(pixels: NDArray[Any]) -> NDArray[Any]:
        return ~pixels if pixels.dtype == bool else pixels.dtype.type(top) - pixels

    return Converted(data, inverted, data.dtype.newbyteorder("=")), [
        f"{path} says that 0 is white: {top} minus the stored value is taken."
    ]


def _of_palette(path: Path, page: Any, data: Any) -> tuple[Any, list[str]]:
    palette = page.tags.valueof(320)
    n = 2**page.bitspersample
    if palette is None or np.size(palette) != 3 * n:
        return data, [f"{path} lacks its palette: the stored indices are taken."]
    red, green, blue = np.reshape(palette, (3, n)).astype(np.uint16)
    if (red != green).any() or (red != blue).any():
        return data, []
    gray = (red >> 8 if red.max() > 255 else red).astype(np.uint8)
    ramp = np.round(np.arange(n) * 255 / (n - 1))
    if (gray == np.arange(n)).all() or (gray == ramp).all():
        return data, []

    def looked_up(pixels: NDArray[Any]) -> NDArray[Any]:
        return gray[pixels.astype(np.intp)]

    return Converted(data, looked_up, np.uint8), [
        f"{path} has a gray palette: the grays that it shows are taken, not the stored indices."
    ]


def calibrated_values(
    path: Path, data: Any, notes: Mapping[str, Any] | None
) -> tuple[Any, list[str]]:
    """Return the values that a calibration of ImageJ states, where it only shifts them.

    So ImageJ stores signed integers: as unsigned ones, and a shift. Other calibrations would
    make fractions, also of ids: they are said, and the stored numbers are taken.

    Parameters
    ----------
    path : Path
    data : array-like
    notes : mapping, optional
        The metadata of ImageJ.

    Returns
    -------
    data : array-like
    doubts : list of str
        What was done.
    """
    function = (notes or {}).get("cf", _NO_FUNCTION)
    if not notes or function == _NO_FUNCTION:
        return data, []
    shift, slope = notes.get("c0", 0), notes.get("c1", 1)
    is_linear = function == 0 and all(isinstance(c, int | float) for c in (shift, slope))
    if is_linear and (shift, slope) == (0, 1):
        return data, []
    stated = f"{shift:g} + {slope:g} x stored value" if is_linear else "a curve"
    if unit := str(notes.get("vunit", "")).strip(" '\""):
        stated += f" ({short_text(unit)})"
    is_shift = is_linear and slope == 1 and float(shift).is_integer()
    if not is_shift or data.dtype.str[1:] not in ("u1", "u2") or abs(shift) > _MAX_SHIFT:
        return data, [
            f"{path} has a calibration of its values, {stated}, which is not applied: the "
            "stored values are taken."
        ]
    ends = shift, shift + np.iinfo(data.dtype).max
    smaller = (np.dtype(kind) for kind in (np.uint8, np.int16, np.uint16, np.int32))
    dtype = next(kind for kind in smaller if _holds(kind, *ends))

    def shifted(pixels: NDArray[Any]) -> NDArray[Any]:
        return (pixels.astype(np.int32) + int(shift)).astype(dtype)

    return Converted(data, shifted, dtype), [
        f"{path} says that its values are {stated}: these are taken."
    ]


def _holds(dtype: np.dtype[Any], least: float, most: float) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= least and most <= limits.max


def opacity_doubts(path: Path, data: Any, axes: str) -> list[str]:
    """Return a doubt about a last channel that is marked as opacity and varies.

    A library marks a fourth channel so by itself. It is looked at in the middle of the first
    plane.

    Parameters
    ----------
    path : Path
    data : array-like
    axes : str
        Of the data, in the letters of a `Stack`.
    """
    count = data.shape[axes.index("c")]
    where: list[Any] = []
    for axis, n in zip(axes, data.shape, strict=True):
        middle = slice(max(0, n - LOOKED_AT) // 2, (n + LOOKED_AT) // 2)
        where.append(middle if axis in "yx" else count - 1 if axis == "c" else 0)
    try:
        opacity = np.asarray(data[tuple(where)])
    except Exception:  # damaged pixels are named when they are read
        return []
    if opacity.min() == opacity.max():
        return []
    return [
        f"{count - 1} of {count} channels of {path} are read; the last is marked as opacity. "
        "If it was measured, save the image as gray channels."
    ]


def page_doubts(path: Path, tif: tifffile.TiffFile, series: Any, root: Any) -> list[str]:
    """Return what a file says of its pixels that is not acted upon.

    Parameters
    ----------
    path : Path
    tif : tifffile.TiffFile
    series : tifffile.TiffPageSeries
    root : Element or None
        Of its OME-XML.

    Returns
    -------
    list of str
    """
    found, page = [], series.keyframe
    if companion := companion_of(root):
        found.append(
            f"{path} is a part of the image that '{companion}' describes: its own "
            f"{len(series)} pages alone are read, and their scale is not known."
        )
    elif tif.is_ome and series.kind != "ome":
        found.append(f"{path}: its OME-XML does not fit its pages, and is not used.")
    nodata = page.tags.valueof(42113)
    if nodata is not None and str(nodata).strip(" \0") not in ("", "0", "nan", "NaN"):
        found.append(
            f"{path} marks pixels without data by {str(nodata)[:20]}: they are read as values."
        )
    return found


def has_mixed_palette(page: Any) -> bool:
    """Whether the numbers of a page stand for colors that do not become brighter with them.

    Parameters
    ----------
    page : tifffile.TiffPage

    Notes
    -----
    Microscopes write gray values with a palette from black to a color: these are intensities.
    """
    palette = page.tags.valueof(320) if 262 in page.tags and page.photometric == 3 else None
    if palette is None or np.size(palette) != 3 * 2**page.bitspersample:
        return False
    colors = np.reshape(palette, (3, -1)).astype(float)
    if (colors == colors[0]).all():  # its grays are looked up
        return False
    light = np.array([0.299, 0.587, 0.114]) @ colors
    return bool((np.diff(light) < -0.01 * light.max()).any())


def axes_doubts(path: Path, axes: str, taken: str, shape: tuple[int, ...]) -> list[str]:
    """Return how axes are read that a file does not name, where they could be others.

    Parameters
    ----------
    path : Path
    axes : str
        As tifffile gives them.
    taken : str
        As they are read.
    shape : tuple of int
        Lengths of those that are read.

    Returns
    -------
    list of str

    Examples
    --------
    >>> axes_doubts(Path("a.tif"), "QYX", "zyx", (9, 64, 64))
    []
    """
    sizes = " x ".join(map(str, shape))
    named = sorted({*axes} & {*_AXIS_NAMES})
    unknown = [axis for axis in axes if axis in "QI"]
    if named:
        what = " and ".join(_AXIS_NAMES[axis] for axis in named)
        return [f"{path} has an axis of {what}: its {sizes} are read as {', '.join(taken)}."]
    several = len(unknown) > 1 and sum(n > 1 for n in shape[: -2 - taken.endswith("c")]) > 1
    if several:
        return [f"{path} does not name its axes: its {sizes} are read as {', '.join(taken)}."]
    return [*narrow_doubts(path, taken, shape)] if unknown else []
