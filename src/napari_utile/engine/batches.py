"""Annotated planes on the training device, and the random tiles drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from napari_utile.engine.augmentation import (
    Deformation,
    change_gray,
    sample,
    source_positions,
)


class Batch(NamedTuple):
    """Tiles ready for the network: its input, and the truth of the pixels it will give."""

    images: Tensor
    """float32, (N, C, Y, X); with unpadded convolutions the margin is included."""
    classes: Tensor
    """uint8, (N, y, x)"""
    weights: Tensor
    """float32, (N, y, x)"""


@dataclass(frozen=True)
class Plane:
    """One annotated image: normalized pixels, classes and loss weights of the same size."""

    image: Tensor
    """float32, (C, Y, X)"""
    classes: Tensor
    """uint8, (Y, X)"""
    weights: Tensor
    """float32, (Y, X)"""

    def to(self, device: torch.device) -> "Plane":
        """Copy the plane to a device."""
        return Plane(self.image.to(device), self.classes.to(device), self.weights.to(device))


class TileSampler:
    """Draws deformed tiles at random places of the planes, in proportion to their pixels.

    Parameters
    ----------
    planes : sequence of Plane
        All on the device that trains.
    size, margin : int
        Side of the network's input, and what its output lacks on each side, in pixels.
    deformation : Deformation
        How strongly tiles are changed.
    generator : Generator
        Source of everything random, on the device of the planes.
    """

    def __init__(
        self,
        planes: Sequence[Plane],
        size: int,
        margin: int,
        deformation: Deformation,
        generator: Generator,
    ):
        if not planes:
            raise ValueError("no plane to draw tiles from")
        self.size, self.margin = size, margin
        self.images = [plane.image for plane in planes]
        self.truths = [torch.stack([p.classes.float(), p.weights]) for p in planes]
        self.deformation, self.generator = deformation, generator
        self.device = planes[0].image.device
        areas = torch.tensor([float(plane.classes.numel()) for plane in planes])
        self.areas = areas.to(self.device)

    def batch(self, count: int) -> Batch:
        """Draw `count` tiles."""
        chosen = torch.multinomial(
            self.areas, count, replacement=True, generator=self.generator
        )
        tiles = [self._tile(self.images[i], self.truths[i]) for i in chosen.tolist()]
        return Batch(*(torch.stack(part) for part in zip(*tiles, strict=True)))

    def _tile(self, image: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        extent = torch.tensor(image.shape[-2:], device=self.device) - 1
        # a tile hangs over the border by a quarter at most: mirrored context, not copies
        inset = ((self.size - 2 * self.margin) / 4 * torch.ones(2, device=self.device)).minimum(
            extent / 2
        )
        place = torch.rand(2, generator=self.generator, device=self.device)
        centre = inset + place * (extent - 2 * inset)
        positions = source_positions(centre, self.size, self.deformation, self.generator)
        tile = sample(image, positions, "bicubic")
        inner = slice(self.margin, self.size - self.margin)
        positions = positions[inner, inner]
        classes, weights = sample(truth, positions, "nearest")
        tile = change_gray(tile, self.deformation, self.generator)
        return tile, classes.to(torch.uint8), weights
