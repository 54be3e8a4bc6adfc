"""What is written of a prediction: shape, chunks, dtypes and metadata; no files."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.instances.decoding import classes, foreground
from napari_utile.arrays.instances.model_rule import IN_SLICES, ModelRule
from napari_utile.arrays.instances.offsets import Offset, affinity_names, class_maps
from napari_utile.io.stack import Stack
from napari_utile.settings.prediction import PredictSettings

MAX_LABEL = 2**32 - 1
"""Largest id in 32 bits."""


@dataclass(frozen=True)
class OutputSpec:
    """Shape, dtypes and metadata of a result.

    Attributes
    ----------
    blocks : Blocks
        Shape of the result, and its blocks.
    like : Stack
        Axes, scale, position and units of the result; it has no pixels.
    settings : PredictSettings
        Output and dtype.
    maps : int
        Channels of the network's probabilities.
    ids : tuple of int
        Label id of each class.
    rule : ModelRule
        By which instances are found; probabilities keep it for those who do so later.
    """

    blocks: Blocks
    like: Stack
    settings: PredictSettings
    maps: int
    ids: tuple[int, ...]
    rule: ModelRule = IN_SLICES

    @property
    def offsets(self) -> tuple[Offset, ...]:
        """Offsets of the affinities, which are the channels behind the foreground."""
        return self.rule.offsets

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result, without channels."""
        return self.blocks.shape

    @property
    def channels(self) -> tuple[int, ...]:
        """The leading axis of the probabilities, if they have one."""
        return () if self.settings.output == "instances" else (self.maps,)

    @property
    def kept_affinities(self) -> int:
        """Number of affinities that are kept, until instances are found by them."""
        by_affinities = self.settings.instance_method == "watershed"
        return len(self.offsets) if self.settings.output == "instances" and by_affinities else 0

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What each channel of the probabilities is called."""
        if self.offsets:
            return affinity_names(self.offsets)
        return tuple(f"class {i}" for i in self.ids[-self.maps :])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk, without channels: one block."""
        tile = self.blocks.tile
        return (*[1] * (len(self.shape) - len(tile)), *tile)

    @property
    def probability_type(self) -> np.dtype:
        """Dtype of the probabilities; instances are always computed from bytes."""
        is_instances = self.settings.output == "instances"
        return np.dtype("uint8" if is_instances else self.settings.dtype)

    @property
    def label_type(self) -> np.dtype:
        """Dtype of ids."""
        if self.settings.output == "classes":
            return np.min_scalar_type(max(self.ids))
        return np.dtype(np.uint32 if prod(self.shape) <= MAX_LABEL else np.uint64)

    @property
    def nbytes(self) -> int:
        """Bytes of the result in full resolution, uncompressed."""
        voxels = prod(self.shape)
        taken = prod(self.channels) * voxels * self.probability_type.itemsize
        if self.settings.output != "probabilities":
            taken += voxels * self.label_type.itemsize
        return taken

    def encoded(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Convert probabilities to what is stored: (K, Y, X), or the foreground (Y, X)."""
        if self.settings.output == "instances":
            return foreground(class_maps(probabilities, self.offsets))
        if self.probability_type == np.uint8:
            return np.rint(probabilities * np.float32(255)).astype(np.uint8)
        return probabilities.astype(self.probability_type, copy=False)

    def decided(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Return the label id (Y, X) of the most probable class."""
        ids = np.asarray(self.ids, self.label_type)
        likely = class_maps(probabilities, self.offsets)
        return ids[classes(likely, self.settings.threshold)]


def output_spec(
    stack: Stack,
    blocks: Blocks,
    settings: PredictSettings,
    maps: int,
    ids: tuple[int, ...],
    rule: ModelRule = IN_SLICES,
) -> OutputSpec:
    """Return what will be written of a stack; nothing is read.

    Parameters
    ----------
    stack : Stack
        Gives axes, scale, position and units.
    blocks : Blocks
        Of the part of the stack that is predicted.
    settings : PredictSettings
    maps : int
        Channels of the network's probabilities.
    ids : tuple of int
        Label id of each class.
    rule : ModelRule, optional
        Of the model.
    """
    nothing: Any = np.broadcast_to(np.zeros((), stack.dtype), blocks.shape)
    translate = tuple(
        origin + start * scale
        for origin, start, scale in zip(
            stack.translate, blocks.starts, stack.scale, strict=True
        )
    )
    like = replace(
        stack, data=nothing, axes=stack.spatial_axes, translate=translate, alpha=False
    )
    return OutputSpec(blocks, like, settings, maps, ids, rule)
