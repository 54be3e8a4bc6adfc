"""Curves of a report: precision and recall, and scores against IoU or probability."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_utile.evaluation import Report
from napari_utile.widgets.kit.colors import text_color
from napari_utile.widgets.kit.fields import offer, wide_choice
from napari_utile.widgets.kit.plots import Graphics, PlotLegend, new_plot

PRECISION_RECALL = "precision against recall"
SCORES_BY_IOU = "scores against IoU threshold"
SCORE_BY_PROBABILITY = "score against probability threshold"
SCORE_COLORS = {
    "f1": "#56b4e9",
    "matching_ap": "#e69f00",
    "panoptic_quality": "#cc79a7",
    "precision": "#5fb878",
    "recall": "#f0e442",
}
"""Scores that are drawn against the IoU threshold, and their colors."""
THRESHOLD_COLOR = "#56b4e9"
MIN_PLOT_HEIGHT = 150
"""Least height of the plot, px."""

Rows = Sequence[Mapping[str, Any]]


class ScoreCurves(QWidget):
    """One plot, and lists of what it can show.

    Attributes
    ----------
    kind : QComboBox
        Which curves.
    score : QComboBox
        Which score is drawn against the probability threshold.
    lines : dict of str to (list of float, list of float)
        What is drawn: name -> x and y.
    """

    def __init__(self) -> None:
        super().__init__()
        graphics = Graphics()
        graphics.double_clicked.connect(self._draw)
        graphics.setMinimumHeight(MIN_PLOT_HEIGHT)
        graphics.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self._plot = new_plot(graphics, "")
        self._report: Report | None = None
        self.kind, self.score = wide_choice(), wide_choice()
        self.key, self.best = PlotLegend(), QLabel()
        self.best.setWordWrap(True)
        self.lines: dict[str, tuple[list[float], list[float]]] = {}
        for choice in (self.kind, self.score):
            choice.currentTextChanged.connect(lambda _: self._draw())
        choices = QHBoxLayout()
        choices.addWidget(self.kind, 2)
        choices.addWidget(self.score, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(2)
        column.addLayout(choices)
        column.addWidget(self.key)
        column.addWidget(graphics, 1)
        column.addWidget(self.best)

    def show_report(self, report: Report) -> None:
        """Draw another report; what was chosen stays chosen, if it is there."""
        there = {
            PRECISION_RECALL: report.precision_recall,
            SCORES_BY_IOU: report.ious,
            SCORE_BY_PROBABILITY: report.thresholds,
        }
        offer(self.kind, {name: name for name, rows in there.items() if rows})
        names = report.thresholds[0] if report.thresholds else {}
        offer(self.score, {n: n.replace("_", " ") for n in names if n != "threshold"})
        self._report = report
        self._draw()

    def _draw(self) -> None:
        if self._report is None:
            return
        kind = self.kind.currentData()
        self.score.setVisible(kind == SCORE_BY_PROBABILITY)
        self._plot.clear()
        self.lines = {}
        self.best.clear()
        draw: dict[str, Callable[[Report], None]] = {
            PRECISION_RECALL: self._draw_precision_recall,
            SCORES_BY_IOU: self._draw_scores_by_iou,
            SCORE_BY_PROBABILITY: self._draw_score_by_probability,
        }
        self._plot.setYRange(0, 1, padding=0.03)
        self._plot.disableAutoRange()
        if kind:
            draw[kind](self._report)
        self.best.setVisible(bool(self.best.text()))

    def _draw_precision_recall(self, report: Report) -> None:
        self._name_axes("recall", "precision", (0, 1))
        thresholds = list(
            dict.fromkeys(row["iou_threshold"] for row in report.precision_recall)
        )
        shades = pg.colormap.get("viridis").getLookupTable(1.0, 0.35, len(thresholds))
        colors = {}
        for threshold, shade in zip(thresholds, shades, strict=True):
            rows = [r for r in report.precision_recall if r["iou_threshold"] == threshold]
            reached = sum(row["precision"] > 0 for row in rows)
            rows = rows[: reached + 1]  # beyond, nothing is found
            name = f"{threshold:.2f}"
            colors[name] = pg.mkColor(*shade).name()
            self._draw_line(name, rows, "recall", "precision", colors[name])
        self.key.show_names({"IoU": "transparent"} | colors)

    def _draw_scores_by_iou(self, report: Report) -> None:
        first, last = (report.ious[i]["iou_threshold"] for i in (0, -1))
        self._name_axes("IoU threshold", "score", (first, last))
        colors = {name: color for name, color in SCORE_COLORS.items() if name in report.ious[0]}
        for name, color in colors.items():
            self._draw_line(name, report.ious, "iou_threshold", name, color, has_dots=True)
        self.key.show_names(colors)

    def _draw_score_by_probability(self, report: Report) -> None:
        name = self.score.currentData()
        self._name_axes("probability threshold", name.replace("_", " "), (0, 1))
        self._draw_line(
            name, report.thresholds, "threshold", name, THRESHOLD_COLOR, has_dots=True
        )
        highest = max(row[name] for row in report.thresholds)
        if "error" in name:
            self._plot.setYRange(0, highest or 1, padding=0.05)
        self.key.show_names({name: THRESHOLD_COLOR})
        for best in report.best:
            if best["name"] == name:
                self._mark_best(best)

    def _mark_best(self, best: Mapping[str, Any]) -> None:
        pen = pg.mkPen("#888888", style=Qt.PenStyle.DashLine)
        line = pg.InfiniteLine(best["threshold"], angle=90, pen=pen)
        pg.InfLineLabel(line, "best", position=0.1, color=text_color())
        self._plot.addItem(line, ignoreBounds=True)
        self.best.setText(
            f"Best at {best['threshold']:.2g}: {best['value']:.4g}, "
            f"chosen on {best['chosen_on']}."
        )

    def _name_axes(self, bottom: str, left: str, span: tuple[float, float]) -> None:
        self._plot.setLabel("bottom", bottom)
        self._plot.setLabel("left", left)
        self._plot.setXRange(*span, padding=0.03)

    def _draw_line(
        self, label: str, rows: Rows, x: str, y: str, color: str, has_dots: bool = False
    ) -> None:
        xs, ys = [row[x] for row in rows], [row[y] for row in rows]
        self.lines[label] = xs, ys
        dots: dict[str, Any] = {}
        if has_dots:
            dots = {"symbol": "o", "symbolSize": 5, "symbolBrush": color, "symbolPen": None}
        self._plot.plot(xs, ys, pen=pg.mkPen(color, width=2), **dots)
