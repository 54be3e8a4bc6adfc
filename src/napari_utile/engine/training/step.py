"""A network that learns: one step at a time, within the memory there is."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_utile.arrays.augmentation.draws import Draw
from napari_utile.engine.devices import is_out_of_memory
from napari_utile.engine.training.data.tiles import Batch, TileSampler
from napari_utile.engine.training.distributed import Group, share_statistics
from napari_utile.engine.training.losses import total_weight, weighted_cross_entropy
from napari_utile.engine.training.muon import Muon
from napari_utile.errors import UserError
from napari_utile.events import Warned
from napari_utile.networks.tileable import Network
from napari_utile.settings import TrainSettings

WINDOWS = 16
"""In place of each tile, where a network is trained on windows: of steps of 32 to 512 windows,
those of 64 learnt most in the same time (width 16, four tiles, one core with bf16)."""

MOMENTUM = 0.1
"""How far one batch moves the running statistics of batch normalization; that of torch."""


@dataclass
class Progress:
    """How far a run has come: all that its loop remembers.

    Attributes
    ----------
    step, epoch : int
        Steps taken, and validations.
    best : float or None
        Lowest validation loss so far.
    since_best : int
        Validations since then.
    cost : float
        Seconds that the last validation took.
    end : float or None
        Share of the budget at which the running epoch ends; None between two epochs.
    taken : int
        Steps of the running epoch.
    total : float
        Sum of their losses.
    """

    step: int = 0
    epoch: int = 0
    best: float | None = None
    since_best: int = 0
    cost: float = 0.0
    end: float | None = None
    taken: int = 0
    total: float = 0.0


class Learner:
    """A network, its tiles, its update rule, and how far it has come.

    Parameters
    ----------
    network : nn.Module
        On the device of the sampler's planes. Trained in place.
    sampler : TileSampler
        Source of the batches.
    settings : TrainSettings
        How to learn.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.
    places : sequence of str, optional
        Where each plane of the sampler comes from, in words.
    resized : callable, optional
        Makes a sampler of the same planes for tiles of another side; without it they stay as
        they are when memory runs out.

    Attributes
    ----------
    batch : int
        Tiles per step.
    progress : Progress
        Advanced by every step; the rest is up to the loop.
    parts : int
        In so many parts a batch goes through the network; more once memory has run out.
    """

    def __init__(
        self,
        network: Network,
        sampler: TileSampler,
        settings: TrainSettings,
        dtype: torch.dtype | None = None,
        places: Sequence[str] = (),
        resized: Callable[[int], TileSampler] | None = None,
    ):
        self.group = Group.here()
        if self.group.size > 1:
            network = share_statistics(network, sampler.device)
        self.network, self.sampler, self.resized = network, sampler, resized
        self.settings, self.dtype, self.places = settings, dtype, places
        self.batch = settings.batch * (WINDOWS if network.trains_on_windows else 1)
        self.optimizer = make_optimizer(network, settings)
        self.progress = Progress()
        self.parts = 1
        self._is_within_a_step = False
        self._forward = self.group.averaging(network)

    @property
    def device(self) -> torch.device:
        """What computes."""
        return self.sampler.device

    def learn(self, rate: float) -> Generator[Warned, None, float]:
        """Draw a batch, follow its gradient once at a learning rate, and return its loss.

        Of several processes, each learns its share of the batch.

        Yields
        ------
        Warned
            If memory runs out, and what is done about it.

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
            self._part_from_the_leader()
        self._is_within_a_step = True
        draws, loss = yield from self._gradient()
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
        return float(loss.item())

    def leave(self) -> None:
        """Let the other processes end, and let go of what connects to them."""
        if self.group.leads and not self._is_within_a_step:
            self.group.dismiss()  # within one they hear nothing, and end with the connection
        self._forward = self.network

    def _gradient(self) -> Generator[Warned, None, tuple[list[Draw], Tensor]]:
        """Leave the gradient of a batch in the parameters, however little memory there is."""
        before = self.sampler.state()
        draws = self.sampler.draw(self.batch)
        while True:
            try:
                return draws, self._loss(self.sampler.render(self.group.share(draws)))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if self.group.size > 1:  # the others wait for what this one cannot compute
                raise UserError(self.too_large())
            # not before here: the error held on to what the step had allocated
            self.optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                if self.parts < self.batch:
                    yield Warned(message=self._divide())
                    continue
                before = self.sampler.state()
                yield Warned(message=self._shrink())
                draws = self.sampler.draw(self.batch)
            except GeneratorExit:  # what goes on draws the same tiles again
                self.sampler.restore(before)
                raise

    def _loss(self, batch: Batch) -> Tensor:
        """Compute the loss of a batch and its gradient, each the sum over its parts."""
        self.optimizer.zero_grad()
        total = self.group.sum(total_weight(batch.classes, batch.weights))
        losses = []
        for part in parts(batch, self.parts):
            images = part.images.contiguous(memory_format=torch.channels_last)
            with torch.autocast(images.device.type, self.dtype, enabled=self.dtype is not None):
                scores = self._forward(images)
            loss = weighted_cross_entropy(scores, part.classes, part.weights, total)
            (loss * self.group.size).backward()  # of which the processes take the mean
            losses.append(loss.detach())
        return self.group.sum(torch.stack(losses).sum())

    def _part_from_the_leader(self) -> None:
        """Draw other numbers for dropout than the other processes, the same in every run."""
        numbers = (self.settings.seed, self.progress.step, self.group.rank)
        torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))

    def _divide(self) -> str:
        """Run batches in twice as many parts."""
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
            norm.momentum = 1 - (1 - MOMENTUM) ** (1 / parts)

    def _norms(self) -> list[nn.BatchNorm2d]:
        """Find the batch normalizations."""
        return [m for m in self.network.modules() if isinstance(m, nn.BatchNorm2d)]

    def _shrink(self) -> str:
        """Halve the side of the tiles."""
        tile, alignment = self.sampler.output, max(self.network.stride_alignment)
        smaller = ceil(tile / 2 / alignment) * alignment
        # one tile alone: a norm has nothing to average over where one pixel is left of it
        is_least = bool(self._norms()) and smaller < 2 * alignment
        if smaller >= tile or is_least or not self.resized:
            raise UserError(self.too_large())
        self._resize(smaller)
        return (
            f"Out of memory on {self.device} even for a single tile: from step "
            f"{self.progress.step + 1} on, tiles are {self.sampler.output} px instead of "
            f"{tile}, {self.batch} of them per step as before."
        )

    def _resize(self, tile: int) -> None:
        """Go on with the same planes and random numbers, in tiles of another side."""
        assert self.resized
        state = self.sampler.state()
        self.sampler = self.resized(tile)
        self.sampler.restore(state)

    def too_large(self) -> str:
        """Say that the network does not fit into the memory, and what would."""
        options, tile = self.settings, self.sampler.output
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
        """Say which planes the tiles come from: those that are no numbers, else all."""
        if not self.places:
            return ""
        tiles = self.sampler.render(draws).images
        broken = [d for d, tile in zip(draws, tiles, strict=True) if not tile.isfinite().all()]
        places = dict.fromkeys(self.places[draw.plane] for draw in broken or draws)
        return f", in tiles of {', '.join(places)}"

    def state(self) -> dict[str, Any]:
        """Give all that the next step depends on: tensors and plain types."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.sampler.state(),
            "random": random_state(self.device),
            "tile": self.sampler.output,
            "parts": self.parts,
            "progress": asdict(self.progress),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become what another learner was when it gave its state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["tile"] != self.sampler.output:
            self._resize(state["tile"])
        self.sampler.restore(state["sampler"])
        self._run_in_parts(state["parts"] if self.group.size == 1 else 1)
        self.progress = Progress(**state["progress"])
        restore_random_state(state["random"], self.device)


def parts(batch: Batch, count: int) -> Iterator[Batch]:
    """Divide a batch into parts of about the same number of tiles."""
    split = (tensor.tensor_split(count) for tensor in batch)
    return (Batch(*part) for part in zip(*split, strict=True))


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Give the state of torch's own generators, from which dropout draws."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Let torch's own generators go on from a state; a run may have changed its device."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def make_optimizer(network: Network, settings: TrainSettings) -> torch.optim.Optimizer:
    """Build the update rule. Only kernels decay, not biases and norms."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    betas = (settings.momentum, 0.999)
    if settings.optimizer == "muon":
        return Muon(groups, lr=settings.learning_rate, betas=betas)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas)
