"""The panel that compares a prediction with the truth: scores, curves, objects, errors."""

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
)

from napari_utile.evaluation import Report
from napari_utile.evaluation.error_counts import error_counts
from napari_utile.evaluation.error_types import BORDER, ErrorLayer
from napari_utile.evaluation.reports.write import write_report
from napari_utile.evaluation.splits_merges import splits_merges_columns
from napari_utile.events import Event
from napari_utile.io.disk import atomic_write
from napari_utile.io.memory import check_memory
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.widgets.evaluate.inputs import EvaluationInputs, InputsChoice
from napari_utile.widgets.evaluate.report import Outcome, ReportView
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.progress import Step, steps
from napari_utile.widgets.kit.thread_controls import ThreadControls
from napari_utile.widgets.layers.errors import prepare_colors
from napari_utile.widgets.layers.project import Remembered
from napari_utile.widgets.process.command_line import flags

COPYABLE = (State.IDLE,)
"""When "Copy as command" is shown, for files: layers have no names in a shell."""
Errors = NDArray[np.uint8]


class EvaluatePanel(Panel):
    """Prediction and truth in; scores, objects, curves and errors out."""

    page = "Evaluate"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self.inputs = InputsChoice(napari_viewer)
        self.prediction, self.truth = self.inputs.prediction, self.inputs.truth
        self.form: Form[EvaluateSettings] = Form(EvaluateSettings)
        self.controls = ThreadControls(
            "Evaluate", self._collect, self._show, self.inputs.subject
        )
        self.button, self.messages = self.controls.button, self.controls.messages
        self.command = QPushButton("Copy as command")
        self.controls.add(self.command, "Copy the shell command that does the same")
        self.view = ReportView(napari_viewer)
        self._left_out_of: tuple[Any, ...] | None = None
        self.copy, self.save = QPushButton("Copy table"), QPushButton("Save")
        self.save.setMenu(self._formats())

        column = self.column()
        column.addWidget(self.inputs)
        column.addWidget(self.form)
        self.pin(self.controls)
        column.addWidget(self.view, 1)
        below = QHBoxLayout()
        below.addWidget(self.copy)
        below.addWidget(self.save)
        column.addLayout(below)
        column.addStretch()
        for part in (self.view, self.copy, self.save):
            part.hide()

        for source in (self.inputs, self.form):
            source.changed.connect(self._check)
        self.command.clicked.connect(self._copy_command)
        self.copy.clicked.connect(self._copy_table)
        self.view.note.leave_out.connect(self._leave_out)
        self._check()
        fields = {"options": self.form, "compare": self.inputs.kind}
        fields |= {"truth": self.inputs.truth_file, "prediction": self.inputs.prediction_file}
        Remembered(self, napari_viewer, "evaluate", fields)
        self.form.set_value("leave_out", "")  # slices are of what is compared

    @property
    def report(self) -> Any:
        """What the last evaluation found, or None."""
        return self.view.outcome and self.view.outcome.report

    def _check(self) -> None:
        if self._left_out_of not in (None, self._compared()):
            self._left_out_of = None  # they were slices of what was compared before
            self.form.set_value("leave_out", "")
            return
        problem = self.inputs.problem() or self.form.problem()
        self.controls.set_problem(problem)
        self.controls.show_in(self.command, *COPYABLE if self.inputs.is_of_files else ())

    def leave_work(self) -> None:
        """Give keys and layers back, too: the panel is closed."""
        super().leave_work()
        self.view.leave()

    # the work

    def _collect(self) -> Work:
        """Take the inputs as they are now; evaluate them in a thread."""
        settings, inputs = self.form.settings(), self.inputs.taken()

        def work() -> Generator[Event | Step, None, Outcome]:
            report = yield from inputs.evaluation(settings)
            return (yield from _outcome_of(inputs, settings, report))

        return work

    def _show(self, outcome: Outcome) -> None:
        for part in (self.view, self.copy, self.save):
            part.show()
        self.view.show_outcome(outcome)
        self.view.summary.caption.show_subject(self.controls.subject)
        for note in outcome.report.notes:
            self.messages.add(note, Tone.WARNING)

    def _leave_out(self, slices: str | None) -> None:
        """Compare again without these slices; None: with all."""
        self.form.set_value("leave_out", slices or "")
        self._left_out_of = self._compared() if slices else None
        self.controls.button.click()

    def _compared(self) -> tuple[Any, ...]:
        """Return what tells other inputs from these."""
        layers = id(self.prediction.layer), id(self.truth.layer)
        return (*layers, self.inputs.is_of_files, *self.inputs.paths)

    # copy and save

    def _copy_command(self) -> None:
        given = flags(self.form.settings())
        self.controls.copy_command(["evaluate", *self.inputs.paths, *given])

    def _copy_table(self) -> None:
        QApplication.clipboard().setText(self.view.table.text())

    def _formats(self) -> QMenu:
        """Return the menu of what can be saved."""
        menu = QMenu(self)
        for text, suffix in (
            ("Report with pictures (HTML) …", ".html"),
            ("Report as one picture (PNG) …", ".png"),
            ("All numbers (JSON) …", ".json"),
            ("Table of scores (CSV) …", ".csv"),
        ):
            menu.addAction(text, partial(self._save, suffix))
        menu.addAction("Table of objects (CSV) …", partial(self._save, ".csv", "objects"))
        menu.addAction(
            "Table of splits and merges (CSV) …", partial(self._save, ".csv", "splits merges")
        )
        return menu

    def _save(self, suffix: str, what: str = "evaluation") -> None:
        """Ask for a file name; write in a thread."""
        name, _ = QFileDialog.getSaveFileName(self, "Save as", what + suffix, f"*{suffix}")
        if not name or self.view.outcome is None or self.controls.is_running:
            return
        path, outcome = Path(name), self.view.outcome
        path = path if path.suffix.lower() == suffix else Path(name + suffix)

        def work() -> Generator[None, None, Path]:
            yield
            if what == "objects":
                atomic_write(path, outcome.report.objects_csv().encode())
            elif what == "splits merges":
                atomic_write(path, outcome.report.splits_merges_csv().encode())
            else:
                names, images = outcome.inputs.names, outcome.inputs.images
                facts = dict(zip(("prediction", "truth"), names, strict=True))
                facts |= _changed_options(outcome.settings)
                write_report(path, outcome.report, " against ".join(names), images, facts)
            return path

        self.controls.press(lambda: work, self._on_saved, status="Writing …")

    def _on_saved(self, path: Path) -> None:
        self.messages.add(f"Saved {path}.", Tone.SUCCESS)


def _changed_options(settings: EvaluateSettings) -> dict[str, str]:
    """Return the options that differ from their defaults, as text."""
    default = type(settings)()
    return {settings.label(n): str(v) for n, v in settings if v != getattr(default, n)}


def _outcome_of(
    inputs: EvaluationInputs, settings: EvaluateSettings, report: Report
) -> Generator[Step, None, Outcome]:
    """Compute in the thread what would block the window."""
    objects = report.objects
    columns = {} if objects is None else {n: objects.column(n) for n in objects.names}
    layer, errors, border = report.error_layer(), None, None
    if layer is not None:
        prepare_colors()
        errors = yield from steps("errors of slice", _painted(layer))
        border = None if len(report.sides) > 1 else int((errors == BORDER).sum())
    parts = splits_merges_columns(report.splits_merges) if report.splits_merges else {}
    counts = None if objects is None else error_counts(report)
    return Outcome(inputs, settings, report, columns, errors, border, parts, counts)


def _painted(layer: ErrorLayer) -> Generator[tuple[int, int], None, Errors]:
    """Compute the error layer of every slice; yield progress."""
    indices = list(np.ndindex(layer.shape[:-2]))
    check_memory(int(np.prod(layer.shape)), "The layer of errors")
    errors = np.empty(layer.shape, np.uint8)
    for done, index in enumerate(indices, 1):
        errors[index] = layer.plane(index)
        yield done, len(indices)
    return errors
