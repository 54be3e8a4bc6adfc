"""The entries of a COCO file, collected: those that can be used, and faults of the others."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from napari_utile.coco.checks import (
    BOX_ALONE,
    MAX_ID,
    Annotation,
    Category,
    CocoImage,
    loose_id,
    read_annotation,
    read_category,
    read_image,
    shown,
)
from napari_utile.coco.image_files import ImageFolder
from napari_utile.coco.segmentations import ROWS, Note

Read = TypeVar("Read", Category, CocoImage)

NEW_IDS = "have no id, no number or that of another, and get new ids"
COPIES = "are copies of others"
CHANCE = {BOX_ALONE: 10, ROWS: 2}
"""Annotations, and at least half of all, up to which it is chance: some things are boxes."""
MOST_ALIKE = 8
"""Annotations that others are compared with, so that many alike ones take no longer."""
PLURALS = {"category": "categories", "image": "images", "annotation": "annotations"}


@dataclass
class Entries:
    """Entries that were read without a fault, and the faults of the others.

    Attributes
    ----------
    crowds_as_objects : bool
        Whether crowds are taken for objects.
    said_by : str or None
        Name of the file, if the sizes of images are compared with those in their headers.
    lost : dict
        Number of annotations of each broken image: the image is the fault, not they.
    """

    crowds_as_objects: bool = False
    said_by: str | None = None
    categories: dict[int, Category] = field(default_factory=dict)
    images: dict[int, CocoImage] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lost: dict[Any, int] = field(default_factory=dict)
    _files: dict[Path, int] = field(default_factory=dict)
    _totals: Counter[str] = field(default_factory=Counter)
    _notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    _examples: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def doubts(self) -> list[str]:
        """What was mended or is doubtful, with counts: parts of sentences."""
        names = Counter(category.name for category in self.categories.values())
        twice = [name for name, times in names.items() if times > 1]
        same = [f"several categories have the name {shown(name)}" for name in twice[:1]]
        return same + [
            f"{count:,} of {self._totals[kind]:,} {PLURALS[kind]} {what} "
            f"(such as {self._examples[kind, what]})"
            for (kind, what), count in self._notes.items()
            if what not in CHANCE or count > max(CHANCE[what], self._totals[kind] / 2)
        ]

    def add_categories(self, entries: Iterable[Any]) -> None:
        """Add the categories of a file."""
        for number, entry in enumerate(entries, 1):
            self._add(
                self.categories,
                _entry_name("category", entry, number),
                partial(read_category, entry),
            )

    def add_images(self, entries: Iterable[Any], folder: Path | None) -> None:
        """Add the images of a file, and look for their files in a folder, if there is one."""
        place = None if folder is None else ImageFolder(folder)
        for number, entry in enumerate(entries, 1):
            is_read = self._add(
                self.images,
                _entry_name("image", entry, number),
                partial(read_image, entry, place, self._files, said_by=self.said_by),
            )
            id = loose_id(entry)
            # A second image with the id of a good one loses no annotations: they are of the
            # first.
            if not is_read and id is not None and id not in self.images:
                self.lost[id] = 0

    def add_annotations(self, entries: Sequence[Any]) -> None:
        """Add the annotations of a file. Those without an id of their own get new ones."""
        alike: dict[Any, list[Annotation]] = {}
        ids = _own_ids(entries)
        for number, (entry, id) in enumerate(zip(entries, ids, strict=True), 1):
            image_id = loose_id(entry, "image_id")
            if image_id in self.lost:
                self.lost[image_id] += 1
                continue
            self._totals["annotation"] += 1
            noted: list[str] = []
            try:
                read = read_annotation(entry, self.images, self.categories, noted.append, id)
            except ValueError as fault:
                self.faults.append(f"{_entry_name('annotation', entry, number)} {fault}")
                continue
            same = alike.setdefault(_key_of(read), [])
            if any(read.segmentation == other.segmentation for other in same):
                noted.append(COPIES)
            if loose_id(entry) != id:
                noted.append(NEW_IDS)
            self._keep("annotation", noted, _entry_name("annotation", entry, number))
            if len(same) < MOST_ALIKE:
                same.append(read)
            if read.is_crowd and self.crowds_as_objects:
                read = replace(read, is_crowd=False, entry={**read.entry, "iscrowd": 0})
            self.annotations.append(read)

    def _add(self, known: dict[int, Read], name: str, read: Callable[[Note], Read]) -> bool:
        """Add one entry to those of its kind; if it is broken, note its fault instead."""
        kind = name.partition(" ")[0]
        self._totals[kind] += 1
        noted: list[str] = []
        try:
            thing = read(noted.append)
            if thing.id in known:
                raise ValueError(f"has the id of another {kind}")
        except ValueError as fault:
            self.faults.append(f"{name} {fault}")
            return False
        self._keep(kind, noted, name)
        known[thing.id] = thing
        return True

    def _keep(self, kind: str, noted: Iterable[str], name: str) -> None:
        """Count what was noted of an entry, each thing once."""
        for what in {*noted}:
            self._notes[kind, what] += 1
            self._examples.setdefault((kind, what), name)


def _own_ids(entries: Sequence[Any]) -> list[int]:
    """Return an id for each annotation: its own, or a new one if that is of no use."""
    given = [loose_id(entry) for entry in entries]
    taken: set[int] = set()
    ids: list[int | None] = []
    for id in given:
        is_own = isinstance(id, int | float) and id == id // 1 and abs(id) <= MAX_ID
        ids.append(int(id) if is_own and int(id) not in taken else None)
        if ids[-1] is not None:
            taken.add(ids[-1])
    free = max(taken, default=0) + 1
    new = iter(range(free, free + len(ids)))
    return [next(new) if id is None else id for id in ids]


def _key_of(read: Annotation) -> Any:
    """Return what copies of an annotation have in common, and few others."""
    outline = read.segmentation
    if isinstance(outline, list):
        shape: Any = len(outline), len(outline[0]), tuple(outline[0][:4]), outline[-1][-1]
    else:
        counts = outline["counts"]
        shape = counts if isinstance(counts, str) else (len(counts), tuple(counts[:4]))
    return read.image_id, read.category_id, read.is_crowd, shape


def _entry_name(kind: str, entry: Any, number: int) -> str:
    """Return the name of an entry for messages; without an id, its number in its list."""
    id = loose_id(entry)
    return f"{kind} without id (number {number})" if id is None else f"{kind} {shown(id, 20)}"
