"""Plots of training: losses above, a score below, redrawn at most every 200 ms."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_utile.evaluation.scores import name_in_window
from napari_utile.events import EpochDone
from napari_utile.widgets.kit.caption import Caption
from napari_utile.widgets.kit.colors import follow_theme, text_color

REDRAW_INTERVAL = 200
"""Milliseconds between two drawings."""
AXIS_WIDTH = 56
"""Of the vertical axes, px: its name stands beside the longest numbers."""
FEWEST_STEPS = 10
"""Least number of steps on the axis: there is no half step."""


class Graphics(pg.GraphicsLayoutWidget):
    """Room for plots: the wheel scrolls the panel, and who dragged them gets all back.

    Attributes
    ----------
    double_clicked : Signal
        All that is drawn is to be shown again.
    """

    double_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setBackground(None)
        self.ci.setContentsMargins(0, 4, 8, 4)
        self.setToolTip("Drag to move, double click to see all again")
        follow_theme(self, self._color)

    def _color(self, _event: Any = None) -> None:
        """Let what is written stand out in another theme."""
        for item in self.scene().items():
            if isinstance(item, pg.AxisItem):
                item.setTextPen(text_color())
            elif isinstance(item, pg.InfLineLabel):
                item.setColor(text_color())

    def wheelEvent(self, event: Any) -> None:  # noqa: N802, the name is Qt's
        """Leave the wheel to what the plots are in."""
        event.ignore()

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802, the name is Qt's
        """Ask for all that is drawn."""
        self.double_clicked.emit()
        event.accept()


class Plots(QWidget):
    """Two plots over the same steps, and a list of the scores that the lower one can show.

    Parameters
    ----------
    preferred : sequence of str
        The first of these scores that arrives is shown until the user chooses another.
    """

    def __init__(self, preferred: Sequence[str]):
        super().__init__()
        graphics = Graphics()
        graphics.double_clicked.connect(self._show_all)
        self.keys = PlotLegend(), PlotLegend()
        self.score = ScoreChoice(preferred)
        self.score.changed.connect(self._draw_soon)
        row = QHBoxLayout()
        row.addWidget(self.keys[1], 1)
        name = QLabel("score")
        for part in (name, self.score):
            row.addWidget(part)
            part.hide()  # until there is one to choose
        self.score.has_some.connect(name.show)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.caption = Caption()
        column.addWidget(self.caption)
        column.addWidget(self.keys[0])
        column.addWidget(graphics)
        column.addLayout(row)
        graphics.setFixedHeight(280)

        self._loss = new_plot(graphics, "loss")
        self._score = new_plot(graphics, "score")
        for plot in (self._loss, self._score):
            plot.setLimits(minXRange=FEWEST_STEPS, xMin=0)
        self._loss.hideAxis("bottom")
        self._score.setLabel("bottom", "step")
        self._score.setXLink(self._loss)
        self._show_all()

        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(REDRAW_INTERVAL)
        self._pause.timeout.connect(self._draw)

    def _show_all(self) -> None:
        """Let both plots follow their curves again."""
        self._loss.enableAutoRange()
        self._score.enableAutoRange(axis="x")
        self._score.setYRange(0, 1, padding=0.03)

    def _draw(self) -> None:
        """Draw the current data."""
        raise NotImplementedError

    def _draw_soon(self) -> None:
        if not self._pause.isActive():
            self._pause.start()


class PlotLegend(QLabel):
    """The legend of a plot, beside it: inside, curves would cross the words."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.names: dict[str, str] = {}

    def show_names(self, names: Mapping[str, str]) -> None:
        """Show names and their colors."""
        if names != self.names:
            self.names = dict(names)
            entries = (
                f'<span style="color: {color}">●</span>&nbsp;{name.replace("-", "&#8209;")}'
                for name, color in names.items()
            )
            self.setText("&nbsp; ".join(entries))


class ScoreChoice(QComboBox):
    """A list of the scores that have arrived."""

    has_some = Signal()
    """There is something to choose."""

    def __init__(self, preferred: Sequence[str]):
        super().__init__()
        self._preferred = preferred
        self.changed = self.currentTextChanged
        self.activated.connect(self._on_choice)
        self.setToolTip("What the lower plot shows of the validations")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._is_chosen = False

    def offer(self, names: Iterable[str]) -> None:
        """Add scores that are new."""
        for name in names:
            if self.findData(name) < 0:
                self.addItem(name_in_window(name), name)
        wanted = next((n for n in self._preferred if self.findData(n) >= 0), None)
        if wanted and not self._is_chosen:
            self.setCurrentIndex(self.findData(wanted))
        if self.count() and self.isHidden():
            self.show()
            self.has_some.emit()

    @property
    def name(self) -> str:
        """Name of the score that is chosen, as events have it; '' if there is none."""
        return self.currentData() or ""

    def _on_choice(self, _: int) -> None:
        self._is_chosen = True


def scores_of(epochs: Sequence[EpochDone], name: str) -> list[float]:
    """Return a score of each validation; NaN, a gap in the line, where it is missing.

    Parameters
    ----------
    epochs : sequence of EpochDone
    name : str
        Of the score.

    Returns
    -------
    list of float
    """
    return [epoch.scores.get(name, float("nan")) for epoch in epochs]


def dotted_line(plot: pg.PlotItem, color: str) -> pg.PlotDataItem:
    """Add a line with a dot for each validation.

    Parameters
    ----------
    plot : PlotItem
    color : str
        As `#rrggbb`.

    Returns
    -------
    PlotDataItem
    """
    return plot.plot(
        pen=pg.mkPen(color, width=2), connect="finite",
        symbol="o", symbolSize=5, symbolBrush=color, symbolPen=None,
    )  # fmt: skip


def points_before(points: Sequence[Any], step: int) -> list[Any]:
    """Return the points before `step`: a resumed run repeats those after its checkpoint.

    Parameters
    ----------
    points : sequence
        Events with a `step`.
    step : int

    Returns
    -------
    list
    """
    return [point for point in points if point.step < step]


def new_plot(graphics: Graphics, title: str) -> pg.PlotItem:
    """Add a plot below the others, with quiet axes and no menu.

    Parameters
    ----------
    graphics : Graphics
    title : str
        Of the vertical axis.

    Returns
    -------
    PlotItem
    """
    plot = graphics.addPlot(row=graphics.ci.layout.rowCount(), col=0)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setLabel("left", title)
    plot.showGrid(x=True, y=True, alpha=0.15)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.enableAutoSIPrefix(False)
        axis.setPen("#888888")
        axis.setTextPen(text_color())
    plot.getAxis("left").setWidth(AXIS_WIDTH)
    return plot
