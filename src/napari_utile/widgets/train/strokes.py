"""Says that a few strokes seem to be painted on one of several layers, and what helps."""

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import Signal

from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.layers.readiness import SPARSE, Need
from napari_utile.widgets.layers.remedies import NeedsNote, Readiness


class StrokesNote(NeedsNote):
    """A line about the first of several labels layers that looks like strokes.

    Parameters
    ----------
    viewer : Viewer
    """

    changed = Signal()
    """`look_at` would find something else."""

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self._known: WeakKeyDictionary[Layer, Readiness] = WeakKeyDictionary()

    def look_at(
        self, pairs: Sequence[tuple[Layer, Layer | None]], settings: TrainSettings | None
    ) -> None:
        """Say what is found by now about images and their labels.

        Parameters
        ----------
        pairs : sequence of (Image, Labels or None)
        settings : TrainSettings or None
            None if they are wrong: nothing is found then.
        """
        found = (self._strokes_on(image, labels, settings) for image, labels in pairs if labels)
        self.show_needs(next(filter(None, found), []) if settings else [])

    def _strokes_on(
        self, image: Layer, labels: Layer, settings: TrainSettings | None
    ) -> list[Need]:
        if labels not in self._known:
            self._known[labels] = readiness = Readiness(self._viewer, is_alone=False)
            readiness.changed.connect(self.changed)
        needs = self._known[labels].of(image, labels, settings)
        return [
            replace(need, text=f"'{labels.name}': {need.text}")
            for need in needs
            if any(remedy.act == SPARSE for remedy in need.remedies)
        ]
