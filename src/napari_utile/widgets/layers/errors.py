"""The errors of a prediction as a layer on the truth, with its legend."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from napari.viewer import Viewer
from numpy.typing import NDArray
from psygnal import Signal as Announcement
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_utile.evaluation.error_types import KIND_COLORS, KIND_MEANINGS, KINDS
from napari_utile.widgets.layers.active import add_helper
from napari_utile.widgets.layers.borrowed import Borrowed
from napari_utile.widgets.layers.choice import HELPER

WEAK_OPACITY = {"matched": 0.2, "border": 0.6}
"""Opacity of a kind; of all others `ERROR_OPACITY`."""
ERROR_OPACITY = 0.75
LEGEND_COLUMNS = 2
"""Columns of the legend."""


class Legend(QWidget):
    """A check box for each kind of difference, with its color and count."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        self.boxes = {kind: QCheckBox(kind) for kind in KINDS}
        for i, (kind, box) in enumerate(self.boxes.items()):
            box.setChecked(True)
            box.setToolTip(KIND_MEANINGS[kind])
            box.setStyleSheet(
                "QCheckBox::indicator { border-radius: 2px; "
                f"background: {KIND_COLORS[kind]}; }}"
            )
            box.toggled.connect(lambda _: self.changed.emit())
            grid.addWidget(box, *divmod(i, LEGEND_COLUMNS))

    @property
    def ticked(self) -> list[str]:
        """The kinds that are ticked."""
        return [kind for kind, box in self.boxes.items() if box.isChecked()]

    def show_counts(self, counts: Mapping[str, int], border: int | None) -> None:
        """Show the number of each kind, as of `ErrorCounts`, and how many pixels are border."""
        for kind, box in self.boxes.items():
            count = f"{counts.get(kind, 0):,}"
            if kind == "border":
                count = "" if border is None else f"{border:,} px"
            box.setText(f"{kind}  {count}")


class ErrorOverlay:
    """The layer "errors": a color for each kind, and the kind in the status bar.

    Parameters
    ----------
    viewer : Viewer
        Where it is shown, on top.
    """

    NAME = "errors"
    removed = Announcement()
    """The layer was removed, by whomever."""

    def __init__(self, viewer: Viewer):
        self._viewer = viewer
        self._hidden = Borrowed("visible", False)
        viewer.layers.events.removed.connect(self._on_removed)  # napari holds it weakly
        self._kinds: Collection[str] = KINDS
        self._place: dict[str, Any] = {}
        self.layer: Any = None

    def show(self, pixels: NDArray[np.uint8], place: dict[str, Any]) -> None:
        """Show an error layer (..., Y, X), see `error_plane`, at a `placement`."""
        fits = self._is_there() and self.layer.ndim == pixels.ndim
        if not fits or place.keys() != self._place.keys():
            self.remove()
            self.layer = add_helper(self._viewer, self._new(pixels, place))
        else:
            self.layer.data = pixels
            self.layer.editable = False  # napari sets it with the pixels
            for name, value in place.items():
                setattr(self.layer, name, value)
        self._place = place

    def show_kinds(self, kinds: Collection[str]) -> None:
        """Show only these kinds."""
        self._kinds = kinds
        if self.layer is not None:
            self.layer.colormap = _error_colormap(kinds)

    def hide(self, layers: Iterable[Layer]) -> None:
        """Hide these layers, and no others, while errors are shown: they would cover them."""
        self._hidden.take(layers if self._is_there() else ())

    def remove(self) -> None:
        """Remove the layer."""
        if self._is_there():
            self._viewer.layers.remove(self.layer)
        self.layer = None

    def _on_removed(self, event: Any) -> None:
        if self.layer is not None and event.value is self.layer:
            self._hidden.give_back()
            self.removed.emit()

    def _is_there(self) -> bool:
        return self.layer is not None and self.layer in self._viewer.layers

    def _new(self, pixels: NDArray[np.uint8], place: dict[str, Any]) -> Labels:
        layer = Labels(
            pixels,
            name=self.NAME,
            colormap=_error_colormap(self._kinds),
            features={"index": range(1, len(KINDS) + 1), "kind": KINDS},
            opacity=1.0,
            metadata={HELPER: True},
            **place,
        )
        layer.editable = False
        return layer


def _error_colormap(kinds: Collection[str]) -> DirectLabelColormap:
    """Return a colormap of these kinds; all else is transparent."""
    colors: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
    for value, kind in enumerate(KINDS, 1):
        color = transform_color(KIND_COLORS[kind])[0].copy()  # napari keeps it for others
        color[3] = WEAK_OPACITY.get(kind, ERROR_OPACITY) if kind in kinds else 0
        colors[value] = color
    return DirectLabelColormap(color_dict=colors)


def prepare_colors() -> None:
    """Compile napari's label coloring, which takes seconds; call it in a thread."""
    _error_colormap(KINDS).map(np.zeros((1, 1), np.uint8))
