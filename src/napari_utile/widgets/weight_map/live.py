"""The weight map of one state of the labels, drawn slice by slice. No window part here."""

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import IGNORE, as_instances, with_gaps
from napari_utile.arrays.weight_maps.weight_map import border_term, class_weights, gap_widths
from napari_utile.io.stack import Stack
from napari_utile.settings import WeightSettings

Index = tuple[int, ...]


class LiveWeights:
    """The weight map of one state of the labels, drawn slice by slice.

    They are those of training: touching objects are parted first. How wide the gaps are is
    measured once; the weights follow from that in no time.

    Parameters
    ----------
    labels : Stack
        Not changed meanwhile.
    settings : WeightSettings
        Of which `class_balance` and `ignore` count for every slice.
    weights : ndarray of float32, optional
        Of the same shape, to draw into.
    """

    BYTES = 17
    """Per pixel that are held: labels, instances, gaps, class weights, weights."""

    def __init__(
        self,
        labels: Stack,
        settings: WeightSettings,
        weights: NDArray[np.float32] | None = None,
    ):
        self._labels, self._settings = labels, settings
        self.weights = np.zeros(labels.shape, np.float32) if weights is None else weights
        self._gaps: dict[Index, NDArray[np.float32]] = {}

    def fits(self, settings: WeightSettings) -> bool:
        """Say whether only w0 and sigma differ."""
        own = self._settings
        return (own.class_balance, own.ignore) == (settings.class_balance, settings.ignore)

    def is_of(self, labels: Any, index: Index) -> bool:
        """Say whether one slice of `labels` is what the map was made of."""
        return np.array_equal(self._labels.data[index], labels[index])

    def fill(self, first: Index, settings: WeightSettings) -> Generator[Index, None, None]:
        """Measure and draw all slices, `first` first; give the index of each."""
        if not self._gaps:
            labels = np.asarray(self._labels.data)
            self._instances = with_gaps(as_instances(labels, self._settings.ignore))
            classes = (self._instances > 0).astype(np.uint8)
            if self._settings.ignore is not None:
                classes[labels == self._settings.ignore] = IGNORE
            self._ignored = classes == IGNORE
            self._balance = class_weights(classes, self._settings.class_balance)
        others = (index for index in self._labels.indices if index != first)
        for index in (first, *others):
            if index not in self._gaps:
                gaps = gap_widths(self._instances[index])
                gaps[self._ignored[index]] = np.inf
                self._gaps[index] = gaps
            self.draw(index, settings)
            yield index

    def draw(self, index: Index, settings: WeightSettings) -> bool:
        """Weigh one slice; return False if it is not measured yet."""
        if index not in self._gaps:
            return False
        border = border_term(self._gaps[index], settings.w0, settings.sigma)
        np.add(self._balance[index], border, out=self.weights[index])
        return True
