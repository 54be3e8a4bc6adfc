"""Lists of the layers of a viewer, to choose from or to tick."""

from collections.abc import Callable
from typing import Any

from magicgui.widgets import ComboBox
from napari.layers import Image, Layer
from napari.viewer import Viewer
from qtpy.compat import isalive

from napari_utile.widgets.kit.fields import TickList, narrow

HELPER = "utile helper"
"""Key of the metadata of layers that only illustrate others: they are no choice."""
TICKS_IN_VIEW = 5


class LayerChoice(ComboBox):
    """A list of the layers of some types that follows the viewer.

    The choices that napari gives magicgui need a docked panel, hold helper layers, and miss
    renamed layers; so they are given here.

    Parameters
    ----------
    viewer : Viewer
        Whose layers they are.
    *kinds : subclasses of Layer
        What may be chosen.
    newest : bool, default False
        Whether the first choice is the layer on top, not the one at the bottom.
    """

    def __init__(self, viewer: Viewer, *kinds: type[Layer], newest: bool = False):
        self._viewer, self._kinds, self._newest = viewer, kinds, newest
        super().__init__(choices=self._layers)
        narrow(self.native)  # a long name is cut, the panel stays narrow
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self._refresh)  # napari holds it weakly
        self._refresh()
        if newest and (layers := self._layers()):
            self.value = layers[-1]

    @property
    def layer(self) -> Any:
        """The chosen layer, or None if there is none to choose."""
        return self.value

    def choose(self, layer: Layer) -> None:
        """Choose `layer`."""
        self.value = layer

    def _layers(self, _widget: Any = None) -> list[Layer]:
        return [layer for layer in self._viewer.layers if is_choice(layer, *self._kinds)]

    def _refresh(self, _event: Any = None) -> None:
        """Offer the layers that there are; what was chosen stays, under any name."""
        if not isalive(self.native):  # its panel was closed
            return
        layers, chosen = self._layers(), self.layer
        if chosen not in layers and layers:
            chosen = layers[-1 if self._newest else 0]
        with self.changed.blocked():
            self.reset_choices()
            if layers:
                self.value = chosen
        self.changed.emit(chosen)


class LayerTicks(TickList):
    """The image layers of the viewer, some of them ticked."""

    def __init__(self, viewer: Viewer):
        super().__init__([])
        self._viewer = viewer
        events = viewer.layers.events
        following(self, self._refresh, events.inserted, events.removed, events.renamed)
        self._refresh()

    def _refresh(self, _event: Any = None) -> None:
        layers = [layer for layer in self._viewer.layers if is_choice(layer, Image)]
        self.offer({layer: layer.name for layer in layers}, TICKS_IN_VIEW)
        self.changed.emit()


def is_choice(layer: Layer, *kinds: type[Layer]) -> bool:
    """Whether a layer is of one of these types, and no helper."""
    return isinstance(layer, kinds) and not layer.metadata.get(HELPER)


def following(widget: Any, slot: Callable[..., Any], *events: Any) -> None:
    """Call `slot` on napari's `events` for as long as `widget` lives.

    Parameters
    ----------
    widget : QWidget
    slot : callable
    *events : EventEmitter
    """
    for event in events:
        event.connect(slot)
    widget.destroyed.connect(lambda: [event.disconnect(slot) for event in events])
