"""The training loop. It yields events; it never prints, plots or touches a GUI."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from math import cos, pi
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_utile.engine.batches import Plane, TileSampler
from napari_utile.engine.losses import weighted_cross_entropy
from napari_utile.engine.prediction import logits, probabilities
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, Event, StepDone
from napari_utile.metrics import evaluate
from napari_utile.settings import TrainSettings

SCORES = ("iou", "dice", "pixel_error", "matching_ap50", "f1_50", "panoptic_quality", "seg")
HIDDEN = -1
"""Id in the truth of pixels that nobody annotated."""
WARM_UP = 0.1
"""Share of a one-cycle run in which the learning rate rises."""


@dataclass(frozen=True)
class ValidationPlane:
    """A plane to judge by: never deformed, predicted whole.

    Attributes
    ----------
    truth : Plane
        On the CPU.
    objects : ndarray of int, shape (Y, X)
        Instances where they are meant, else the classes; `HIDDEN` where nobody annotated.
    """

    truth: Plane
    objects: NDArray[np.integer]


@dataclass(frozen=True)
class Validation:
    """What a validation found."""

    loss: float
    scores: dict[str, float]
    preview: NDArray[np.float32]
    """Probabilities (C, Y, X) of the first plane."""


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

    def progress(self, step: int) -> float:
        """Give the share that is used after `step` steps, 0 to 1."""
        by_steps = step / self.steps if self.steps else 0.0
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))


def train(
    network: nn.Module,
    sampler: TileSampler,
    validation: Sequence[ValidationPlane],
    settings: TrainSettings,
    keep: Callable[[Validation | None], None],
    budget: Budget,
    dtype: torch.dtype | None = None,
) -> Generator[Event, None, None]:
    """Train `network` in place and report every step.

    The run advances only while the caller asks for the next event, so to stop it is to
    close it. The best network so far has then been kept.

    Parameters
    ----------
    network : nn.Module
        On the device of the sampler's planes.
    sampler : TileSampler
        Source of the batches.
    validation : sequence of ValidationPlane
        At least one.
    settings : TrainSettings
        How to learn.
    keep : callable
        Called with the validation whenever the network is the best so far, and with None
        if the run is stopped before the first validation.
    budget : Budget
        When to end.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.

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
    optimizer = make_optimizer(network, settings)
    best, step, epoch = None, 0, 0
    try:
        while budget.progress(step) < 1:
            end = (int(budget.progress(step) * settings.validations) + 1) / settings.validations
            step, train_loss = yield from train_epoch(
                network, sampler, optimizer, settings, budget, step, end, dtype
            )
            result = validate(network, validation, sampler.device)
            epoch += 1
            is_best = best is None or result.loss < best
            if is_best:
                keep(result)
                best = result.loss
            yield EpochDone(
                epoch=epoch,
                step=step,
                train_loss=train_loss,
                val_loss=result.loss,
                scores=result.scores,
                is_best=is_best,
                seconds=budget.seconds,
            )
    except GeneratorExit:
        if best is None:
            keep(None)
        raise


def train_epoch(
    network: nn.Module,
    sampler: TileSampler,
    optimizer: torch.optim.Optimizer,
    settings: TrainSettings,
    budget: Budget,
    step: int,
    end: float,
    dtype: torch.dtype | None,
) -> Generator[StepDone, None, tuple[int, float]]:
    """Take steps until the share `end` of the budget is used; return steps and mean loss."""
    network.train()
    losses = []
    began, first = monotonic(), step
    while (progress := budget.progress(step)) < end:
        rate = learning_rate(progress, settings)
        loss = take_step(network, sampler, optimizer, settings.batch, rate, dtype)
        step += 1
        if not np.isfinite(loss):
            raise UserError(
                f"The loss is no longer a number at step {step} (learning rate {rate:.2g}): "
                f"lower the learning rate below {settings.learning_rate:.2g}. "
                "The best model so far is kept."
            )
        losses.append(loss)
        progress = budget.progress(step)
        yield StepDone(
            step=step,
            loss=loss,
            learning_rate=rate,
            progress=progress,
            rate=(step - first) / (monotonic() - began),
            seconds_left=budget.seconds * (1 - progress) / progress,
        )
    return step, float(np.mean(losses)) if losses else float("nan")


def take_step(
    network: nn.Module,
    sampler: TileSampler,
    optimizer: torch.optim.Optimizer,
    batch: int,
    rate: float,
    dtype: torch.dtype | None,
) -> float:
    """Draw a batch, follow its gradient once at the given learning rate, return its loss."""
    images, classes, weights = sampler.batch(batch)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(sampler.device.type, dtype, enabled=dtype is not None):
        scores = network(images)
    loss = weighted_cross_entropy(scores, classes, weights)
    optimizer.zero_grad()
    loss.backward()
    for group in optimizer.param_groups:
        group["lr"] = rate
    if torch.isfinite(loss):
        optimizer.step()
    return float(loss.item())


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


def validate(
    network: nn.Module, planes: Sequence[ValidationPlane], device: torch.device
) -> Validation:
    """Predict whole planes, as later in use, and compare them with the truth."""
    network.eval()
    losses, weights, predicted = [], [], []
    for plane in planes:
        scores = logits(network, plane.truth.image.numpy(), tile=None, device=device)
        total = float(plane.truth.weights.sum())
        loss = weighted_cross_entropy(
            torch.from_numpy(scores)[None], plane.truth.classes[None], plane.truth.weights[None]
        )
        losses.append(float(loss) * total)
        weights.append(total)
        predicted.append(probabilities(scores))
    return Validation(
        loss=sum(losses) / max(sum(weights), 1e-12),
        scores=mean_scores([p.objects for p in planes], predicted),
        preview=predicted[0],
    )


def mean_scores(
    truths: Sequence[NDArray[np.integer]], predicted: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Average the scores of the planes, each at the threshold 0.5."""
    reports = [
        evaluate(p, truth, ignore=HIDDEN) for truth, p in zip(truths, predicted, strict=True)
    ]
    return {name: float(np.mean([report[name] for report in reports])) for name in SCORES}
