"""The training loop. It yields events; it never prints, plots or touches a GUI."""

from collections.abc import Callable, Generator, Sequence
from math import cos, isfinite, pi

import torch

from napari_utile.engine.devices import is_out_of_memory
from napari_utile.engine.training.budget import Budget
from napari_utile.engine.training.data.planes import ValidationPlane
from napari_utile.engine.training.distributed import is_left_alone
from napari_utile.engine.training.step import Learner, Progress
from napari_utile.engine.training.validation import Validation, validate
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, Event, StepDone, Warned
from napari_utile.settings import TrainSettings

VALIDATION_SHARE = 0.1
"""Of a run that ends by the clock: validations come less often where they cost more."""
WARM_UP = 0.1
"""Share of a one-cycle run in which the learning rate rises."""


def train(
    learner: Learner,
    validation: Sequence[ValidationPlane],
    budget: Budget,
    keep: Callable[[Validation | None, bool], None],
    save: Callable[[], None] = lambda: None,
) -> Generator[Event, None, None]:
    """Train a network and report every step.

    The run advances only while the caller asks for the next event, so to stop it is to
    close it. The best network so far has then been kept, and the run saved.

    Parameters
    ----------
    learner : Learner
        The network, how it learns, and how far it has come.
    validation : sequence of ValidationPlane
        At least one.
    budget : Budget
        When to end.
    keep : callable
        Called with every validation, and whether the network is the best so far; with None
        and True if the run is stopped before the first validation.
    save : callable, optional
        Called after every validation, and when the run is stopped: the learner is then at a
        place to go on from.

    Yields
    ------
    StepDone, EpochDone, Warned

    Raises
    ------
    ValueError
        If there is nothing to validate on.
    UserError
        If the loss is no longer a number, or the device can no longer be used.

    Notes
    -----
    `settings.patience` ends a run by validations. A one-cycle learning rate falls with the
    budget, and a network gains most while it falls: patience saves time there only where
    the budget is far too long, and the run ends without having cooled down. It belongs to a
    constant rate.
    """
    if not validation:
        raise ValueError("need at least one plane to validate on")
    progress = learner.progress
    try:
        while not is_over(progress, budget, learner.settings):
            train_loss = yield from train_epoch(learner, budget)
            began = budget.seconds
            found = validate(learner.network, validation, learner.device)
            if not isfinite(found.loss):
                raise FloatingPointError(f"in the validation after step {progress.step}")
            is_best = end_epoch(progress, found.loss)
            keep(found, is_best)
            progress.cost = budget.seconds - began
            yield EpochDone(
                epoch=progress.epoch,
                step=progress.step,
                train_loss=train_loss,
                val_loss=found.loss,
                scores=found.scores,
                is_best=is_best,
                seconds=budget.seconds,
            )
            save()
    except GeneratorExit:
        if progress.best is None:
            keep(None, True)
        save()
        raise
    except FloatingPointError as place:
        kept = (
            "No model is kept yet" if progress.best is None else "The best model so far is kept"
        )
        raise UserError(
            f"The loss is no longer a number {place}: lower the learning rate below "
            f"{learner.settings.learning_rate:.2g}. {kept}."
        ) from None
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise UserError(learner.too_large()) from None
        if is_left_alone(error):
            raise UserError(
                f"Another process of the run has ended after step {progress.step}: the same "
                "command goes on from the last validation."
            ) from error
        if not is_lost(error):
            raise
        raise UserError(
            f"{learner.device} can no longer be used ({str(error).splitlines()[0]}) after step "
            f"{progress.step}: the same command goes on from the last validation."
        ) from error


def train_epoch(learner: Learner, budget: Budget) -> Generator[StepDone | Warned, None, float]:
    """Take steps until the running epoch, or a new one, is over; return their mean loss."""
    learner.network.train()
    progress, settings = learner.progress, learner.settings
    if progress.end is None:
        progress.end = epoch_end(progress, budget, settings.validations_per_run)
    began, first = budget.seconds, progress.step
    while (used := budget.progress(progress.step)) < progress.end or not progress.taken:
        rate = learning_rate(used, settings)
        loss = yield from learner.learn(rate)
        progress.taken += 1
        progress.total += loss
        yield StepDone(
            step=progress.step,
            loss=loss,
            learning_rate=rate,
            progress=budget.progress(progress.step),
            rate=(progress.step - first) / max(budget.seconds - began, 1e-9),
            seconds_left=budget.seconds_left(progress.step),
        )
    return progress.total / progress.taken


def is_over(progress: Progress, budget: Budget, settings: TrainSettings) -> bool:
    """Tell whether the run has ended: never within an epoch, nor before the first."""
    if progress.end is not None or not progress.epoch:
        return False
    return is_stuck(progress, settings) or budget.progress(progress.step) >= 1


def is_stuck(progress: Progress, settings: TrainSettings) -> bool:
    """Tell whether the last validations, as many as there is patience for, were no better."""
    return settings.patience is not None and progress.since_best >= settings.patience


def epoch_end(progress: Progress, budget: Budget, validations: int) -> float:
    """Give the share of the budget at which an epoch that begins now shall end."""
    used = budget.progress(progress.step)
    end = (int(used * validations + 1e-9) + 1) / validations  # 0.58 * 50 is 28.999...
    return min(1.0, max(end, used + budget.share(progress.cost / VALIDATION_SHARE)))


def end_epoch(progress: Progress, loss: float) -> bool:
    """Note a validation; tell whether it is the best."""
    is_best = progress.best is None or loss < progress.best
    progress.epoch += 1
    progress.best = loss if is_best else progress.best
    progress.since_best = 0 if is_best else progress.since_best + 1
    progress.end, progress.taken, progress.total = None, 0, 0.0
    return is_best


def is_lost(error: RuntimeError) -> bool:
    """Tell whether a GPU has stopped to answer."""
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


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
