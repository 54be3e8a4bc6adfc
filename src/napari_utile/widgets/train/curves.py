"""The training curves, drawn while they grow."""

from collections.abc import Iterable

import pyqtgraph as pg
from qtpy.QtCore import Qt

from napari_utile.evaluation.scores import name_in_window
from napari_utile.events import EpochDone, Event, StepDone
from napari_utile.widgets.kit.colors import text_color
from napari_utile.widgets.kit.plots import Plots, dotted_line, points_before, scores_of

TRAINING_COLOR, VALIDATION_COLOR = "#5b9bd5", "#e6a23c"
IOU_COLOR, CHOSEN_COLOR = "#5fb878", "#c586c0"
TRAINING_SCORES = ("f1_50", "mean_iou")
"""Scores that are shown beside the IoU until the user chooses another."""
LOSS_SMOOTHING = 0.9
"""Share of the old mean in the new one, step by step, once there are some."""


class Curves(Plots):
    """Loss above, validation scores below, over the same steps. The best is marked."""

    def __init__(self) -> None:
        super().__init__(TRAINING_SCORES)
        self._steps = self._loss.plot(pen=pg.mkPen(TRAINING_COLOR + "48"))
        self._mean = self._loss.plot(pen=pg.mkPen(TRAINING_COLOR, width=2))
        self._validation = dotted_line(self._loss, VALIDATION_COLOR)
        self._iou = dotted_line(self._score, IOU_COLOR)
        self._chosen = dotted_line(self._score, CHOSEN_COLOR)
        self._best = [_best_line(self._loss, "best"), _best_line(self._score, "")]
        self.keys[0].show_names({"training": TRAINING_COLOR, "validation": VALIDATION_COLOR})
        self.clear()

    def clear(self) -> None:
        """Remove all points."""
        self.steps: list[StepDone] = []
        self.means: list[float] = []
        self.epochs: list[EpochDone] = []
        self._draw()

    def add(self, event: StepDone | EpochDone) -> None:
        """Add a point; it replaces those from its step on. Drawn within `REDRAW_INTERVAL`."""
        if isinstance(event, EpochDone):
            if self.epochs and self.epochs[-1].step >= event.step:
                self.epochs = points_before(self.epochs, event.step)
            self.epochs.append(event)
            self.score.offer(name for name in event.scores if name != "iou")
        else:
            if self.steps and self.steps[-1].step >= event.step:
                self._forget_from(event.step)
            share = min(LOSS_SMOOTHING, len(self.steps) / (len(self.steps) + 2))
            before = self.means[-1] if self.means else 0.0
            self.steps.append(event)
            self.means.append(share * before + (1 - share) * event.loss)
        self._draw_soon()

    def show_events(self, events: Iterable[Event]) -> None:
        """Show the recorded events of a run instead."""
        self.clear()
        for event in events:
            if isinstance(event, StepDone | EpochDone):
                self.add(event)

    @property
    def best(self) -> EpochDone | None:
        """The validation whose model is kept."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.is_best), None)

    @property
    def last_step(self) -> int:
        """The last step that was reported, 0 if none was."""
        return max(
            (points[-1].step for points in (self.steps, self.epochs) if points), default=0
        )

    def _forget_from(self, step: int) -> None:
        self.steps = points_before(self.steps, step)
        self.means = self.means[: len(self.steps)]
        self.epochs = points_before(self.epochs, step)

    def _draw(self) -> None:
        steps, epochs = [e.step for e in self.steps], [e.step for e in self.epochs]
        self._steps.setData(steps, [e.loss for e in self.steps])
        self._mean.setData(steps, self.means)
        self._validation.setData(epochs, [e.val_loss for e in self.epochs])
        self._iou.setData(epochs, scores_of(self.epochs, "iou"))
        name = self.score.name
        self._chosen.setData(epochs, scores_of(self.epochs, name))
        names = {"iou": IOU_COLOR} | ({name: CHOSEN_COLOR} if name else {})
        self.keys[1].show_names({name_in_window(key): color for key, color in names.items()})
        for line in self._best:
            line.setVisible(self.best is not None)
            if self.best is not None:
                line.setValue(self.best.step)


def _best_line(plot: pg.PlotItem, label: str) -> pg.InfiniteLine:
    line = pg.InfiniteLine(angle=90, pen=pg.mkPen("#888888", style=Qt.PenStyle.DashLine))
    if label:
        pg.InfLineLabel(line, label, position=0.9, color=text_color())
    plot.addItem(line, ignoreBounds=True)
    return line
