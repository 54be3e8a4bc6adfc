"""Planes, or volumes, to train on and to validate on, as they lie on the device.

Of a volume the arrays have the axis Z in front of (Y, X).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_utile.arrays.instances.model_rule import IN_SLICES, ModelRule
from napari_utile.arrays.labels import components

HIDDEN = -1
"""Id of unannotated pixels in the truth."""


@dataclass(frozen=True)
class AnnotatedPlane:
    """One annotated image: normalized pixels, classes and loss weights of the same size."""

    image: Tensor
    """float32, (C, Y, X)"""
    classes: Tensor
    """uint8, (Y, X)"""
    weights: Tensor
    """float32, (Y, X)"""
    density: Tensor | None = None
    """(Y, X), on the CPU; how often a pixel is the centre of a tile, in any unit that all
    planes share. None is 1 everywhere."""
    ids: Tensor | None = None
    """int32, (Z, Y, X), where affinities are learnt; see `signed_ids`."""

    @property
    def learnt(self) -> Tensor:
        """What the loss compares the output of a network with: ids, or classes."""
        return self.classes if self.ids is None else self.ids

    def to(self, device: torch.device) -> "AnnotatedPlane":
        """Copy the plane to a device; the density stays on the CPU, where tiles are drawn."""
        return replace(
            self,
            image=self.image.to(device),
            classes=self.classes.to(device),
            weights=self.weights.to(device),
            ids=None if self.ids is None else self.ids.to(device),
        )


@dataclass(frozen=True)
class ValidationPlane:
    """A plane to validate on: never augmented, predicted whole.

    Attributes
    ----------
    truth : Plane
        On the CPU.
    objects : ndarray of int, shape (Y, X)
        Instances, or the classes where those are the target; `HIDDEN` where unannotated.
    has_objects : bool
        Whether `objects` are instances.
    ids : tuple of int
        Label id of each class.
    rule : ModelRule
        By which what the network finds becomes objects.
    """

    truth: AnnotatedPlane
    objects: NDArray[np.integer]
    has_objects: bool = True
    ids: tuple[int, ...] = (0, 1)
    rule: ModelRule = IN_SLICES


def annotated_in(planes: Sequence[ValidationPlane]) -> tuple[int, int]:
    """Count the annotated pixels of planes, and the strokes that they are painted in.

    Parameters
    ----------
    planes : sequence of ValidationPlane

    Returns
    -------
    int, int
        A stroke is a connected patch of one label.
    """
    pixels = strokes = 0
    for plane in planes:
        seen = plane.objects != HIDDEN
        painted = np.where(seen, plane.objects.astype(np.int64) - HIDDEN, 0)
        pixels += int(np.count_nonzero(seen))
        strokes += int(components(painted, volumetric=painted.ndim == 3).max(initial=0))
    return pixels, strokes
