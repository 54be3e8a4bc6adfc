"""Warnings about a training that goes wrong: what is seen, its likely cause, what helps.

A `Watch` looks at the steps of a run and at what its validations find. It holds numbers only,
and warns of each kind of trouble once. Every threshold is far outside of what good runs do, and
relative to what the same loss is at the start or for a guess, whichever loss it is.
"""

from collections.abc import Iterator
from statistics import fmean, median
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_utile.engine.training.losses import LOSSES
from napari_utile.engine.training.validation import Validation
from napari_utile.events import EpochDone, StepDone
from napari_utile.io.units import counted
from napari_utile.settings.training import TrainSettings

MEDIAN_WINDOW = 10
"""Steps over whose median the training loss is read: single tiles are hard by chance."""
MIN_STEPS = 50
"""Fewer steps say nothing: batch normalization still learns its averages."""
EARLY, HALFWAY = 0.3, 0.5
"""Shares of the budget. At the first, a learning rate that rises for a tenth of the budget has
taken effect; what is not learnt at the second is rarely learnt, as the rate then falls."""
LOSS_GROWTH = 1.5
"""Times the loss at the start: an untrained network is about as wrong as can be, so that a
higher loss comes from steps that are too long."""
LOSS_JUMP = 3.0
"""Times the lowest loss so far, and back to that at the start: what was learnt is lost."""
MIN_DECREASE = 0.05
"""Share of the loss at the start; the slowest good run decreases many times as much."""
LOSS_EXPLOSION = 1e4
"""Times the loss of a guess that does not look at the image. Before batch normalization has its
averages, a validation loss is up to 100 times that at a good rate, and 1e18 at one that is too
high."""
LIKE_A_GUESS, BETTER_THAN_A_GUESS = 0.95, 0.7
"""Shares of the loss of the best guess that does not look at the image: above the first nothing
is learnt, and below the second a good deal. A slow run is in between for a while."""
MIN_RECALL = 0.01
"""A class of whose pixels a smaller share is found is not predicted."""
RARE = 0.1
"""A class with a smaller share of the pixels is rare, and may be lost among the others."""
OVERFITTING = 1.1
"""Times the best validation loss: runs that end well come back below within two validations."""
SEES = 0.25
"""What the mean recall of the classes is above that of any blind guess, if a network sees them:
its probabilities may be so far off, early in a run, that its loss is no better."""
VALIDATIONS_TO_OVERFIT = 4
"""Validations in a row that are worse, while the training loss still falls."""


class WatchState(BaseModel):
    """What `Watch` remembers, as plain types."""

    model_config = ConfigDict(extra="forbid")

    first: list[float]
    recent: list[float]
    training: list[float]
    validation: list[float]
    said: list[str]
    steps: int
    progress: float
    lowest: float
    texts: dict[str, str] = {}
    held: list[str] = []


class Watch:
    """Looks for trouble in a run.

    Parameters
    ----------
    settings : TrainSettings
        Those of the run; a cure that is in use already is not proposed.
    ids : tuple of int
        Label id of each class.
    """

    def __init__(self, settings: TrainSettings, ids: tuple[int, ...]):
        self.settings, self.ids = settings, ids
        self.steps, self.progress = 0, 0.0
        self.first: list[float] = []
        self.recent: list[float] = []
        self.lowest = float("inf")
        self.training: list[float] = []
        self.validation: list[float] = []
        self.said: list[str] = []
        self.texts: dict[str, str] = {}  # of what was said, by its kind
        self.held: list[str] = []  # kinds that the last validation still shows

    def step(self, event: StepDone) -> Iterator[str]:
        """Return warnings after a step."""
        self.steps, self.progress = event.step, event.progress
        if len(self.first) < MEDIAN_WINDOW:
            self.first.append(event.loss)
        self.recent = [*self.recent[1 - MEDIAN_WINDOW :], event.loss]
        if len(self.recent) < MEDIAN_WINDOW:
            return
        start, now = median(self.first), median(self.recent)
        jumped = now > LOSS_JUMP * self.lowest and now > start
        self.lowest = min(self.lowest, now)
        if (now > LOSS_GROWTH * start or jumped) and self._is_news("rate"):
            what = (
                f"has jumped from {self.lowest:.2g} to {now:.2g}"
                if jumped
                else f"has grown from {start:.2g} to {now:.2g}"
            )
            yield self._noted(
                f"The training loss {what} at step {event.step}: {self._too_high()}"
            )

    def epoch(self, event: EpochDone, found: Validation) -> Iterator[str]:
        """Return warnings after a validation."""
        if event.val_loss > LOSS_EXPLOSION * found.guess > 0 and self._is_news("rate"):
            yield self._noted(
                f"The validation loss is {event.val_loss:.2g} after step {event.step}, where a "
                f"guess has {found.guess:.2g}: {self._too_high()}"
            )
        if event.step >= MIN_STEPS:
            self.training.append(event.train_loss)
            self.validation.append(event.val_loss)
            yield from map(self._noted, self._troubles(found))
        self.held = [kind for kind in self.said if self._holds(kind, event.val_loss, found)]

    def _troubles(self, found: Validation) -> Iterator[str]:
        yield from self._overfitting()
        if self.progress >= HALFWAY and "rate" not in self.said:
            yield from self._learns_nothing(found)
        if self.progress >= EARLY and "nothing" not in self.said:
            yield from self._one_class(found)
        if self.progress >= HALFWAY and not {"nothing", "one class"} & {*self.said}:
            yield from self._unpredicted(found)

    @property
    def past(self) -> tuple[str, ...]:
        """What was said, and does not hold any more by the last validation."""
        return tuple(text for kind, text in self.texts.items() if kind not in self.held)

    def _holds(self, kind: str, loss: float, found: Validation) -> bool:
        """Whether what was said of this kind is still so."""
        match kind:
            case "rate":
                return loss >= LIKE_A_GUESS * found.guess
            case "nothing":
                return loss >= LIKE_A_GUESS * found.guess and not _sees(found)
            case "one class":
                shown = int(np.count_nonzero(found.confusion.sum(axis=1)))
                return shown > 1 and len(self._missed(found)) >= shown - 1
            case "overfitting":
                return loss >= OVERFITTING * min(self.validation)
        return kind in (f"id {self.ids[k]}" for k in self._missed(found))

    def end(self) -> Iterator[str]:
        """Return warnings about the run as a whole."""
        minutes = self.settings.minutes
        if minutes and self.steps < MIN_STEPS and self.steps != self.settings.steps:
            smaller = "width or tile" if self.settings.width > 8 else "tile"
            taken, given = counted(self.steps, "steps"), counted(minutes, "minutes")
            yield (
                f"Only {taken} fitted into {given}, and a network needs hundreds: "
                f"train longer, or choose a smaller {smaller} under Network."
            )

    def state(self) -> dict[str, Any]:
        """Return all that later warnings depend on, as plain types."""
        names = ("first", "recent", "training", "validation", "said", "held")
        return {name: list(getattr(self, name)) for name in names} | {
            "steps": self.steps, "progress": self.progress, "lowest": self.lowest,
            "texts": dict(self.texts),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a `state`.

        Raises
        ------
        ValueError
            If it is something else.
        """
        for name, value in WatchState.model_validate(state):
            setattr(self, name, value)

    def _overfitting(self) -> Iterator[str]:
        """Warn if the validation loss has risen since its best, and the training loss falls."""
        best = int(np.argmin(self.validation))
        since = self.validation[best + 1 :]
        if (
            len(since) < VALIDATIONS_TO_OVERFIT
            or min(since) < OVERFITTING * self.validation[best]
        ):
            return
        rises = fmean(since[-2:]) > fmean(since[:2])
        learns = fmean(self.training[-2:]) < self.training[best]
        if rises and learns and self._is_news("overfitting"):
            yield (
                f"The validation loss rises ({self.validation[best]:.2g} at its best, now "
                f"{since[-1]:.2g}) while the training loss falls: the network learns the "
                "training pixels by heart. Annotate more slices, deform more strongly "
                "(elastic, gray), or stop now: the best network so far is kept."
            )

    def _learns_nothing(self, found: Validation) -> Iterator[str]:
        """Warn if no validation was better than the best guess."""
        guess, last = found.guess, self.validation[-1]
        start, now = median(self.first), median(self.recent)
        if min(self.validation) < LIKE_A_GUESS * guess:
            return
        if now > (1 - MIN_DECREASE) * start and self._is_news("nothing"):
            yield (
                f"The training loss does not move ({start:.2g} at the start, now {now:.2g}): "
                f"the learning rate {self.settings.learning_rate:.2g} is probably "
                f"{self._too_low()}, or the image does not show what the labels say."
            )
        elif _sees(found):
            return
        elif now > LIKE_A_GUESS * guess and self._is_news("nothing"):
            yield (
                f"After {self.progress:.0%} of the run the network is no better than a guess "
                f"that does not look at the image (loss {guess:.2g}): image and labels "
                "probably do not lie on each other. Look at both; or try another learning rate."
            )
        elif now < BETTER_THAN_A_GUESS * guess and self._is_news("nothing"):
            yield (
                f"Training goes well (loss {now:.2g}) and validation ({last:.2g}) no better "
                f"than a guess ({guess:.2g}): the two parts differ. Look at how they are "
                "divided, and whether both are labelled alike."
            )

    def _one_class(self, found: Validation) -> Iterator[str]:
        """Warn if all classes but one are missed."""
        missed, taken = self._missed(found), found.confusion.sum(axis=0)
        shown = np.flatnonzero(found.confusion.sum(axis=1))
        if len(shown) < 2 or len(missed) < len(shown) - 1 or not self._is_news("one class"):
            return
        k, pixels = int(taken.argmax()), taken.sum()
        is_rare = pixels - found.confusion[k].sum() < RARE * pixels
        name = (
            "background" if k == 0 else "object" if len(self.ids) == 2 else f"id {self.ids[k]}"
        )
        cure = self._cures() if is_rare else "try another learning rate"
        yield (
            f"After {self.progress:.0%} of the run the network calls every pixel {name}: "
            f"{cure}, train longer, and see that image and labels lie on each other."
        )

    def _unpredicted(self, found: Validation) -> Iterator[str]:
        """Warn of each class of the truth that is missed."""
        for k in self._missed(found):
            if self._is_news(f"id {self.ids[k]}"):
                of, all_of = found.confusion[k].sum(), found.confusion.sum()
                yield (
                    f"The network does not predict the id {self.ids[k]} ({of:,} of {all_of:,} "
                    f"validation pixels): {self._cures()}, or annotate more of it."
                )

    def _missed(self, found: Validation) -> list[int]:
        """Return the classes of which next to nothing is found."""
        right, true = found.confusion.diagonal(), found.confusion.sum(axis=1)
        return [int(k) for k in np.flatnonzero(right < MIN_RECALL * true)]

    def _too_high(self) -> str:
        rate = self.settings.learning_rate
        return f"the learning rate {rate:.2g} is probably too high. Start again with a tenth."

    def _too_low(self) -> str:
        """Return what is wrong with the learning rate if a loss does not move."""
        is_bounded = LOSSES[self.settings.loss].is_bounded
        return "too low or far too high" if is_bounded else "too low"

    def _cures(self) -> str:
        """Name what helps against rare classes and is not in use."""
        cures = []
        if not self.settings.class_balance:
            cures.append("balance the classes (class_balance)")
        if self.settings.sampling == "uniform":
            cures.append("draw tiles where rare classes are (sampling: classes)")
        return ", ".join(cures) or "raise the learning rate"

    def _noted(self, text: str) -> str:
        """Remember what is said of the kind that is news."""
        self.texts[self.said[-1]] = text
        return text

    def _is_news(self, kind: str) -> bool:
        """Whether a kind of warning is given for the first time; it is counted as given."""
        if kind in self.said:
            return False
        self.said.append(kind)
        return True


def _sees(found: Validation) -> bool:
    """Whether the classes are told apart, however far off their probabilities are."""
    pixels = found.confusion.sum(axis=1)
    shown = np.flatnonzero(pixels)
    recall = found.confusion.diagonal()[shown] / pixels[shown]
    return len(shown) > 1 and bool(recall.mean() > 1 / len(shown) + SEES)
