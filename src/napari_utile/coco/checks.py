"""Entries of a COCO file, each checked as it is read, and mended where its meaning is clear.

Faults are ValueErrors whose messages continue "annotation 7 ...".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_utile.coco.image_files import ImageFolder, check_header, parts_of, sizes_in_header
from napari_utile.coco.segmentations import (
    NESTED,
    Note,
    fits_box,
    is_box,
    is_filled,
    is_fraction,
    is_number,
    read_segmentation,
)
from napari_utile.errors import UserError

JsonObject = Mapping[str, Any]

MAX_IMAGE_PIXELS = 2**31
"""Larger images are taken for a fault of the file."""
MAX_ID = 2**53
"""Larger ids are taken for a fault: few programs read them exactly."""

TEXT_IDS = "have ids as texts, such as '7', and are read as numbers"
NO_SIZE = "have no height and width, which are taken from their files"
OTHER_PLACE = "have an outline at another place than their box (bbox): only one can be right"
FRACTIONS = "lie within the first pixel, as outlines in fractions of the image do: give pixels"
BOX_ALONE = "have their box (bbox) as outline, which is learnt and scored as their true outline"
UNANNOTATED = "have objects of some categories that are not annotated, as their entries say"
NO_NAME = "have an address in place of a file name, whose end is taken as the name"


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


def _unsaid(what: str) -> None:
    """Note nothing."""


def read_category(entry: Any, note: Note = _unsaid) -> Category:
    """Return a category of a file.

    Parameters
    ----------
    entry : object
        An entry of "categories", of any type.
    note : callable, optional
        Called with what was mended.

    Raises
    ------
    ValueError
        If it has a fault.
    """
    name = _text(entry, "name")
    id = _id_in(entry, "id", note)
    supercategory = entry.get("supercategory")
    supercategory = supercategory if isinstance(supercategory, str) else ""
    return Category(id, name, supercategory, _mended(entry, id=id))


def read_image(
    entry: Any,
    folder: Path | ImageFolder | None,
    taken: dict[Path, int],
    note: Note = _unsaid,
    said_by: str | None = None,
) -> CocoImage:
    """Return an image of a file, with the path of its pixels.

    Parameters
    ----------
    entry : object
        An entry of "images", of any type.
    folder : Path, ImageFolder or None
        Where to look for its file; None to not look for it.
    taken : dict
        Files found so far, with the ids of their images; this one is added.
    note : callable, optional
        Called with what was mended or is doubtful.
    said_by : str, optional
        Name of the COCO file, to compare the size of the image with that in its header.

    Raises
    ------
    ValueError
        If it has a fault, its file is missing, of another size, or belongs to another image.
    """
    id, name = _id_in(entry, "id", note), _file_name(entry, note)
    if entry.get("not_exhaustive_category_ids"):  # as in LVIS
        note(UNANNOTATED)
    has_size = entry.get("height") is not None or entry.get("width") is not None
    if has_size or folder is None:
        height, width = _whole(entry, "height"), _whole(entry, "width")
        if height < 1 or width < 1 or height * width > MAX_IMAGE_PIXELS:
            raise ValueError(f"({shown(name)}) cannot be {_px(width)} x {_px(height)} pixels")
    if folder is None:
        return CocoImage(
            id, name, height, width, None, _mended(entry, id=id, height=height, width=width)
        )

    found = (folder if isinstance(folder, ImageFolder) else ImageFolder(folder)).find(name)
    where = folder.path if isinstance(folder, ImageFolder) else folder
    if found is None:
        if ".." in parts_of(name):
            raise ValueError(f"has the file name {shown(name)} that leads out of {where}")
        raise ValueError(f"({shown(name)}) is not in {where}")
    path = found.path
    if path in taken:
        raise ValueError(f"({shown(name)}) has the same file as image {taken[path]}")
    if not has_size:
        try:
            height, width = sizes_in_header(path)[0]
        except UserError as error:
            raise ValueError(f"cannot be used: {str(error).rstrip('.')}") from None
        note(NO_SIZE)
    elif said_by:
        check_header(path, (height, width), f"{said_by}", id)
    if found.doubt:
        note(found.doubt)
    taken[path] = id
    if name != "/".join(parts_of(name)) or ".." in parts_of(name):  # no path of this system
        name = path.relative_to(where).as_posix()
    mended = _mended(entry, id=id, file_name=name, height=height, width=width)
    return CocoImage(id, name, height, width, path, mended)


def read_annotation(
    entry: Any,
    images: Mapping[int, CocoImage],
    categories: Mapping[int, Category],
    note: Note = _unsaid,
    id: int | None = None,
) -> Annotation:
    """Return an annotation of a file.

    Parameters
    ----------
    entry : object
        An entry of "annotations", of any type.
    images, categories : mapping
        The images and categories that it may refer to, by id.
    note : callable, optional
        Called with what was mended.
    id : int, optional
        A new id in place of its own.

    Raises
    ------
    ValueError
        If it has a fault.
    """
    id = _whole(entry, "id") if id is None else id
    image_id = _id_in(entry, "image_id", note)
    category_id = _id_in(entry, "category_id", note)
    if image_id not in images:
        raise ValueError(f"is of image {image_id}, which is not in the file")
    image = images[image_id]
    of = f"(image {image.id}, {shown(image.file_name)})"
    if category_id not in categories:
        raise ValueError(f"{of} is of category {category_id}, which is not in the file")
    crowd = entry.get("iscrowd")
    if crowd not in (0, 1, None):
        quoted = f"'{shown(crowd)}' in quotes" if isinstance(crowd, str) else shown(crowd)
        raise ValueError(f"{of} has iscrowd {quoted}, which should be 0 or 1")
    given = entry.get("segmentation")
    noted: list[str] = []
    try:
        segmentation = read_segmentation(given, image.height, image.width, noted.append)
    except ValueError as fault:
        raise ValueError(f"{of} {fault}") from None
    for what in noted:
        if what != NESTED or not is_filled(segmentation, entry.get("area")):
            note(what)
    if not fits_box(segmentation, entry.get("bbox")):
        note(OTHER_PLACE)
    elif is_fraction(segmentation):
        note(FRACTIONS)
    elif is_box(segmentation, entry.get("bbox")):
        note(BOX_ALONE)
    area = entry.get("area")
    area = float(area) if is_number(area) and 0 <= area <= MAX_IMAGE_PIXELS else None
    mended = _mended(entry, id=id, image_id=image_id, category_id=category_id)
    if segmentation is not given:
        mended = {**mended, "segmentation": segmentation}
    return Annotation(id, image_id, category_id, bool(crowd), area, segmentation, mended)


def shown(value: Any, most: int = 80) -> str:
    """Return a name or value of a file as short text without control characters.

    Parameters
    ----------
    value : object
    most : int, default 80
        Number of characters.
    """
    text = value if isinstance(value, str) else _represented(value)
    text = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def loose_id(entry: Any, key: str = "id") -> Any:
    """Return the id of an entry, right or wrong, for look-ups and messages; None without.

    Parameters
    ----------
    entry : object
    key : str, default "id"
    """
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, str) and _is_digits(value):
        return int(value)
    return value if isinstance(value, int | str | float) else None


def _file_name(entry: Any, note: Note) -> str:
    if isinstance(entry, dict) and entry.get("file_name") is None:
        address = entry.get("coco_url")  # as in LVIS
        if isinstance(address, str) and parts_of(address):
            note(NO_NAME)
            return parts_of(address)[-1]
    return _text(entry, "file_name")


def _id_in(entry: Any, key: str, note: Note) -> int:
    """Return an id, which some tools write as text."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, str) and _is_digits(value):
        note(TEXT_IDS)
        return int(value)
    return _whole(entry, key)


def _whole(entry: Any, key: str) -> int:
    """Return a whole number; some tools write 3.0."""
    if not isinstance(entry, dict):
        raise ValueError("is no object with keys")
    value = entry.get(key)
    if value is None or not is_number(value) or value != int(value) or abs(value) > MAX_ID:
        raise ValueError(f"has no whole number as {key}" + _instead(value))
    return int(value)


def _text(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value:
        raise ValueError(f"has no {key}" + _instead(value))
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"has a {key} that is no text: {shown(value)}") from None
    return value


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _instead(value: Any) -> str:
    return "" if value is None else f", but {shown(value, 40)!r}"


def _represented(value: Any) -> str:
    """Return a value as text; of lists and objects their kind alone, as they may be endless."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return str(value)


def _px(pixels: int) -> str:
    return f"{pixels}" if abs(pixels) < 10**15 else "far too many"


def _mended(entry: JsonObject, **values: Any) -> JsonObject:
    """Return an entry with the values that were read; the same one if they are its own."""
    is_same = all(
        entry.get(key) == value and type(entry.get(key)) is type(value)
        for key, value in values.items()
    )
    return entry if is_same else {**entry, **values}
