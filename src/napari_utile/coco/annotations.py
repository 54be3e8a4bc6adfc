"""Annotations of a COCO instances file: read with checks of every entry, and written again.

Objects become pixels in `coco.drawing`, entries are checked in `coco.checks`, and labels and
predictions become such a file in `coco.writing`. The format is that of cocodataset.org, "Data
format" (Lin et al., "Microsoft COCO: common objects in context", ECCV 2014).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from napari_utile.coco.checks import Annotation, Category, CocoImage, shown
from napari_utile.coco.entries import Entries
from napari_utile.coco.files import PARTS, read_content
from napari_utile.coco.image_files import image_folder
from napari_utile.errors import UserError
from napari_utile.events import Warned, doubted
from napari_utile.io.disk import atomic_write, check_file_output
from napari_utile.io.images import open_image
from napari_utile.io.names import composed
from napari_utile.io.stack import Stack
from napari_utile.io.units import counted

__all__ = ["Annotation", "Category", "CocoAnnotations", "CocoImage", "read_coco"]

WAY_ON = "correct it, or add skip broken to leave it out"


@dataclass(frozen=True)
class CocoAnnotations:
    """Images, categories and annotations of a COCO file.

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
        Faults of the entries that were left out, a sentence each. Empty if there are none.
    doubts : tuple of str
        What may not be as it was meant, a sentence each.
    folder : Path or None
        Folder of the images, if they were looked for.
    extra : mapping
        All else that the file holds, such as its licenses.
    listed : int
        Number of images that the file lists, with those that are broken or left out.
    """

    path: Path
    categories: tuple[Category, ...]
    images: tuple[CocoImage, ...]
    annotations: tuple[Annotation, ...]
    skipped: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    folder: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    listed: int = 0

    @property
    def warning(self) -> str | None:
        """Number and first few of the faults that were skipped; None if there are none."""
        if not self.skipped:
            return None
        faults = "1 fault" if len(self.skipped) == 1 else f"{len(self.skipped):,} faults"
        shown = "; ".join(self.skipped[:3]) + ("; ..." if len(self.skipped) > 3 else "")
        return f"{self.path}: skipped for {faults}: {shown}."

    def reported(self, strict: bool) -> Iterator[Warned]:
        """Report what was skipped and what is doubtful.

        Parameters
        ----------
        strict : bool
            Whether to refuse what is doubtful.

        Yields
        ------
        Warned

        Raises
        ------
        UserError
            With `strict`, if there is a doubt.
        """
        if self.warning:
            yield Warned(message=self.warning)
        yield from doubted(self.doubts, strict)

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
        """List the annotations of an image.

        Parameters
        ----------
        image_id : int
        categories : iterable of int, optional
            Ids of the categories; all by default.
        """
        found = self._annotations_of.get(image_id, [])
        if categories is None:
            return found
        wanted = set(categories)
        return [annotation for annotation in found if annotation.category_id in wanted]

    def category_ids(self, names: Iterable[str | int]) -> list[int]:
        """Return the ids of categories.

        Parameters
        ----------
        names : iterable of str or int
            Names, supercategories (all of their categories) or ids, in upper or lower case. A
            name that is none of them may be several with commas between.

        Raises
        ------
        UserError
            If there is no such category; names those that there are.
        """
        ids: dict[int, None] = {}
        for given in map(str, names):
            for name in [given] if self._categories(given) else given.split(","):
                found = self._categories(name.strip())
                if not found:
                    known = ", ".join(category.name for category in self.categories)
                    raise UserError(
                        f"{self.path} has no category {name.strip()!r}; it has {known}."
                    )
                ids |= dict.fromkeys(category.id for category in found)
        return list(ids)

    def _categories(self, name: str) -> list[Category]:
        """Return the categories of a name, else those of a supercategory, else the id."""
        same = composed(name).casefold()
        for fits in ("name", "supercategory", "id"):
            found = [
                category
                for category in self.categories
                if composed(str(getattr(category, fits))).casefold() == same
            ]
            if found:
                return found
        return []

    def part(
        self, images: Iterable[int] | None = None, categories: Iterable[int] | None = None
    ) -> "CocoAnnotations":
        """Return a copy with a part of the images and categories, and their annotations.

        Parameters
        ----------
        images, categories : iterable of int, optional
            Ids; all by default.
        """
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
            If it was not looked for or not found, cannot be read, or differs in size from the
            annotations.
        """
        image = self.image[image_id]
        if image.path is None:
            raise UserError(f"{self.path}: {image.file_name} is needed; name its folder.")
        said = image.height, image.width
        stack = open_image(image.path)
        if stack.shape == said[::-1] != said:  # annotated before it was turned
            stack = open_image(image.path, upright=False)
        if stack.shape != said:
            size = " x ".join(map(str, reversed(stack.shape)))
            raise UserError(
                f"{image.path} is {size} pixels, but {self.path} says "
                f"{image.width} x {image.height} of image {image_id}."
            )
        return stack

    def write(self, path: Path | str, overwrite: bool = False) -> None:
        """Write these images, annotations and categories with all that the file held of them.

        Parameters
        ----------
        path : path
            The JSON file.
        overwrite : bool, default False
            Overwrite an existing file.

        Raises
        ------
        UserError
            If the path exists and `overwrite` is off, or cannot be written.

        Notes
        -----
        Numbers that are not finite, which JSON does not know, become null.
        """
        check_file_output(path, overwrite)
        atomic_write(path, self.encoded())

    def encoded(self) -> bytes:
        """Return the content of the file.

        Raises
        ------
        UserError
            If it is nested too deep.
        """
        content = dict(self.extra)
        for part in PARTS:
            content[part] = [thing.entry for thing in getattr(self, part)]
        try:
            try:
                text = json.dumps(content, allow_nan=False)
            except ValueError:
                text = json.dumps(_finite(content))
        except RecursionError:
            raise UserError(
                f"{self.path} has lists or objects that are nested too deep to be written."
            ) from None
        return text.encode()


def read_coco(
    path: Path | str,
    images: Path | str | None = None,
    strict: bool = True,
    look_around: bool = False,
    crowds_as_objects: bool = False,
    check_headers: bool = False,
) -> CocoAnnotations:
    """Read a COCO instances file, and check all of it.

    Parameters
    ----------
    path : path
        The JSON file.
    images : path, optional
        Folder of the images. Without it they are not looked for.
    strict : bool, default True
        Refuse a file with a fault. Otherwise, as with the option "skip broken", leave out
        broken entries, an image with all of its annotations, and list their faults under
        `skipped`.
    look_around : bool, default False
        Look for the images in the folders near the file; see `checks.image_folder`.
    crowds_as_objects : bool, default False
        Take crowds for objects.
    check_headers : bool, default False
        Compare the sizes of images with those in the headers of their files. Otherwise they are
        compared when an image is opened.

    Returns
    -------
    CocoAnnotations

    Raises
    ------
    UserError
        If the file cannot be read, is no JSON or no COCO instances; if it has images and none
        can be used; with `strict`, if it has a fault. Names the first one and their number.

    Notes
    -----
    Faults are an id that occurs twice, an image whose file is missing or is that of another
    image, an annotation of an unknown image or category, run lengths that differ in size from
    the image, a polygon of fewer than three points or that leaves the image by more than a
    pixel, an empty segmentation, and an entry of the wrong type.
    """
    path = Path(path)
    content = read_content(path)
    folder = None if images is None else Path(images)
    if look_around:
        folder = image_folder(path, _file_names_of(content["images"]))
    if folder is not None and not folder.is_dir():
        raise UserError(f"{folder} is not a folder of images.")

    entries = Entries(crowds_as_objects, path.name if check_headers else None)
    entries.add_categories(content["categories"])
    entries.add_images(content["images"], folder)
    faults = entries.faults
    if content["images"] and not entries.images and (folder or not strict):
        more = f" Is {folder} the right folder?" if folder and not look_around else ""
        raise UserError(
            f"{path}: no image can be used. {faults[0][:1].upper()}{faults[0][1:]}.{more}"
        )
    entries.add_annotations(content["annotations"])
    if strict and faults:
        more = f" It is the first of {len(faults):,} faults." if len(faults) > 1 else ""
        raise UserError(f"{path}: {faults[0]}; {WAY_ON}.{more}")
    if content["annotations"] and not entries.annotations and faults:
        raise UserError(f"{path}: no annotation can be used: {faults[-1]}.")
    if lost := sum(entries.lost.values()):
        faults.append(f"{counted(lost, 'annotations')} of broken images")
    return CocoAnnotations(
        path,
        tuple(entries.categories.values()),
        tuple(entries.images.values()),
        tuple(entries.annotations),
        tuple(faults),
        (
            *(f"{path}: {doubt}." for doubt in entries.doubts),
            *crowd_doubts(path, entries.annotations),
        ),
        folder,
        {name: value for name, value in content.items() if name not in PARTS},
        len(content["images"]),
    )


def _finite(value: Any) -> Any:
    """Return a value of JSON with None in place of numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def crowd_doubts(path: Path, annotations: Iterable[Annotation]) -> list[str]:
    """Return a sentence if crowds look like objects that a tool has marked as crowds.

    COCO has one crowd at most of each category in an image; tools that mark every brushed or
    segmented object have many.

    Parameters
    ----------
    path : Path
        The file, for the sentence.
    annotations : iterable of Annotation
    """
    annotations = list(annotations)
    crowds = [annotation for annotation in annotations if annotation.is_crowd]
    places = {(crowd.image_id, crowd.category_id) for crowd in crowds}
    if len(places) == len(crowds) < max(len(annotations), 1):
        return []
    return [
        f"{path}: {len(crowds):,} of {len(annotations):,} annotations are crowds (iscrowd 1), "
        "which are neither learnt nor scored; if they are objects, set crowds as objects."
    ]


def bare_doubts(
    path: Path, images: Sequence[CocoImage], annotations: Iterable[Annotation]
) -> list[str]:
    """Return a sentence if most images have no annotation at all, as before they are annotated.

    Parameters
    ----------
    path : Path
        The file, for the sentence.
    images : sequence of CocoImage
        Those that are used.
    annotations : iterable of Annotation
        Of any category.
    """
    known = {annotation.image_id for annotation in annotations}
    bare = [image for image in images if image.id not in known]
    if 2 * len(bare) <= len(images):
        return []
    return [
        f"{path}: {len(bare):,} of {len(images):,} images have no annotation of any category "
        f"(such as {shown(bare[0].file_name)}), and count as images without objects: if they "
        "were not annotated, leave them out."
    ]


def _file_names_of(images: Sequence[Any]) -> list[str]:
    """List the file names of the first images, right or wrong."""
    names = [entry.get("file_name") for entry in images[:9] if isinstance(entry, dict)]
    return [name for name in names if isinstance(name, str)]
