"""The training loop. It yields events; it never prints, plots or touches a GUI."""

from collections.abc import Callable, Generator, Sequence
from math import cos, isfinite, pi
from time import monotonic

import numpy as np
import torch
from torch import nn

from napari_utile.engine.batches import TileSampler
from napari_utile.engine.losses import weighted_cross_entropy
from napari_utile.engine.tile_size import Network
from napari_utile.engine.validation import Validation, ValidationPlane, validate
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, Event, StepDone
from napari_utile.settings import TrainSettings

VALIDATION_SHARE = 0.1
"""Of a run that ends by the clock: validations come less often where they cost more."""
WINDOWS = 64
"""That make up for a tile, where a network is trained on windows of one pixel each."""
WARM_UP = 0.1
"""Share of a one-cycle run in which the learning rate rises."""


class Budget:
    """Steps, minutes, or both: whichever is used up first.

    The clock starts when the budget is made, so that whatever happens between the steps
    counts too.
    """

    def __init__(self, steps: int | None, minutes: float | None):
        self.steps, self.minutes = steps, minutes
        self.start = monotonic()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return monotonic() - self.start

    def share(self, seconds: float) -> float:
        """Give the share of the budget that a time is; 0 if time does not count."""
        return seconds / (60 * self.minutes) if self.minutes else 0.0

    def progress(self, step: int) -> float:
        """Give the share that is used after `step` steps, 0 to 1."""
        by_steps = step / self.steps if self.steps else 0.0
        return min(1.0, max(by_steps, self.share(self.seconds)))


class Learner:
    """A network that learns: its tiles, its update rule, and the steps it has taken.

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
    """

    def __init__(
        self,
        network: Network,
        sampler: TileSampler,
        settings: TrainSettings,
        dtype: torch.dtype | None = None,
    ):
        self.network, self.sampler = network, sampler
        self.settings, self.dtype = settings, dtype
        self.batch = settings.batch * (WINDOWS if network.trains_on_windows else 1)
        self.optimizer = make_optimizer(network, settings)
        self.step = 0

    def learn(self, rate: float) -> float:
        """Draw a batch, follow its gradient once at a learning rate, and give its loss.

        Raises
        ------
        FloatingPointError
            If the loss is no longer a number. The network is then as before the step.
        """
        images, classes, weights = self.sampler.batch(self.batch)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, self.dtype, enabled=self.dtype is not None):
            scores = self.network(images)
        loss = weighted_cross_entropy(scores, classes, weights)
        self.step += 1
        if not torch.isfinite(loss):
            raise FloatingPointError(f"at step {self.step} (learning rate {rate:.2g})")
        self.optimizer.zero_grad()
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return float(loss.item())


def train(
    learner: Learner,
    validation: Sequence[ValidationPlane],
    budget: Budget,
    keep: Callable[[Validation | None], None],
) -> Generator[Event, None, None]:
    """Train a network and report every step.

    The run advances only while the caller asks for the next event, so to stop it is to
    close it. The best network so far has then been kept.

    Parameters
    ----------
    learner : Learner
        The network, and how it learns.
    validation : sequence of ValidationPlane
        At least one.
    budget : Budget
        When to end.
    keep : callable
        Called with the validation whenever the network is the best so far, and with None
        if the run is stopped before the first validation.

    Yields
    ------
    StepDone, EpochDone

    Raises
    ------
    ValueError
        If there is nothing to validate on.
    UserError
        If the loss is no longer a number.
    """
    if not validation:
        raise ValueError("need at least one plane to validate on")
    epochs = learner.settings.validations
    best, epoch, cost = None, 0, 0.0
    try:
        while (progress := budget.progress(learner.step)) < 1 or not epoch:
            end = (int(progress * epochs + 1e-9) + 1) / epochs  # 0.58 * 50 is 28.999...
            end = min(1.0, max(end, progress + budget.share(cost / VALIDATION_SHARE)))
            train_loss = yield from train_epoch(learner, budget, end)
            began = budget.seconds
            found = validate(learner.network, validation, learner.sampler.device)
            if not isfinite(found.loss):
                raise FloatingPointError(f"in the validation after step {learner.step}")
            epoch += 1
            is_best = best is None or found.loss < best
            if is_best:
                keep(found)
                best = found.loss
            cost = budget.seconds - began
            yield EpochDone(
                epoch=epoch,
                step=learner.step,
                train_loss=train_loss,
                val_loss=found.loss,
                scores=found.scores,
                is_best=is_best,
                seconds=budget.seconds,
            )
    except GeneratorExit:
        if best is None:
            keep(None)
        raise
    except FloatingPointError as place:
        kept = "No model is kept yet" if best is None else "The best model so far is kept"
        raise UserError(
            f"The loss is no longer a number {place}: lower the learning rate below "
            f"{learner.settings.learning_rate:.2g}. {kept}."
        ) from None


def train_epoch(
    learner: Learner, budget: Budget, end: float
) -> Generator[StepDone, None, float]:
    """Take steps until the share `end` of the budget is used; return their mean loss."""
    learner.network.train()
    losses: list[float] = []
    began = monotonic()
    while (progress := budget.progress(learner.step)) < end or not losses:
        rate = learning_rate(progress, learner.settings)
        losses.append(learner.learn(rate))
        progress = budget.progress(learner.step)
        yield StepDone(
            step=learner.step,
            loss=losses[-1],
            learning_rate=rate,
            progress=progress,
            rate=len(losses) / max(monotonic() - began, 1e-9),
            seconds_left=budget.seconds * (1 - progress) / max(progress, 1e-9),
        )
    return float(np.mean(losses))


def learning_rate(progress: float, settings: TrainSettings) -> float:
    """Give the learning rate after a share `progress` of the budget.

    One cycle rises linearly over the first tenth and falls along a cosine to 0 (after
    Smith & Topin, "Super-Convergence", 2019).
    """
    if settings.schedule == "constant":
        return settings.learning_rate
    if progress < WARM_UP:
        return settings.learning_rate * (0.04 + 0.96 * progress / WARM_UP)
    fall = (progress - WARM_UP) / (1 - WARM_UP)
    return settings.learning_rate * (0.001 + 0.999 * (1 + cos(pi * fall)) / 2)


def make_optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Build the update rule. Only kernels decay, not biases and norms."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=(settings.momentum, 0.999)
    )
