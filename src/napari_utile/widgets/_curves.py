"""The training curves, drawn while they grow."""

import pyqtgraph as pg
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_utile.events import EpochDone, StepDone

TRAINING, VALIDATION = "#5b9bd5", "#e6a23c"
SCORES = {"iou": "#5fb878", "f1_50": "#c586c0"}
"""The validation scores that are drawn. The panel says the others in words."""
SMOOTHING = 0.9
"""Share of the old mean in the new one, step by step, once there are some."""
PAUSE = 200
"""Milliseconds between two drawings."""


class Curves(QWidget):
    """Loss above, validation scores below, over the same steps. The best is marked."""

    def __init__(self) -> None:
        super().__init__()
        graphics = pg.GraphicsLayoutWidget()
        graphics.setBackground(None)
        graphics.ci.setContentsMargins(0, 4, 8, 8)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(graphics)
        self.setFixedHeight(280)

        loss = self._plot(graphics, "loss", legend=(-12, 2))
        score = self._plot(graphics, "score", legend=(-12, -2))
        loss.hideAxis("bottom")
        score.setLabel("bottom", "step")
        score.setXLink(loss)
        score.setYRange(0, 1, padding=0.03)
        self._steps = loss.plot(pen=pg.mkPen(TRAINING + "48"))
        self._mean = loss.plot(pen=pg.mkPen(TRAINING, width=2), name="training")
        self._validation = _dotted(loss, VALIDATION, "validation")
        self._scores = {name: _dotted(score, color, name) for name, color in SCORES.items()}
        self._best = [_best_line(loss, "best"), _best_line(score, "")]

        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._draw)
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.steps: list[StepDone] = []
        self.means: list[float] = []
        self.epochs: list[EpochDone] = []
        self._draw()

    def add(self, event: StepDone | EpochDone) -> None:
        """Take one more point; it is drawn within `PAUSE`."""
        if isinstance(event, EpochDone):
            self.epochs.append(event)
        else:
            share = min(SMOOTHING, len(self.steps) / (len(self.steps) + 2))
            before = self.means[-1] if self.means else 0.0
            self.steps.append(event)
            self.means.append(share * before + (1 - share) * event.loss)
        if not self._pause.isActive():
            self._pause.start()

    @property
    def best(self) -> EpochDone | None:
        """The validation whose model is kept."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.is_best), None)

    def _draw(self) -> None:
        steps, epochs = [e.step for e in self.steps], [e.step for e in self.epochs]
        self._steps.setData(steps, [e.loss for e in self.steps])
        self._mean.setData(steps, self.means)
        self._validation.setData(epochs, [e.val_loss for e in self.epochs])
        for name, curve in self._scores.items():
            curve.setData(epochs, [e.scores.get(name, float("nan")) for e in self.epochs])
        for line in self._best:
            line.setVisible(self.best is not None)
            if self.best is not None:
                line.setValue(self.best.step)

    def _plot(
        self, graphics: pg.GraphicsLayoutWidget, title: str, legend: tuple[int, int]
    ) -> pg.PlotItem:
        plot = graphics.addPlot(row=graphics.ci.layout.rowCount(), col=0)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setLabel("left", title)
        plot.showGrid(x=True, y=True, alpha=0.15)
        plot.addLegend(offset=legend, colCount=2, labelTextSize="8pt")
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen("#888888")
            axis.setTextPen("#aaaaaa")
        plot.getAxis("left").setWidth(48)
        return plot


def _dotted(plot: pg.PlotItem, color: str, name: str) -> pg.PlotDataItem:
    return plot.plot(
        pen=pg.mkPen(color, width=2), name=name, connect="finite",
        symbol="o", symbolSize=5, symbolBrush=color, symbolPen=None,
    )  # fmt: skip


def _best_line(plot: pg.PlotItem, label: str) -> pg.InfiniteLine:
    line = pg.InfiniteLine(angle=90, pen=pg.mkPen("#888888", style=Qt.PenStyle.DashLine))
    if label:
        pg.InfLineLabel(line, label, position=0.45, color="#aaaaaa")
    plot.addItem(line, ignoreBounds=True)
    return line
