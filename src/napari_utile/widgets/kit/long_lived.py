"""What lives as long as napari is left out of Python's search for garbage.

napari searches through all objects of the process whenever a layer is removed, while the window
stands still. Nearly all of them are modules, classes and parts of the window, which stay.
"""

import gc
from typing import Any
from weakref import WeakSet

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_utile.widgets.kit.following import Follower, when_deleted

REST = 5_000
"""Milliseconds after which all is left out again, when a layer had to be looked for."""


class LongLived:
    """Leaves out what there is, until it could be garbage.

    Layers that were there are searched for when they are removed: their pixels must be freed.
    When the widget is deleted nothing is left out any more, for its window may be garbage.

    Parameters
    ----------
    widget : QWidget
        In the window.
    viewer : Viewer
    """

    def __init__(self, widget: QWidget, viewer: Viewer):
        self._viewer = viewer
        self._layers: WeakSet[Layer] = WeakSet()
        self._again = QTimer(widget)
        self._again.setSingleShot(True)
        self._again.setInterval(REST)
        self._again.timeout.connect(self._search_and_leave_out)
        Follower(widget, self._on_removing, viewer.layers.events.removing)
        when_deleted(widget, gc.unfreeze)

    def leave_out(self) -> None:
        """Leave out all objects that there are now."""
        self._layers.update(self._viewer.layers)
        gc.freeze()

    def end(self) -> None:
        """Leave out nothing any more: the widget was closed, and may be garbage."""
        self._again.stop()
        self._layers.clear()
        gc.unfreeze()

    def _search_and_leave_out(self) -> None:
        gc.collect()
        self.leave_out()

    def _on_removing(self, event: Any) -> None:
        if self._viewer.layers[event.index] in self._layers:
            gc.unfreeze()
            self._layers.clear()
            self._again.start()
