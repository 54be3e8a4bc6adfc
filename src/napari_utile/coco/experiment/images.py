"""Images of a COCO file and their labels, reduced to the size at which networks see them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_utile.coco.annotations import Annotation, CocoAnnotations, CocoImage
from napari_utile.coco.drawing import CROWD, draw_annotations
from napari_utile.coco.files import enumerated
from napari_utile.errors import UserError
from napari_utile.io.broken import open_sound
from napari_utile.io.memory import check_memory
from napari_utile.io.stack import Stack

CHANNELS = 3
"""Red, green, blue."""
ImageSize = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Chosen:
    """Some categories of a COCO file.

    Attributes
    ----------
    coco : CocoAnnotations
        The file.
    ids : tuple of int
        Ids of the categories.
    """

    coco: CocoAnnotations
    ids: tuple[int, ...]

    @classmethod
    def of(cls, coco: CocoAnnotations, category: Sequence[str]) -> "Chosen":
        """Return the categories of these names.

        Parameters
        ----------
        coco : CocoAnnotations
        category : sequence of str
            Names of categories or supercategories; empty: all.

        Raises
        ------
        UserError
            If there is no such category.
        """
        every = [c.id for c in coco.categories]
        return cls(coco, tuple(coco.category_ids(category) if category else every))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the categories."""
        name_of = {c.id: c.name for c in self.coco.categories}
        return tuple(name_of[id] for id in self.ids)

    @property
    def objects(self) -> int:
        """Number of annotations of the categories that are no crowds."""
        return sum(not annotation.is_crowd for annotation in self._annotations)

    @property
    def crowds(self) -> int:
        """Number of crowds of the categories."""
        return sum(annotation.is_crowd for annotation in self._annotations)

    @property
    def _annotations(self) -> list[Annotation]:
        return [a for a in self.coco.annotations if a.category_id in self.ids]

    def check_objects(self) -> None:
        """Refuse crowds alone.

        Raises
        ------
        UserError
            If there are crowds of the categories, and no object.
        """
        if self.crowds and not self.objects:
            raise UserError(
                f"{self.coco.path}: all {self.crowds:,} annotations of "
                f"{enumerated(self.names, 3)} are crowds (iscrowd 1), which are neither learnt "
                "nor scored; if they are objects, set crowds as objects."
            )

    def counts(
        self, images: Sequence[CocoImage], labels: Sequence[Stack] = ()
    ) -> dict[str, str | int | float]:
        """Return the numbers of images, objects and crowds, as facts of a run.

        Parameters
        ----------
        images : sequence of CocoImage
            Those that are used.
        labels : sequence of Stack
            Their instances, in which small or covered objects may have no pixel.
        """
        there, every = len(self.coco.images), len(self.coco.categories)
        objects, crowds = self.objects, self.crowds
        ids = [np.unique(stack.data) for stack in labels]
        seen = sum(int(((i > 0) & (i != CROWD)).sum()) for i in ids) if labels else objects
        counts: dict[str, str | int | float] = {
            "images": _part(len(images), there),
            "objects": objects,
        }
        if seen < objects:
            counts["objects"] = f"{_part(seen, objects)} with a pixel at this size"
        if crowds:
            counts["crowds"] = f"{_part(crowds, crowds + objects)} annotations, ignored"
        if len(self.ids) < every:
            counts["categories"] = _part(len(self.ids), every)
        return counts

    def shown_in(self, image: CocoImage) -> bool:
        """Whether an image shows an object or a crowd of the categories."""
        return bool(self.coco.annotations_of(image.id, self.ids))


def _part(some: int, every: int) -> int | str:
    return some if some == every else f"{some:,} of {every:,}"


def small_images(
    coco: CocoAnnotations, images: Iterable[CocoImage], longest_side: int
) -> list[Stack]:
    """Return images in color, reduced in size.

    Parameters
    ----------
    coco : CocoAnnotations
    images : iterable of CocoImage
    longest_side : int
        Height and width are at most this, in pixels; 0: not reduced.

    Returns
    -------
    list of Stack
        Axes (C, Y, X), with three channels.

    Raises
    ------
    UserError
        If one is missing, cannot be read, is neither gray nor color, or differs in size from
        its annotations; or if they do not fit into the memory.
    """
    return usable_images(coco, images, longest_side)[1]


def usable_images(
    coco: CocoAnnotations,
    images: Iterable[CocoImage],
    longest_side: int,
    skip_broken: bool = False,
) -> tuple[list[CocoImage], list[Stack], tuple[str, ...]]:
    """Return images in color, reduced in size, without those that are broken.

    Parameters
    ----------
    coco, images, longest_side
        As in `small_images`.
    skip_broken : bool, default False
        Whether to leave out images that cannot be read.

    Returns
    -------
    images : list of CocoImage
        Those that can be used.
    stacks : list of Stack
        As `small_images` returns them.
    warnings : tuple of str
        Which images were left out, and why.

    Raises
    ------
    UserError
        As `small_images`; with `skip_broken`, if none can be used.
    """
    images = list(images)
    needed = CHANNELS * sum(prod(size_within(image, longest_side)) for image in images)
    check_memory(needed, f"{len(images):,} images of {coco.path}")

    def open_small(image: CocoImage) -> tuple[CocoImage, Stack]:
        return image, _small_image(coco, image, longest_side)

    opened, warnings = open_sound(images, open_small, skip_broken, kind="image")
    return [image for image, _ in opened], [stack for _, stack in opened], warnings


def _small_image(coco: CocoAnnotations, image: CocoImage, longest_side: int) -> Stack:
    """Return an image, each pixel the mean of those that it replaces."""
    stack = coco.open(image.id)
    pixels = stack.plane(stack.indices[0])
    if len(pixels) not in (1, CHANNELS):
        raise UserError(f"{stack.source} has {len(pixels)} channels: neither gray nor color.")
    size = size_within(image, longest_side)
    channels = [resized(channel, size) for channel in pixels]
    colored = np.stack(channels * (CHANNELS // len(channels)))
    if stack.dtype == bool:
        colored *= 255
    dtype = np.uint8 if stack.dtype == bool else stack.dtype
    name = image.file_name
    return Stack(colored.astype(dtype), "cyx", name=name, doubts=stack.doubts)


def small_labels(
    chosen: Chosen, images: Iterable[CocoImage], longest_side: int, kinds: bool
) -> list[Stack]:
    """Return the labels of images, reduced in size like these.

    Parameters
    ----------
    chosen : Chosen
        Categories of the objects.
    images : iterable of CocoImage
    longest_side : int
        As in `small_images`.
    kinds : bool
        Whether labels are classes, 1 for the first category; otherwise they are instances.

    Returns
    -------
    list of Stack
        Axes (Y, X).
    """
    found = []
    for image in images:
        drawing = draw_annotations(chosen.coco, image.id, chosen.ids, behind=False)
        labels = drawing.classes(chosen.ids) if kinds else drawing.labels
        small = nearest(labels, size_within(image, longest_side))
        found.append(Stack(small, "yx", name=image.file_name, is_complete=True))
    return found


def size_within(image: CocoImage, longest_side: int) -> ImageSize:
    """Return height and width of a reduced image.

    Parameters
    ----------
    image : CocoImage
    longest_side : int
        Height and width are at most this, in pixels; images are never enlarged. 0: not reduced.
    """
    sides = image.height, image.width
    share = min(longest_side / max(sides), 1) if longest_side else 1
    height, width = (max(round(side * share), 1) for side in sides)
    return height, width


def resized(
    channel: NDArray[Any], size: ImageSize, how: Image.Resampling = Image.Resampling.BOX
) -> NDArray[np.float32]:
    """Return a channel at another size.

    Parameters
    ----------
    channel : ndarray, shape (Y, X)
    size : tuple of int
        Height and width.
    how : Image.Resampling, default BOX
        By default a pixel is the mean of those that it replaces.

    Returns
    -------
    ndarray of float32, shape `size`
    """
    if channel.shape == size:
        return channel.astype(np.float32)
    picture = Image.fromarray(channel.astype(np.float32))
    return np.asarray(picture.resize(size[::-1], how))


def nearest(labels: NDArray[Any], size: ImageSize) -> NDArray[Any]:
    """Return labels at another size, each pixel with the id at its center.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
    size : tuple of int
        Height and width.

    Returns
    -------
    ndarray of int, shape `size`
    """
    y, x = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size, labels.shape, strict=True)
    )
    return labels[np.ix_(y, x)]
