"""A part of a COCO data set, written as a data set of its own."""

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_utile.coco.annotations import CocoAnnotations, CocoImage, read_coco
from napari_utile.coco.image_files import TURNED, picture_header
from napari_utile.errors import UserError
from napari_utile.events import Warned, doubted, warn
from napari_utile.io.disk import check_file_output, check_free, room_for

SUBSET_FILES = ("annotations.json", "images")
_OUTLINED = {
    "stored": "and annotated as they are stored, not turned: they are copied as they are",
    "turned": "and annotated as they are shown, turned: they are copied as they are",
    "unknown": "and their size does not tell whether their annotations are, too: those of the "
    "turned picture are wanted",
}
"""What is said of pictures with an EXIF orientation, by how their objects are outlined."""
PARTIAL_PREFIX = ".new-"
"""Prefix of the folder in `out` in which a subset is made; a killed process leaves it there."""


def write_subset(
    annotations: Path,
    folder: Path,
    out: Path,
    categories: Sequence[str] = (),
    count: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    *,
    crowds_as_objects: bool = False,
    strict: bool = False,
    skip_broken: bool = False,
    on_event: Callable[[Warned], object] = warn,
) -> CocoAnnotations:
    """Write images that show some categories, with their objects of these categories.

    Parameters
    ----------
    annotations, folder : Path
        COCO instances, and the folder of their images.
    out : Path
        Folder to write ``annotations.json`` and ``images/`` to. Entries are unchanged, except
        where they were mended.
    categories : sequence of str
        Names of categories or of supercategories; all by default.
    count : int, optional
        Number of images, drawn at random; by default all that show one of the categories.
    seed : int, default 0
        Seed of the draw. With the same seed, a larger count adds images to those of a smaller.
    overwrite : bool, default False
        Overwrite an existing subset, with its images.
    crowds_as_objects : bool, default False
        Take crowds for objects, and write them as such.
    strict : bool, default False
        Refuse a file that is doubtful.
    skip_broken : bool, default False
        Leave out and name broken entries, instead of refusing the file.
    on_event : callable, optional
        Called with a `Warned` of what was left out or is doubtful; by default that becomes a
        Python warning.

    Returns
    -------
    CocoAnnotations
        The subset.

    Raises
    ------
    UserError
        If the file is broken, an image is missing, there is no such category, too few images
        show one, or `out` holds something else or the source of the subset. Then `out` is not
        changed.
    """
    check_file_output(out / "annotations.json", overwrite)
    _check_folder(out, annotations, folder)
    coco = read_coco(
        annotations,
        folder,
        strict=not skip_broken,
        crowds_as_objects=crowds_as_objects,
        check_headers=True,
    )
    for event in coco.reported(strict):
        on_event(event)
    ids = coco.category_ids(categories) if categories else [c.id for c in coco.categories]
    showing = [image for image in coco.images if coco.annotations_of(image.id, ids)]
    chosen = sample_images(showing, len(showing) if count is None else count, seed, coco.path)
    part = coco.part((image.id for image in chosen), ids)
    turned, doubts = _turned(part)
    for event in (*doubted(doubts, strict), *(Warned(message=text) for text in turned)):
        on_event(event)
    text = part.encoded()
    needed = len(text) + sum(image.path.stat().st_size for image in chosen if image.path)
    check_free(out, needed)
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with (
            room_for(out, needed),
            TemporaryDirectory(
                prefix=PARTIAL_PREFIX, dir=out, ignore_cleanup_errors=True
            ) as aside,
        ):
            new, old = Path(aside, "new"), Path(aside, "old")
            _write(part, text, new)
            old.mkdir()
            _swap(new, out, old)
    except BaseException:
        if is_new:
            out.rmdir()
        raise
    return part


def _turned(part: CocoAnnotations) -> tuple[list[str], list[str]]:
    """Describe which pictures have an EXIF orientation, by how their objects are outlined.

    Returns
    -------
    known, doubts : list of str
        Of those whose size tells it, and of those whose size does not.
    """
    found: dict[str, list[str]] = {}
    for image in part.images:
        header = picture_header(image.path) if image.path else None
        if header is None or header[1] not in range(2, 9):
            continue
        (height, width), orientation = header
        how = "unknown"
        if orientation in TURNED and height != width:
            how = "stored" if (image.height, image.width) == (height, width) else "turned"
        found.setdefault(how, []).append(image.file_name)

    def said(*kinds: str) -> list[str]:
        return [
            f"{part.path}: {len(found[how])} of {len(part.images)} images "
            f"({', '.join(found[how][:3])}{', ...' * (len(found[how]) > 3)}) are turned by "
            f"their EXIF orientation, {_OUTLINED[how]}."
            for how in kinds
            if how in found
        ]

    return said("stored", "turned"), said("unknown")


def sample_images(
    images: Sequence[CocoImage], count: int, seed: int, path: Path | str
) -> list[CocoImage]:
    """Draw images at random; which ones does not depend on their order.

    Parameters
    ----------
    images : sequence of CocoImage
    count : int
        Number of images to draw.
    seed : int
        With the same seed, a larger count adds images to those of a smaller.
    path : path
        File of the annotations, for messages.

    Returns
    -------
    list of CocoImage
        In ascending order of ids.

    Raises
    ------
    UserError
        If there are too few images, or none.
    """
    if not images or count > len(images):
        found = f"{len(images)} image{'s' * (len(images) != 1)}"
        wanted = f", and {count} were asked for" if images else ""
        raise UserError(f"{path} has {found} with an object of these categories{wanted}.")
    shuffled = sorted(images, key=lambda image: image.id)
    random.Random(seed).shuffle(shuffled)
    return sorted(shuffled[:count], key=lambda image: image.id)


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder.

    Parameters
    ----------
    folder : Path
    name : str
        Relative path, as in the COCO file.

    Raises
    ------
    UserError
        If the name leads out of the folder.
    """
    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"The file name {name} of an image leads out of its folder.")
    return place


def _write(part: CocoAnnotations, text: bytes, out: Path) -> None:
    """Write images and annotations to a new folder."""
    copies = [inside(out / "images", image.file_name) for image in part.images]
    for image, copy in zip(part.images, copies, strict=True):
        assert image.path is not None
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.path, copy)
    (out / "annotations.json").write_bytes(text)


def _swap(new: Path, out: Path, old: Path) -> None:
    """Replace the files of a subset by new ones, all or none; the former go to `old`."""
    try:
        for name in SUBSET_FILES:
            if (out / name).exists():
                (out / name).rename(old / name)
        for name in SUBSET_FILES:
            (new / name).rename(out / name)
    except BaseException:
        # Undo what was done, in any state between the renames.
        for name in SUBSET_FILES:
            if (old / name).exists():
                if (out / name).exists():
                    (out / name).rename(new / name)
                (old / name).rename(out / name)
        raise


def _check_folder(out: Path, annotations: Path, folder: Path) -> None:
    """Refuse a folder that holds something else than a subset, or the source of this one."""
    if not out.is_dir():
        return
    for source in (annotations, folder):
        if source.resolve().is_relative_to(out.resolve()):
            raise UserError(
                f"{source} lies in {out}, which would be overwritten; choose another."
            )
    names = {path.name for path in out.iterdir() if not path.name.startswith(PARTIAL_PREFIX)}
    if names - {*SUBSET_FILES} or (names and SUBSET_FILES[0] not in names):
        raise UserError(f"{out} exists and is no subset; choose another name.")
