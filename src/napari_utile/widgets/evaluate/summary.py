"""What an evaluation found, in a sentence: of the whole, and of the slice in view."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_utile.evaluation import Report
from napari_utile.evaluation.error_counts import COUNT_MEANINGS, ErrorCounts
from napari_utile.evaluation.scores import SCORES, format_score
from napari_utile.widgets.kit.caption import Caption

MAIN_SCORES = ("mean_iou", "iou", "f1_50", "coco_ap", "v_rand")
"""Of the second line, those that there are."""


class Summary(QWidget):
    """Lines above the tables.

    Attributes
    ----------
    caption : Caption
    whole, scores, here, ranking : QLabel
        What became of all objects; the main scores; what became of the objects of a slice; by
        what objects are ranked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.whole, self.scores = QLabel(), QLabel()
        self.here, self.ranking = QLabel(), QLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(2)
        self.caption = Caption()
        column.addWidget(self.caption)
        for line in (self.whole, self.scores, self.here, self.ranking):
            line.setWordWrap(True)
            column.addWidget(line)
        for line in (self.whole, self.here):
            line.setToolTip(_explained(COUNT_MEANINGS))

    def show_report(self, report: Report, counts: ErrorCounts | None) -> None:
        """Show the whole; without counts, as of classes, the scores alone."""
        self.whole.setVisible(counts is not None)
        self.whole.setText(f"<b>{counts}</b>")
        names = [name for name in MAIN_SCORES if name in report]
        told = (f"{SCORES[name].title} {format_score(name, report[name])}" for name in names)
        self.scores.setText(" · ".join(told))
        meanings = {SCORES[name].title: SCORES[name].text for name in names}
        self.scores.setToolTip(_explained(meanings))
        self.here.hide()

    def show_ranking(self, names: Sequence[str]) -> None:
        """Say by which probabilities COCO's scores rank the objects, if they were found."""
        self.ranking.setVisible(bool(names))
        self.ranking.setText(f"Objects are ranked by the probabilities in {', '.join(names)}.")

    def show_slice(self, name: Any, counts: ErrorCounts | None) -> None:
        """Show the slice in view; None: there is none, or it was not compared."""
        self.here.setVisible(counts is not None)
        self.here.setText(f"Slice {name}: {counts}")


def _explained(meanings: Mapping[str, str]) -> str:
    """Return a tooltip with a line for each word."""
    return "<br>".join(f"<b>{word}</b>: {escape(text)}" for word, text in meanings.items())
