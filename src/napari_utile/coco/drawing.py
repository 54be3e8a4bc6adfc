"""Labels of COCO images: every outlined object drawn, and none lost where they overlap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.coco.annotations import Annotation, CocoAnnotations
from napari_utile.coco.masks import (
    Counts,
    Rle,
    area_of,
    counts_of,
    is_free,
    paint,
    rle_of,
    stretches,
)
from napari_utile.io.memory import check_memory

CROWD = 65535
"""Label id of crowds, and of nothing else: the `ignore` id for training and scores."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """The objects of one image as labels.

    Attributes
    ----------
    labels : ndarray of uint16 (uint32 from 65,534 objects on), shape (Y, X)
        Instances, and `CROWD` where a crowd is and no object. Where objects overlap, the pixel
        belongs to the smallest; of equally small ones to the last in the file.
    behind : tuple of ndarray, each like `labels`
        The objects that others cover in part, each one whole. They may overlap each other too,
        so there are as many layers as they need, and none if nothing overlaps.
    ids : ndarray of int64, shape (N,)
        Label ids of the objects, in the order of `annotations`: 1, 2, ... without `CROWD`.
    annotations : tuple of N Annotation
        Without the crowds.
    areas, visible : ndarray of int64, shape (N,)
        Pixels of each object, and those of them that it has in `labels`.
    """

    labels: NDArray[Any]
    behind: tuple[NDArray[Any], ...]
    ids: NDArray[np.int64]
    annotations: tuple[Annotation, ...]
    areas: NDArray[np.int64]
    visible: NDArray[np.int64]

    @property
    def covered(self) -> dict[int, int]:
        """Pixels that others cover, by annotation id. Objects that are whole are not in it."""
        hidden = self.areas - self.visible
        return {
            annotation.id: int(pixels)
            for annotation, pixels in zip(self.annotations, hidden, strict=True)
            if pixels
        }

    @property
    def vanished(self) -> tuple[int, ...]:
        """Ids of the annotations that have no pixel in `labels`: covered, or too small."""
        gone = np.flatnonzero(self.visible == 0)
        return tuple(self.annotations[i].id for i in gone)

    def classes(self, categories: Sequence[int | Iterable[int]]) -> NDArray[np.uint16]:
        """Give the class of each pixel, shape (Y, X).

        Parameters
        ----------
        categories : sequence of int, or of groups of int
            Category ids. The first, or those of the first group, become class 1, and so on;
            others become background, 0. `CROWD` stays.
        """
        class_of = {
            category: number
            for number, group in enumerate(categories, 1)
            for category in ([group] if isinstance(group, int) else group)
        }
        classes = np.zeros(max(CROWD, self.ids.max(initial=0)) + 1, np.uint16)
        classes[self.ids] = [class_of.get(a.category_id, 0) for a in self.annotations]
        classes[CROWD] = CROWD
        return classes[self.labels]


def draw_annotations(
    coco: CocoAnnotations,
    image_id: int,
    categories: Iterable[int] | None = None,
    first: int = 0,
) -> Drawing:
    """Draw the objects of an image as labels.

    Parameters
    ----------
    coco : CocoAnnotations
    image_id : int
    categories : iterable of int, optional
        Ids of the categories to draw; all if left out. For one layer per category, draw each.
    first : int, default 0
        Objects before the first of this image, where ids go on through several images.

    Notes
    -----
    Polygons are drawn as pycocotools draws them. Very small ones may have no pixel.
    """
    image = coco.image[image_id]
    size = image.height, image.width
    drawn = [
        (a, counts_of(a.segmentation, *size)) for a in coco.annotations_of(image_id, categories)
    ]
    objects = [(annotation, mask) for annotation, mask in drawn if not annotation.is_crowd]
    ids = label_ids(first, len(objects))
    areas = np.array([area_of(mask) for _, mask in objects], np.int64)

    dtype = np.uint16 if ids.max(initial=0) < CROWD else np.uint32
    check_memory(image.height * image.width * np.dtype(dtype).itemsize, image.file_name)
    columns = np.zeros(image.height * image.width, dtype)
    for annotation, mask in drawn:
        if annotation.is_crowd:
            paint(columns, *stretches(mask), CROWD)
    for i in np.argsort(-areas, kind="stable"):
        paint(columns, *stretches(objects[i][1]), ids[i])

    visible = np.bincount(columns, minlength=ids.max(initial=0) + 1)[ids]
    covered = np.flatnonzero(visible < areas)
    behind = _layers([objects[i][1] for i in covered], ids[covered], columns)
    return Drawing(
        _as_image(columns, size),
        tuple(_as_image(layer, size) for layer in behind),
        ids,
        tuple(annotation for annotation, _ in objects),
        areas,
        visible,
    )


def label_ids(first: int, objects: int) -> NDArray[np.int64]:
    """Give the label ids of objects that come after `first` others: 1, 2, ..., none `CROWD`."""
    ids = np.arange(first + 1, first + 1 + objects)
    return ids + (ids >= CROWD)


def overlap_note(drawings: Iterable[Drawing]) -> str | None:
    """Say how much of the objects others cover; None if nothing is."""
    objects = covered = pixels = 0
    gone: list[int] = []
    for drawing in drawings:
        objects += drawing.ids.size
        covered += len(drawing.covered)
        pixels += sum(drawing.covered.values())
        gone += drawing.vanished
    if not covered and not gone:
        return None
    note = (
        f"{covered:,} of {objects:,} objects are partly covered by smaller ones, "
        f"by {pixels:,} pixels in all"
    )
    if gone:
        shown = ", ".join(map(str, gone[:10])) + (", ..." if len(gone) > 10 else "")
        note += f"; {len(gone):,} have no pixel left (annotations {shown})"
    return note + "."


def annotation_rle(coco: CocoAnnotations, annotation: Annotation) -> Rle:
    """Give the run lengths of an annotation, compressed."""
    image = coco.image[annotation.image_id]
    counts = counts_of(annotation.segmentation, image.height, image.width)
    return rle_of(counts, image.height, image.width)


def _layers(
    masks: list[Counts], ids: NDArray[np.int64], like: NDArray[Any]
) -> list[NDArray[Any]]:
    """Put each mask into the first layer in which all of its pixels are free."""
    layers: list[NDArray[Any]] = []
    for mask, id in zip(masks, ids, strict=True):
        where = stretches(mask)
        layer = next((layer for layer in layers if is_free(layer, *where)), None)
        if layer is None:
            layer = np.zeros_like(like)
            layers.append(layer)
        paint(layer, *where, id)
    return layers


def _as_image(columns: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Lay out columns that follow each other as rows."""
    return np.ascontiguousarray(columns.reshape(size[::-1]).T)
