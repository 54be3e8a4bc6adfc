"""The learning curves of several networks, one color for each."""

from napari_utile.events import EpochDone
from napari_utile.settings.options import NETWORK_NAMES
from napari_utile.widgets.kit.plots import Plots, dotted_line, points_before, scores_of

NETWORK_COLORS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#f0e442", "#0072b2")
"""Told apart by every kind of color vision (Wong, "Points of view", Nature Methods 8, 2011),
those first that stand out from a dark ground too."""
COMPARED_SCORES = ("mean_iou", "iou")
"""Scores that are shown until the user chooses another: of classes, where there are some."""


class NetworkCurves(Plots):
    """Validation loss above, a validation score below; a line for every run."""

    def __init__(self) -> None:
        super().__init__(COMPARED_SCORES)
        self._loss.setLabel("left", "validation loss")
        self.clear()

    def clear(self) -> None:
        """Remove all lines."""
        self.runs: dict[tuple[str, int], list[EpochDone]] = {}
        self._lines: dict[tuple[str, int], tuple] = {}
        for plot in (self._loss, self._score):
            plot.clear()
        self.keys[0].show_names({})

    def add(self, network: str, seed: int, event: EpochDone) -> None:
        """Add a validation of a run; it replaces those from its step on."""
        run = (network, seed)
        self.runs[run] = [*points_before(self.runs.get(run, []), event.step), event]
        self.score.offer(event.scores)
        self._draw_soon()

    def _draw(self) -> None:
        for run, epochs in self.runs.items():
            if run not in self._lines:
                self._lines[run] = self._new_lines(run[0])
            steps = [epoch.step for epoch in epochs]
            loss, score = self._lines[run]
            loss.setData(steps, [epoch.val_loss for epoch in epochs])
            score.setData(steps, scores_of(epochs, self.score.name))

    def _new_lines(self, network: str) -> tuple:
        """Add the lines of a run, and its network to the key."""
        color = network_color(network)
        self.keys[0].show_names(self.keys[0].names | {network: color})
        return dotted_line(self._loss, color), dotted_line(self._score, color)


def network_color(network: str) -> str:
    """Return the color of a network in the whole window."""
    return NETWORK_COLORS[NETWORK_NAMES.index(network) % len(NETWORK_COLORS)]
