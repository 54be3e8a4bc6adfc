"""What napari loads and compiles for its first layers: done ahead, in a thread.

Otherwise the window stands still for half a second, on a new installation for seconds, when the
first labels come.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_utile.widgets.process.worker import SWITCH

DTYPES = (np.uint8, np.uint32, np.int32, np.int64)
"""Of labels; what colors those of more than 16 bits is compiled for each."""


class _Ahead(QObject):
    """Loads once what the first layers need."""

    loaded = Signal()
    """All is there."""

    def __init__(self) -> None:
        super().__init__()
        self.thread: Thread | None = None

    @property
    def is_done(self) -> bool:
        """Whether all is there."""
        return self.thread is not None and not self.thread.is_alive()

    def load(self, *further: Callable[[], object]) -> None:
        """Begin to load, unless it was done.

        Parameters
        ----------
        *further : callable
            What else is done in the thread, afterwards.
        """
        if self.thread is None and os.environ.get(SWITCH) != "no":
            self.thread = Thread(target=self._work, args=further, daemon=True)
            self.thread.start()

    def _work(self, *further: Callable[[], object]) -> None:
        for each in (color_some_labels, *further):
            each()
        with suppress(RuntimeError):  # the window is gone
            self.loaded.emit()


AHEAD = _Ahead()


def color_some_labels() -> None:
    """Make labels of each kind, and ask for a color: that loads and compiles all it needs."""
    for dtype in DTYPES:
        labels = Labels(np.ones((2, 2), dtype))
        labels.get_color(1)
