"""Judging a network by whole planes that it never learnt from, as it will be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_utile.arrays.labels import classes
from napari_utile.engine.batches import Plane
from napari_utile.engine.losses import weighted_cross_entropy
from napari_utile.engine.prediction import logits, probabilities
from napari_utile.metrics import evaluate

SCORES = ("iou", "dice", "pixel_error", "matching_ap50", "f1_50", "panoptic_quality", "seg")
HIDDEN = -1
"""Id in the truth of pixels that nobody annotated."""


@dataclass(frozen=True)
class ValidationPlane:
    """A plane to judge by: never deformed, predicted whole.

    Attributes
    ----------
    truth : Plane
        On the CPU.
    objects : ndarray of int, shape (Y, X)
        Instances where they are meant, else the classes; `HIDDEN` where nobody annotated.
    has_objects : bool
        Whether `objects` are instances.
    """

    truth: Plane
    objects: NDArray[np.integer]
    has_objects: bool = True


@dataclass(frozen=True)
class Validation:
    """What a validation found."""

    loss: float
    scores: dict[str, float]
    foreground: NDArray[np.float32]
    """Probability (Y, X) of the first plane."""


def validate(
    network: nn.Module, planes: Sequence[ValidationPlane], device: torch.device
) -> Validation:
    """Predict whole planes, as later in use, and compare them with the truth."""
    network.eval()
    losses: list[float] = []
    weights: list[float] = []
    predicted = []
    for plane in planes:
        truth, importance = plane.truth, plane.truth.weights
        scores = logits(network, truth.image.numpy(), device=device)
        loss = weighted_cross_entropy(
            torch.from_numpy(scores)[None], truth.classes[None], importance[None]
        )
        losses.append(loss.item())
        weights.append(importance.sum().item())
        predicted.append(probabilities(scores))
    first = predicted[0]
    mean = float(np.average(losses, weights=weights)) if any(weights) else 0.0
    return Validation(
        loss=mean,
        scores=mean_scores(planes, predicted) if isfinite(mean) else {},
        foreground=1 - first[0] if len(first) > 1 else first[0],
    )


def mean_scores(
    planes: Sequence[ValidationPlane], predicted: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Average the scores of the planes, each at the threshold 0.5."""
    found = [
        plane_scores(plane, p) if plane.has_objects else class_scores(plane, p)
        for plane, p in zip(planes, predicted, strict=True)
    ]
    return {name: float(np.mean([scores[name] for scores in found])) for name in found[0]}


def plane_scores(plane: ValidationPlane, predicted: NDArray[np.float32]) -> dict[str, float]:
    """Score foreground and objects."""
    report = evaluate(predicted, plane.objects, ignore=HIDDEN)
    return {name: report[name] for name in SCORES}


def class_scores(plane: ValidationPlane, predicted: NDArray[np.float32]) -> dict[str, float]:
    """Score the foreground, and every kind of pixel: the mean IoU of those that occur."""
    report = evaluate(predicted, plane.objects, ignore=HIDDEN)
    annotated = plane.objects != HIDDEN
    truth, kinds = plane.objects[annotated], classes(predicted)[annotated]
    occurring = np.union1d(truth, kinds)
    ious = [
        ((truth == k) & (kinds == k)).sum() / ((truth == k) | (kinds == k)).sum()
        for k in occurring[occurring > 0]
    ]
    scores = {name: report[name] for name in SCORES[:3]}
    return scores | {"mean_iou": float(np.mean(ious)) if ious else 1.0}
