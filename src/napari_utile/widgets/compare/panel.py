"""The panel that trains several networks on the same layers, and puts them side by side."""

from collections.abc import Generator, Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication, QCheckBox, QHBoxLayout, QPushButton

from napari_utile.errors import UserError
from napari_utile.evaluation.scores import scores_in
from napari_utile.events import (
    CandidateDone,
    CandidateStarted,
    EpochDone,
    Event,
    RunDone,
    RunFailed,
    RunStarted,
)
from napari_utile.folders.comparison import ComparisonFolder
from napari_utile.folders.places import COMPARISONS
from napari_utile.folders.run import Run
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import NETWORK_NAMES
from napari_utile.widgets.compare.budget import chance_warning, comparison_text
from napari_utile.widgets.compare.curves import NetworkCurves
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.form import Form, form_rows, mark
from napari_utile.widgets.kit.launching import JobLaunch
from napari_utile.widgets.kit.pace import PaceLine
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.paths import (
    CHOSEN,
    PathChoice,
    command_folder,
    folder_problem,
    fresh_folder,
    new_run_folder,
)
from napari_utile.widgets.kit.progress import ended_text
from napari_utile.widgets.kit.step_rates import USUAL_MINUTES, Pace
from napari_utile.widgets.kit.table import Table
from napari_utile.widgets.kit.table_model import Spread
from napari_utile.widgets.kit.targets import TargetOffer
from napari_utile.widgets.layers.comparison import ComparisonLayers
from napari_utile.widgets.layers.pair import PairChoice
from napari_utile.widgets.layers.partners import LabelsOfImage
from napari_utile.widgets.layers.project import Remembered
from napari_utile.widgets.layers.results import placement_to_json
from napari_utile.widgets.layers.stacks import level_0, placement, stack_of
from napari_utile.widgets.process.command_line import flags

COST_COLUMNS = ("parameters", "steps", "seconds_to_train", "seconds_to_predict")
"""Columns of the table beside the scores."""
Runs = dict[tuple[str, int], dict[str, float]]
"""Network and seed -> its row."""


class ComparePanel(Panel):
    """Image and labels in; curves, a table and the results of every network out."""

    page = "Compare networks"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.pair = PairChoice(napari_viewer)
        self.image, self.labels_layer = self.pair.image, self.pair.labels
        LabelsOfImage(napari_viewer, self.pair)
        self.form: Form[CompareSettings] = Form(
            CompareSettings, ticks={"networks": NETWORK_NAMES}
        )
        self.form.set_defaults(CompareSettings(minutes=USUAL_MINUTES))
        self.pace = PaceLine(self._budget)
        self.folder = PathChoice("a new folder", inside=COMPARISONS)
        self.launch = JobLaunch()
        self.controls = EngineControls("Compare", self._collect, self.launch, self.pair.subject)
        self.curves, self.table = NetworkCurves(), Table()
        self.copy = QPushButton("Copy table")
        self.row = QCheckBox("side by side")
        self.row.setChecked(True)
        self.row.setToolTip("Results in a row beside the image, or each on the image")
        self.runs: Runs = {}
        self.results: ComparisonLayers | None = None
        self._next_results: ComparisonLayers | None = None
        self._candidate: CandidateStarted | None = None
        self._folders: dict[str, Path] = {}

        column = self.column()
        column.addLayout(self.pair.rows())
        column.addWidget(self.form)
        column.addLayout(form_rows({"folder": self.folder}))
        column.addWidget(self.launch.keep_running)
        self.pin(self.controls, self.pace)
        column.addWidget(self.curves)
        column.addWidget(self.table)
        below = QHBoxLayout()
        below.addWidget(self.copy)
        below.addStretch()
        below.addWidget(self.row)
        column.addLayout(below)
        column.addStretch()
        for part in (self.curves, self.table, self.copy, self.row):
            part.hide()

        self._targets = TargetOffer(self.form, "networks")
        self.form.changed.connect(self._offer_targets)
        self.pair.share(self.form)
        for source in (self.pair, self.image, self.labels_layer, self.form):
            source.changed.connect(self._check)
        self.folder.changed.connect(self._on_folder)
        self.controls.messages.linkActivated.connect(
            lambda folder: self.folder.set_path(Path(folder))
        )
        self.controls.happened.connect(self._show)
        self.copy.clicked.connect(lambda: QApplication.clipboard().setText(self.table.text()))
        self.row.toggled.connect(self._on_row)
        self._offer_targets()
        self._check()
        Remembered(
            self, napari_viewer, "compare", {"options": self.form, "folder": self.folder}
        )
        self.launch.take_over(self.controls, "compare", self._catch_up)
        CHOSEN.run.connect(self._on_chosen)

    def _offer_targets(self) -> None:
        """Offer what all ticked networks can learn; say so if that changes the target."""
        if (said := self._targets.update()) is not None:
            self.controls.say(said)

    def _check(self) -> None:
        wrong = self.form.problem()
        problem = self.pair.check(None if wrong else self.form.settings()) or wrong
        folder = folder_problem(self.folder.path, CompareSettings)
        mark(self.folder.line, folder, "Folder for runs, table and figures")
        self.controls.set_verb("Resume" if _has_comparison(self.folder.path) else "Compare")
        self.controls.set_problem(problem or folder)
        self.pace.ask([] if problem else self._paces())

    def _paces(self) -> list[Pace]:
        settings = self.form.settings()
        labels = tuple(level_0(self.labels_layer.layer).shape)
        image = stack_of(self.image.layer, like=labels)
        return [Pace.of(settings.candidate(name, 0), image) for name in settings.networks]

    def _budget(self, rates: list[float | None]) -> tuple[str, str]:
        """Return what the budget comes to for all networks, and whether it is too small."""
        if self.form.problem() or not rates:
            return "", ""
        settings = self.form.settings()
        return comparison_text(settings, rates), chance_warning(settings, rates)

    def _on_folder(self) -> None:
        """Show the settings of a comparison that is chosen."""
        folder = self.folder.path
        if folder and _has_comparison(folder):
            self.form.show_settings(CompareSettings.read(ComparisonFolder(folder).settings))
            self.controls.subject = None
            self.controls.messages.clear()
            self.controls.messages.add(
                "This folder holds a comparison with the settings above. Resume computes "
                "what is missing and shows all of it; the layers must not have changed."
            )
        self._check()

    def _on_chosen(self, kind: str, folder: Path) -> None:
        """Show a comparison that is chosen in the list of runs."""
        if kind != "compare" or not isalive(self) or self.is_left:
            return
        self.launch.take_over(self.controls, "compare", self._catch_up)
        if not self.controls.is_running:
            self.folder.set_path(folder)

    def _collect(self) -> Work:
        """Take image, labels and settings as they are; the work copies layers to disk."""
        self.pace.stop()
        pair, settings = self.pair.taken(), self.form.settings()
        folder = self.folder.path or fresh_folder("comparisons", self.image.layer.name)
        layer, what = self.image.layer, ", ".join(settings.networks)
        place = placement_to_json(placement(layer, pair.image.axes))
        is_copying = self.controls.is_copying
        self._next_results = ComparisonLayers(self._viewer, layer, pair.labels.shape)

        def write() -> Generator[None, None, list[str]]:
            copies, is_partial = ComparisonFolder(folder).inputs, _has_comparison(folder)
            if is_copying and not is_partial:
                copies = command_folder(layer.name)
            elif not is_partial:
                new_run_folder(folder, settings)
            paths = yield from pair.written(copies)
            arguments = ["compare", *paths, "--out", str(folder), *flags(settings)]
            self.launch.describe(arguments, what, layer.name, folder, place)
            return arguments

        return write

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._clear()
            case CandidateStarted():
                self._begin(event)
            case EpochDone() if self._candidate:
                self.curves.add(self._candidate.network, self._candidate.seed, event)
            case CandidateDone() if self._candidate:
                self._folders.setdefault(event.network, Path(self._candidate.out))
                count = int(event.row["parameters"])
                self.runs[event.network, event.seed] = event.row | {"parameters": count}
                self._show_table()
            case RunDone():
                self._show_result(event)
        if isinstance(event, RunDone | RunFailed):
            self._check()

    def _catch_up(self, told: list[Event]) -> None:
        """Show a comparison that went on without a panel as if this one had started it."""
        record = self.launch.record
        if record and record.results[0].name in self._viewer.layers:
            self.image.choose(self._viewer.layers[record.results[0].name])
        if self.image.layer is not None and self.labels_layer.layer is not None:
            shape = level_0(self.labels_layer.layer).shape
            self._next_results = ComparisonLayers(self._viewer, self.image.layer, shape)
        self.controls.subject = self.launch.subject(self.image.layer, self.pair.subject())
        for event in told:
            self._show(event)

    def _clear(self) -> None:
        """Remove what is shown of the last comparison."""
        if self.results:
            self.results.remove()
        self.results, self._next_results = self._next_results, None
        self.runs, self._folders = {}, {}
        self.curves.clear()
        self.curves.caption.show_subject(self.controls.subject)
        self.curves.show()
        for part in (self.table, self.copy, self.row):
            part.hide()

    def _begin(self, event: CandidateStarted) -> None:
        """Follow another run; draw what is recorded of it."""
        self._candidate = event
        for known in Run(event.out).recorded():
            if isinstance(known, EpochDone):
                self.curves.add(event.network, event.seed, known)

    def _show_table(self) -> None:
        rows = list(_rows_of_table(self.runs))
        bold = {i for i, row in enumerate(rows) if isinstance(row["seed"], str)}
        self.table.show_rows(rows, bold)
        self.table.show()
        self.copy.show()

    def _show_result(self, event: RunDone) -> None:
        how = ended_text(event)
        if not self.runs or not self.results:
            self.controls.messages.add(f"{how}; no network was trained.")
            return
        out = Path(event.out)
        text = f"{how}. Runs, table and figures are in {out}."
        self.controls.messages.add(text, None if event.stopped else Tone.SUCCESS)
        if not event.stopped:
            self.folder.set_path(None)  # the next comparison needs another
        elif self.folder.path is None:
            self.controls.messages.offer("Choose this folder to resume the comparison.", out)
        try:
            self.results.show(out, self._folders, self.row.isChecked())
        except (UserError, OSError) as error:
            self.controls.messages.add(f"The results cannot be shown: {error}", Tone.WARNING)
        else:
            self.row.show()

    def _on_row(self, is_row: bool) -> None:
        if self.results and self.results.layers:
            self.results.show_in_a_row(is_row)


def _has_comparison(folder: Path | None) -> bool:
    """Whether a folder holds a comparison, finished or not."""
    if folder is None or not ComparisonFolder(folder).data.exists():
        return False
    return not folder_problem(folder, CompareSettings)


def _rows_of_table(runs: Runs) -> Iterator[dict[str, Any]]:
    """Yield one row per run and, below several seeds of a network, their mean."""
    for network in dict.fromkeys(name for name, _ in runs):
        found = {seed: row for (name, seed), row in runs.items() if name == network}
        rows = list(found.values())
        names = [name for name in (*scores_in("panel"), *COST_COLUMNS) if name in rows[0]]
        for seed, row in found.items():
            yield {"network": network, "seed": seed} | {name: row[name] for name in names}
        if len(rows) > 1:
            yield {"network": network, "seed": f"mean of {len(rows)}"} | {
                name: _mean_with_spread([row[name] for row in rows]) for name in names
            }


def _mean_with_spread(values: list[float]) -> float:
    """Return the mean, with the standard deviation unless all values are equal."""
    return Spread(mean(values), stdev(values)) if len({*values}) > 1 else values[0]
