"""One step of training, within the memory there is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from math import ceil
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from napari_utile.arrays.augmentation.draws import Draw
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.engine.devices import autocast_dtype, is_out_of_memory
from napari_utile.engine.models.parameters import parameter_problem
from napari_utile.engine.training.affinity_loss import AffinityLoss
from napari_utile.engine.training.data.tiles import Batch, TileSampler
from napari_utile.engine.training.distributed import Group, share_statistics
from napari_utile.engine.training.losses import LOSSES
from napari_utile.engine.training.optimizers import make_optimizer, restore_optimizer
from napari_utile.engine.training.random_state import (
    check_generator_state,
    random_state,
    restore_random_state,
    seed_dropout,
)
from napari_utile.engine.training.schedule import TrainingProgress
from napari_utile.engine.training.setup import TrainingSetup
from napari_utile.errors import UserError
from napari_utile.networks.layers import NORM_LAYERS, memory_format
from napari_utile.networks.tileable import Network
from napari_utile.settings.training import TrainSettings

NORM_MOMENTUM = 0.1
"""How far one batch moves the running statistics of batch normalization; that of torch."""


class TrainingStep:
    """A network, its tiles, its update rule, and how far it has come.

    Parameters
    ----------
    network : nn.Module
        On the device of the sampler's planes. Trained in place.
    sampler : TileSampler
        Source of the batches.
    settings : TrainSettings
        Loss, optimizer and seed, and what messages name.
    batch : int, optional
        Tiles per step; by default that of the settings.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.
    places : sequence of str, optional
        Where each plane of the sampler comes from, in words.
    resized : callable, optional
        Makes a sampler of the same planes for tiles of another side; without it they keep
        their size when memory runs out.
    offsets : tuple of tuple of int, optional
        Of the affinities that are learnt.

    Attributes
    ----------
    batch : int
        Tiles per step.
    progress : TrainingProgress
        `take` counts the steps; all else is up to the loop.
    parts : int
        Number of parts in which a batch goes through the network; more once memory has run
        out.
    """

    def __init__(
        self,
        network: Network,
        sampler: TileSampler,
        settings: TrainSettings,
        batch: int | None = None,
        dtype: torch.dtype | None = None,
        places: Sequence[str] = (),
        resized: Callable[[int], TileSampler] | None = None,
        offsets: tuple[Offset, ...] = (),
    ):
        self.group = Group.here()
        if self.group.size > 1:
            network = share_statistics(network, sampler.device)
        self.network, self.sampler, self.resized = network, sampler, resized
        self.settings, self.dtype, self.places = settings, dtype, places
        self.loss = AffinityLoss(offsets) if offsets else LOSSES[settings.loss]
        self.batch = batch or settings.batch
        self.optimizer = make_optimizer(network, settings)
        self.progress = TrainingProgress()
        self.parts = 1
        self._is_within_a_step = False
        self._forward = self.group.averaging(network)

    @classmethod
    def of(cls, setup: TrainingSetup) -> "TrainingStep":
        """Bring the network and the planes of a run to its device."""
        network, device = setup.network, setup.device
        network.to(device)
        network.to(memory_format=memory_format(network.ndim + 2))  # type: ignore[call-overload]

        def sampler(output: int) -> TileSampler:
            tiles = setup.tiles.resized(network, output)
            return tiles.sampler(setup.data.training, setup.settings, device)

        return cls(
            network,
            setup.tiles.sampler(setup.data.training, setup.settings, device),
            setup.settings,
            setup.tiles.per_step,
            autocast_dtype(device, setup.settings.precision, training=True),
            setup.data.places,
            sampler,
            setup.data.offsets,
        )

    @property
    def device(self) -> torch.device:
        """What computes."""
        return self.sampler.device

    def take(self, rate: float) -> tuple[float, list[str]]:
        """Draw a batch and follow its gradient once.

        Of several processes, each learns its share of the batch.

        Parameters
        ----------
        rate : float
            Learning rate.

        Returns
        -------
        loss : float
            Of the batch, before the step.
        warnings : list of str
            What was done because memory ran out.

        Raises
        ------
        FloatingPointError
            If the loss is no longer a number. The parameters are then as before the step.
        UserError
            If not even a single small tile fits into the memory.
        """
        if self.group.leads:
            self.group.lead(rate)
        else:
            seed_dropout(self.settings.seed, self.progress.step, self.group.rank)
        self._is_within_a_step = True
        draws, loss, warnings = self._gradient()
        self._is_within_a_step = False
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"at step {self.progress.step + 1} (learning rate {rate:.2g})"
                f"{self._origin(draws)}"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.progress.step += 1
        return float(loss.item()), warnings

    def close(self) -> None:
        """Let the other processes end, and disconnect from them."""
        if self.group.leads and not self._is_within_a_step:
            self.group.dismiss()  # within one they hear nothing, and end with the connection
        self._forward = self.network

    def _gradient(self) -> tuple[list[Draw], Tensor, list[str]]:
        """Compute the gradient of a batch with as little memory as need be."""
        draws, warnings = self.sampler.draw(self.batch), list[str]()
        while True:
            try:
                return draws, self._loss(self.sampler.render(self.group.share(draws))), warnings
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if self.group.size > 1:  # the others wait for what this one cannot compute
                raise UserError(self.too_large())
            # not before here: the error held on to what the step had allocated
            self.optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            if self.parts < self.batch:
                warnings.append(self._divide())
            else:
                warnings.append(self._shrink())
                draws = self.sampler.draw(self.batch)

    def _loss(self, batch: Batch) -> Tensor:
        """Compute the loss of a batch and its gradient, each as the sum over its parts."""
        self.optimizer.zero_grad()
        total = self.group.sum(self.loss.total_weight(batch.classes, batch.weights))
        losses = []
        for part in split_batch(batch, self.parts):
            images = part.images.contiguous(memory_format=memory_format(part.images.ndim))
            with torch.autocast(images.device.type, self.dtype, enabled=self.dtype is not None):
                scores = self._forward(images)
            loss = self.loss.weighted_sum(scores, part.classes, part.weights) / total
            (loss * self.group.size).backward()  # the mean over the processes is taken
            losses.append(loss.detach())
        return self.group.sum(torch.stack(losses).sum())

    def _divide(self) -> str:
        """Divide batches into twice as many parts; return a warning."""
        self._run_in_parts(min(2 * self.parts, self.batch))
        kept = (
            "batch normalization now sees the tiles of one part only"
            if self._norms()
            else "the gradient is that of the whole batch"
        )
        return (
            f"Out of memory on {self.device}: from step {self.progress.step + 1} on, the batch "
            f"of {self.batch} tiles is run in {self.parts} parts of at most "
            f"{ceil(self.batch / self.parts)}; {kept}."
        )

    def _run_in_parts(self, parts: int) -> None:
        """Divide every batch; running statistics then follow as fast as before."""
        self.parts = parts
        for norm in self._norms():
            norm.momentum = 1 - (1 - NORM_MOMENTUM) ** (1 / parts)

    def _norms(self) -> list[nn.BatchNorm2d | nn.BatchNorm3d]:
        """Return the batch normalizations of the network."""
        return [m for m in self.network.modules() if isinstance(m, NORM_LAYERS)]

    def _shrink(self) -> str:
        """Halve the side of the tiles; return a warning."""
        tile, alignment = self.sampler.side, max(self.network.stride_alignment)
        smaller = ceil(tile / 2 / alignment) * alignment
        # one tile alone: a norm has nothing to average over where one pixel is left of it
        is_least = bool(self._norms()) and smaller < 2 * alignment
        if smaller >= tile or is_least or not self.resized:
            raise UserError(self.too_large())
        self._resize(smaller)
        return (
            f"Out of memory on {self.device} even for a single tile: from step "
            f"{self.progress.step + 1} on, tiles are {self.sampler.side} px instead of "
            f"{tile}, {self.batch} of them per step as before."
        )

    def _resize(self, tile: int) -> None:
        """Use tiles of another side, of the same planes and random numbers."""
        assert self.resized
        state = self.sampler.state()
        self.sampler = self.resized(tile)
        self.sampler.restore(state)

    def too_large(self) -> str:
        """Return the message that the network does not fit into the memory, and what helps."""
        options, tile = self.settings, self.sampler.side
        if self.group.size > 1:
            return (
                f"{ceil(self.batch / self.group.size)} tiles of {tile} px do not fit into the "
                f"memory of {self.device} with depth {options.depth} and width "
                f"{options.width}: start more processes, or lower the batch, the tile or the "
                "width."
            )
        return (
            f"Not even one tile of {tile} px (of a batch of {self.batch}) fits into the "
            f"memory of {self.device} with depth {options.depth} and width {options.width}: "
            "close other programs, or lower the width, the depth or the tile."
        )

    def _origin(self, draws: list[Draw]) -> str:
        """Name the planes of the tiles that are not finite, or of all tiles if all are."""
        if not self.places:
            return ""
        tiles = self.sampler.render(draws).images
        broken = [d for d, tile in zip(draws, tiles, strict=True) if not tile.isfinite().all()]
        places = dict.fromkeys(self.places[draw.plane] for draw in broken or draws)
        return f", in tiles of {', '.join(places)}"

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on: tensors and plain types."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.sampler.state(),
            "random": random_state(self.device),
            "tile": self.sampler.side,
            "parts": self.parts,
            "progress": asdict(self.progress),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the state returned by `state`.

        Raises
        ------
        AttributeError, LookupError, TypeError, ValueError
            If it is something else.
        """
        tile, parts = state["tile"], state["parts"]
        if type(tile) is not int or not 0 < tile <= self.sampler.side:
            raise ValueError(f"no tile of {tile}")
        if type(parts) is not int or not 0 < parts <= self.batch:
            raise ValueError(f"no batch in {parts}")
        if problem := parameter_problem(self.network, state["network"]):
            raise ValueError(problem)
        check_generator_state(state["sampler"]["generator"])
        check_generator_state(state["random"]["cpu"])
        progress = TypeAdapter(TrainingProgress).validate_python(state["progress"])
        if min(progress.step, progress.epoch, progress.since_best, progress.taken) < 0:
            raise ValueError("no such progress")
        restore_optimizer(self.optimizer, state["optimizer"])
        self.network.load_state_dict(state["network"])
        if tile != self.sampler.side:
            self._resize(tile)
        self.sampler.restore(state["sampler"])
        self._run_in_parts(parts if self.group.size == 1 else 1)
        self.progress = progress
        restore_random_state(state["random"], self.device)


def split_batch(batch: Batch, count: int) -> Iterator[Batch]:
    """Divide a batch into `count` parts of about the same number of tiles."""
    split = (tensor.tensor_split(count) for tensor in batch)
    return (Batch(*part) for part in zip(*split, strict=True))
