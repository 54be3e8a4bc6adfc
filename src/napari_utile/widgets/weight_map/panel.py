"""The panel that shows the loss weight map, and redraws it while w0 and sigma are dragged."""

from math import prod
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton, QScrollArea

from napari_utile.errors import UserError
from napari_utile.io.memory import check_memory
from napari_utile.settings import WeightSettings
from napari_utile.widgets.kit.background import background
from napari_utile.widgets.kit.form import RED, Form, mark, rows_of, scrolling_column
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.layers.layers import (
    LayerChoice,
    following,
    frozen,
    level_0,
    placement,
    stack_of,
)
from napari_utile.widgets.weight_map.live import Index, LiveWeights

SLIDERS = {"w0": (0.0, 50.0), "sigma": (0.5, 30.0)}
PAUSE = 250
"""Milliseconds after the last stroke or drag at which the slices out of view follow."""


class WeightMapPanel(QScrollArea):
    """Labels in, an overlay of the weight of every pixel out."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.labels_layer = LayerChoice(napari_viewer, Labels)
        self.form: Form[WeightSettings] = Form(WeightSettings, SLIDERS)
        self.button = QPushButton("Show weight map")
        self.messages = Messages()
        self.overlay: Any = None
        self._source: Any = None  # the labels layer that is shown
        self._map: LiveWeights | None = None
        self._worker: Any = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._fill)

        column = scrolling_column(self)
        column.addLayout(rows_of({"labels": self.labels_layer}))
        column.addWidget(self.form)
        column.addWidget(self.button)
        column.addWidget(self.messages)
        column.addStretch()

        self.labels_layer.changed.connect(self._check)
        self.form.changed.connect(self._on_form)
        self.button.clicked.connect(self._on_button)
        following(self, self._draw_in_view, napari_viewer.dims.events.current_step)
        self.destroyed.connect(lambda *_: self._stop())
        self._check()

    def _check(self) -> None:
        missing = "" if self.labels_layer.layer else "Choose a labels layer: there is none yet."
        mark(self.labels_layer, missing, "Instances, or a mask of them")
        self.messages.set_problem(missing or self.form.problem())
        self.button.setEnabled(not missing and not self.form.problem())

    def _on_button(self) -> None:
        """Show the chosen labels, and from now on every edit of them."""
        if self.labels_layer.layer is not self._source:
            self._remove_overlay()  # it lies where the other labels lie
        self._forget()
        self.messages.clear()
        self._source = self.labels_layer.layer
        for event in self._edits():
            event.connect(self._on_edit)
        self._source.events.set_data.connect(self._on_look)
        self._fill()

    def _on_form(self) -> None:
        self._check()
        if self._source is not None and not self.form.problem():
            if self._map and not self._map.fits(self.form.settings()):
                self._map = None
            self._draw_in_view()
            self._pause.start()

    def _on_edit(self, _event: Any = None) -> None:
        """Measure anew once the brush rests."""
        self._map = None
        self._pause.start()

    def _on_look(self, _event: Any = None) -> None:
        """Notice what no event tells of: undone strokes, and pixels that a script changed."""
        if self._map and not self._map.is_of(level_0(self._source), self._in_view()):
            self._on_edit()

    def _fill(self) -> None:
        """Weigh every slice in a thread, the one in view first."""
        self._stop()
        if not self._is_wanted():
            self._forget()
            return
        settings, first = self.form.settings(), self._in_view()
        try:
            live = self._map = self._map or self._new_map(settings)
        except UserError as error:
            self._on_end(error)
        else:
            self._worker = background(
                lambda: live.fill(first, settings), self._on_end, self._show
            )

    def _new_map(self, settings: WeightSettings) -> LiveWeights:
        labels = frozen(stack_of(self._source))
        check_memory(LiveWeights.BYTES * prod(labels.shape), f"The map of '{labels.name}'")
        old = None if self.overlay is None else self.overlay.data
        weights = old if old is not None and old.shape == labels.shape else None
        return LiveWeights(labels, settings, weights)

    def _draw_in_view(self, _event: Any = None) -> None:
        if self._map and self._map.draw(self._in_view(), self.form.settings()):
            self._show(self._in_view())

    def _show(self, index: Index) -> None:
        """Show that a slice was drawn."""
        if self._map is None or index != self._in_view():
            return
        weights = self._map.weights
        if self.overlay is None:
            self.overlay = self._viewer.add_image(
                weights,
                name="weight map",
                colormap="turbo",
                opacity=0.7,
                contrast_limits=(0, max(1.0, float(weights[index].max()))),
                **placement(self._source, stack_of(self._source).axes),
            )
            self.overlay.colorbar.visible = True
            return
        if self.overlay.data is not weights:
            self.overlay.data = weights
        low, high = self.overlay.contrast_limits
        if (highest := float(weights[index].max())) > high:
            self.overlay.contrast_limits_range = (0, highest)
            self.overlay.contrast_limits = (low, highest)
        self.overlay.refresh()

    def _on_end(self, outcome: Any) -> None:
        self._worker = None
        if isinstance(outcome, Exception):
            self.messages.add(str(outcome), RED)
            show_error(str(outcome))

    def _in_view(self) -> Index:
        """Give the leading indices of the slice that the viewer shows."""
        point = self._source.world_to_data(self._viewer.dims.point)
        lengths = level_0(self._source).shape[:-2]
        return tuple(
            int(np.clip(round(x), 0, n - 1)) for x, n in zip(point, lengths, strict=False)
        )

    def _is_wanted(self) -> bool:
        """Say whether the labels, and the overlay if there was one, are still there."""
        layers = self._viewer.layers
        return self._source in layers and (self.overlay is None or self.overlay in layers)

    def _edits(self) -> list[Any]:
        events = self._source.events
        return [events.paint, events.labels_update, events.data]

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.quit()
            self._worker = None

    def _remove_overlay(self) -> None:
        if self.overlay in self._viewer.layers:
            self._viewer.layers.remove(self.overlay)
        self.overlay = None

    def _forget(self) -> None:
        if self._source is not None:
            for event in self._edits():
                event.disconnect(self._on_edit)
            self._source.events.set_data.disconnect(self._on_look)
        self._stop()
        self._source = self._map = None
        if self.overlay not in self._viewer.layers:
            self.overlay = None
