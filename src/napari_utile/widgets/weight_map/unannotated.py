"""What is not annotated, said of the chosen labels alike in all panels."""

from contextlib import suppress
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_utile.errors import UserError
from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.labels import LabelSettings
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.meaning import (
    MEANINGS,
    label_meaning,
    said_meaning,
    say_meaning,
)

NAMES = ("sparse", "ignore")
"""Options that belong to the labels."""


class UnannotatedOfLabels(QObject):
    """Lets a form and the chosen labels say the same of `sparse` and `ignore`.

    Parameters
    ----------
    form : Form
        It owns this. It shows what another panel says of the labels, and what is edited in it
        is said to the others.
    labels : LayerChoice
    """

    def __init__(self, form: Form[WeightSettings], labels: LayerChoice):
        super().__init__(form)
        self._form, self._labels = form, labels
        self._taken: dict[str, Any] | None = None  # from a layer
        self._is_taking = False
        self._take()
        labels.changed.connect(self._take)
        form.changed.connect(self._say)
        MEANINGS.changed.connect(self._on_meaning)  # psygnal holds it weakly

    def _take(self, _layer: Any = None) -> None:
        """Show what is said of the labels; what another layer said is not true of them."""
        if not isalive(self) or (layer := self._labels.layer) is None or self._form.problem():
            return
        shown, said = self._shown(), said_meaning(layer)
        if said is None and shown != self._taken:
            return
        self._taken = wanted = (said or label_meaning(layer)).model_dump(include={*NAMES})
        self._is_taking = True
        for name in NAMES:
            if shown[name] != wanted[name]:
                self._form.set_value(name, wanted[name])
        self._is_taking = False

    def _on_meaning(self, layer: Any) -> None:
        if isalive(self) and layer is self._labels.layer:
            self._take()

    def _say(self) -> None:
        """Tell the other panels what the user says in the form."""
        layer = self._labels.layer
        if self._is_taking or layer is None or self._form.problem():
            return
        meaning, shown = label_meaning(layer), self._shown()
        if shown != meaning.model_dump(include={*NAMES}):
            with suppress(UserError):
                say_meaning(layer, LabelSettings(target=meaning.target, **shown))

    def _shown(self) -> dict[str, Any]:
        return self._form.settings().model_dump(include={*NAMES})
