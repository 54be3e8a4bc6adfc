"""Segmentations of COCO annotations, checked, and mended where their meaning is clear.

Faults are ValueErrors whose messages continue "annotation 7 ...".
"""

from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.coco.masks import box_of, expanded
from napari_utile.coco.polygons import check_crossings

TOLERANCE = 1.0
"""Pixels by which a polygon may leave its image, because annotation tools round."""
LEAST_OVERLAP = 0.3
"""Overlap over union of an outline's own box and the one that a file says."""
MOST_POINTS = 16
"""Points of a polygon that are looked at, whether they lie within another one."""
MORE_FILLED = 3
"""Times the share of its box that an object fills if it is read along rows."""
CUT_SHARE = 0.05
"""Part of the side of an image up to which a polygon that leaves it is cut off."""

FLAT = "have one list of numbers in place of a list of polygons, and are read as one polygon"
PAIRS = "have points as pairs [x, y], and are read as polygons"
SHORT = "have parts of fewer than 3 points beside a polygon, which are left out"
CUT = "have polygons that leave their image by more than a pixel, and are cut off at its border"
NESTED = "have a polygon within another one, which is filled too: only run lengths have holes"
QUOTED = "have run lengths as the text of Python bytes, and are read without b'...'"
ROWS = "have run lengths that seem to be counted along rows, where COCO counts down columns"
WRAPPED = "have run lengths in a list, and are read without it"

Note = Callable[[str], object]
"""Takes one of the constants above: what was mended."""


def read_segmentation(given: Any, height: int, width: int, note: Note) -> Any:
    """Return a segmentation as COCO has it: a list of polygons, or run lengths.

    Parameters
    ----------
    given : object
        The value of a file, of any type.
    height, width : int
        Size of the image.
    note : callable
        Called with what was mended.

    Raises
    ------
    ValueError
        If it has a fault.
    """
    if given is None or given in ([], {}, [[]]):
        raise ValueError("has an empty segmentation")
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict):
        note(WRAPPED)
        given = given[0]
    if isinstance(given, list):
        return _polygons(given, height, width, note)
    if isinstance(given, dict):
        return _run_lengths(given, height, width, note)
    raise ValueError("has a segmentation that is neither polygons nor run lengths")


def is_number(value: Any) -> bool:
    """Whether a value of a JSON file is a finite number."""
    return type(value) is int or (type(value) is float and isfinite(value))


def fits_box(segmentation: Any, box: Any) -> bool:
    """Whether an outline lies where its box is, by and large; also if there is no box.

    Parameters
    ----------
    segmentation : list of list of float, or mapping
        Polygons, or run lengths.
    box : object
        The "bbox" of a file: x, y, width, height; some tools write the last corner.
    """
    if not isinstance(box, list) or len(box) != 4 or not _are_numbers(box):
        return True
    x, y, width, height = box
    own = _bounds(segmentation)
    possible = [(x, y, x + width, y + height), (x, y, width, height)]
    return width <= 0 or height <= 0 or any(_overlap(own, b) >= LEAST_OVERLAP for b in possible)


def is_box(segmentation: Any, box: Any) -> bool:
    """Whether the outline is a single polygon of the four corners of its box, or fills it.

    Parameters
    ----------
    segmentation, box
        As in `fits_box`.
    """
    if not isinstance(segmentation, list):
        counts, side = segmentation["counts"], segmentation["size"][0]
        runs = expanded(counts) if isinstance(counts, str) else np.array(counts, np.int64)
        return _filled(runs, side) == 1
    is_single = isinstance(segmentation, list) and len(segmentation) == 1
    if not is_single or len(segmentation[0]) not in (8, 10) or not isinstance(box, list):
        return False
    left, top, right, bottom = _bounds(segmentation)
    points = {*zip(segmentation[0][::2], segmentation[0][1::2], strict=True)}
    return points == {(left, top), (right, top), (right, bottom), (left, bottom)}


def is_fraction(segmentation: Any) -> bool:
    """Whether all coordinates of polygons are 0 to 1."""
    return (
        isinstance(segmentation, list)
        and 0 <= min(_bounds(segmentation)[:2]) <= max(_bounds(segmentation)[2:]) <= 1
    )


def _bounds(segmentation: Any) -> tuple[float, float, float, float]:
    """Return the left, upper, right and lower border of an outline."""
    if isinstance(segmentation, list):
        x = [number for polygon in segmentation for number in polygon[::2]]
        y = [number for polygon in segmentation for number in polygon[1::2]]
        return min(x), min(y), max(x), max(y)
    counts, rows = segmentation["counts"], segmentation["size"][0]
    runs = expanded(counts) if isinstance(counts, str) else np.array(counts, np.int64)
    left, top, width, height = box_of(runs, rows)
    return left, top, left + width, top + height


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return the overlap of two boxes over their union; a pixel of difference is none."""
    sides = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 2 * TOLERANCE for i in (0, 1)]
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    common = max(sides[0], 0) * max(sides[1], 0)
    return float(common / max(sum(areas) - common, common, 1e-9))


def _polygons(given: list[Any], height: int, width: int, note: Note) -> list[list[float]]:
    """Return the polygons; the list itself if nothing was mended."""
    if _are_numbers(given):
        if len(given) == 4:
            raise ValueError("has 4 numbers as segmentation, which are a box: draw its outline")
        note(FLAT)
        given = [given]
    elif len(given) > 2 and all(map(_is_pair, given)):
        note(PAIRS)
        given = [[number for pair in given for number in pair]]
    polygons = [_flat_numbers(polygon, note) for polygon in given]
    long = [polygon for polygon in polygons if len(polygon) >= 6]
    if not long:
        numbers = max(map(len, polygons))
        if not numbers:
            raise ValueError("has an empty segmentation")
        box = "; 4 numbers are a box, no outline" if numbers == 4 else ""
        raise ValueError(f"has a polygon of {numbers} numbers; 3 points are 6{box}")
    if len(long) < len(polygons):
        note(SHORT)
    for polygon in long:
        _check_polygon(polygon, height, width, note)
    if len(long) > 1 and _is_nested(long):
        note(NESTED)
    is_same = len(long) == len(given) and all(map(is_, long, given))
    return given if is_same else long


def is_filled(segmentation: Any, area: Any) -> bool:
    """Whether the area of a file is that of all polygons together, so that none is a hole.

    Parameters
    ----------
    segmentation : list of list of float
    area : object
        As the file has it.
    """
    if not is_number(area):
        return False
    areas = []
    for polygon in segmentation:
        x, y = np.asarray(polygon, float).reshape(-1, 2).T
        areas.append(abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2)
    with_holes = 2 * max(areas) - sum(areas)
    return abs(area - with_holes) > min(abs(area - sum(areas)), abs(area - max(areas)))


def _is_nested(polygons: Sequence[Sequence[float]]) -> bool:
    """Whether a polygon lies within the longest one, as some tools write a hole."""
    arrays = [np.asarray(polygon, float).reshape(-1, 2) for polygon in polygons]
    outer = max(arrays, key=lambda points: float(np.ptp(points, axis=0).prod()))
    low, high = outer.min(axis=0), outer.max(axis=0)
    return any(
        (points >= low).all()
        and (points <= high).all()
        and all(_is_inside(point, outer) for point in points[:: -(-len(points) // MOST_POINTS)])
        for points in arrays
        if points is not outer
    )


def _is_inside(point: NDArray[np.float64], outline: NDArray[np.float64]) -> bool:
    """Whether a ray from a point to the right crosses an outline an odd number of times."""
    a, b = outline, np.roll(outline, -1, axis=0)
    crosses = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    a, b = a[crosses], b[crosses]
    x = a[:, 0] + (point[1] - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return bool(np.count_nonzero(x > point[0]) % 2)


def _flat_numbers(polygon: Any, note: Note) -> list[float]:
    """Return a polygon as a list of numbers."""
    if isinstance(polygon, list):
        if _are_numbers(polygon):
            return polygon
        if all(map(_is_pair, polygon)):
            note(PAIRS)
            return [number for pair in polygon for number in pair]
        if {*map(type, polygon)} <= {int, float}:
            raise ValueError(
                "has a polygon that is no list of numbers: one is not finite, such as NaN"
            )
    raise ValueError("has a polygon that is no list of numbers, x and y of each point")


def _check_polygon(polygon: list[float], height: int, width: int, note: Note) -> None:
    if len(polygon) % 2:
        raise ValueError(
            f"has a polygon of {len(polygon)} numbers, an odd one: a number of a point lacks"
        )
    x, y = polygon[::2], polygon[1::2]
    beyond = 0.0
    for values, size in ((x, width), (y, height)):
        out = max(-min(values), max(values) - size)
        if out > max(TOLERANCE, CUT_SHARE * size):
            raise ValueError(
                f"has a polygon from ({_coordinate(min(x))}, {_coordinate(min(y))}) to "
                f"({_coordinate(max(x))}, {_coordinate(max(y))}), "
                f"outside of its image of {width} x {height} pixels"
            )
        beyond = max(beyond, out)
    if beyond > TOLERANCE:
        note(CUT)
    check_crossings(polygon)


def _run_lengths(
    given: Mapping[str, Any], height: int, width: int, note: Note
) -> Mapping[str, Any]:
    size, counts = given.get("size"), given.get("counts")
    if not isinstance(size, list) or size != [height, width]:
        swapped = " (width and height are swapped)" if size == [width, height] else ""
        raise ValueError(
            f"has run lengths of size {str(size)[:40]}, but the image has {[height, width]}"
            + swapped
        )
    if isinstance(counts, str):
        if counts.startswith(("b'", 'b"')):
            note(QUOTED)
            counts = _unquoted(counts)
            given = {**given, "counts": counts}
        runs = expanded(counts)
        total, on = int(runs.sum()), int(runs[1::2].sum())
    elif isinstance(counts, list) and all(_is_count(n) for n in counts):
        if any(type(n) is float for n in counts):
            counts = [*map(int, counts)]
            given = {**given, "counts": counts}
        total, on = sum(counts), sum(counts[1::2])
    else:
        raise ValueError("has run lengths whose counts are neither text nor numbers")
    if total != height * width:
        raise ValueError(
            f"has run lengths of {_counted(total)} pixels, but the image has {height * width:,}"
        )
    if not on:
        raise ValueError("has run lengths without a pixel, an empty segmentation")
    runs = expanded(counts) if isinstance(counts, str) else np.array(counts, np.int64)
    if _filled(runs, width) > MORE_FILLED * _filled(runs, height):
        note(ROWS)
    return given


def _filled(runs: NDArray[np.int64], side: int) -> float:
    """Return which share of its box an object fills, if columns have this many pixels."""
    _, _, width, height = box_of(runs, side)
    return float(runs[1::2].sum() / (width * height))


def _unquoted(counts: str) -> str:
    """Return the text in b'...', as Python's `str` makes it of bytes."""
    try:
        return str(literal_eval(counts).decode("ascii"))
    except (ValueError, SyntaxError, AttributeError, MemoryError, RecursionError):
        raise ValueError("has run lengths whose text is damaged") from None


def _counted(pixels: int) -> str:
    return f"{pixels:,}" if pixels < 10**15 else "far more"


def _coordinate(coordinate: float) -> str:
    return f"{coordinate:g}" if abs(coordinate) < 1e15 else "far away"


def _is_count(value: Any) -> bool:
    return is_number(value) and value >= 0 and value == int(value)


def _is_pair(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2 and _are_numbers(point)


def _are_numbers(values: list[Any]) -> bool:
    """Whether all are finite numbers. Fast, as it sees every point of every polygon."""
    try:
        return set(map(type, values)) <= {int, float} and isfinite(sum(values))
    except OverflowError:  # an int beyond any float
        return False
