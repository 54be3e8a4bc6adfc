"""How far a run is, when it validates and ends, and how fast it learns."""

from dataclasses import dataclass
from math import cos, pi

from napari_utile.engine.training.budget import Budget
from napari_utile.settings.training import TrainSettings

VALIDATION_SHARE = 0.1
"""Of a run that ends by the clock: validations come less often where they cost more."""
WARM_UP = 0.1
"""Share of a one-cycle run in which the learning rate rises."""


@dataclass
class TrainingProgress:
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

    @property
    def mean_loss(self) -> float:
        """Mean over the steps of the running epoch."""
        return self.total / self.taken

    def begin_epoch(self, budget: Budget, validations: int) -> None:
        """Set the end of an epoch that starts now; one that was interrupted keeps its own."""
        if self.end is not None:
            return
        used = budget.progress(self.step)
        end = (int(used * validations + 1e-9) + 1) / validations  # 0.58 * 50 is 28.999...
        self.end = min(1.0, max(end, used + budget.share(self.cost / VALIDATION_SHARE)))

    def is_within_epoch(self, used: float) -> bool:
        """Whether a share `used` of the budget lies in the epoch, which has a step at least."""
        return self.end is not None and (used < self.end or not self.taken)

    def count_step(self, loss: float) -> None:
        """Count a step of the running epoch."""
        self.taken += 1
        self.total += loss

    def end_epoch(self, loss: float) -> bool:
        """Count a validation with this loss; return whether it is the best."""
        is_best = self.best is None or loss < self.best
        self.epoch += 1
        self.best = loss if is_best else self.best
        self.since_best = 0 if is_best else self.since_best + 1
        self.end, self.taken, self.total = None, 0, 0.0
        return is_best

    def is_over(self, budget: Budget, patience: int | None) -> bool:
        """Whether the run has ended: never within an epoch, nor before the first."""
        if self.end is not None or not self.epoch:
            return False
        return self.is_stuck(patience) or budget.progress(self.step) >= 1

    def is_stuck(self, patience: int | None) -> bool:
        """Whether the last validations, as many as there is patience for, were no better.

        A one-cycle learning rate falls with the budget, and a network gains most while it
        falls: patience saves time there only where the budget is far too long, and the run
        ends without having cooled down. It belongs to a constant rate.
        """
        return patience is not None and self.since_best >= patience


def learning_rate(used: float, settings: TrainSettings) -> float:
    """Return the learning rate after a share `used` of the budget.

    One cycle rises linearly over the first tenth and falls along a cosine to 0 (after
    Smith & Topin, "Super-Convergence", 2019).

    Parameters
    ----------
    used : float
        0 to 1.
    settings : TrainSettings
        `schedule`, and the highest `learning_rate`.
    """
    if settings.schedule == "constant":
        return settings.learning_rate
    if used < WARM_UP:
        return settings.learning_rate * (0.04 + 0.96 * used / WARM_UP)
    fall = (used - WARM_UP) / (1 - WARM_UP)
    return settings.learning_rate * (0.001 + 0.999 * (1 + cos(pi * fall)) / 2)
