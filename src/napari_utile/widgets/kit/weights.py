"""The weights of the loss, handed over between the panels Weight map and Train."""

from typing import Any, NamedTuple, Self

from psygnal import Signal as Announcement
from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_utile.settings.training import TRAIN_DEFAULTS, TrainSettings
from napari_utile.widgets.kit.form import Form


class LossWeights(NamedTuple):
    """The options that both panels have."""

    w0: float
    sigma: float
    class_balance: bool

    def __str__(self) -> str:
        balance = "on" if self.class_balance else "off"
        return f"w0 {self.w0:g}, sigma {self.sigma:g}, class balance {balance}"

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Return those of settings that have them."""
        return cls(settings.w0, settings.sigma, settings.class_balance)

    def fill_in(self, form: Form[Any]) -> None:
        """Set the fields of a form that differ, as if the user had typed them."""
        for name, value in self._asdict().items():
            if form.value(name) != value:
                form.set_value(name, value)


class _Weights:
    """Announces weights to every panel, and to those that are opened later.

    Attributes
    ----------
    wanted : LossWeights or None
        What was handed over to training last, unless a form of training differs since.
    """

    handed_over = Announcement(LossWeights)
    training_changed = Announcement(LossWeights)

    def __init__(self) -> None:
        self.wanted: LossWeights | None = None
        self._of_training: LossWeights | None = None

    @property
    def of_training(self) -> LossWeights:
        """Those that the panel Train shows, or showed last, or will show when it is opened."""
        return self.wanted or self._of_training or LossWeights.of(TRAIN_DEFAULTS)

    @property
    def is_known(self) -> bool:
        """Whether a form of training has told its weights, or was given some."""
        return (self.wanted or self._of_training) is not None

    def hand_over(self, weights: LossWeights) -> None:
        """Use these weights in training."""
        self.wanted = weights
        self.handed_over.emit(weights)
        self.training_changed.emit(weights)

    def tell(self, weights: LossWeights) -> None:
        """Announce what a form of training shows now."""
        self.wanted, self._of_training = None, weights
        self.training_changed.emit(weights)


WEIGHTS = _Weights()


class WeightsOfTraining(QObject):
    """Keeps a form of training and `WEIGHTS` alike, for as long as the form lives."""

    def __init__(self, form: Form[TrainSettings]):
        super().__init__(form)
        self._form, self._is_taking = form, False
        if WEIGHTS.wanted is not None:
            self._take(WEIGHTS.wanted)
        else:
            self._on_form()
        form.changed.connect(self._on_form)
        WEIGHTS.handed_over.connect(self._take)  # psygnal holds it weakly

    def _take(self, weights: LossWeights) -> None:
        if isalive(self):
            self._is_taking = True
            weights.fill_in(self._form)
            self._is_taking = False

    def _on_form(self) -> None:
        if not self._is_taking and not self._form.problem():
            shown = LossWeights.of(self._form.settings())
            if shown != WEIGHTS.of_training:
                WEIGHTS.tell(shown)
