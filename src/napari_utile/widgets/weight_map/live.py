"""The weight map of one state of the labels, drawn slice by slice. No window part here."""

from collections.abc import Generator
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import IGNORE, as_instances, check_labels, with_gaps
from napari_utile.arrays.targets import annotated
from napari_utile.arrays.weight_maps.weight_map import border_term, class_weights, gap_widths
from napari_utile.io.stack import Stack
from napari_utile.settings.arrays import WeightSettings
from napari_utile.widgets.kit.progress import Step

SliceIndex = tuple[int, ...]


class Terms(NamedTuple):
    """The terms of a weight map, each with its largest value.

    Parameters
    ----------
    objects, background : float
        Class weight w_c; 0 where there is no such pixel.
    border : float
        Border weight in the narrowest gap; 0 if there is none.
    """

    objects: float
    background: float
    border: float

    @property
    def largest(self) -> float:
        """The largest weight of the map."""
        return max(self.objects, self.background + self.border)


@dataclass(frozen=True)
class SliceDrawn(Step):
    """The weights of a slice were drawn."""

    index: SliceIndex


class LiveWeights:
    """The weight map of one state of the labels, drawn slice by slice.

    They are those of training: a gap is drawn between touching objects first. Gap widths are
    measured once; the weights follow from them fast.

    Parameters
    ----------
    labels : Stack
        Must not change.
    settings : WeightSettings
        Of which `class_balance`, `ignore` and `sparse` count for every slice.
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
        self._gaps: dict[SliceIndex, NDArray[np.float32]] = {}
        self._narrowest = np.inf  # of all gaps that were measured

    def fits(self, settings: WeightSettings) -> bool:
        """Whether only w0 and sigma differ."""
        names = {"class_balance", "ignore", "sparse"}
        return self._settings.model_dump(include=names) == settings.model_dump(include=names)

    def is_of(self, labels: Any) -> bool:
        """Whether `labels` are what the map was computed from."""
        known = self._labels.data
        return known is labels or all(
            np.array_equal(known[index], labels[index]) for index in self._labels.indices
        )

    def fill(
        self, first: SliceIndex, settings: WeightSettings
    ) -> Generator[SliceDrawn, None, None]:
        """Measure and draw all slices, `first` first."""
        began = monotonic()
        if not self._gaps:
            labels = np.asarray(self._labels.data)
            ignore, sparse = self._settings.ignore, self._settings.sparse
            objects, self._ignored = annotated(
                check_labels(labels, ignore=ignore), ignore, sparse
            )
            self._instances = with_gaps(as_instances(objects))
            classes = (self._instances > 0).astype(np.uint8)
            classes[self._ignored] = IGNORE
            self._balance = class_weights(classes, self._settings.class_balance)
            self._of_classes = [
                float(self._balance.max(where=classes == kind, initial=0)) for kind in (0, 1)
            ]
        others = (index for index in self._labels.indices if index != first)
        order = (first, *others)
        for done, index in enumerate(order, 1):
            if index not in self._gaps:
                gaps = gap_widths(self._instances[index])
                gaps[self._ignored[index]] = np.inf
                self._narrowest = min(self._narrowest, float(gaps.min(initial=np.inf)))
                self._gaps[index] = gaps
            self.draw(index, settings)
            yield SliceDrawn("slice", done, len(order), monotonic() - began, index)

    def terms(self, settings: WeightSettings) -> Terms:
        """Return the terms of all slices that are measured by now."""
        background, objects = self._of_classes
        narrowest = np.array([self._narrowest], np.float32)
        (border,) = border_term(narrowest, settings.w0, settings.sigma)
        return Terms(objects, background, float(border))

    def draw(self, index: SliceIndex, settings: WeightSettings) -> bool:
        """Weigh one slice; return False if it is not measured yet."""
        if index not in self._gaps:
            return False
        border = border_term(self._gaps[index], settings.w0, settings.sigma)
        np.add(self._balance[index], border, out=self.weights[index])
        return True
