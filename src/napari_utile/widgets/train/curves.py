"""The training curves, drawn while they grow."""

from collections.abc import Iterable

import pyqtgraph as pg
from qtpy.QtCore import Qt

from napari_utile.events import EpochDone, Event, StepDone
from napari_utile.widgets.kit.plots import Plots, dotted, earlier, values

TRAINING, VALIDATION = "#5b9bd5", "#e6a23c"
IOU, CHOSEN = "#5fb878", "#c586c0"
PREFERRED = ("f1_50", "mean_iou")
"""Scores that are shown beside the IoU until the user chooses another."""
SMOOTHING = 0.9
"""Share of the old mean in the new one, step by step, once there are some."""


class Curves(Plots):
    """Loss above, validation scores below, over the same steps. The best is marked."""

    def __init__(self) -> None:
        super().__init__(PREFERRED)
        self._steps = self._loss.plot(pen=pg.mkPen(TRAINING + "48"))
        self._mean = self._loss.plot(pen=pg.mkPen(TRAINING, width=2))
        self._validation = dotted(self._loss, VALIDATION)
        self._iou = dotted(self._score, IOU)
        self._chosen = dotted(self._score, CHOSEN)
        self._best = [_best_line(self._loss, "best"), _best_line(self._score, "")]
        self.keys[0].show_names({"training": TRAINING, "validation": VALIDATION})
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.steps: list[StepDone] = []
        self.means: list[float] = []
        self.epochs: list[EpochDone] = []
        self._draw()

    def add(self, event: StepDone | EpochDone) -> None:
        """Take one more point, in place of those from its step on; drawn within `PAUSE`."""
        if isinstance(event, EpochDone):
            if self.epochs and self.epochs[-1].step >= event.step:
                self.epochs = earlier(self.epochs, event.step)
            self.epochs.append(event)
            self.score.offer(name for name in event.scores if name != "iou")
        else:
            if self.steps and self.steps[-1].step >= event.step:
                self._forget_from(event.step)
            share = min(SMOOTHING, len(self.steps) / (len(self.steps) + 2))
            before = self.means[-1] if self.means else 0.0
            self.steps.append(event)
            self.means.append(share * before + (1 - share) * event.loss)
        self._draw_soon()

    def show_events(self, events: Iterable[Event]) -> None:
        """Begin anew with what another session reported of a run."""
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
        self.steps = earlier(self.steps, step)
        self.means = self.means[: len(self.steps)]
        self.epochs = earlier(self.epochs, step)

    def _draw(self) -> None:
        steps, epochs = [e.step for e in self.steps], [e.step for e in self.epochs]
        self._steps.setData(steps, [e.loss for e in self.steps])
        self._mean.setData(steps, self.means)
        self._validation.setData(epochs, [e.val_loss for e in self.epochs])
        self._iou.setData(epochs, values(self.epochs, "iou"))
        name = self.score.currentText()
        self._chosen.setData(epochs, values(self.epochs, name))
        self.keys[1].show_names({"iou": IOU} | ({name: CHOSEN} if name else {}))
        for line in self._best:
            line.setVisible(self.best is not None)
            if self.best is not None:
                line.setValue(self.best.step)


def _best_line(plot: pg.PlotItem, label: str) -> pg.InfiniteLine:
    line = pg.InfiniteLine(angle=90, pen=pg.mkPen("#888888", style=Qt.PenStyle.DashLine))
    if label:
        pg.InfLineLabel(line, label, position=0.45, color="#aaaaaa")
    plot.addItem(line, ignoreBounds=True)
    return line
