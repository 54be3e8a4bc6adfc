"""All that a run starts from: settings in effect, data, network, device and tiles."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_utile.arrays.instances.offsets import affinity_names
from napari_utile.arrays.splits import Split
from napari_utile.arrays.tiling import Sizes
from napari_utile.engine.devices import choose_device
from napari_utile.engine.models.factory import network_from_settings, receptive_field_of
from napari_utile.engine.models.warm_start import WarmStart
from napari_utile.engine.training.data.annotations import Annotations
from napari_utile.engine.training.data.layout import TileLayout
from napari_utile.engine.training.data.preparation import TrainingData, training_data
from napari_utile.engine.training.distributed import Group
from napari_utile.engine.training.options import effective_settings, unused_options
from napari_utile.errors import UserError
from napari_utile.io.slice_context import slices_seen
from napari_utile.io.stack import Stack
from napari_utile.networks.tileable import Network
from napari_utile.settings.training import TrainSettings


@dataclass(frozen=True)
class TrainingSetup:
    """A run before its first step. Everything is checked, built and computed once.

    Attributes
    ----------
    settings : TrainSettings
        In effect: what is recorded is what is used.
    data : TrainingData
        What is learnt from and validated on, on the CPU.
    network : nn.Module
        With the parameters that the run starts from, on the CPU.
    device : torch.device
        What trains it.
    tiles : TileLayout
        What it is trained on.
    warm_start : WarmStart or None
        Where its parameters come from; None if they are random.
    warnings : tuple of str
        What the user should know before the first step.
    """

    settings: TrainSettings
    data: TrainingData
    network: Network
    device: torch.device
    tiles: TileLayout
    warm_start: WarmStart | None = None
    warnings: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, str | int | float]:
        """What the model is and is trained on, name -> value."""
        facts: dict[str, str | int | float] = {
            "network": self.settings.network,
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "classes": len(self.data.ids),
            "channels": self.data.channels,
            "split": self.data.split.how,
            **self._poolings,
            "training tile": self.tiles.words,
            "tiles per step": self.tiles.per_step,
        }
        if self.data.offsets:
            facts["maps"] = ", ".join(affinity_names(self.data.offsets))
        if self.settings.context:
            facts["slices seen"] = slices_seen(self.settings.context)
        return facts

    @property
    def _poolings(self) -> dict[str, str]:
        """How often a network of volumes pools each axis, and what it takes a voxel for."""
        if self.network.ndim == 2:
            return {}
        axes: dict[int, list[str]] = {}  # that are pooled so often
        for axis, step in zip("zyx", self.network.stride_alignment, strict=True):
            axes.setdefault(step.bit_length() - 1, []).append(axis)
        pools = ", ".join(
            f"{count} x in {', '.join(names[:-1])}{' and ' * (len(names) > 1)}{names[-1]}"
            for count, names in axes.items()
        )
        sides = " x ".join(f"{side:g}" for side in self.data.spacing)
        return {"voxel": sides, "pools": pools}


def set_up_training(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: TrainSettings,
    split: Split | None = None,
    warm_start: Path | str | None = None,
    left_out: Sequence[str] = (),
) -> TrainingSetup:
    """Check the input of a run, and compute all that it starts from.

    Parameters
    ----------
    images, labels : sequences of Stack
        Pairs of the same spatial shape.
    settings : TrainSettings
        As the user gave them.
    split : Split, optional
        What is for training and what for validation; by default it is made here, with the
        receptive field of the network as guard band.
    warm_start : path, optional
        Model, or run, whose parameters the network starts from.
    left_out : sequence of str, optional
        Warnings of files that are not trained on.

    Raises
    ------
    UserError
        If there is no such device, the input cannot be trained on, or not with these
        settings, or is doubtful with `strict`; or if the model to start from is missing or of
        another architecture.
    """
    given, settings = settings, effective_settings(settings)
    device = choose_device(settings.device)
    annotations = Annotations.read(images, labels, settings)
    torch.manual_seed(settings.seed)
    network = network_from_settings(
        settings, annotations.channels, len(annotations.ids), annotations.spacing
    )
    data = training_data(annotations, settings, receptive_field_of(network), split)
    tiles = TileLayout.of(network, settings, data.training)
    _check_tiles(tiles, network)
    warm = WarmStart.read(warm_start, network, settings.context) if warm_start else None
    if warm:
        network.load_state_dict(warm.parameters)
    warnings = [*unused_options(given), *left_out, *data.warnings]
    if tiles.side < settings.tile and not tiles.are_windows:
        warnings.append(f"The images are small: the training tile is {tiles.words} px.")
    return TrainingSetup(settings, data, network, device, tiles, warm, tuple(warnings))


def _check_tiles(tiles: TileLayout, network: Network) -> None:
    """Refuse batches that processes cannot share, and tiles that a norm cannot learn from."""
    processes = Group.here().size
    if tiles.per_step < processes:
        raise UserError(
            f"{processes} processes cannot share a batch of {tiles.per_step}: give each of "
            "them at least one tile."
        )
    is_small = all(
        side <= step for side, step in zip(tiles.output, network.stride_alignment, strict=True)
    )
    if tiles.per_step == 1 and is_small and not can_learn_from_one(network, tiles.size):
        raise UserError(
            f"A tile of {tiles.words} px is one pixel behind the last pooling: choose a "
            "larger tile or batch, or a smaller depth."
        )


def can_learn_from_one(network: Network, size: Sizes) -> bool:
    """Whether a network learns from a single tile whose input has these sides, in pixels.

    Batch normalization has nothing to average over where one pixel is left of it.
    """
    network = deepcopy(network).to("meta").train()  # no pixel is computed there
    try:
        network(torch.empty(1, network.in_channels, *size, device="meta"))
    except ValueError:
        return False
    return True
