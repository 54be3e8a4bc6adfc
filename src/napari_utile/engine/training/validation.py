"""Validation of a network on whole planes that it was not trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import classes, foreground_probability
from napari_utile.arrays.instances.offsets import class_maps
from napari_utile.arrays.labels import IGNORE, components
from napari_utile.engine.prediction.in_memory import logits, probabilities
from napari_utile.engine.training.data.planes import HIDDEN, ValidationPlane
from napari_utile.engine.training.losses import LOSSES, Loss
from napari_utile.evaluation.inputs import labels_and_boundary
from napari_utile.evaluation.rows import overlap_scores, pooled_scores
from napari_utile.evaluation.scores import scores_in
from napari_utile.metrics.class_scores import class_ious
from napari_utile.metrics.overlap import (
    Contingency,
    combine_tables,
    contingency,
    dice,
    iou,
    pixel_error,
)
from napari_utile.metrics.partitions import thin_borders
from napari_utile.metrics.volume_tables import grown
from napari_utile.networks.tileable import Network, activation_of
from napari_utile.settings.evaluation import EvaluateSettings

THRESHOLD = 0.5


@dataclass(frozen=True)
class Validation:
    """Loss and scores of a network, over all validation planes."""

    loss: float
    scores: dict[str, float]
    foreground: NDArray[np.float32]
    """Probability (Y, X) of the first plane, (Z, Y, X) of a volume."""
    confusion: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, 2), np.int64))
    """Annotated pixels by true class (rows) and predicted class (columns)."""
    guess: float = float("inf")
    """Loss of the best prediction that is the same everywhere."""
    warnings: tuple[str, ...] = ()
    """What did not go as asked."""


def validate(
    network: Network,
    planes: Sequence[ValidationPlane],
    device: torch.device,
    loss: Loss = LOSSES["cross-entropy"],
) -> Validation:
    """Predict whole planes, as in later use, and compare them with the truth.

    Parameters
    ----------
    network : Network
        Set to evaluation mode.
    planes : sequence of ValidationPlane
        At least one.
    device : torch.device
        Where the network is.
    loss : Loss, default cross entropy
        What the network is trained with; each plane counts as one tile.

    Returns
    -------
    Validation
        Its scores pool all planes as `evaluate` pools the slices of a stack. There are none
        if the loss is not finite.
    """
    network.eval()
    judged: list[PlaneValidation] = []
    warnings: list[str] = []
    for plane in planes:
        judged.append(validate_plane(network, plane, device, loss, warnings.append))
        if not isfinite(judged[-1].loss):
            return Validation(judged[-1].loss, {}, judged[0].foreground)
    totals = np.stack([each.weights for each in judged])
    weights = totals.reshape(len(totals), -1).sum(axis=1)
    mean = np.average([each.loss for each in judged], weights=weights) if any(weights) else 0
    confusion = np.sum([each.confusion for each in judged], axis=0)
    return Validation(
        loss=float(mean),
        scores=validation_scores(judged)
        if planes[0].has_objects
        else class_scores_of(judged, planes[0].ids),
        foreground=judged[0].foreground,
        confusion=confusion,
        guess=loss.guess(totals),
        warnings=tuple(dict.fromkeys(warnings)),
    )


@dataclass(frozen=True)
class PlaneValidation:
    """Results of one plane. All but the foreground are small, whatever its size."""

    loss: float
    weights: NDArray[Any]
    """Sum of the loss weights of each class, see `Loss.totals`."""
    confusion: NDArray[np.int64]
    tables: tuple[Contingency, Contingency] | None
    """Overlaps of objects with the truth, as predicted and with thinned borders."""
    foreground: NDArray[np.float32]


def validate_plane(
    network: Network,
    plane: ValidationPlane,
    device: torch.device,
    loss: Loss,
    warn: Callable[[str], object] = str,
) -> PlaneValidation:
    """Predict one plane and compare it with the truth.

    Parameters
    ----------
    network : Network
        In evaluation mode.
    plane : ValidationPlane
    device : torch.device
        Where the network is.
    loss : Loss
        What it is trained by.
    warn : callable, optional
        Called with each message of what did not go as asked.
    """
    truth = plane.truth
    predicted = logits(
        network, truth.image.numpy(), device=device, on_event=lambda event: warn(event.message)
    )
    found = loss.mean(
        torch.from_numpy(predicted)[None], truth.learnt[None], truth.weights[None]
    ).item()
    maps = probabilities(predicted, activation_of(network))
    predicted = class_maps(maps, plane.rule.offsets)
    true, annotated = truth.classes.numpy(), truth.classes.numpy() != IGNORE
    k = max(2, len(predicted))
    pairs = true[annotated].astype(np.int64) * k + classes(predicted)[annotated]
    return PlaneValidation(
        found,
        loss.totals(truth.learnt[None], truth.weights[None], k),
        np.bincount(pairs, minlength=k * k).reshape(k, k),
        compare_plane(plane, maps) if isfinite(found) else None,
        foreground_probability(predicted),
    )


def compare_plane(
    plane: ValidationPlane, predicted: NDArray[np.float32]
) -> tuple[Contingency, Contingency]:
    """Count the overlaps of objects, or of the foreground alone, with the truth.

    Parameters
    ----------
    plane : ValidationPlane
        The truth.
    predicted : ndarray of float32, shape (K, Y, X) or (K, Z, Y, X)
        Probabilities, and affinities if any are learnt.

    Returns
    -------
    Contingency, Contingency
        As predicted, and with thinned borders, as `evaluate` does; see `evaluation.rows`.

    Notes
    -----
    Objects are those that prediction finds in this plane, by the same functions: joined by
    affinities, and grown back into borders.
    """
    hidden = plane.objects == HIDDEN
    truth = np.where(hidden, 0, plane.objects)
    settings = EvaluateSettings(
        threshold=THRESHOLD,
        instance_method="watershed" if plane.has_objects else "components",
        volumetric=plane.objects.ndim == 3,
    )
    found, boundary = labels_and_boundary(predicted, settings, plane.rule)
    found = np.where(hidden, 0, found)
    if not plane.has_objects:
        table = contingency(found > 0, truth > 0, hidden)
        return table, table
    if settings.volumetric:
        whole = tuple(slice(0, side) for side in found.shape)
        thin = grown(found, truth > 0, whole)
        assert thin is not None  # nothing lies outside
    else:
        found = components(found)  # unannotated pixels can cut an object in two
        thin = thin_borders(found, boundary)
    return contingency(found, truth, hidden), contingency(thin, truth, hidden)


def validation_scores(judged: Sequence[PlaneValidation]) -> dict[str, float]:
    """Compute the scores of foreground and objects, over all planes together.

    Parameters
    ----------
    judged : sequence of PlaneValidation
        Of instances.
    """
    tables = [each.tables for each in judged if each.tables is not None]
    whole = pooled_scores(tables, [overlap_scores(*both) for both in tables])
    return {name: whole[name] for name in scores_in("validation")}


def class_scores_of(
    judged: Sequence[PlaneValidation], ids: tuple[int, ...]
) -> dict[str, float]:
    """Compute the scores of the foreground, of every class in the truth, and their mean IoU.

    `mean_iou` is that of `metrics.class_scores`: background is a class, and so is one that only
    the network shows.

    Parameters
    ----------
    judged : sequence of PlaneValidation
        Of classes.
    ids : tuple of int
        Label id of each class.
    """
    table = combine_tables([each.tables[0] for each in judged if each.tables is not None])
    found = {"iou": iou(table), "dice": dice(table), "pixel_error": pixel_error(table)}
    confusion = np.sum([each.confusion for each in judged], axis=0)
    ious = class_ious(confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0))
    occurs = confusion.any(axis=0) | confusion.any(axis=1)
    found["mean_iou"] = float(ious[occurs].mean()) if occurs.any() else 1.0
    shown = [k for k in range(1, len(ious)) if confusion[k].any()]
    return found | {f"iou_{ids[k]}": float(ious[k]) for k in shown if len(ious) > 2}
