"""Slots that are called on events of napari for as long as a widget lives."""

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

_KEPT: set[Callable[..., None]] = set()
"""Functions that wait for a widget to be deleted."""


class Follower(QObject):
    """Calls a slot on events, and is deleted with its widget.

    Parameters
    ----------
    widget : QWidget
    slot : callable
        A method is held weakly.
    *events : EventEmitter or SignalInstance
        Of napari or psygnal, which hold methods weakly.

    """

    def __init__(self, widget: QWidget, slot: Callable[..., Any], *events: Any):
        super().__init__(widget)
        is_method = hasattr(slot, "__self__")
        self._slot: Callable[[], Any] = WeakMethod(slot) if is_method else lambda: slot
        for event in events:
            event.connect(self.follow)

    def follow(self, event: Any = None) -> None:
        """Call the slot, unless the widget was deleted."""
        slot = self._slot()
        if slot is not None and isalive(self):
            slot(event)


class _Watch(QObject):
    """Calls a function whenever a widget is shown."""

    def __init__(self, widget: QWidget, act: Callable[[], Any]):
        super().__init__(widget)
        self._act = WeakMethod(act)
        widget.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802, Qt's name
        """Call the function, before the widget is seen."""
        if event.type() == QEvent.Type.Show and (act := self._act()) is not None:
            act()
        return False


def when_shown(widget: QWidget, act: Callable[[], Any]) -> None:
    """Call a method whenever a widget comes to be seen.

    Parameters
    ----------
    widget : QWidget
    act : bound method
        It is held weakly.
    """
    _Watch(widget, act)


def when_deleted(widget: QWidget, act: Callable[[], Any]) -> None:
    """Call a function when a widget is deleted.

    Parameters
    ----------
    widget : QWidget
    act : callable
        It must not know the widget, which would then never be deleted as garbage.

    Notes
    -----
    A function that is kept by `QWidget.destroyed` alone is a part of the garbage that the
    widget is in: Python may have cleared it when Qt calls it, and then the process crashes.
    So it is kept here.
    """

    def call(*_: object) -> None:
        _KEPT.discard(call)
        act()

    _KEPT.add(call)
    widget.destroyed.connect(call)
