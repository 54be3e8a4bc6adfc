"""Lists of the layers of a viewer, to choose from or to tick."""

from collections.abc import Callable
from itertools import chain, count
from typing import Any
from weakref import ref

from magicgui.widgets import ComboBox
from napari.layers import Image, Layer
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.compat import isalive

from napari_utile.io.stack import HOLDS
from napari_utile.widgets.kit.fields import TickList, narrow
from napari_utile.widgets.kit.following import Follower, when_shown

HELPER = "utile helper"
"""Key of the metadata of layers that only illustrate others: they are no choice."""
TICKS_IN_VIEW = 5


class LayerChoice(ComboBox):
    """A list of the layers of some types that follows the viewer.

    The choices that napari gives magicgui need a docked panel, hold helper layers, and miss
    renamed layers; so they are given here. When the chosen layer is removed, none is chosen
    until the user chooses, or adds another one.

    Parameters
    ----------
    viewer : Viewer
        Whose layers they are.
    *kinds : subclasses of Layer
        What may be chosen.
    newest : bool, default False
        Whether the first choice is the layer on top, not the one at the bottom.
    results : bool, default True
        Whether probabilities, which a network made of an image, may be chosen.
    """

    edited = Signal()
    """The pixels of the chosen layer were painted or replaced."""

    def __init__(
        self,
        viewer: Viewer,
        *kinds: type[Layer],
        newest: bool = False,
        results: bool = True,
    ):
        self._viewer, self._kinds, self._newest = viewer, kinds, newest
        self._results, self._lost = results, ""
        self._followed: Any = None
        self._is_behind = False  # layers came while nobody saw the list: the last of them is
        self._added: ref[Layer] | None = None
        super().__init__(choices=self._entries)
        narrow(self.native)  # a long name is cut, the panel stays narrow
        self.native.setPlaceholderText("none")
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self._on_layers)  # napari holds it weakly
        self.changed.connect(self._follow)
        when_shown(self.native, self._catch_up)
        self._refresh()
        if newest and (layers := self._layers()):
            self.value = layers[-1]

    @property
    def layer(self) -> Any:
        """The chosen layer, or None if there is none to choose."""
        self._catch_up()
        return self.value

    def choose(self, layer: Layer) -> None:
        """Choose `layer`."""
        self._catch_up()
        self.value = layer

    def lost(self) -> str:
        """Return that the chosen layer was removed, while there are others, or ''."""
        is_lost = self.layer is None and self._lost
        return f"'{self._lost}' was removed: choose another layer." if is_lost else ""

    def _entries(self, _widget: Any = None) -> list[tuple[str, Layer]]:
        """Return what is offered, by names of which no two are the same."""
        entries: dict[str, Layer] = {}
        for layer in self._layers():
            names = chain([layer.name], (f"{layer.name} ({n})" for n in count(2)))
            entries[next(name for name in names if name not in entries)] = layer
        return [*entries.items()]

    def _layers(self, _widget: Any = None) -> list[Layer]:
        offered = [layer for layer in self._viewer.layers if is_choice(layer, *self._kinds)]
        return [layer for layer in offered if self._results or not shows_probabilities(layer)]

    def _on_layers(self, event: Any) -> None:
        """Refresh; later, where it lies behind another tab: all of them at once take long.

        A layer that was removed is let go at once: its pixels must be freed.
        """
        if not isalive(self.native):  # its panel was closed
            return
        added = event.value if event.type == "inserted" else None
        is_behind = self.native.window().isVisible() and not self.native.isVisible()
        if is_behind and event.type != "removed":
            self._is_behind = True
            self._added = self._added if added is None else ref(added)
        else:
            self._refresh(added)

    def _catch_up(self) -> None:
        """Offer what came while nobody saw the list."""
        if self._is_behind:
            self._refresh(self._added and self._added())

    def _refresh(self, added: Layer | None = None) -> None:
        """Offer the layers that there are; what was chosen stays, under any name."""
        self._is_behind, self._added = False, None
        layers, chosen = self._layers(), self.value
        if chosen not in layers:
            self._lost = chosen.name if chosen else self._lost
            if not layers:
                self._lost, chosen = "", None
            elif added in layers:
                chosen = added
            else:
                chosen = None if self._lost else layers[-1 if self._newest else 0]
        with self.changed.blocked():
            self.reset_choices()
            if chosen is not None:
                self.value = chosen
            elif layers:
                self.native.setCurrentIndex(-1)
        self.changed.emit(chosen)

    def _follow(self, layer: Any) -> None:
        """Listen to the chosen layer alone."""
        if layer is self._followed:
            return
        for followed, act in ((self._followed, "disconnect"), (layer, "connect")):
            for name in ("paint", "data") if followed is not None else ():
                if event := getattr(followed.events, name, None):
                    getattr(event, act)(self._on_edit)
        self._followed = layer

    def _on_edit(self, _event: Any = None) -> None:
        self.edited.emit()


class LayerTicks(TickList):
    """The image layers of the viewer, some of them ticked."""

    def __init__(self, viewer: Viewer):
        super().__init__([])
        self._viewer = viewer
        events = viewer.layers.events
        following(self, self._refresh, events.inserted, events.removed, events.renamed)
        self._refresh()

    def _refresh(self, _event: Any = None) -> None:
        images = [layer for layer in self._viewer.layers if is_choice(layer, Image)]
        layers = [layer for layer in images if not shows_probabilities(layer)]
        self.offer({layer: layer.name for layer in layers}, TICKS_IN_VIEW)
        self.changed.emit()


def is_choice(layer: Layer, *kinds: type[Layer]) -> bool:
    """Whether a layer is of one of these types, and no helper."""
    return isinstance(layer, kinds) and not layer.metadata.get(HELPER)


def shows_probabilities(layer: Layer) -> bool:
    """Whether an image layer shows probabilities, as it says of itself."""
    return isinstance(layer, Image) and layer.metadata.get(HOLDS) == "probabilities"


def following(widget: Any, slot: Callable[..., Any], *events: Any) -> None:
    """Call `slot` on napari's `events` for as long as `widget` lives.

    Parameters
    ----------
    widget : QWidget
    slot : callable
    *events : EventEmitter
    """
    Follower(widget, slot, *events)
