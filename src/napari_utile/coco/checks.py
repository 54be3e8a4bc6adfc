"""Entries of a COCO file, each checked as it is read, and the files of its images.

Faults are ValueErrors whose messages continue "annotation 7 ...".
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from napari_utile.coco.masks import expanded
from napari_utile.errors import UserError
from napari_utile.io.names import check_name

JsonObject = Mapping[str, Any]

TOLERANCE = 1.0
"""Pixels by which a polygon may leave its image, because annotation tools round."""
MAX_IMAGE_PIXELS = 2**31
"""Larger images are taken for a fault of the file."""


@dataclass(frozen=True)
class Category:
    """A kind of object, such as "dog" of the supercategory "animal"."""

    id: int
    name: str
    supercategory: str
    entry: JsonObject


@dataclass(frozen=True)
class CocoImage:
    """An image: id, name, size in pixels, and the path of its file, if it was looked for."""

    id: int
    file_name: str
    height: int
    width: int
    path: Path | None
    entry: JsonObject


@dataclass(frozen=True)
class Annotation:
    """An object in an image, or a crowd: a region of objects that are not outlined one by one.

    `segmentation` is a list of polygons, or run lengths with "size" and "counts"; `area` is
    that of the file, in pixels, or None; `entry` is the whole entry.
    """

    id: int
    image_id: int
    category_id: int
    is_crowd: bool
    area: float | None
    segmentation: Any
    entry: JsonObject


def read_category(entry: Any) -> Category:
    """Return a category of a file.

    Parameters
    ----------
    entry : object
        An entry of "categories", of any type.

    Raises
    ------
    ValueError
        If it has a fault.
    """
    name = _text(entry, "name")
    supercategory = entry.get("supercategory")
    supercategory = supercategory if isinstance(supercategory, str) else ""
    return Category(_whole(entry, "id"), name, supercategory, entry)


def read_image(entry: Any, folder: Path | None, taken: dict[Path, int]) -> CocoImage:
    """Return an image of a file, with the path of its pixels.

    Parameters
    ----------
    entry : object
        An entry of "images", of any type.
    folder : Path or None
        Where to look for its file; None to not look for it.
    taken : dict
        Files found so far, with the ids of their images; this one is added.

    Raises
    ------
    ValueError
        If it has a fault, its file is missing, or belongs to another image.
    """
    id, name = _whole(entry, "id"), _text(entry, "file_name")
    height, width = _whole(entry, "height"), _whole(entry, "width")
    if height < 1 or width < 1 or height * width > MAX_IMAGE_PIXELS:
        raise ValueError(f"({name}) cannot be {width} x {height} pixels")
    path = None
    if folder is not None:
        path = image_file(folder, name)
        if path is None:
            raise ValueError(f"({name}) is not in {folder}")
        if path in taken:
            raise ValueError(f"({name}) has the same file as image {taken[path]}")
        taken[path] = id
    return CocoImage(id, name, height, width, path, entry)


def read_annotation(
    entry: Any, images: Mapping[int, CocoImage], categories: Mapping[int, Category]
) -> Annotation:
    """Return an annotation of a file.

    Parameters
    ----------
    entry : object
        An entry of "annotations", of any type.
    images, categories : mapping
        The images and categories that it may refer to, by id.

    Raises
    ------
    ValueError
        If it has a fault.
    """
    id, image_id = _whole(entry, "id"), _whole(entry, "image_id")
    category_id = _whole(entry, "category_id")
    if image_id not in images:
        raise ValueError(f"is of image {image_id}, which is not in the file")
    image = images[image_id]
    if category_id not in categories:
        raise ValueError(f"{_of(image)} is of category {category_id}, which is not in the file")
    crowd = entry.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise ValueError(f"{_of(image)} has iscrowd {crowd!r}, which should be 0 or 1")
    try:
        segmentation = _segmentation(entry.get("segmentation"), image.height, image.width)
    except ValueError as fault:
        raise ValueError(f"{_of(image)} {fault}") from None
    area = entry.get("area")
    area = float(area) if _is_number(area) and area >= 0 else None
    return Annotation(id, image_id, category_id, bool(crowd), area, segmentation, entry)


def _segmentation(given: Any, height: int, width: int) -> Any:
    if given is None or given in ([], {}):
        raise ValueError("has an empty segmentation")
    if isinstance(given, list):
        for polygon in given:
            _check_polygon(polygon, height, width)
    elif isinstance(given, dict):
        _check_run_lengths(given, height, width)
    else:
        raise ValueError("has a segmentation that is neither polygons nor run lengths")
    return given


def _check_polygon(polygon: Any, height: int, width: int) -> None:
    if not isinstance(polygon, list) or not _are_numbers(polygon):
        raise ValueError("has a polygon that is no list of numbers x, y, x, y, ...")
    if len(polygon) % 2 or len(polygon) < 6:
        raise ValueError(f"has a polygon of {len(polygon)} numbers; 3 points are 6")
    x, y = polygon[::2], polygon[1::2]
    for values, size in ((x, width), (y, height)):
        if min(values) < -TOLERANCE or max(values) > size + TOLERANCE:
            raise ValueError(
                f"has a polygon from ({min(x):g}, {min(y):g}) to ({max(x):g}, {max(y):g}), "
                f"outside of its image of {width} x {height} pixels"
            )


def _check_run_lengths(given: JsonObject, height: int, width: int) -> None:
    size, counts = given.get("size"), given.get("counts")
    if not isinstance(size, list) or size != [height, width]:
        raise ValueError(f"has run lengths of size {size}, but the image has {[height, width]}")
    if isinstance(counts, str):
        total = int(expanded(counts).sum())
    elif isinstance(counts, list) and all(type(n) is int and n >= 0 for n in counts):
        total = sum(counts)
    else:
        raise ValueError("has run lengths whose counts are neither text nor numbers")
    if total != height * width:
        raise ValueError(
            f"has run lengths of {total:,} pixels, but the image has {height * width:,}"
        )


def _whole(entry: Any, key: str) -> int:
    """Return a whole number; some tools write 3.0."""
    if not isinstance(entry, dict):
        raise ValueError("is no object with keys")
    value = entry.get(key)
    if value is None or not _is_number(value) or value != int(value):
        raise ValueError(f"has no whole number as {key}" + _instead(value))
    return int(value)


def _text(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value:
        raise ValueError(f"has no {key}" + _instead(value))
    return value


def _instead(value: Any) -> str:
    return "" if value is None else f", but {str(value)[:40]!r}"


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))


def _are_numbers(values: list[Any]) -> bool:
    """Whether all are finite numbers. Fast, as it sees every point of every polygon."""
    try:
        return set(map(type, values)) <= {int, float} and isfinite(sum(values))
    except OverflowError:  # an int beyond any float
        return False


def _of(image: CocoImage) -> str:
    return f"(image {image.id}, {image.file_name})"


PARTS = ("images", "annotations", "categories")
"""The lists that a file of instances has."""


def read_content(path: Path) -> dict[str, Any]:
    """Return the JSON object of a COCO file, which has the three lists `PARTS`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UserError
        If it cannot be read, is no JSON, or lacks one of the lists.
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
        raise UserError(
            f"{path} is {what}: COCO instances are an object with {enumerated(PARTS)}."
        )
    lacking = [part for part in PARTS if not isinstance(content.get(part), list)]
    if lacking:
        raise UserError(
            f"{path} is no COCO instances file: it has no list of {enumerated(lacking)}."
        )
    return content


def is_coco(path: Path | str) -> bool:
    """Whether a file looks like COCO annotations. It is not parsed.

    A broken or cut-off file does, so that reading it can name the fault. COCO results do not.

    Parameters
    ----------
    path : path
    """
    try:
        text = Path(path).read_bytes()
    except OSError:
        return False
    lists = (rb'"images"\s*:\s*\[', rb'"annotations"\s*:\s*\[')
    return text.lstrip().startswith(b"{") and all(re.search(name, text) for name in lists)


def image_folder(path: Path, names: Iterable[str]) -> Path | None:
    """Return the folder that holds the images of a COCO file; None if none is found.

    Looks in the folder of the file, in its subfolders that are named after the file ("val2017"
    for instances_val2017.json) and "images", and in the same places one level higher.

    Parameters
    ----------
    path : Path
        The COCO file.
    names : iterable of str
        File names of images, one of which the folder must hold.
    """
    own, above = path.stem.removeprefix("instances_"), path.absolute().parent
    places = [base / name for base in (above, above.parent) for name in ("", own, "images")]
    wanted = list(names)
    return next((place for place in places if any(image_file(place, n) for n in wanted)), None)


def image_file(folder: Path, name: str) -> Path | None:
    """Return the file of an image; None if the folder does not hold it.

    Parameters
    ----------
    folder : Path
    name : str
        Path of the image in the folder; a file with only the last part of it is taken, too.
    """
    name = name.replace("\\", "/")
    for path in (folder / name.lstrip("/"), folder / name.rpartition("/")[2]):
        if path.is_file():
            return path
    return None


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
