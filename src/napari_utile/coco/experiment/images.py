"""Images of a COCO file as networks see them: made smaller, beside their labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_utile.coco.annotations import CocoAnnotations, CocoImage
from napari_utile.coco.drawing import draw_annotations
from napari_utile.errors import UserError
from napari_utile.io.memory import check_memory
from napari_utile.io.stack import Stack

CHANNELS = 3
"""Red, green, blue."""
Size = tuple[int, int]


@dataclass(frozen=True)
class Chosen:
    """Categories that were chosen, all of them in the same file.

    Attributes
    ----------
    coco : CocoAnnotations
    ids : tuple of int
        Their ids.
    """

    coco: CocoAnnotations
    ids: tuple[int, ...]

    @classmethod
    def of(cls, coco: CocoAnnotations, category: Sequence[str]) -> "Chosen":
        """Look the categories up by name, or group; all if none is named.

        Raises
        ------
        UserError
            If there is no such category.
        """
        every = [c.id for c in coco.categories]
        return cls(coco, tuple(coco.category_ids(category) if category else every))

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        name_of = {c.id: c.name for c in self.coco.categories}
        return tuple(name_of[id] for id in self.ids)

    def shown_in(self, image: CocoImage) -> bool:
        """Tell whether an image shows an object, or a crowd, of the categories."""
        return bool(self.coco.annotations_of(image.id, self.ids))


def small_images(
    coco: CocoAnnotations, images: Iterable[CocoImage], longest_side: int
) -> list[Stack]:
    """Open images and make each so small, in color.

    Raises
    ------
    UserError
        If one is missing, cannot be read, or has another size than its annotations; or if
        they do not fit into the memory.
    """
    images = list(images)
    needed = CHANNELS * sum(prod(size_within(image, longest_side)) for image in images)
    check_memory(needed, f"{len(images):,} images of {coco.path}")
    return [small_image(coco, image, longest_side) for image in images]


def small_image(coco: CocoAnnotations, image: CocoImage, longest_side: int) -> Stack:
    """Open an image, and take the mean of the pixels that become one."""
    stack = coco.open(image.id)
    pixels = stack.plane(stack.indices[0])
    if len(pixels) not in (1, CHANNELS):
        raise UserError(f"{stack.source} has {len(pixels)} channels: neither gray nor color.")
    size = size_within(image, longest_side)
    channels = [resized(channel, size) for channel in pixels]
    colored = np.stack(channels * (CHANNELS // len(channels)))
    if stack.dtype == bool:
        return Stack((255 * colored).astype(np.uint8), "cyx", name=image.file_name)
    return Stack(colored.astype(stack.dtype), "cyx", name=image.file_name)


def small_labels(
    chosen: Chosen, images: Iterable[CocoImage], longest_side: int, kinds: bool
) -> list[Stack]:
    """Draw the objects of each image; of the pixels that become one, that in the middle counts.

    Parameters
    ----------
    kinds : bool
        Give the category of each pixel, 1 for the first, in place of instances.
    """
    found = []
    for image in images:
        drawing = draw_annotations(chosen.coco, image.id, chosen.ids)
        labels = drawing.classes(chosen.ids) if kinds else drawing.labels
        small = nearest(labels, size_within(image, longest_side))
        found.append(Stack(small, "yx", name=image.file_name))
    return found


def size_within(image: CocoImage, longest_side: int) -> Size:
    """Give height and width of an image made so small; never larger than it is.

    0 leaves it as it is.
    """
    sides = image.height, image.width
    share = min(longest_side / max(sides), 1) if longest_side else 1
    height, width = (max(round(side * share), 1) for side in sides)
    return height, width


def resized(
    channel: NDArray[Any], size: Size, how: Image.Resampling = Image.Resampling.BOX
) -> NDArray[np.float32]:
    """Give a channel (Y, X) another height and width, in float32."""
    if channel.shape == size:
        return channel.astype(np.float32)
    picture = Image.fromarray(channel.astype(np.float32))
    return np.asarray(picture.resize(size[::-1], how))


def nearest(labels: NDArray[Any], size: Size) -> NDArray[Any]:
    """Give labels (Y, X) another height and width: of each pixel the id at its middle."""
    y, x = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size, labels.shape, strict=True)
    )
    return labels[np.ix_(y, x)]
