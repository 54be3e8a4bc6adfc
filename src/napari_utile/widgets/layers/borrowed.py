"""An attribute of layers of the user that a panel sets for a while, and gives back."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from napari.layers import Layer


class Borrowed:
    """An attribute that layers have lent; whoever changes it meanwhile has it back.

    Parameters
    ----------
    attribute : str
        Of layers, with an event of its name: "visible".
    value : object
        What it is set to.
    """

    def __init__(self, attribute: str, value: Any):
        self._attribute, self._value = attribute, value
        self._lent: dict[Layer, tuple[Any, Any]] = {}  # what it was, and who listens

    @property
    def layers(self) -> list[Layer]:
        """Those that have lent it."""
        return [*self._lent]

    def take(self, layers: Iterable[Layer]) -> None:
        """Set the attribute of these layers, and give back that of all others."""
        wanted = [*layers]
        self._give_back([layer for layer in self._lent if layer not in wanted])
        for layer in wanted:
            before = getattr(layer, self._attribute)
            if layer not in self._lent and before != self._value:
                setattr(layer, self._attribute, self._value)
                listener = partial(self._on_change, layer)
                self._event(layer).connect(listener)
                self._lent[layer] = before, listener

    def give_back(self) -> None:
        """Set the attribute to what it was, of layers where nobody else has changed it."""
        self._give_back(self.layers)

    def _give_back(self, layers: Iterable[Layer]) -> None:
        for layer in layers:
            before = self._forget(layer)
            setattr(layer, self._attribute, before)

    def _on_change(self, layer: Layer, _event: Any = None) -> None:
        if getattr(layer, self._attribute) != self._value:
            self._forget(layer)

    def _forget(self, layer: Layer) -> Any:
        before, listener = self._lent.pop(layer)
        self._event(layer).disconnect(listener)
        return before

    def _event(self, layer: Layer) -> Any:
        return getattr(layer.events, self._attribute)
