"""The panel that runs a model over images of any size, and shows the result while it grows."""

from collections.abc import Generator, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from napari.viewer import Viewer
from qtpy.QtWidgets import QCheckBox, QLabel, QScrollArea

from napari_utile.errors import UserError
from napari_utile.events import (
    BlockDone,
    Event,
    ImageDone,
    RunDone,
    RunFailed,
    RunStarted,
    TileDone,
)
from napari_utile.folders.job import JobFolder, JobRecord
from napari_utile.folders.model import model_problem
from napari_utile.io.units import duration_text
from napari_utile.settings import PredictSettings
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.form import (
    BLUE,
    GREEN,
    RED,
    Form,
    mark,
    rows_of,
    scrolling_column,
)
from napari_utile.widgets.kit.paths import JOBS, MODELS, PathChoice, fresh_folder, last_model
from napari_utile.widgets.kit.progress import ENDED_WELL, facts_of, outcome
from napari_utile.widgets.kit.run_controls import RunControls
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.process.detached import DetachedJob
from napari_utile.widgets.process.process import flags
from napari_utile.widgets.segment.outputs import (
    OUTPUT_HELP,
    job_of,
    output_note,
    output_problem,
    results_of,
)
from napari_utile.widgets.segment.source import Source, SourceChoice


class SegmentPanel(QScrollArea):
    """A model and images in, result layers out that fill block by block."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.model = PathChoice("folder of a model or of a run")
        self.source = SourceChoice(napari_viewer)
        self.image = self.source.image
        self.form: Form[PredictSettings] = Form(PredictSettings, without=("region",))
        self.output = PathChoice("a new folder", new=".zarr")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setStyleSheet(f"color: {BLUE}")
        self.goes_on = QCheckBox("goes on when napari is closed")
        self.goes_on.setToolTip(
            "Unticked, it ends with napari, and goes on when you press Go on in the panel Jobs"
        )
        self.controls = RunControls("Segment", self._collect, self._launch)
        self.estimate = self.controls.add_button(
            "Estimate",
            "Say how long it takes, how much memory and disk; compute nothing",
            self._collect_estimate,
            self._show_facts,
        )
        self.results: dict[str, Result] = {}
        self._folder: JobFolder | None = None
        self._record: JobRecord | None = None
        self._files: TemporaryDirectory[str] | None = None

        column = scrolling_column(self)
        column.addLayout(rows_of({"model": self.model}))
        column.addWidget(self.source)
        column.addWidget(self.form)
        column.addLayout(rows_of({"save as": self.output}))
        column.addWidget(self.note)
        column.addWidget(self.goes_on)
        column.addWidget(self.controls)
        column.addStretch()

        for source in (self.model, self.source, self.form, self.output):
            source.changed.connect(self._check)
        self.goes_on.toggled.connect(self._on_goes_on)
        self.controls.happened.connect(self._show)
        self.controls.messages.linkActivated.connect(
            lambda out: self.output.set_path(Path(out))
        )
        MODELS.trained.connect(self.model.set_path)
        self.destroyed.connect(lambda: MODELS.trained.disconnect(self.model.set_path))
        self.model.set_path(last_model())

    @property
    def result(self) -> Result | None:
        """The result of the last run; the first, if there are several."""
        return next(iter(self.results.values()), None)

    def _check(self) -> None:
        model = model_problem(self.model.path)
        source = "" if model else self.source.problem(self.model.path)
        is_batch = self.source.is_batch
        out = None if self.controls.is_running else self.output.path  # it is being written
        output = output_problem(out, is_batch)
        note = "" if output else output_note(out, is_batch)
        mark(self.model.line, model, "Where the training left it")
        mark(self.output.line, output, OUTPUT_HELP[is_batch])
        self.output.line.setPlaceholderText("a new folder")
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.controls.set_verb("Go on" if note and not is_batch else "Segment")
        self.controls.set_problem(model or source or output or self.form.problem())

    def _on_goes_on(self, goes_on: bool) -> None:
        if self._folder and self.controls.is_running:
            self._folder.set_outlives_window(goes_on)

    # what runs

    def _taken(self) -> tuple[Path, Source, PredictSettings]:
        """Take model, images and settings as they are now."""
        settings, model = self.form.settings(), self.model.path
        if problem := model_problem(model):
            raise UserError(problem)
        assert model is not None
        source = self.source.taken(model)
        if problem := output_problem(self.output.path, source.is_batch):
            raise UserError(problem)
        return model, source, settings.model_copy(update={"region": source.region})

    def _collect(self) -> Work:
        """Take what is chosen; write the layers down in a thread."""
        self.results, self._folder = {}, None  # those of the last run stay as they are
        model, source, settings = self._taken()
        folder = job_of(self.output.path) or JobFolder(fresh_folder(JOBS, source.name))
        suffix = ".tif" if settings.format == "tif" else ".zarr"
        name = settings.output if source.is_batch else f"{settings.output}{suffix}"
        out = (self.output.path or folder.path / name).absolute()

        def write() -> Generator[None, None, list[str]]:
            images = yield from source.written(folder.inputs)
            shown = results_of(source, images, out, suffix)
            arguments = ["predict", str(model), *images, "--out", str(out), *flags(settings)]
            self._folder = folder
            self._record = JobRecord(
                title=f"{source.name}{', a part' * bool(source.region)} → {settings.output}",
                arguments=tuple(arguments),
                output=settings.output,
                out=out,
                created=datetime.now(),
                results=tuple(shown),
            )
            return arguments

        return write

    def _launch(self, arguments: Sequence[str]) -> DetachedJob:
        """Make the engine that was prepared, and the results that it will fill."""
        assert self._folder is not None
        assert self._record is not None
        job = DetachedJob(arguments, self._folder)
        self._folder.write(self._record)
        self._folder.set_outlives_window(self.goes_on.isChecked())
        self.results = {
            shown.image: Result(
                self._viewer, shown.place, shown.out, shown.name, self._record.output
            )
            for shown in self._record.results
        }
        return job

    # what is shown

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._show_facts(event)
            case TileDone() | BlockDone() if result := self._result_of(event.image):
                result.grow()
            case ImageDone():
                self._show_image(event)
            case RunDone():
                self._show_end(event)
            case RunFailed():
                self._end_results(is_partial=True)
        if isinstance(event, RunDone | RunFailed):
            self._check()

    def _result_of(self, image: str) -> Result | None:
        """Find the result of an image that events name by its name or path."""
        if self.controls.progress.total == 1:
            return self.result
        return self.results.get(Path(image).name)

    def _show_facts(self, event: Event) -> None:
        if isinstance(event, RunStarted) and (facts := facts_of(event)):
            self.controls.messages.add(facts)

    def _show_image(self, event: ImageDone) -> None:
        """Say what has become of an image."""
        if result := self._result_of(event.image):
            result.end(is_partial=event.status not in ENDED_WELL)
        if self.controls.progress.total > 1:
            name, color = Path(event.image).name, "" if event.status in ENDED_WELL else RED
            self.controls.messages.add(f"{name}: {outcome(event)}", color)

    def _show_end(self, event: RunDone) -> None:
        self._end_results(is_partial=event.stopped)
        if not event.out:  # it was stopped before the engine started
            return
        how = f"{'Stopped' if event.stopped else 'Done'} after {duration_text(event.seconds)}"
        what = self.controls.progress.summary()
        where = f"The result is in {event.out}."
        if self.controls.progress.total > 1:
            where = f"The results are in {event.out}."
        is_good = not event.stopped and not event.failed
        text = f"{how}{': ' if what else ''}{what}. {where}"
        self.controls.messages.add(text, GREEN if is_good else "")
        if not event.stopped:
            self.output.set_path(None)  # the next result needs another
        elif self.output.path is None:
            self.controls.messages.offer("Choose it to go on with it.", event.out)

    def _end_results(self, is_partial: bool) -> None:
        for result in self.results.values():
            result.end(is_partial)

    # what it would take

    def _collect_estimate(self) -> Work:
        """Take the same as for a run; write it where it is forgotten with the panel."""
        model, source, settings = self._taken()
        self._files = self._files or TemporaryDirectory(ignore_cleanup_errors=True)
        folder = Path(self._files.name)
        suffix = ".tif" if settings.format == "tif" else ".zarr"
        out = self.output.path or folder / ("results" if source.is_batch else f"result{suffix}")

        def write() -> Generator[None, None, list[str]]:
            images = yield from source.written(folder / "inputs")
            given = ["--out", str(out), *flags(settings), "--dry-run"]
            return ["predict", str(model), *images, *given]

        return write
