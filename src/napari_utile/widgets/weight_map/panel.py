"""The panel that shows the loss weight map, and redraws it while w0 and sigma are dragged."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtCore import QTimer

from napari_utile.io.memory import check_memory
from napari_utile.settings.arrays import WeightSettings
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.form import Form, form_rows, mark, scrolling_column
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.thread_controls import ThreadControls
from napari_utile.widgets.layers.active import add_helper
from napari_utile.widgets.layers.choice import HELPER, LayerChoice, following
from napari_utile.widgets.layers.doubts import DoubtsNote
from napari_utile.widgets.layers.stacks import level_0, placement, stack_of, with_copied_pixels
from napari_utile.widgets.weight_map.live import LiveWeights, SliceDrawn, SliceIndex

SLIDERS = {"w0": (0.0, 50.0), "sigma": (0.5, 30.0)}
REDRAW_DELAY = 250
"""Milliseconds after the last stroke or drag at which the slices out of view follow."""


class WeightMapPanel(Panel):
    """Labels in, an overlay of the weight of every pixel out."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.labels_layer = LayerChoice(napari_viewer, Labels)
        self.form: Form[WeightSettings] = Form(WeightSettings, SLIDERS)
        self.controls = ThreadControls("Show weight map", self._collect, lambda _: None)
        self.note = DoubtsNote()
        self.overlay: Any = None
        self._source: Any = None  # the labels layer that is shown
        self._map: LiveWeights | None = None
        self._delay = self._timer(self._redraw)
        self._look = self._timer(self._look_for_edits)

        column = scrolling_column(self)
        column.addLayout(form_rows({"labels": self.labels_layer.native}))
        column.addWidget(self.note)
        column.addWidget(self.form)
        column.addWidget(self.controls)
        column.addStretch()

        self.labels_layer.changed.connect(self._check)
        self.form.changed.connect(self._on_form)
        self.controls.happened.connect(self._show)
        following(self, self._draw_in_view, napari_viewer.dims.events.current_step)
        self._check()

    def _check(self) -> None:
        missing = "" if self.labels_layer.layer else "Choose a labels layer: there is none yet."
        mark(self.labels_layer.native, missing, "Instances, or a mask of them")
        problem = missing or self.form.problem()
        settings = WeightSettings() if problem else self.form.settings()
        labels = None if problem else self.labels_layer.layer
        self.note.show_doubts(labels, ("instances", settings.ignore, settings.sparse))
        self.controls.set_problem(problem)

    def _collect(self) -> Work:
        """Take the chosen labels, and follow every edit of them from now on."""
        if self.labels_layer.layer is not self._source:
            self._remove_overlay()  # it lies where the other labels lie
        self._forget()
        self._source = self.labels_layer.layer
        for event in self._edits():
            event.connect(self._on_edit)
        self._source.events.set_data.connect(self._on_set_data)
        return self._work()

    def _on_form(self) -> None:
        self._check()
        if self._source is not None and not self.form.problem():
            if self._map and not self._map.fits(self.form.settings()):
                self._map = None
            self._draw_in_view()
            self._delay.start()

    def _on_edit(self, _event: Any = None) -> None:
        """Compute the map again once the brush rests."""
        self._map = None
        self._delay.start()

    def _on_set_data(self, _event: Any = None) -> None:
        """Look once the viewer rests: an undone stroke may lie in any slice."""
        self._look.start()

    def _look_for_edits(self) -> None:
        """Notice changes without an event: undone strokes, and pixels that a script set."""
        if self._map and not self._map.is_of(level_0(self._source)):
            self._on_edit()

    def _timer(self, slot: Callable[[], None]) -> QTimer:
        """Return a timer that calls `slot` once, some time after it was started last."""
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(REDRAW_DELAY)
        timer.timeout.connect(slot)
        return timer

    def _redraw(self) -> None:
        """Draw all slices again, unless labels or overlay were removed."""
        self.controls.stop()
        if self._is_wanted():
            self.controls.press(self._work, lambda _: None)
        else:
            self._forget()

    def _work(self) -> Work:
        """Return the work that draws every slice, the one in view first."""
        settings, first = self.form.settings(), self._in_view()
        live = self._map = self._map or self._new_map(settings)
        return lambda: live.fill(first, settings)

    def _new_map(self, settings: WeightSettings) -> LiveWeights:
        labels = with_copied_pixels(stack_of(self._source))
        check_memory(LiveWeights.BYTES * prod(labels.shape), f"The map of '{labels.name}'")
        old = None if self.overlay is None else self.overlay.data
        weights = old if old is not None and old.shape == labels.shape else None
        return LiveWeights(labels, settings, weights)

    def _draw_in_view(self, _event: Any = None) -> None:
        if self._map and self._map.draw(self._in_view(), self.form.settings()):
            self._show_in_view()

    def _show(self, event: Any) -> None:
        """Show a slice that was drawn, if it is in view."""
        is_drawn = isinstance(event, SliceDrawn) and self._source is not None
        if is_drawn and event.index == self._in_view():
            self._show_in_view()

    def _show_in_view(self) -> None:
        if self._map is None:
            return
        weights, index = self._map.weights, self._in_view()
        if self.overlay is None:
            self.overlay = Image(
                weights,
                name="weight map",
                colormap="turbo",
                opacity=0.7,
                contrast_limits=(0, max(1.0, float(weights[index].max()))),
                metadata={HELPER: True},
                **placement(self._source, stack_of(self._source).axes),
            )
            add_helper(self._viewer, self.overlay)
            self.overlay.colorbar.visible = True
            return
        if self.overlay.data is not weights:
            self.overlay.data = weights
        low, high = self.overlay.contrast_limits
        if (highest := float(weights[index].max())) > high:
            self.overlay.contrast_limits_range = (0, highest)
            self.overlay.contrast_limits = (low, highest)
        self.overlay.refresh()

    def _in_view(self) -> SliceIndex:
        """Return the leading indices of the slice that the viewer shows."""
        point = self._source.world_to_data(self._viewer.dims.point)
        lengths = level_0(self._source).shape[:-2]
        return tuple(
            int(np.clip(round(x), 0, n - 1)) for x, n in zip(point, lengths, strict=False)
        )

    def _is_wanted(self) -> bool:
        """Whether the labels, and the overlay if there was one, are still there."""
        layers = self._viewer.layers
        return self._source in layers and (self.overlay is None or self.overlay in layers)

    def _edits(self) -> list[Any]:
        events = self._source.events
        return [events.paint, events.labels_update, events.data]

    def _remove_overlay(self) -> None:
        if self.overlay in self._viewer.layers:
            self._viewer.layers.remove(self.overlay)
        self.overlay = None

    def _forget(self) -> None:
        if self._source is not None:
            for event in self._edits():
                event.disconnect(self._on_edit)
            self._source.events.set_data.disconnect(self._on_set_data)
        self.controls.stop()
        self._source = self._map = None
        if self.overlay not in self._viewer.layers:
            self.overlay = None
