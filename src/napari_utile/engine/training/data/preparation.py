"""Images and labels as a run learns from them: checked, divided, normalized, weighted."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import prod, sqrt
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.appearance import Appearance, whole_areas
from napari_utile.arrays.augmentation.density import density
from napari_utile.arrays.doubts.ids import ids_doubts, ids_in
from napari_utile.arrays.doubts.images import image_doubts
from napari_utile.arrays.doubts.wording import Doubt, told_together
from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.labels import IGNORE, check_labels
from napari_utile.arrays.splits import Region, Split, split
from napari_utile.arrays.targets import TrainingTarget, training_target
from napari_utile.arrays.weight_maps.weight_map import balance, border_term, gap_widths
from napari_utile.engine.training.data.doubts import annotation_doubts, copies, gray_values
from napari_utile.engine.training.data.pair_check import check_shapes
from napari_utile.engine.training.data.planes import HIDDEN, AnnotatedPlane, ValidationPlane
from napari_utile.errors import UserError
from napari_utile.evaluation.files import pixel_um2
from napari_utile.events import doubted
from napari_utile.io.agreement import doubts_as_image
from napari_utile.io.images import Stack
from napari_utile.io.memory import memory_budget
from napari_utile.io.pictures import colored_image_doubts, palette_doubts
from napari_utile.io.stack import read_labels
from napari_utile.io.units import size_text
from napari_utile.settings import SplitUnit, TrainSettings

BYTES_OF_LABELS = 42
"""Per pixel: ids, objects, classes, weights, density, and the temporary arrays for them."""


@dataclass(frozen=True)
class Annotated:
    """An image and the target of its pixels."""

    image: Stack
    target: TrainingTarget
    doubts: tuple[Doubt, ...] = ()
    """What may be wrong with them."""
    label_ids: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, int))
    """That occur in the labels."""

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
        pixels = read_labels(labels).reshape(image.shape)
        ids = check_labels(pixels, f"labels '{labels.name}'", settings.ignore)
        try:
            target = training_target(
                ids, settings.target, settings.ignore, settings.sparse, alone=alone
            )
        except UserError as error:
            raise UserError(f"Labels '{labels.name}': {error}") from None
        doubts = tuple(annotation_doubts(image, labels, ids, settings))
        return cls(image, target, doubts, ids_in(ids))

    def among(self, ids: tuple[int, ...]) -> Self:
        """Return the target with the class numbers of `ids`, which may hold more classes."""
        numbers = np.full(IGNORE + 1, IGNORE, np.uint8)
        numbers[: len(self.target.ids)] = np.searchsorted(ids, self.target.ids)
        classes = numbers[self.target.classes]
        return replace(self, target=replace(self.target, classes=classes, ids=ids))


@dataclass(frozen=True)
class TrainingData:
    """Planes to train and to validate on, all on the CPU."""

    training: tuple[AnnotatedPlane, ...]
    validation: tuple[ValidationPlane, ...]
    split: Split
    normalization: Normalization
    channels: int
    ids: tuple[int, ...]
    """Label id of each class."""
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Of the images."""
    appearance: Appearance | None = None
    """What the training planes look like."""

    @property
    def places(self) -> list[str]:
        """Where each plane to train on comes from, in words."""
        return [
            f"'{self.names[region.image]}'" + "".join(f" slice {i}" for i in region.index)
            for region in self.split.training
        ]


@dataclass(frozen=True)
class Annotations:
    """Images and their targets, before they are divided."""

    pairs: tuple[Annotated, ...]
    channels: int
    ids: tuple[int, ...]
    """Label id of each class."""
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
            If there is no image or too little memory, if shapes or channels differ, or if the
            labels hold too little.
        """
        if not images:
            raise UserError("There is no image to train on.")
        check_room(images)
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
        return cls(tuple(pair.among(ids) for pair in pairs), channels, ids, doubts)


def prepare(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: TrainSettings,
    receptive_field: int,
    parts: Split | None = None,
) -> TrainingData:
    """Read labels, then divide, normalize and weigh what they annotate.

    The parameters and errors are those of `Annotations.read` and `training_data`.
    """
    annotations = Annotations.read(images, labels, settings)
    return training_data(annotations, settings, receptive_field, parts)


def training_data(
    annotations: Annotations,
    settings: TrainSettings,
    receptive_field: int,
    parts: Split | None = None,
) -> TrainingData:
    """Divide, normalize and weigh what is annotated.

    Parameters
    ----------
    annotations : Annotations
        Images and labels.
    settings : TrainSettings
        The share for validation, and the weight map.
    receptive_field : int
        Width of the guard band where one plane is divided, in pixels.
    parts : Split, optional
        The split to use, where several runs share one; made here by default.

    Returns
    -------
    TrainingData
        Its normalization and class balance know the training regions only.

    Raises
    ------
    UserError
        If a pixel is not finite, a slice is constant, or there is too little to divide; with
        `strict`, if anything about the input is doubtful.
    """
    pairs, ids = annotations.pairs, annotations.ids
    if parts is None:
        try:
            parts = divide(pairs, settings, receptive_field)
        except UserError as error:  # what is doubtful about labels is often the reason
            reasons = [doubt.text for pair in pairs for doubt in pair.doubts]
            raise UserError(" ".join([str(error), *reasons[:1]])) from None
    empty = [*_empty_slices(pairs, settings)]
    # Those of COCO have no file of their own: without object they are known to be background.
    has_files = any(pair.image.source for pair in pairs)
    doubts = doubted(
        [
            *annotations.doubts,
            *copies([pair.image for pair in pairs], parts),
            *(empty if has_files else []),
        ],
        settings.strict,
    )
    warnings = [*(event.message for event in doubts), *([] if has_files else empty)]
    planes = [_pixels(pairs, region) for region in parts.training]
    normalization = Normalization.of(planes)
    counts = _class_counts(pairs, parts.training)[: len(ids)]
    factors = balance(counts) if settings.class_balance else np.ones(len(ids))

    def plane(region: Region) -> AnnotatedPlane:
        return _annotated_plane(pairs, region, normalization, factors, settings)

    return TrainingData(
        training=with_density([plane(region) for region in parts.training], settings),
        validation=tuple(
            ValidationPlane(
                plane(region),
                _truth(pairs[region.image].target, region, settings),
                has_objects=settings.target == "instances",
                ids=ids,
            )
            for region in parts.validation
        ),
        split=parts,
        normalization=normalization,
        channels=annotations.channels,
        ids=ids,
        appearance=_appearance(planes, pairs, parts.training, settings),
        warnings=(*warnings, *_warnings(pairs, parts, receptive_field)),
        names=tuple(pair.image.name for pair in pairs),
    )


def check_room(images: Sequence[Stack]) -> None:
    """Check that the images fit into the memory, before anything is read.

    Raises
    ------
    UserError
        If they do not; names the size, the budget, and what helps.
    """
    needed = sum(
        prod(image.shape) * (BYTES_OF_LABELS + image.channels * (4 + image.dtype.itemsize))
        for image in images
    )
    budget = memory_budget()
    if needed > budget:
        raise UserError(
            f"To train on {sum(prod(image.shape) for image in images):,} pixels takes "
            f"{size_text(needed)} of memory and {size_text(budget)} may be used: give fewer "
            "slices, or crop them."
        )


def divide(pairs: Sequence[Annotated], settings: TrainSettings, receptive_field: int) -> Split:
    """Divide the annotated planes into training and validation.

    Slices with sparse labels are divided by blocks if a part would otherwise lack objects or
    background, unless slices were asked for.

    Parameters
    ----------
    pairs : sequence of Annotated
    settings : TrainSettings
        How to divide, and the share for validation.
    receptive_field : int
        Width of the guard band where one plane is divided, in pixels.

    Raises
    ------
    UserError
        If they cannot be divided as asked for, or a part would lack objects or background.
    """
    planes = [
        (i, index, (pair.image.shape[-2], pair.image.shape[-1]))
        for i, pair in enumerate(pairs)
        for index in pair.image.indices
        if (pair.target.classes[index] != IGNORE).any()
    ]
    classes = [pairs[i].target.classes[index] for i, index, _ in planes]

    def divided(by: SplitUnit) -> Split:
        share, seed = settings.validation_share, settings.seed
        return split(planes, share, receptive_field, seed, by, classes)

    try:
        parts = divided(settings.split)
        if settings.sparse and settings.split == "auto" and _fewest_classes(pairs, parts) < 2:
            with suppress(ValueError):  # the slices may be too small
                blocks = divided("block")
                parts = blocks if _fewest_classes(pairs, blocks) > 1 else parts
    except ValueError as error:
        raise UserError(
            f"The labels cannot be divided into training and validation: {error}."
        ) from None
    for name, regions in (("training", parts.training), ("validation", parts.validation)):
        counts = _class_counts(pairs, regions)
        shown = np.count_nonzero(counts)
        if shown < 2:
            raise UserError(
                f"The {name} part ({parts.how}) holds {shown} of the classes in its "
                f"{counts.sum():,} annotated pixels; label objects and background in "
                "both parts." + "".join(f" {doubt}" for doubt in _empty_slices(pairs, settings))
            )
    return parts


def with_density(
    planes: Sequence[AnnotatedPlane], settings: TrainSettings
) -> tuple[AnnotatedPlane, ...]:
    """Add the density of drawing tiles to planes; none if it is the same everywhere.

    Parameters
    ----------
    planes : sequence of AnnotatedPlane
        All that are trained on.
    settings : TrainSettings
        `sampling`.
    """
    classes = torch.cat([plane.classes.flatten() for plane in planes]).numpy()
    if settings.sampling == "uniform" and not (classes == IGNORE).any():
        return tuple(planes)
    weights = torch.cat([plane.weights.flatten() for plane in planes]).numpy()
    joined = torch.from_numpy(density(classes, weights, settings.sampling))
    parts = joined.split([plane.classes.numel() for plane in planes])
    return tuple(
        replace(plane, density=part.view(plane.classes.shape))
        for plane, part in zip(planes, parts, strict=True)
    )


def _doubts_of_files(images: Sequence[Stack], labels: Sequence[Stack]) -> list[str]:
    """Return what files left open, or hold and is not used."""
    of_images = (doubt for stack in images for doubt in doubts_as_image(stack))
    return [*of_images, *(doubt for stack in labels for doubt in stack.doubts)]


def _doubts_of_pixels(pairs: Sequence[Annotated], settings: TrainSettings) -> list[str]:
    """Return what looks wrong in labels and images, in the whole set."""
    found = ((pair.image.name, doubt) for pair in pairs for doubt in pair.doubts)
    measured = (
        [gray_values(pair.image, pair.target) for pair in pairs] if len(pairs) > 1 else []
    )
    known = [values for values in measured if values]
    # Labels of COCO have no file, and no ignored pixels where there are no crowds.
    ignore = settings.ignore if any(pair.image.source for pair in pairs) else None
    of = [(pair.image.name, pair.label_ids) for pair in pairs]
    return [
        *told_together(found, len(pairs), "images"),
        *ids_doubts(of, ignore, settings.target == "classes"),
        *image_doubts(known),
    ]


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


def _fewest_classes(pairs: Sequence[Annotated], parts: Split) -> int:
    """Return the number of classes in the part that shows fewer."""
    return min(
        int(np.count_nonzero(_class_counts(pairs, part)))
        for part in (parts.training, parts.validation)
    )


def _class_counts(pairs: Sequence[Annotated], regions: Sequence[Region]) -> NDArray[np.int64]:
    """Return the number of annotated pixels of each class."""
    parts = (region.of(pairs[region.image].target.classes) for region in regions)
    return np.sum([np.bincount(part.ravel(), minlength=256) for part in parts], 0)[:IGNORE]


def _pixels(pairs: Sequence[Annotated], region: Region) -> NDArray:
    """Read a region (C, Y, X); refuse pixels that are not finite, or all the same."""
    image = pairs[region.image].image
    pixels = image.plane(region.index, *region.window)
    where = f"Image '{image.name}'" + "".join(f", slice {i}" for i in region.index)
    if not np.isfinite(pixels).all():
        count = int((~np.isfinite(pixels)).sum())
        raise UserError(
            f"{where}: {count} pixels are NaN or infinite; correct them or leave them out."
        )
    if _is_constant(pixels):
        whole = _is_constant(image.plane(region.index))
        way_out = "crop it away, or give its labels the ignore id"
        if whole and not region.index:
            way_out = "leave this image out"
        raise UserError(
            f"{where}{'' if whole else _block(region, image.shape)} is constant "
            f"({pixels.min()}): nothing can be learnt from it; {way_out}."
        )
    return pixels


def _is_constant(pixels: NDArray) -> bool:
    return bool(pixels.min() == pixels.max())


def _block(region: Region, shape: tuple[int, ...]) -> str:
    """Describe where in its plane a region lies."""
    y, x = (
        range(*part.indices(side)) for part, side in zip(region.window, shape[-2:], strict=True)
    )
    return f", block of y {y[0]} to {y[-1]} and x {x[0]} to {x[-1]},"


def _annotated_plane(
    pairs: Sequence[Annotated],
    region: Region,
    normalization: Normalization,
    factors: NDArray[np.float64],
    settings: TrainSettings,
) -> AnnotatedPlane:
    target = pairs[region.image].target
    classes = region.of(target.classes)
    annotated = classes != IGNORE
    weights = factors[np.where(annotated, classes, 0)] * annotated
    gaps = gap_widths(region.of(target.objects))
    weights += np.where(classes == 0, border_term(gaps, settings.w0, settings.sigma), 0)
    return AnnotatedPlane(
        image=torch.from_numpy(normalization.apply(_pixels(pairs, region))),
        classes=torch.from_numpy(np.ascontiguousarray(classes)),
        weights=torch.from_numpy(weights.astype(np.float32)),
    )


def _appearance(
    planes: Sequence[NDArray],
    pairs: Sequence[Annotated],
    regions: Sequence[Region],
    settings: TrainSettings,
) -> Appearance:
    """Return what the regions to train on, whose pixels are `planes`, look like."""
    used = [pairs[i].image for i in dict.fromkeys(region.image for region in regions)]
    sides = [sqrt(area) for image in used if (area := pixel_um2(image))]
    areas: list[int] = []
    if settings.target == "instances":
        for region in regions:
            areas += whole_areas(region.of(pairs[region.image].target.objects))
    return Appearance.of(planes, sides, areas)


def _truth(
    target: TrainingTarget, region: Region, settings: TrainSettings
) -> NDArray[np.integer]:
    """Return the truth of a region: objects or classes, `HIDDEN` where unannotated."""
    classes = region.of(target.classes)
    truth = region.of(target.objects) if settings.target == "instances" else classes
    return np.where(classes == IGNORE, HIDDEN, truth.astype(np.int64))


def _warnings(pairs: Sequence[Annotated], parts: Split, receptive_field: int) -> Iterator[str]:
    """Warn of what makes the scores less trustworthy."""
    if parts.guard is not None and parts.guard < receptive_field:
        yield (
            f"The image is small: {parts.guard} px lie between training and validation, the "
            f"network sees {receptive_field}. The validation scores may flatter."
        )
    ids = pairs[0].target.ids
    taught, judged = (
        _class_counts(pairs, part) > 0 for part in (parts.training, parts.validation)
    )
    if lacking := [ids[k] for k in np.flatnonzero(taught & ~judged)]:
        are, them = ("it is", "it") if len(lacking) == 1 else ("they are", "them")
        yield (
            f"No pixel for validation has the {_listed(lacking)}: no score tells how well "
            f"{are} learnt. Annotate {them} in more places."
        )
    if lacking := [ids[k] for k in np.flatnonzero(judged & ~taught)]:
        they, them = ("it", "it") if len(lacking) == 1 else ("they", "them")
        yield (
            f"No pixel for training has the {_listed(lacking)}: {they} cannot be learnt. "
            f"Annotate {them} in more places."
        )


def _listed(ids: Sequence[int], most: int = 10) -> str:
    """Return a list of ids in words, the first few by name: 'ids 3, 4 and 7 more'."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return f"id{'s' * (len(ids) > 1)} {', '.join(map(str, ids[:most]))}{more}"


def _empty_slices(pairs: Sequence[Annotated], settings: TrainSettings) -> Iterator[str]:
    """Warn of slices, and images of one plane, that seem to be unannotated."""
    if settings.sparse:  # there, what is background was painted as background
        return
    way_out = "learnt as background. Give them the ignore id if they are not annotated."
    planes, without = 0, list[str]()
    for pair in pairs:
        annotated = [
            index
            for index in pair.image.indices
            if (pair.target.classes[index] != IGNORE).any()
        ]
        empty = sum(not pair.target.objects[index].any() for index in annotated)
        if len(pair.image.indices) == 1:
            planes += len(annotated)
            without += [pair.image.name] * empty
        elif empty:
            yield (
                f"{empty} of {len(annotated)} slices of '{pair.image.name}' have no object; "
                f"they are {way_out}"
            )
    if without:
        more = ", ..." if len(without) > 3 else ""
        yield (
            f"{len(without)} of {planes} images have no object "
            f"({', '.join(without[:3])}{more}); they are {way_out}"
        )
