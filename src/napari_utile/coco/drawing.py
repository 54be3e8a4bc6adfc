"""Annotations of COCO images drawn as labels; objects that others cover are kept, too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.coco.annotations import Annotation, CocoAnnotations
from napari_utile.coco.checks import shown
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
from napari_utile.errors import UserError
from napari_utile.io.memory import check_memory, memory_budget
from napari_utile.io.units import counted

CROWD = 65535
"""Label id of crowds alone: the `ignore` id of training and scores."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """The objects of one image as labels.

    Attributes
    ----------
    labels : ndarray of uint16 (uint32 from 65,534 objects on), shape (Y, X)
        Instances, and `CROWD` where a crowd is and no object. Where objects overlap, the pixel
        belongs to the smallest; of equally small ones to the last in the file.
    behind : tuple of ndarray, each like `labels`
        The objects that others cover in part, each one whole. As they may overlap each other,
        there are as many layers as that takes; none if no object is covered.
    ids : ndarray of int64, shape (N,)
        Label ids of the objects, in the order of `annotations`: 1, 2, ... without `CROWD`.
    annotations : tuple of N Annotation
        Without the crowds.
    areas, visible : ndarray of int64, shape (N,)
        Number of pixels of each object, and of those that it has in `labels`.
    """

    labels: NDArray[Any]
    behind: tuple[NDArray[Any], ...]
    ids: NDArray[np.int64]
    annotations: tuple[Annotation, ...]
    areas: NDArray[np.int64]
    visible: NDArray[np.int64]

    @property
    def covered(self) -> dict[int, int]:
        """Number of covered pixels by annotation id, of the objects that others cover."""
        hidden = self.areas - self.visible
        return {
            annotation.id: int(pixels)
            for annotation, pixels in zip(self.annotations, hidden, strict=True)
            if pixels
        }

    @property
    def vanished(self) -> tuple[int, ...]:
        """Ids of the annotations without a pixel in `labels`: covered, or too small."""
        gone = np.flatnonzero(self.visible == 0)
        return tuple(self.annotations[i].id for i in gone)

    def classes(self, categories: Sequence[int | Iterable[int]]) -> NDArray[np.uint16]:
        """Return the class of each pixel.

        Parameters
        ----------
        categories : sequence of int, or of groups of int
            Category ids. The first, or those of the first group, become class 1, and so on;
            others become background, 0. `CROWD` stays.

        Returns
        -------
        ndarray of uint16, shape (Y, X)
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
    behind: bool = True,
) -> Drawing:
    """Draw the objects of an image as labels.

    Parameters
    ----------
    coco : CocoAnnotations
    image_id : int
    categories : iterable of int, optional
        Ids of the categories to draw; all by default.
    first : int, default 0
        Number of objects in the images before this one, if label ids are to be unique in all.
    behind : bool, default True
        Whether to draw the objects that others cover, too.

    Returns
    -------
    Drawing

    Raises
    ------
    UserError
        If the labels, or the layers of objects behind them, do not fit into the memory.

    Notes
    -----
    Polygons are drawn as pycocotools draws them. Very small ones may have no pixel. That the
    smaller object is in front is our choice, as it mostly is in photos: COCO does not order its
    objects.
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
    # Paint crowds first, then objects from large to small: the last one painted is in front.
    columns = np.zeros(image.height * image.width, dtype)
    for annotation, mask in drawn:
        if annotation.is_crowd:
            paint(columns, *stretches(mask), CROWD)
    for i in np.argsort(-areas, kind="stable"):
        paint(columns, *stretches(objects[i][1]), ids[i])

    # Objects that lost pixels to later ones are kept whole in further layers.
    visible = np.bincount(columns, minlength=ids.max(initial=0) + 1)[ids]
    covered = np.flatnonzero(visible < areas) if behind else ids[:0]
    layers = _layers([objects[i][1] for i in covered], ids[covered], columns, image.file_name)
    return Drawing(
        _as_image(columns, size),
        tuple(_as_image(layer, size) for layer in layers),
        ids,
        tuple(annotation for annotation, _ in objects),
        areas,
        visible,
    )


def label_ids(first: int, objects: int) -> NDArray[np.int64]:
    """Return the label ids of objects that follow `first` others: 1, 2, ... without `CROWD`.

    Parameters
    ----------
    first, objects : int
        Numbers of objects before these, and of these.

    Returns
    -------
    ndarray of int64, shape (objects,)
    """
    ids = np.arange(first + 1, first + 1 + objects)
    return ids + (ids >= CROWD)


def overlap_note(drawings: Iterable[Drawing]) -> str | None:
    """Return a sentence on the objects and pixels that others cover; None without overlaps.

    Parameters
    ----------
    drawings : iterable of Drawing
    """
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
        f"by {counted(pixels, 'pixels')} in all"
    )
    if gone:
        shown = ", ".join(map(str, gone[:10])) + (", ..." if len(gone) > 10 else "")
        note += f"; {len(gone):,} have no pixel left (annotations {shown})"
    return note + "."


def annotation_rle(coco: CocoAnnotations, annotation: Annotation) -> Rle:
    """Return the compressed run lengths of an annotation.

    Parameters
    ----------
    coco : CocoAnnotations
    annotation : Annotation
    """
    image = coco.image[annotation.image_id]
    counts = counts_of(annotation.segmentation, image.height, image.width)
    return rle_of(counts, image.height, image.width)


def _layers(
    masks: list[Counts], ids: NDArray[np.int64], like: NDArray[Any], name: str
) -> list[NDArray[Any]]:
    """Paint each mask whole into the first layer in which all of its pixels are free."""
    layers: list[NDArray[Any]] = []
    most = max(memory_budget() // max(2 * like.nbytes, 1), 1)
    for mask, id in zip(masks, ids, strict=True):
        where = stretches(mask)
        layer = next((layer for layer in layers if is_free(layer, *where)), None)
        if layer is None and len(layers) == most:
            raise UserError(
                f"The objects of {shown(name)} overlap more than {most:,} times at a pixel, "
                "and each layer of them takes memory: are they copies of each other?"
            )
        if layer is None:
            layer = np.zeros_like(like)
            layers.append(layer)
        paint(layer, *where, id)
    return layers


def _as_image(columns: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return pixels that are stored column by column as an image (Y, X)."""
    return np.ascontiguousarray(columns.reshape(size[::-1]).T)
