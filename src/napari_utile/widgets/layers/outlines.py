"""The outlines of an object that was clicked on, and of its counterpart, as a layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Vectors
from napari.utils.colormaps.standardize_color import transform_color
from napari.viewer import Viewer
from numpy.typing import NDArray
from skimage.measure import find_contours

from napari_utile.evaluation.inputs import LabelPair
from napari_utile.evaluation.object_table import ObjectTable
from napari_utile.widgets.kit.camera import MIN_BOX_SIDE
from napari_utile.widgets.layers.active import add_helper
from napari_utile.widgets.layers.choice import HELPER

TRUTH_COLOR, PREDICTION_COLOR = "#ffffff", "#ff9f1c"
LINE_WIDTH = 0.012
"""Width of a line, as a share of the box."""
DASH_SEGMENTS = 3
"""Segments of a dash and of a gap: the prediction does not hide the truth."""

Segments = NDArray[np.float64]
"""Line segments, shape (N, 2, D): start and extent."""


class ObjectMarker:
    """The layer "object": the true outline in white, the predicted one in orange dashes.

    Parameters
    ----------
    viewer : Viewer
        Where it is shown, on top.
    """

    NAME = "object"

    def __init__(self, viewer: Viewer):
        self._viewer = viewer
        self.layer: Any = None

    def show(
        self, sides: LabelPair, objects: ObjectTable, row: int, place: dict[str, Any]
    ) -> NDArray[np.int64]:
        """Outline the objects of a row of `objects`, at a `placement`.

        Returns
        -------
        ndarray of int64, shape (2, D)
            First and last pixel of the object of that row; of a matched pair, of both.
        """
        found = objects.row(row)
        _, index = objects.places[objects.slice[row]]
        true = _pixels_of(found["truth_id"], sides.truth, index)
        predicted = _pixels_of(found["prediction_id"], sides.prediction, index)
        own = {"truth": true, "prediction": predicted}.get(
            found["side"], np.concatenate([true, predicted])
        )
        box = np.array([own.min(axis=0), own.max(axis=0)])
        lines = _outline(true), _outline(predicted)
        size = max(MIN_BOX_SIDE, *np.ptp(box[:, -2:], axis=0))
        self._draw(*lines, LINE_WIDTH * size, place)
        return box

    def outline(
        self,
        sides: LabelPair,
        index: tuple[int, ...],
        truth_ids: Sequence[int],
        prediction_ids: Sequence[int],
        place: dict[str, Any],
    ) -> None:
        """Outline several true and predicted objects in a slice, at a `placement`."""
        lines = [
            np.concatenate([_outline(_pixels_of(each, labels, index)) for each in ids])
            for ids, labels in (
                (truth_ids, sides.truth),
                (prediction_ids, sides.prediction),
            )
        ]
        self._draw(lines[0], lines[1], LINE_WIDTH * MIN_BOX_SIDE, place)

    def remove(self) -> None:
        """Remove the outlines."""
        if self._is_there():
            self._viewer.layers.remove(self.layer)
        self.layer = None

    def _draw(
        self, true: Segments, predicted: Segments, width: float, place: dict[str, Any]
    ) -> None:
        is_gap = np.arange(len(predicted)) // DASH_SEGMENTS % 2 == 1
        lines = np.concatenate([true, predicted[~is_gap]])
        colors = np.repeat(
            [transform_color(TRUTH_COLOR)[0], transform_color(PREDICTION_COLOR)[0]],
            [len(true), len(lines) - len(true)],
            axis=0,
        )
        if self._is_there():  # to remove a layer takes napari long
            self.layer.data = lines
            self.layer.edge_width = width
            self.layer.edge_color = colors
            return
        layer = Vectors(
            lines,
            name=self.NAME,
            edge_width=width,
            edge_color=colors,
            vector_style="line",
            opacity=1.0,
            metadata={HELPER: True},
            **place,
        )
        self.layer = add_helper(self._viewer, layer)

    def _is_there(self) -> bool:
        return self.layer is not None and self.layer in self._viewer.layers


def _pixels_of(wanted: int, labels: NDArray[Any], index: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the pixels of an object in a slice, or in all of them; none for the id 0.

    Returns
    -------
    ndarray of int64, shape (N, D)
        Along every axis of `labels`.
    """
    found = [np.empty((0, labels.ndim), np.int64)]
    for rest in np.ndindex(labels.shape[len(index) : -2]) if wanted else ():
        plane = (*index, *rest)  # volumes may be read slice by slice
        inside = np.argwhere(labels[plane] == wanted)
        leading = np.broadcast_to(np.array(plane, np.int64), (len(inside), len(plane)))
        found.append(np.concatenate([leading, inside], axis=1))
    return np.concatenate(found)


def _outline(pixels: NDArray[np.int64]) -> Segments:
    """Return the outline of pixels (N, D), slice by slice."""
    lines = [np.empty((0, 2, pixels.shape[1]))]
    for index in np.unique(pixels[:, :-2], axis=0):
        inside = pixels[(pixels[:, :-2] == index).all(axis=1), -2:]
        corner = inside.min(axis=0) - 1
        mask = np.zeros(inside.max(axis=0) - corner + 2, bool)
        mask[tuple((inside - corner).T)] = True
        for contour in find_contours(mask.astype(np.float32), 0.5):
            points = np.empty((len(contour), pixels.shape[1]))
            points[:, :-2], points[:, -2:] = index, contour + corner
            lines.append(np.stack([points[:-1], np.diff(points, axis=0)], axis=1))
    return np.concatenate(lines)
