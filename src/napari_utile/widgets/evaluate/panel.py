"""The panel that compares a prediction with the truth: scores, curves, objects, errors."""

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QScrollArea,
)

from napari_utile.evaluation import Report
from napari_utile.evaluation.error_types import BORDER, ErrorLayer
from napari_utile.evaluation.reports.write import write_report
from napari_utile.events import Event
from napari_utile.io.disk import atomic_write
from napari_utile.io.memory import check_memory
from napari_utile.settings import EvaluateSettings
from napari_utile.widgets.evaluate.inputs import Compared, ComparedChoice
from napari_utile.widgets.evaluate.report import Outcome, ReportView
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.form import AMBER, GREEN, Form, scrolling_column, words
from napari_utile.widgets.kit.work_controls import Step, WorkControls, steps
from napari_utile.widgets.layers.errors import prepare_colors
from napari_utile.widgets.process.process import flags, shell_line

Errors = NDArray[np.uint8]


class EvaluatePanel(QScrollArea):
    """Prediction and truth in; the scores of the whole and of every slice, and why, out."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self.compared = ComparedChoice(napari_viewer)
        self.prediction, self.truth = self.compared.prediction, self.compared.truth
        self.form: Form[EvaluateSettings] = Form(EvaluateSettings)
        self.controls = WorkControls("Evaluate", self._collect, self._show)
        self.button, self.messages = self.controls.button, self.controls.messages
        self.command = QPushButton("Copy as command")
        self.command.setToolTip("Copy the line that does the same in a shell")
        self.controls.buttons.addWidget(self.command)
        self.view = ReportView(napari_viewer)
        self.copy, self.save = QPushButton("Copy table"), QPushButton("Save")
        self.save.setMenu(self._formats())

        column = scrolling_column(self)
        column.addWidget(self.compared)
        column.addWidget(self.form)
        column.addWidget(self.controls)
        column.addWidget(self.view, 1)
        below = QHBoxLayout()
        below.addWidget(self.copy)
        below.addWidget(self.save)
        column.addLayout(below)
        column.addStretch()
        for part in (self.view, self.copy, self.save):
            part.hide()

        for source in (self.compared, self.form):
            source.changed.connect(self._check)
        self.command.clicked.connect(self._copy_command)
        self.copy.clicked.connect(self._copy_table)
        self._check()

    @property
    def report(self) -> Any:
        """What the last evaluation found, or None."""
        return self.view.outcome and self.view.outcome.report

    def event(self, event: QEvent) -> bool:
        """End the work when napari takes the panel out of its dock: it is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.controls.stop()
        return bool(super().event(event))

    def _check(self) -> None:
        problem = self.compared.problem() or self.form.problem()
        self.controls.set_problem(problem)
        self.command.setVisible(self.compared.is_of_files)
        self.command.setEnabled(not problem)

    # what runs

    def _collect(self) -> Work:
        """Take what is chosen as it is now; compare it in a thread."""
        settings, compared = self.form.settings(), self.compared.taken()

        def work() -> Generator[Event | Step, None, Outcome]:
            report = yield from compared.evaluation(settings)
            return (yield from outcome_of(compared, settings, report))

        return work

    def _show(self, outcome: Outcome) -> None:
        for part in (self.view, self.copy, self.save):
            part.show()
        self.view.show_outcome(outcome)
        for note in outcome.report.notes:
            self.messages.add(note, AMBER)

    # what becomes of it

    def _copy_command(self) -> None:
        given = flags(self.form.settings())
        QApplication.clipboard().setText(shell_line(["evaluate", *self.compared.paths, *given]))
        self.messages.add("The command is on the clipboard.")

    def _copy_table(self) -> None:
        QApplication.clipboard().setText(self.view.table.text())

    def _formats(self) -> QMenu:
        """List what can be saved."""
        menu = QMenu(self)
        for text, suffix in (
            ("Report with pictures (HTML) …", ".html"),
            ("Report as one picture (PNG) …", ".png"),
            ("All numbers (JSON) …", ".json"),
            ("Table of scores (CSV) …", ".csv"),
        ):
            menu.addAction(text, partial(self._save, suffix))
        menu.addAction("Table of objects (CSV) …", partial(self._save, ".csv", "objects"))
        return menu

    def _save(self, suffix: str, what: str = "evaluation") -> None:
        """Ask for a name; write in a thread."""
        name, _ = QFileDialog.getSaveFileName(self, "Save as", what + suffix, f"*{suffix}")
        if not name or self.view.outcome is None or self.controls.is_running:
            return
        path, outcome = Path(name), self.view.outcome
        path = path if path.suffix.lower() == suffix else Path(name + suffix)

        def work() -> Generator[None, None, Path]:
            yield
            if what == "objects":
                atomic_write(path, outcome.report.objects_csv().encode())
            else:
                names, images = outcome.compared.names, outcome.compared.images
                facts = dict(zip(("prediction", "truth"), names, strict=True))
                facts |= changed(outcome.settings)
                write_report(path, outcome.report, " against ".join(names), images, facts)
            return path

        self.messages.clear()
        self.controls.do(work, self._on_saved, "Writing …")

    def _on_saved(self, path: Path) -> None:
        self.messages.add(f"Saved {path}.", GREEN)


def changed(settings: EvaluateSettings) -> dict[str, str]:
    """Name the options that are not as by default."""
    default = type(settings)()
    return {words(n): str(v) for n, v in settings if v != getattr(default, n)}


def outcome_of(
    compared: Compared, settings: EvaluateSettings, report: Report
) -> Generator[Step, None, Outcome]:
    """Do here, in the thread, what would take long in the window."""
    objects = report.objects
    columns = {} if objects is None else {n: objects.column(n) for n in objects.names}
    layer, errors, border = report.error_layer(), None, None
    if layer is not None:
        prepare_colors()
        errors = yield from steps("errors of slice", painted(layer))
        border = None if len(report.sides) > 1 else int((errors == BORDER).sum())
    return Outcome(compared, settings, report, columns, errors, border)


def painted(layer: ErrorLayer) -> Generator[tuple[int, int], None, Errors]:
    """Paint the errors of every slice; say how far it is."""
    indices = list(np.ndindex(layer.shape[:-2]))
    check_memory(int(np.prod(layer.shape)), "The layer of errors")
    errors = np.empty(layer.shape, np.uint8)
    for done, index in enumerate(indices, 1):
        errors[index] = layer.plane(index)
        yield done, len(indices)
    return errors
