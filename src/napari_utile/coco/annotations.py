"""COCO instances: a JSON file of outlined objects, read and checked; a part of it, written.

How its objects become pixels is in `coco_drawing`, what can be wrong in it in `coco_checks`,
and how labels and predictions become such a file in `coco_writing`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from napari_utile.coco.checks import (
    PARTS,
    Annotation,
    Category,
    CocoImage,
    content_of,
    image_folder,
    read_annotation,
    read_category,
    read_image,
)
from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write, check_file_output
from napari_utile.io.images import open_image
from napari_utile.io.stack import Stack

__all__ = ["Annotation", "Category", "CocoAnnotations", "CocoImage", "read_coco"]


@dataclass(frozen=True)
class CocoAnnotations:
    """What a COCO file says: which objects of which categories are in which images.

    Attributes
    ----------
    path : Path
        The file.
    categories : tuple of Category
    images : tuple of CocoImage
        In the order of the file, like the annotations.
    annotations : tuple of Annotation
        Outlined objects, and crowds.
    skipped : tuple of str
        What was left out because it is broken, a sentence each. Empty if the file is whole.
    folder : Path or None
        Where the images are, if they were looked for.
    extra : mapping
        What else the file holds, such as its licenses.
    """

    path: Path
    categories: tuple[Category, ...]
    images: tuple[CocoImage, ...]
    annotations: tuple[Annotation, ...]
    skipped: tuple[str, ...] = ()
    folder: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warning(self) -> str | None:
        """Say what was skipped: the number and the first few; None if nothing was."""
        if not self.skipped:
            return None
        faults = "1 fault" if len(self.skipped) == 1 else f"{len(self.skipped):,} faults"
        shown = "; ".join(self.skipped[:3]) + ("; ..." if len(self.skipped) > 3 else "")
        return f"{self.path}: skipped for {faults}: {shown}."

    @cached_property
    def image(self) -> Mapping[int, CocoImage]:
        """Images by id."""
        return {image.id: image for image in self.images}

    @cached_property
    def _annotations_of(self) -> Mapping[int, list[Annotation]]:
        of = defaultdict(list)
        for annotation in self.annotations:
            of[annotation.image_id].append(annotation)
        return of

    def annotations_of(
        self, image_id: int, categories: Iterable[int] | None = None
    ) -> list[Annotation]:
        """List the annotations of an image, of all categories or of these ids."""
        found = self._annotations_of.get(image_id, [])
        if categories is None:
            return found
        wanted = set(categories)
        return [annotation for annotation in found if annotation.category_id in wanted]

    def category_ids(self, names: Iterable[str | int]) -> list[int]:
        """Give the ids of categories by name, by supercategory (all of it), or by id.

        Raises
        ------
        UserError
            Names what is no category, and those that there are.
        """
        ids: dict[int, None] = {}
        for name in names:
            same = str(name).casefold()
            for fits in ("name", "supercategory", "id"):
                found = [c for c in self.categories if str(getattr(c, fits)).casefold() == same]
                if found:
                    break
            else:
                known = ", ".join(category.name for category in self.categories)
                raise UserError(f"{self.path} has no category {name!r}; it has {known}.")
            ids |= dict.fromkeys(category.id for category in found)
        return list(ids)

    def part(
        self, images: Iterable[int] | None = None, categories: Iterable[int] | None = None
    ) -> "CocoAnnotations":
        """Keep these images and categories (ids; all if left out), and their annotations."""
        kept_images = {*self.image} if images is None else {*images}
        kept = {c.id for c in self.categories} if categories is None else {*categories}
        return replace(
            self,
            categories=tuple(c for c in self.categories if c.id in kept),
            images=tuple(image for image in self.images if image.id in kept_images),
            annotations=tuple(
                annotation
                for annotation in self.annotations
                if annotation.image_id in kept_images and annotation.category_id in kept
            ),
        )

    def open(self, image_id: int) -> Stack:
        """Open the file of an image.

        Raises
        ------
        UserError
            If it was not looked for or not found, cannot be read, or has another size than
            the annotations say.
        """
        image = self.image[image_id]
        if image.path is None:
            raise UserError(f"{self.path}: {image.file_name} is needed; name its folder.")
        stack = open_image(image.path)
        if stack.shape != (image.height, image.width):
            size = " x ".join(map(str, reversed(stack.shape)))
            raise UserError(
                f"{image.path} is {size} pixels, but {self.path} says "
                f"{image.width} x {image.height} of image {image_id}."
            )
        return stack

    def write(self, path: Path | str, overwrite: bool = False) -> None:
        """Write these images, annotations and categories as they were in the file.

        Raises
        ------
        UserError
            If the path exists and `overwrite` is off, or cannot be written.
        """
        check_file_output(path, overwrite)
        content = dict(self.extra)
        for part in PARTS:
            content[part] = [thing.entry for thing in getattr(self, part)]
        atomic_write(path, json.dumps(content).encode())


def read_coco(
    path: Path | str,
    images: Path | str | None = None,
    strict: bool = True,
    look_around: bool = False,
) -> CocoAnnotations:
    """Read a COCO instances file, and check all of it.

    Parameters
    ----------
    path : path
        The JSON file.
    images : path, optional
        Folder of the images. Without it they are not looked for.
    strict : bool, default True
        Refuse a file in which anything is broken. Else leave out what is, and list it under
        `skipped`: a broken image with all of its annotations.
    look_around : bool, default False
        Look for the images in the folders that `image_folder` names.

    Raises
    ------
    UserError
        If the file cannot be read, is no JSON or no COCO instances; with `strict`, at the first
        image or annotation that is broken, naming it and the number of such faults.

    Notes
    -----
    A fault is an id that occurs twice, an image whose file is missing or is that of another
    image, an annotation of an image or a category that is not there, run lengths of another
    size than the image, a polygon of fewer than three points or that leaves the image by more
    than a pixel, a segmentation that is empty, and an entry of the wrong type.
    """
    path = Path(path)
    content = content_of(path)
    faults: list[str] = []
    folder = None if images is None else Path(images)
    if look_around:
        first = [
            entry.get("file_name") for entry in content["images"][:9] if type(entry) is dict
        ]
        folder = image_folder(path, [name for name in first if isinstance(name, str)])
    if folder is not None and not folder.is_dir():
        raise UserError(f"{folder} is not a folder of images.")

    categories: dict[int, Category] = {}
    for entry in content["categories"]:
        _keep(categories, "category", entry, faults, read_category, entry)
    found: dict[int, CocoImage] = {}
    taken: dict[Path, int] = {}
    broken: dict[Any, int] = {}
    for entry in content["images"]:
        is_kept = _keep(found, "image", entry, faults, read_image, entry, folder, taken)
        if not is_kept and (id := _id(entry)) is not None and id not in found:
            broken[id] = 0
    if content["images"] and not found and not strict:
        raise UserError(
            f"{path}: no image can be used. {faults[0][:1].upper()}{faults[0][1:]}."
        )
    annotations: dict[int, Annotation] = {}
    for entry in content["annotations"]:
        if (of := _id(entry, "image_id")) in broken:
            broken[of] += 1
        else:
            _keep(
                annotations,
                "annotation",
                entry,
                faults,
                read_annotation,
                entry,
                found,
                categories,
            )
    if strict and faults:
        more = f" It is the first of {len(faults):,} faults." if len(faults) > 1 else ""
        raise UserError(f"{path}: {faults[0]}.{more}")
    if lost := sum(broken.values()):
        faults.append(f"{lost:,} annotations are of images that are broken")
    extra = {name: value for name, value in content.items() if name not in PARTS}
    return CocoAnnotations(
        path,
        tuple(categories.values()),
        tuple(found.values()),
        tuple(annotations.values()),
        tuple(faults),
        folder,
        extra,
    )


def _keep(
    into: dict[int, Any], kind: str, entry: Any, faults: list[str], read: Any, *given: Any
) -> bool:
    """Read one entry into its place; if it is broken, note down why."""
    try:
        thing = read(*given)
        if thing.id in into:
            raise ValueError(f"has the id of another {kind}")
    except ValueError as fault:
        id = _id(entry)
        faults.append(f"{kind} {'without id' if id is None else id} {fault}")
        return False
    into[thing.id] = thing
    return True


def _id(entry: Any, key: str = "id") -> Any:
    """Give what an entry calls itself, right or wrong, for messages and look-ups."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | str | float) else None
