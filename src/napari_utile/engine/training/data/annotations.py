"""Images and the targets of their labels: read, checked, and doubted; not yet divided."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.doubts.ids import (
    MANY_IDS,
    IdRegions,
    ids_doubts,
    ids_in,
    one_id_per_object,
)
from napari_utile.arrays.doubts.images import image_doubts
from napari_utile.arrays.doubts.labels import looked_at
from napari_utile.arrays.doubts.wording import Doubt, told_together
from napari_utile.arrays.labels import IGNORE, check_labels
from napari_utile.arrays.splits import Region
from napari_utile.arrays.targets import TrainingTarget, training_target
from napari_utile.engine.training.data.doubts import annotation_doubts, gray_values
from napari_utile.engine.training.data.pair_check import check_shapes
from napari_utile.engine.training.data.spacing import (
    border_width,
    check_volumes,
    relative_spacing,
    spacing_doubts,
    voxel_spacing,
)
from napari_utile.engine.training.data.unlabeled_slices import without_unlabeled_slices
from napari_utile.errors import UserError
from napari_utile.io.agreement import doubts_as_image
from napari_utile.io.channel_names import different_channels
from napari_utile.io.memory import memory_budget
from napari_utile.io.pictures import colored_image_doubts, palette_doubts
from napari_utile.io.slice_context import check_slices, slices_seen
from napari_utile.io.stack import Stack, read_labels
from napari_utile.io.units import size_text
from napari_utile.settings.options import axes_seen
from napari_utile.settings.training import TrainSettings

BYTES_OF_LABELS = 42
"""Per pixel: ids, objects, classes, weights, density, and the temporary arrays for them."""
BYTES_OF_AFFINITIES = 8
"""Per pixel, in addition: objects without borders, and their ids with a sign."""


@dataclass(frozen=True)
class Annotated:
    """An image and the target of its pixels."""

    image: Stack
    target: TrainingTarget
    doubts: tuple[Doubt, ...] = ()
    """What may be wrong with them."""
    label_ids: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, int))
    """That occur in the labels."""
    is_complete: bool = False
    """Whether all that has no id is known to be background."""

    @classmethod
    def read(cls, image: Stack, labels: Stack, settings: TrainSettings, alone: bool) -> Self:
        """Read the labels of an image and convert them to its training target.

        Parameters
        ----------
        image, labels : Stack
            Of the same spatial shape.
        settings : TrainSettings
            What the labels mean.
        alone : bool
            Whether it is the only image, whose labels must then show all classes.

        Raises
        ------
        UserError
            If the shapes differ, or the labels hold too little.
        """
        check_shapes(image, labels)
        volumetric = axes_seen(settings.network) == 3
        pixels = read_labels(labels).reshape(image.shape)
        ids = check_labels(pixels, f"labels '{labels.name}'", settings.ignore)
        try:
            target = training_target(
                ids,
                settings.target,
                settings.ignore,
                settings.sparse,
                alone=alone,
                volumetric=volumetric,
                border=border_width(settings, image),
                spacing=relative_spacing(image, settings) if volumetric else None,
            )
        except UserError as error:
            raise UserError(f"Labels '{labels.name}': {error}") from None
        target, empty = without_unlabeled_slices(target, image, labels, settings)
        doubts = (*annotation_doubts(image, labels, ids, settings), *empty)
        return cls(image, target, doubts, ids_in(ids), labels.is_complete)

    def among(self, ids: tuple[int, ...]) -> Self:
        """Return the target with the class numbers of `ids`, which may hold more classes."""
        numbers = np.full(IGNORE + 1, IGNORE, np.uint8)
        numbers[: len(self.target.ids)] = np.searchsorted(ids, self.target.ids)
        classes = numbers[self.target.classes]
        return replace(self, target=replace(self.target, classes=classes, ids=ids))


@dataclass(frozen=True)
class Annotations:
    """Images and their targets, before they are divided."""

    pairs: tuple[Annotated, ...]
    channels: int
    ids: tuple[int, ...]
    """Label id of each class."""
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Size of a voxel along (z, y, x), in any unit, for a network that sees volumes."""
    doubts: tuple[str, ...] = ()
    """What may be wrong with images and labels."""

    @classmethod
    def read(
        cls, images: Sequence[Stack], labels: Sequence[Stack], settings: TrainSettings
    ) -> Self:
        """Read and check the labels of all images.

        Parameters
        ----------
        images, labels : sequences of Stack, of the same length
            Pairs of the same spatial shape.
        settings : TrainSettings
            What the labels mean.

        Raises
        ------
        UserError
            If there is no image or too little memory, if shapes or channels differ, if the
            labels hold too little, or an image has no slices and several are to be seen.
        """
        if not images:
            raise UserError("There is no image to train on.")
        for image in images:
            check_slices(image, settings.context)
        check_volumes(images, settings)
        spacing = voxel_spacing(images, settings)
        check_room(images, settings.context, settings.target == "affinities")
        pairs = [
            Annotated.read(image, truth, settings, alone=len(images) == 1)
            for image, truth in zip(images, labels, strict=True)
        ]
        channels = _same_channels(images)
        ids = tuple(sorted({i for pair in pairs for i in pair.target.ids}))
        if len(ids) >= IGNORE:
            raise UserError(
                f"The labels have {len(ids)} classes together, at most {IGNORE - 1} can be."
            )
        doubts = (*_doubts_of_files(images, labels), *_doubts_of_pixels(pairs, settings))
        doubts = (*doubts, *colored_image_doubts(images))
        if settings.target == "classes" or settings.sparse:
            doubts = (*doubts, *palette_doubts(labels))
        doubts = (*doubts, *spacing_doubts(images, settings))
        return cls(tuple(pair.among(ids) for pair in pairs), channels, ids, spacing, doubts)


def check_room(
    images: Sequence[Stack], context: int = 0, with_affinities: bool = False
) -> None:
    """Check that the images fit into the memory, before anything is read.

    Parameters
    ----------
    images : sequence of Stack
    context : int, default 0
        Slices on each side that are kept with each slice.
    with_affinities : bool, default False
        Whether they are learnt.

    Raises
    ------
    UserError
        If they do not; names the size, the budget, and what helps.
    """
    of_labels = BYTES_OF_LABELS + with_affinities * BYTES_OF_AFFINITIES
    needed = sum(
        prod(image.shape)
        * (of_labels + image.channels * (4 * slices_seen(context) + image.dtype.itemsize))
        for image in images
    )
    budget = memory_budget()
    if needed > budget:
        raise UserError(
            f"To train on {sum(prod(image.shape) for image in images):,} pixels takes "
            f"{size_text(needed)} of memory and {size_text(budget)} may be used: give fewer "
            "slices, or crop them."
        )


def class_counts(pairs: Sequence[Annotated], regions: Sequence[Region]) -> NDArray[np.int64]:
    """Count the annotated pixels of each class.

    Parameters
    ----------
    pairs : sequence of Annotated
    regions : sequence of Region
        Those in which they are counted.

    Returns
    -------
    ndarray of int, shape (255,)
    """
    parts = (region.of(pairs[region.image].target.classes) for region in regions)
    return np.sum([np.bincount(part.ravel(), minlength=256) for part in parts], 0)[:IGNORE]


def _doubts_of_files(images: Sequence[Stack], labels: Sequence[Stack]) -> list[str]:
    """Return what files left open, or hold and is not used."""
    of_images = (doubt for stack in images for doubt in doubts_as_image(stack))
    of_labels = (doubt for stack in labels for doubt in stack.doubts)
    return [*of_images, *of_labels, *different_channels(images)]


def _doubts_of_pixels(pairs: Sequence[Annotated], settings: TrainSettings) -> list[str]:
    """Return what looks wrong in labels and images, in the whole set."""
    found = ((pair.image.name, doubt) for pair in pairs for doubt in pair.doubts)
    measured = (
        [gray_values(pair.image, pair.target) for pair in pairs] if len(pairs) > 1 else []
    )
    known = [values for values in measured if values]
    # Where all is annotated, the ignore id need not occur: there may be no crowds.
    ignore = None if all(pair.is_complete for pair in pairs) else settings.ignore
    of = [(pair.image.name, pair.label_ids) for pair in pairs]
    return [
        *told_together(found, len(pairs), "images"),
        *_instances_as_classes_of_all(pairs, settings),
        *ids_doubts(of, ignore, settings.target == "classes"),
        *image_doubts(known, are_alike=settings.normalize == "model"),
    ]


def _instances_as_classes_of_all(
    pairs: Sequence[Annotated], settings: TrainSettings
) -> Iterator[str]:
    """Doubt ids that are too few in each image to tell, but many in all of them."""
    kinds = {doubt.kind for pair in pairs for doubt in pair.doubts}
    count = len({id_ for pair in pairs for id_ in pair.target.ids})
    if (
        settings.target != "classes"
        or len(pairs) < 2
        or kinds & {"instances", "holds"}
        or count < MANY_IDS
    ):
        return
    planes = [
        IdRegions(sizes, np.array(pair.target.ids)[classes])
        for pair in pairs
        for plane in looked_at(pair.target.classes, IGNORE)
        for sizes, classes in [plane.id_regions]
    ]
    if doubt := one_id_per_object(planes, "The labels"):
        yield doubt.text


def _same_channels(images: Sequence[Stack]) -> int:
    """Return the number of channels, which is the same for all images."""
    names: dict[int, str] = {}
    for image in images:
        names.setdefault(image.channels, image.name)
    if len(names) > 1:
        found = ", ".join(f"'{name}' has {count}" for count, name in sorted(names.items()))
        raise UserError(
            f"The images differ in their number of channels: {found}. Train on images of one "
            "kind at a time."
        )
    return images[0].channels
