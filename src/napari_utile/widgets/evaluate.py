"""The panel that compares a prediction with the truth, as a table."""

from collections.abc import Generator
from math import prod
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
)

from napari_utile.files.runs import atomic_write
from napari_utile.files.stacks import check_memory
from napari_utile.metrics import Report, evaluate
from napari_utile.settings import EvaluateSettings
from napari_utile.widgets._background import background
from napari_utile.widgets._form import AMBER, RED, Form, mark, rows_of, scrolling_column
from napari_utile.widgets._layers import LayerChoice, level_0
from napari_utile.widgets._messages import Messages
from napari_utile.widgets._table import ScoreTable


class EvaluatePanel(QScrollArea):
    """Two layers in, the scores of every slice and of the whole out."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self.prediction = LayerChoice(napari_viewer, Labels, Image, newest=True)
        self.truth = LayerChoice(napari_viewer, Labels)
        self.form: Form[EvaluateSettings] = Form(
            EvaluateSettings, ("ignore", "threshold", "objects")
        )
        self.button = QPushButton("Evaluate")
        self.messages = Messages()
        self.table = ScoreTable()
        self.copy, self.save = QPushButton("Copy"), QPushButton("Save …")
        self.report: Report | None = None
        self._worker: Any = None

        column = scrolling_column(self)
        column.addLayout(rows_of({"prediction": self.prediction, "truth": self.truth}))
        column.addWidget(self.form)
        column.addWidget(self.button)
        column.addWidget(self.messages)
        column.addWidget(self.table, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(self.save)
        column.addLayout(buttons)

        for source in (self.prediction, self.truth, self.form):
            source.changed.connect(self._check)
        self.button.clicked.connect(self._on_button)
        self.copy.clicked.connect(self._copy)
        self.save.clicked.connect(self._save)
        self.destroyed.connect(lambda *_: self._stop())
        self._show(None)
        self._check()

    def _check(self) -> None:
        problem = self._problem()
        mark(self.prediction, problem, "Labels, or probabilities of the foreground")
        mark(self.truth, problem, "What is right")
        self.messages.set_problem(problem or self.form.problem())
        self.button.setEnabled(not problem and not self.form.problem() and not self._worker)

    def _problem(self) -> str:
        """Say why these two layers cannot be compared, or nothing."""
        prediction, truth = self.prediction.layer, self.truth.layer
        if truth is None:
            return "Choose a labels layer that holds the truth: there is none yet."
        if prediction == truth:
            return f"Prediction and truth are the same layer, '{truth.name}'."
        shapes = [tuple(level_0(layer).shape) for layer in (prediction, truth)]
        if shapes[0] not in (shapes[1], shapes[0][:1] + shapes[1]):
            return (
                f"Prediction '{prediction.name}' {shapes[0]} and truth '{truth.name}' "
                f"{shapes[1]} differ in shape."
            )
        return ""

    def _on_button(self) -> None:
        self.messages.clear()
        settings = self.form.settings()
        prediction, truth = self.prediction.layer, self.truth.layer
        sides = [(layer.name, level_0(layer)) for layer in (prediction, truth)]
        is_foreground = isinstance(prediction, Image) and sides[0][1].ndim == sides[1][1].ndim

        def compare() -> Generator[None, None, Report]:
            yield
            for name, data in sides:
                check_memory(data.dtype.itemsize * prod(data.shape), f"Layer '{name}'")
            predicted, true = (np.asarray(data) for _, data in sides)
            predicted = predicted[np.newaxis] if is_foreground else predicted
            return evaluate(predicted, true, **dict(settings))

        self._worker = background(compare, self._on_outcome)
        self._check()

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.quit()
            self._worker = None

    def _on_outcome(self, outcome: Report | Exception) -> None:
        self._worker = None
        if isinstance(outcome, Exception):
            self.messages.add(str(outcome), RED)
            show_error(str(outcome))
        else:
            self._show(outcome)
        self._check()

    def _show(self, report: Report | None) -> None:
        self.report = report
        for part in (self.table, self.copy, self.save):
            part.setVisible(report is not None)
        if report is not None:
            *slices, whole = report.rows
            self.table.show_rows([whole, *slices], bold={0})
            for note in report.notes:
                self.messages.add(note, AMBER)

    def _copy(self) -> None:
        if self.report:
            QApplication.clipboard().setText(self.report.to_csv().replace(",", "\t"))

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", "scores.csv", "*.csv")
        if path and self.report:
            atomic_write(path, self.report.to_csv().encode())
