"""Images and labels as a run learns from them: checked, divided, normalized, weighted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.appearance import Appearance, whole_areas
from napari_utile.arrays.augmentation.density import density
from napari_utile.arrays.instances.affinities import signed_ids
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.splits import Region, Split
from napari_utile.arrays.targets import TrainingTarget
from napari_utile.arrays.weight_maps.weight_map import balance, border_term, gap_widths
from napari_utile.engine.models.factory import learnt_offsets
from napari_utile.engine.prediction.block_computer import replaced_slices, replaced_text
from napari_utile.engine.prediction.normalizing import own_normalization_of
from napari_utile.engine.training.data.annotations import (
    Annotated,
    Annotations,
    class_counts,
)
from napari_utile.engine.training.data.division import divide, division_warnings
from napari_utile.engine.training.data.doubts import copies
from napari_utile.engine.training.data.empty_planes import empty_planes
from napari_utile.engine.training.data.planes import HIDDEN, AnnotatedPlane, ValidationPlane
from napari_utile.errors import UserError
from napari_utile.evaluation.files import pixel_um2
from napari_utile.events import doubted
from napari_utile.io.images import Stack
from napari_utile.io.slice_context import slices_around, slices_seen, with_context
from napari_utile.io.units import counted
from napari_utile.settings.options import axes_seen
from napari_utile.settings.training import TrainSettings


@dataclass(frozen=True)
class TrainingData:
    """Planes to train and to validate on, all on the CPU."""

    training: tuple[AnnotatedPlane, ...]
    validation: tuple[ValidationPlane, ...]
    split: Split
    normalization: Normalization
    """Of all training regions together."""
    channels: int
    ids: tuple[int, ...]
    """Label id of each class."""
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Size of a voxel along (z, y, x), in any unit, for a network that sees volumes."""
    offsets: tuple[Offset, ...] = ()
    """Of the affinities that are learnt."""
    border: float = 1.0
    """Width of the border between touching objects, in pixels of x: the narrowest of all."""
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Of the images."""
    appearance: Appearance | None = None
    """What the training planes look like."""
    fed: tuple[Normalization, ...] = ()
    """By which each image is normalized: that of all, or its own."""

    @property
    def places(self) -> list[str]:
        """Where each plane to train on comes from, in words."""
        return [
            f"'{self.names[region.image]}'" + "".join(f" slice {i}" for i in region.index)
            for region in self.split.training
        ]


def prepare(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: TrainSettings,
    receptive_field: int | Sequence[int],
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
    receptive_field: int | Sequence[int],
    parts: Split | None = None,
) -> TrainingData:
    """Divide, normalize and weigh what is annotated.

    Parameters
    ----------
    annotations : Annotations
        Images and labels.
    settings : TrainSettings
        The share for validation, and the weight map.
    receptive_field : int or sequence of int
        Width of the guard band where one plane, or volume, is divided, in pixels.
    parts : Split, optional
        The split to use, where several runs share one; made here by default.

    Returns
    -------
    TrainingData
        Its normalization and class balance know the training regions only. Images that are
        normalized by themselves are measured whole, as they will be when they are predicted.

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
    empty = empty_planes(pairs, settings)
    told = [empty.text] if empty else []
    doubts = [*annotations.doubts, *copies([pair.image for pair in pairs], parts)]
    doubts += told if empty and empty.is_doubtful else []
    warnings = [event.message for event in doubted(doubts, settings.strict)]
    warnings += [text for text in told if text not in warnings]
    planes = [_pixels(pairs, region) for region in parts.training]
    normalization = Normalization.of(planes)
    by = settings.normalize
    fed = [
        normalization if by == "model" else own_normalization_of(pair.image, by)
        for pair in pairs
    ]
    counts = class_counts(pairs, parts.training)[: len(ids)]
    factors = balance(counts) if settings.class_balance else np.ones(len(ids))

    offsets = learnt_offsets(settings, annotations.spacing)
    border = min(pair.target.border for pair in pairs)
    sides = annotations.spacing if axes_seen(settings.network) == 3 else (1.0, 1.0)
    seen = [SeenImage(pair.image, settings.context) for pair in pairs]

    def plane(region: Region) -> AnnotatedPlane:
        number, spacing = region.image, annotations.spacing
        image, own = seen[number], fed[number]
        return _annotated_plane(pairs, region, image, own, factors, settings, spacing)

    return TrainingData(
        training=with_density([plane(region) for region in parts.training], settings),
        validation=tuple(
            ValidationPlane(
                plane(region),
                _truth(pairs[region.image].target, region, settings),
                has_objects=settings.meaning == "instances",
                ids=ids,
                rule=ModelRule.learnt(border, sides, offsets),
            )
            for region in parts.validation
        ),
        split=parts,
        normalization=normalization,
        channels=annotations.channels,
        ids=ids,
        spacing=annotations.spacing,
        offsets=offsets,
        border=border,
        appearance=_appearance(planes, pairs, parts.training, settings),
        warnings=(
            *warnings,
            *division_warnings(pairs, parts, receptive_field, settings.context),
            *(text for image in seen for text in image.warnings),
        ),
        names=tuple(pair.image.name for pair in pairs),
        fed=tuple(fed),
    )


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


class SeenImage:
    """An image as the network sees it: each slice with those around it, normalized.

    Attributes
    ----------
    warnings : list of str
        Of slices around annotated ones in which pixels were replaced.
    """

    def __init__(self, image: Stack, context: int):
        self.image, self.context = image, context
        self.stack = with_context(image, context)
        self.warnings: list[str] = []

    def read(self, region: Region, normalization: Normalization) -> NDArray[np.float32]:
        """Read a region ((2 context + 1) C, Y, X); refuse it for its own slice, as `_pixels`.

        Pixels of the other slices that are not finite become the mean gray value.
        """
        pixels = self.stack.window(region.index, region.window)
        count, slices = self.image.channels, slices_seen(self.context)
        own = slice(self.context * count, (self.context + 1) * count)
        _check_pixels(pixels[own], self.image, region)
        normalized = normalization.repeated(slices).apply(pixels)
        if self.context:
            around = slices_around(self.image, region.index, self.context)
            found = replaced_slices(normalized, slices)
            told = [replaced_text(self.image, around[number]) for number in sorted(found)]
            self.warnings += [text for text in told if text not in self.warnings]
        return normalized


def _pixels(pairs: Sequence[Annotated], region: Region) -> NDArray:
    """Read a region (C, Y, X); refuse pixels that are not finite, or all the same."""
    image = pairs[region.image].image
    pixels = image.window(region.index, region.window)
    _check_pixels(pixels, image, region)
    return pixels


def _check_pixels(pixels: NDArray, image: Stack, region: Region) -> None:
    """Refuse pixels of a region that are not finite, or all the same."""
    where = f"Image '{image.name}'" + "".join(f", slice {i}" for i in region.index)
    if not np.isfinite(pixels).all():
        count = int((~np.isfinite(pixels)).sum())
        raise UserError(
            f"{where} is NaN or infinite in {counted(count, 'pixels')}: correct that, or "
            "leave it out."
        )
    if _is_constant(pixels):
        whole = _is_constant(image.window(region.index, len(region.window) * (slice(None),)))
        way_out = "crop it away, or give its labels the ignore id"
        if whole and not region.index:
            way_out = "leave this image out"
        raise UserError(
            f"{where}{'' if whole else _block(region, image.shape)} is constant "
            f"({pixels.min()}): nothing can be learnt from it; {way_out}."
        )


def _is_constant(pixels: NDArray) -> bool:
    return bool(pixels.min() == pixels.max())


def _block(region: Region, shape: tuple[int, ...]) -> str:
    """Describe where in its plane a region lies."""
    ndim = len(region.window)
    lines = [
        range(*part.indices(side))
        for part, side in zip(region.window, shape[-ndim:], strict=True)
    ]
    axes = zip("zyx"[-ndim:], lines, strict=True)
    words = " and ".join(f"{axis} {line[0]} to {line[-1]}" for axis, line in axes)
    return f", block of {words},"


def _annotated_plane(
    pairs: Sequence[Annotated],
    region: Region,
    seen: SeenImage,
    normalization: Normalization,
    factors: NDArray[np.float64],
    settings: TrainSettings,
    spacing: tuple[float, ...],
) -> AnnotatedPlane:
    target = pairs[region.image].target
    classes = region.of(target.classes)
    annotated = classes != IGNORE
    weights = factors[np.where(annotated, classes, 0)] * annotated
    ids = None
    if settings.target == "affinities":  # all that is annotated weighs the same
        assert target.drawn is not None
        ids = torch.from_numpy(signed_ids(region.of(target.drawn), classes))
    else:
        gaps = _gaps_between(region.of(target.objects), spacing)
        weights += np.where(classes == 0, border_term(gaps, settings.w0, settings.sigma), 0)
    return AnnotatedPlane(
        image=torch.from_numpy(seen.read(region, normalization)),
        classes=torch.from_numpy(np.ascontiguousarray(classes)),
        weights=torch.from_numpy(weights.astype(np.float32)),
        ids=ids,
    )


def _gaps_between(
    objects: NDArray[np.int32], spacing: tuple[float, ...]
) -> NDArray[np.float32]:
    """Return the widths of the gaps between objects of a plane or volume, in pixels of x."""
    if objects.ndim == 2:
        return gap_widths(objects)
    relative = [side / spacing[-1] for side in spacing]
    return gap_widths(objects, spacing=relative, volumetric=True)


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
    if settings.meaning == "instances":
        for region in regions:
            areas += whole_areas(region.of(pairs[region.image].target.objects))
    names = next((image.channel_names for image in used if image.channel_names), ())
    return Appearance.of(planes, sides, areas, names)


def _truth(
    target: TrainingTarget, region: Region, settings: TrainSettings
) -> NDArray[np.integer]:
    """Return the truth of a region: objects or classes, `HIDDEN` where unannotated.

    Where what is found grows back, or is joined by affinities, it is compared with objects as
    they were drawn.
    """
    classes = region.of(target.classes)
    objects = region.of(target.objects if target.drawn is None else target.drawn)
    truth = objects if settings.meaning == "instances" else classes
    return np.where(classes == IGNORE, HIDDEN, truth.astype(np.int64))
