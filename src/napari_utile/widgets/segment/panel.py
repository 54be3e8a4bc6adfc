"""The panel that runs a model over images of any size, and shows the result while it grows."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import partial
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari.layers import Labels
from napari.viewer import Viewer
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton

from napari_utile.errors import UserError
from napari_utile.events import (
    BlockDone,
    Event,
    ImageDone,
    RunDone,
    RunFailed,
    RunStarted,
    TileDone,
    Warned,
)
from napari_utile.folders.job import JobFolder, JobRecord
from napari_utile.folders.model import model_problem, read_card
from napari_utile.folders.places import JOBS
from napari_utile.io.units import size_text
from napari_utile.results.no_objects import why_no_objects
from napari_utile.settings.prediction import PredictSettings
from napari_utile.widgets.kit.background import Background, Work
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.docks import open_beside
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.following import Follower
from napari_utile.widgets.kit.form import Form, form_rows, mark
from napari_utile.widgets.kit.launching import job_writing
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.kit.models import ModelChoice
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.paths import (
    MODELS,
    PathChoice,
    command_folder,
    fresh_folder,
    last_model,
)
from napari_utile.widgets.kit.progress import ENDED_WELL, needs_text, outcome_text
from napari_utile.widgets.layers.aside import brush_away, uncover
from napari_utile.widgets.layers.choice import following
from napari_utile.widgets.layers.project import Remembered
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.layers.snapshots import Source, path_on_disk
from napari_utile.widgets.layers.stacks import stack_of
from napari_utile.widgets.process.command_line import flags
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.segment.correction import Correction
from napari_utile.widgets.segment.outputs import (
    OUTPUT_HELP,
    is_complete,
    is_partial,
    job_record,
    output_note,
    output_problem,
    result_name,
)
from napari_utile.widgets.segment.redraw import Redraw
from napari_utile.widgets.segment.source import SourceChoice

SLIDERS = {"threshold": (0.01, 0.99), "min_size": (0, 2000), "fill_holes": (0, 2000)}
"""Ends of the sliders; px."""
FOLDER = "folder:"
"""Beginning of the target of a link that opens a folder."""
OPTION = ":="
"""Between name and value in the target of a link that chooses an option."""
OBJECTS_HELP = "Measure every object of the result: a table, by which to find each of them"
NO_OBJECTS_YET = "There is no result with objects yet: segment first"


class SegmentPanel(Panel):
    """A model and images in, result layers out that fill block by block."""

    page = "Segment"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.source = SourceChoice(napari_viewer)
        self.model = ModelChoice("choose a model", fits=self.source.misfit)
        self.image = self.source.image
        self.form: Form[PredictSettings] = Form(
            PredictSettings, sliders=SLIDERS, without=("region",)
        )
        self._proposed, self._is_output_chosen = self.form.value("output"), False
        self.output = PathChoice("a new folder", new=".zarr")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.keep_running = QCheckBox("keep running when napari is closed")
        self.keep_running.setToolTip(
            "Unticked, it stops with napari; resume it with Resume in the panel Runs"
        )
        self.controls = EngineControls(
            "Segment", self._collect, self._launch, self.source.subject
        )
        self.estimate = self.controls.add_button(
            "Estimate",
            "Show how much time, memory and disk space it needs; nothing is computed",
            partial(self._collect, is_estimate=True),
            self._show_facts,
        )
        self.objects = QPushButton("Measure objects")
        self.objects.clicked.connect(self._open_objects)
        self.redraw = Redraw(napari_viewer, self.form, self.controls)
        self.correction = Correction(napari_viewer, lambda: self.source.image.layer)
        self.results: dict[str, Result] = {}
        self._parts: dict[str, Result] = {}  # of the last view or region, by image layer
        self._is_of_part = False
        self._is_doubtful = False  # what runs: it has warned of the gray values
        self._looking: Background | None = None  # why there are no objects
        self._job: JobFolder | None = None  # that runs
        self._next: tuple[JobFolder, JobRecord]
        self._files: TemporaryDirectory[str] | None = None

        self._lay_out()
        self.model.changed.connect(self._propose_output)
        self.form.changed.connect(self._on_form)
        self.redraw.drawn.connect(lambda: self.correction.setDisabled(self.redraw.is_shown))
        for source in (self.model, self.source, self.form, self.output):
            source.changed.connect(self._check)
        layers = napari_viewer.layers.events
        following(self, self._offer_objects, layers.inserted, layers.removed)
        self._offer_objects()
        self.keep_running.toggled.connect(self._on_keep_running)
        self.controls.happened.connect(self._show)
        self.controls.messages.linkActivated.connect(self._on_link)
        Follower(self, self.model.set_path, MODELS.trained)
        self.model.set_path(last_model())
        fields = {"model": self.model, "options": self.form, "segment": self.source.kind}
        fields |= {"save as": self.output, "keep running": self.keep_running}
        Remembered(self, napari_viewer, "segment", fields)
        if MODELS.newest:  # it was just trained
            self.model.set_path(MODELS.newest)

    def _lay_out(self) -> None:
        column = self.column()
        column.addLayout(form_rows({"model": self.model}))
        column.addWidget(self.source)
        column.addWidget(self.form)
        column.addLayout(form_rows({"save as": self.output}))
        column.addWidget(self.note)
        column.addWidget(self.keep_running)
        self.pin(self.controls)
        column.addWidget(self.redraw)
        column.addWidget(self.objects)
        column.addWidget(self.correction)
        column.addStretch()

    @property
    def result(self) -> Result | None:
        """The result of the last run; the first, if there are several."""
        return next(iter(self.results.values()), None)

    def _check(self) -> str:
        """Show what is wrong with the fields, and return the first of it, or ''."""
        model = model_problem(self.model.path)
        source = "" if model else self.source.problem(self.model.path)
        is_batch = self.source.is_batch
        out = None if self.controls.is_running else self.output.path  # it is being written
        output = output_problem(out, is_batch)
        note = "" if output else output_note(out, is_batch)
        note = note or ("" if model or source else self._kept_text())
        mark(self.model.line, model, self.model.help)
        mark(self.output.line, output, OUTPUT_HELP[is_batch])
        self.note.setText(colored(note, Tone.NOTE))
        self.note.setVisible(bool(note))
        is_resumed = out is not None and not is_batch and is_partial(out)
        self.controls.set_verb("Resume" if is_resumed else "Segment")
        problem = model or source or output or self.form.problem()
        self.controls.set_problem(problem)
        return problem

    def _kept_text(self) -> str:
        """Return how much room kept affinities take, or ''."""
        layers = self.source.layers
        if not self.form.value("keep_affinities") or len(layers) != 1:
            return ""
        card = read_card(self.model.path) if self.model.path else None
        if card is None or not card.offsets or self.form.value("output") != "instances":
            return ""
        room = len(card.offsets) * prod(stack_of(layers[0], card.in_channels).shape)
        return f"Affinities of all of '{layers[0].name}' take up to {size_text(room)}."

    def _propose_output(self) -> None:
        """Choose what the model was trained to find, until the user chooses another output."""
        with suppress(UserError, OSError):
            if self.model.path and not self._is_output_chosen:
                self._proposed = read_card(self.model.path).target
                self.form.set_value("output", self._proposed)

    def _on_form(self) -> None:
        self._is_output_chosen |= self.form.value("output") != self._proposed

    def _measurable(self) -> Labels | None:
        """Return the layer of objects of the last result, or of another that is open."""
        layers = self.result.layers if self.result else []
        there = [x for x in layers if isinstance(x, Labels) and x in self._viewer.layers]
        return there[-1] if there else self.correction.target

    def _offer_objects(self, _event: Any = None) -> None:
        is_there = self._measurable() is not None
        self.objects.setEnabled(is_there)
        self.objects.setToolTip(OBJECTS_HELP if is_there else NO_OBJECTS_YET)

    def _open_objects(self) -> None:
        """Open the panel of objects, and measure those of the last result."""
        panel, layer = open_beside(self, self._viewer, "Measure", "Objects"), self._measurable()
        if panel is not None and layer is not None:
            panel.measure(layer)

    def _on_link(self, target: str) -> None:
        """Choose a partial result, or an option that a warning has named."""
        name, is_option, value = target.partition(OPTION)
        if is_option:
            self.form.set_value(name, value)
        elif target.startswith(FOLDER):
            QDesktopServices.openUrl(QUrl.fromLocalFile(target.removeprefix(FOLDER)))
        else:
            self.output.set_path(Path(target))

    def _on_keep_running(self, is_kept: bool) -> None:
        if self._job:
            self._job.set_outlives_window(is_kept)

    # what runs

    def _collect(self, is_estimate: bool = False) -> Work:
        """Take model, images and settings as they are; the work copies layers to disk."""
        model = self.model.path
        if problem := self._check():
            raise UserError(problem)
        assert model is not None
        is_run = not is_estimate and not self.controls.is_copying
        if is_run and (said := brush_away(self._viewer)):
            self.controls.messages.add(said, Tone.NOTE)
        if paths := self.source.paths:
            source = Source.of_files(paths, self.source.is_batch)
        else:
            card, region = read_card(model), self.source.region()
            by = self.form.settings().normalize
            is_by_model = (card.normalize if by == "auto" else by) == "model"
            context = card.context if is_by_model else None  # all slices count
            source = Source.of_layers(self.source.layers, card.in_channels, region, context)
        settings = self.form.settings().model_copy(update={"region": source.region})
        self._is_of_part = source.region is not None
        if self._is_of_part and settings.output == "instances" and read_card(model).offsets:
            settings = settings.model_copy(update={"keep_affinities": True})
        job = self._job_folder(source.name, is_estimate)
        inputs = job.inputs
        if self.controls.is_copying and not inputs.exists():
            inputs = command_folder(source.name)
        out = (self.output.path or job.path / result_name(source, settings)).absolute()

        def write() -> Generator[None, None, list[str]]:
            images = list(source.paths)
            for part in source.parts:
                folder, name = inputs / part.subfolder, part.copy_name
                path = yield from path_on_disk(part.stack, folder, name=name)
                images.append(str(path))
            arguments = ["predict", str(model), *images, "--out", str(out), *flags(settings)]
            if is_estimate:
                return [*arguments, "--dry-run"]
            self._next = job, job_record(source, settings, arguments, images, out)
            return arguments

        return write

    def _launch(self, arguments: Sequence[str]) -> DetachedEngine:
        """Create the engine in its job folder, and the results that it will fill."""
        self._job, record = self._next
        self._is_doubtful = False
        engine = DetachedEngine(arguments, self._job)
        self._job.write(record)
        self._job.set_outlives_window(self.keep_running.isChecked())
        self.results = {}
        for shown in record.results:
            former = self._parts.get(shown.name) if self._is_of_part else None
            layers = former.layers if former else ()
            result = Result(self._viewer, shown, record.output, layers)
            result.added.connect(partial(self._uncover, result))
            self.results[shown.image] = result
            if self._is_of_part:
                self._parts[shown.name] = result
        return engine

    def _job_folder(self, name: str, is_estimate: bool) -> JobFolder:
        """Return a folder for the copies of layers: that of a job, or a temporary one."""
        if not is_estimate:
            return job_writing(self.output.path) or JobFolder(fresh_folder(JOBS, name))
        self._files = self._files or TemporaryDirectory(ignore_cleanup_errors=True)
        return JobFolder(Path(self._files.name))

    # what is shown

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._show_facts(event)
            case TileDone() | BlockDone() if result := self._result_of(event.image):
                result.grow()
            case Warned() if event.options:
                self._offer_options(event)
            case ImageDone():
                self._show_image(event)
            case RunDone():
                self._show_end(event)
            case RunFailed():
                self._end_results(is_stopped=True)
        if isinstance(event, RunDone | RunFailed):
            self._job = None
            self._check()

    def _offer_options(self, event: Warned) -> None:
        """Offer what the warning says to set: the result may be of little use without."""
        self._is_doubtful |= "normalize" in event.options
        groups = PredictSettings.groups().items()
        for name, value in event.options.items():
            titles = [title for title, names in groups if name in names]
            where = f" under {titles[0]}" if titles else ""
            text = f"Choose {name}: {value}{where}, then segment again."
            self.controls.messages.offer(text, f"{name}{OPTION}{value}")

    def _result_of(self, image: str) -> Result | None:
        """Return the result of an image, which events call by its name or path."""
        if self.controls.progress.total == 1:
            return self.result
        return self.results.get(Path(image).name)

    def _show_facts(self, event: Event) -> None:
        if isinstance(event, RunStarted) and (facts := needs_text(event)):
            self.controls.messages.add(facts)

    def _show_image(self, event: ImageDone) -> None:
        """Show how an image ended."""
        if result := self._result_of(event.image):
            result.end(is_partial=event.status not in ENDED_WELL)
            if event.status in ENDED_WELL and result.has_instances:
                self.redraw.prepare(result.out)
                if event.objects == 0 and self.controls.progress.total == 1:
                    self._say_why_none(result.out)
        if self.controls.progress.total > 1:
            good = Tone.WARNING if event.objects == 0 else None
            tone = good if event.status in ENDED_WELL else Tone.ERROR
            self.controls.messages.add(f"{Path(event.image).name}: {outcome_text(event)}", tone)

    def _say_why_none(self, out: Path) -> None:
        """Look in a thread why a result has no objects, and say what helps."""

        def work() -> Generator[None, None, str]:
            yield
            return why_no_objects(out)

        say = partial(self.controls.messages.add, tone=Tone.WARNING)
        self._looking = Background(work, say, lambda error: say(str(error)))

    def _uncover(self, result: Result) -> None:
        """Let a result be seen, and say what was hidden for it."""
        of_run = [layer for each in self.results.values() for layer in each.layers]
        if said := uncover(self._viewer, result.layers, of_run):
            self.controls.messages.add(said, Tone.NOTE)

    def _show_end(self, event: RunDone) -> None:
        self._end_results(is_stopped=event.stopped)
        if not event.out:  # it was stopped before the engine started
            return
        where = f"The result is in {event.out}."
        if self.controls.progress.total > 1:
            where = f"The results are in {event.out}."
        counts = {image.objects for image in self.controls.progress.images}
        is_good = not (event.stopped or event.failed or self._is_doubtful)
        text = f"{self.controls.progress.outcome()}. {where}"
        good = Tone.SUCCESS if is_good else None
        self.controls.messages.add(text, Tone.WARNING if counts == {0} else good)
        if self.controls.progress.total > 1:
            self.controls.messages.offer(
                "Open the folder of the results.", f"{FOLDER}{event.out}"
            )
            self.controls.messages.add("The panel Runs shows each of them on its image.")
        if not event.stopped:
            self.output.set_path(None)  # the next result needs another
        elif self.output.path is None:
            self.controls.messages.offer("Choose this result to resume it.", event.out)

    def _end_results(self, is_stopped: bool) -> None:
        for result in self.results.values():
            # a run that ends early may have left a complete result alone
            result.end(is_partial=is_stopped and not is_complete(result.out))
