"""The errors of a prediction as a layer on the truth, with its legend."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from weakref import WeakSet

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

WEAK_OPACITY = {"matched": 0.4, "border": 0.6}
"""Opacity of a kind; of all others `ERROR_OPACITY`."""
ERROR_OPACITY = 0.75
GRAY = 0.5
"""What a color of the legend lies on, as those of the layer lie on an image."""
OUT_OF_DATE = " (out of date)"
"""Added to the name of the layer once what was compared is another."""
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
                f"background: {_as_painted(kind)}; }}"
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
    outdated = Announcement(str)
    """What was compared is another now: why, as a sentence."""

    def __init__(self, viewer: Viewer):
        self._viewer = viewer
        self._compared = WeakSet[Layer]()
        _OVERLAYS.add(self)
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
            if self.layer.name.endswith(OUT_OF_DATE):
                self.layer.name, self.layer.visible = self.NAME, True
        self._place = place

    def show_kinds(self, kinds: Collection[str]) -> None:
        """Show only these kinds."""
        self._kinds = kinds
        if self.layer is not None:
            self.layer.colormap = _error_colormap(kinds)

    def hide(self, layers: Iterable[Layer]) -> None:
        """Hide these layers, and no others, while errors are shown: they would cover them."""
        self._hidden.take(layers if self._is_there() else ())

    def follow(self, compared: Iterable[Layer]) -> None:
        """Mark the errors as out of date once one of these layers is changed or removed."""
        self._listen("disconnect")
        self._compared = WeakSet(layer for layer in compared if layer in self._viewer.layers)
        self._listen("connect")

    def _listen(self, act: str) -> None:
        for layer in self._compared:
            for name in ("paint", "data"):
                if event := getattr(layer.events, name, None):
                    getattr(event, act)(self._on_changed)  # napari holds it weakly

    def _on_changed(self, event: Any) -> None:
        self._set_out_of_date(event.source, "has changed")

    def _set_out_of_date(self, layer: Layer, what: str, is_hidden: bool = False) -> str:
        """Mark the layer, and return why; '' if it is gone."""
        if not self._is_there():
            return ""
        hidden = ", and hidden" if is_hidden else ""
        said = (
            f"'{layer.name}' {what} since it was evaluated: the layer '{self.NAME}' is out of "
            f"date{hidden}. Evaluate again."
        )
        if not self.layer.name.endswith(OUT_OF_DATE):
            self.layer.name = f"{self.NAME}{OUT_OF_DATE}"
            self.outdated.emit(said)
        if is_hidden:
            self.layer.visible = False
        return said

    def remove(self) -> None:
        """Remove the layer."""
        if self._is_there():
            self._viewer.layers.remove(self.layer)
        self.layer = None

    def _on_removed(self, event: Any) -> None:
        if self.layer is not None and event.value is self.layer:
            self._hidden.give_back()
            self.removed.emit()
        elif event.value in self._compared:
            self._set_out_of_date(event.value, "was removed", is_hidden=True)

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


_OVERLAYS = WeakSet[ErrorOverlay]()
"""All that there are: a result is changed on disk by another panel."""


def errors_out_of_date(viewer: Viewer, changed: Iterable[Layer]) -> str:
    """Hide errors of layers that were changed on disk, and mark them as out of date.

    Parameters
    ----------
    viewer : Viewer
    changed : iterable of Layer

    Returns
    -------
    str
        What was hidden and why, as sentences, or ''.
    """
    said = (
        overlay._set_out_of_date(layer, "has changed", is_hidden=True)
        for layer in changed
        for overlay in _OVERLAYS
        if overlay._viewer is viewer and layer in overlay._compared
    )
    return " ".join(filter(None, said))


def _as_painted(kind: str) -> str:
    """Return the color of a kind as it looks on a gray image."""
    color = transform_color(KIND_COLORS[kind])[0][:3]
    opacity = WEAK_OPACITY.get(kind, ERROR_OPACITY)
    mixed = np.rint(255 * (opacity * color + (1 - opacity) * GRAY)).astype(int)
    return "#{:02x}{:02x}{:02x}".format(*mixed)


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
