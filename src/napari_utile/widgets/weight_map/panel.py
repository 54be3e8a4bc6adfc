"""The panel that shows the loss weight map, and redraws it while w0 and sigma are dragged."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from math import prod
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton

from napari_utile.io.memory import check_memory
from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.form import Form, form_rows, mark
from napari_utile.widgets.kit.memory import remembered
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.thread_controls import ThreadControls
from napari_utile.widgets.kit.weights import WEIGHTS, LossWeights
from napari_utile.widgets.layers.active import add_helper
from napari_utile.widgets.layers.borrowed import Borrowed
from napari_utile.widgets.layers.choice import HELPER, LayerChoice, following
from napari_utile.widgets.layers.doubts import DoubtsNote
from napari_utile.widgets.layers.in_turn import in_turn
from napari_utile.widgets.layers.project import Remembered, project_of
from napari_utile.widgets.layers.remedies import ConvertNote
from napari_utile.widgets.layers.stacks import level_0, placement, stack_of, with_copied_pixels
from napari_utile.widgets.weight_map.legend import WeightLegend
from napari_utile.widgets.weight_map.live import LiveWeights, SliceDrawn, SliceIndex
from napari_utile.widgets.weight_map.unannotated import UnannotatedOfLabels

SLIDERS = {"w0": (0.0, 50.0), "sigma": (0.5, 30.0)}
REDRAW_DELAY = 250
"""Milliseconds after the last stroke or drag at which the slices out of view follow."""
LEAST_RANGE = 0.01
"""Of the colors, where all weights are 0."""


class WeightMapPanel(Panel):
    """Labels in, an overlay of the weight of every pixel out."""

    page = "Weight map"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.labels_layer = LayerChoice(napari_viewer, Labels)
        self.form: Form[WeightSettings] = Form(WeightSettings, SLIDERS)
        self._begin_as_training()
        self.use, self.take = QPushButton("Use in training"), QPushButton("Take from training")
        self.difference = QLabel()
        self.difference.setWordWrap(True)
        self.legend = WeightLegend()
        self.outlines = QCheckBox("labels as outlines")
        self.outlines.setChecked(True)
        self.outlines.setToolTip(
            "Draw the labels as outlines on the map, or as you had them, which mixes the colors"
        )
        self.fit = QLabel()
        self._name_link()
        follow_theme(self.fit, self._name_link)
        self.fit.setToolTip("You have set the contrast limits yourself, so they stay")
        self.fit.hide()
        self.controls = ThreadControls("Show weight map", self._collect, lambda _: None)
        self.note = DoubtsNote()
        self.overlay: Any = None
        self._source: Any = None  # the labels layer that is shown
        self._map: LiveWeights | None = None
        self._outlined = Borrowed("contour", 1)
        self._is_fitting = False
        self._delay = self._timer(self._redraw)
        self._look = self._timer(self._look_for_edits)

        column = self.column()
        column.addLayout(form_rows({"labels": self.labels_layer.native}))
        column.addWidget(ConvertNote(napari_viewer, self.labels_layer))
        column.addWidget(self.note)
        column.addWidget(self.form)
        column.addLayout(self._buttons())
        column.addWidget(self.difference)
        self.pin(self.controls)
        for part in (self.legend, self.fit, self.outlines):
            column.addWidget(part)
        column.addStretch()

        self.labels_layer.changed.connect(self._check)
        self.form.changed.connect(self._on_form)
        self.controls.happened.connect(self._show)
        self.outlines.toggled.connect(lambda _: self._show_outlines())
        self.fit.linkActivated.connect(lambda _: self._refit())
        WEIGHTS.training_changed.connect(self._compare)  # psygnal holds it weakly
        following(self, self._draw_in_view, napari_viewer.dims.events.current_step)
        following(self, self._on_removed, napari_viewer.layers.events.removed)
        self._check()
        Remembered(
            self,
            napari_viewer,
            "weight map",
            {"options": self.form, "outlines": self.outlines},
        )
        self._take()
        UnannotatedOfLabels(self.form, self.labels_layer)  # what the labels say wins

    def leave_work(self) -> None:
        """Draw the labels as they were, too: the panel is closed."""
        super().leave_work()
        self._outlined.give_back()

    def _check(self) -> None:
        missing = "" if self.labels_layer.layer else "Choose a labels layer: there is none yet."
        missing = self.labels_layer.lost() or missing
        mark(self.labels_layer.native, missing, "Instances, or a mask of them")
        problem = missing or self.form.problem()
        settings = WeightSettings() if problem else self.form.settings()
        labels = None if problem else self.labels_layer.layer
        self.note.show_doubts(labels, ("instances", settings.ignore, settings.sparse))
        self.controls.set_problem(problem)
        self._compare()

    def _buttons(self) -> QHBoxLayout:
        """Return the row of buttons that hand weights over."""
        self.use.setToolTip("Fill these weights into the panel Train, open or opened later")
        self.take.setToolTip("Take the weights that the panel Train has")
        self.use.clicked.connect(
            lambda: WEIGHTS.hand_over(LossWeights.of(self.form.settings()))
        )
        self.take.clicked.connect(self._take)
        row = QHBoxLayout()
        row.addWidget(self.use)
        row.addWidget(self.take)
        return row

    def _begin_as_training(self) -> None:
        """Take the weights of training for defaults: of the panel Train, open or remembered."""
        kept = None if WEIGHTS.is_known else remembered("train", project_of(self._viewer))
        if isinstance(kept, dict) and "options" in kept:
            with suppress(ValueError):  # of another version
                last = TrainSettings.model_validate_json(json.dumps(kept["options"]))
                WEIGHTS.tell(LossWeights.of(last))
        self.form.set_defaults(WeightSettings(**_on_sliders(WEIGHTS.of_training)._asdict()))

    def _take(self) -> None:
        """Take the weights of training, as far as the sliders go."""
        _on_sliders(WEIGHTS.of_training).fill_in(self.form)

    def _compare(self, _weights: Any = None) -> None:
        """Say whether training has other weights."""
        if not isalive(self):
            return
        there = WEIGHTS.of_training
        is_valid = not self.form.problem()
        differs = is_valid and LossWeights.of(self.form.settings()) != there
        for button in (self.use, self.take):
            button.setEnabled(differs or (button is self.take and not is_valid))
        self.difference.setVisible(differs)
        self.difference.setText(f"Training has others: {there}.")

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
        weights = self._map.weights
        if self.overlay is None:
            self.overlay = Image(
                weights,
                name="weight map",
                colormap="turbo",
                contrast_limits=(0, 1),
                metadata={HELPER: True},
                **placement(self._source, stack_of(self._source).axes),
            )
            self._fit_colors()
            self.overlay.events.contrast_limits.connect(self._on_contrast)
            self.overlay.events.colormap.connect(self._show_legend)
            add = partial(add_helper, self._viewer, self.overlay)
            in_turn(self._viewer, [add, self._show_bar, self._show_outlines])
            return
        with self._fitting():
            if self.overlay.data is not weights:
                self.overlay.data = weights
        self._fit_colors()
        self.overlay.refresh()

    # colors

    def _fit_colors(self) -> None:
        """Let the colors end at the largest weight, unless the user has chosen where."""
        assert self._map is not None
        if self.fit.isHidden():
            largest = max(self._map.terms(self.form.settings()).largest, LEAST_RANGE)
            with self._fitting():
                self.overlay.contrast_limits_range = (0, largest)
                self.overlay.contrast_limits = (0, largest)
        self._show_legend()

    def _name_link(self, _event: Any = None) -> None:
        self.fit.setText(colored("Fit the colors to the map", Tone.NOTE, "fit"))

    def _refit(self) -> None:
        self.fit.hide()
        if self._map is not None and self.overlay is not None:
            self._fit_colors()

    def _on_contrast(self, _event: Any = None) -> None:
        """Leave the limits alone from now on: the user has set them."""
        if not self._is_fitting:
            self.fit.show()
            self._show_legend()

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """Take changes of the contrast limits for our own."""
        self._is_fitting = True
        try:
            yield
        finally:
            self._is_fitting = False

    def _show_legend(self, _event: Any = None) -> None:
        if self._map is not None and self.overlay is not None:
            self.legend.show_terms(self._map.terms(self.form.settings()), self.overlay)

    def _show_bar(self) -> None:
        if self.overlay is not None:
            self.overlay.colorbar.visible = True

    def _show_outlines(self) -> None:
        """Draw the labels as outlines while the map is shown, if that is ticked."""
        wanted = self.overlay in self._viewer.layers and self.outlines.isChecked()
        self._outlined.take([self._source] if wanted else [])

    def _on_removed(self, event: Any) -> None:
        if self.overlay is not None and event.value is self.overlay:
            self._outlined.give_back()
            for part in (self.legend, self.fit):
                part.hide()

    # layers

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


def _on_sliders(weights: LossWeights) -> LossWeights:
    """Return weights as far as the sliders go."""
    w0, sigma = (
        float(np.clip(getattr(weights, name), *SLIDERS[name])) for name in ("w0", "sigma")
    )
    return LossWeights(w0, sigma, weights.class_balance)
