"""The panel that trains a network on the layers of the viewer."""

from collections.abc import Generator, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_utile.errors import UserError
from napari_utile.events import (
    EpochDone,
    Event,
    PreviewReady,
    RunDone,
    RunFailed,
    RunStarted,
    StepDone,
)
from napari_utile.folders.model import model_problem, read_card
from napari_utile.folders.places import RUNS
from napari_utile.folders.run import Run
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.background import Work
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.form import Form, form_rows, mark
from napari_utile.widgets.kit.launching import JobLaunch
from napari_utile.widgets.kit.models import ModelChoice
from napari_utile.widgets.kit.pace import PaceLine
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.paths import (
    CHOSEN,
    MODELS,
    PathChoice,
    can_resume,
    command_folder,
    folder_problem,
    fresh_folder,
    is_finished,
    new_run_folder,
)
from napari_utile.widgets.kit.progress import ended_text
from napari_utile.widgets.kit.step_rates import (
    USUAL_MINUTES,
    Pace,
    few_steps_warning,
    keep_rate,
    pace_text,
)
from napari_utile.widgets.kit.targets import TargetOffer
from napari_utile.widgets.kit.weights import WeightsOfTraining
from napari_utile.widgets.layers.fitting import misfit
from napari_utile.widgets.layers.partners import LabelsOfImage
from napari_utile.widgets.layers.project import Remembered
from napari_utile.widgets.layers.results import placement_from_json, placement_to_json
from napari_utile.widgets.process.command_line import flags
from napari_utile.widgets.train.before import BeforeTraining
from napari_utile.widgets.train.curves import Curves
from napari_utile.widgets.train.inputs import IMAGES
from napari_utile.widgets.train.look import PreviewOfView
from napari_utile.widgets.train.source import LOOK, TrainingSource, What
from napari_utile.widgets.train.words import checked_on, outcome_of, refusal_in_words

STEPS_THAT_TELL = 20
"""Steps of a run from which its pace is known."""


class Way(Enum):
    """What a link below the buttons does with a run folder."""

    CHOOSE = "choose"
    TRAIN_ON = "train on"
    DISCARD = "discard"


class TrainPanel(Panel):
    """Image and labels in, a model out; the curves while it learns."""

    page = "Train on layers"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.source = TrainingSource(napari_viewer, self._is_running)
        self.pair = self.source.pair
        self.image, self.labels_layer = self.pair.image, self.pair.labels
        LabelsOfImage(napari_viewer, self.pair)
        self.form: Form[TrainSettings] = Form(TrainSettings)
        self.form.set_defaults(TrainSettings(minutes=USUAL_MINUTES))
        self.pace = PaceLine(self._budget)
        self.start_from = ModelChoice("", "random parameters", self._misfit)
        self.folder = PathChoice("a new folder", inside=RUNS)
        self.launch = JobLaunch()
        self.controls = EngineControls("Train", self._collect, self.launch, self.source.subject)
        self.before = BeforeTraining(napari_viewer, self.source, self.form, self.controls)
        self.look, self.estimate = self.before.look, self.before.estimate
        self.curves = Curves()
        self.curves.hide()
        self.look_at = PreviewOfView(napari_viewer, self.source.layer_of)
        self._places: dict[str, dict[str, Any]] = {}  # of the images that are trained on
        self._folder = Path()  # of the run that was started last
        self._trained: Pace | None = None  # by it
        self._overwrites: Path | None = None  # the folder whose run may be lost

        column = self.column()
        column.addWidget(self.source)
        column.addWidget(self.form)
        column.addLayout(form_rows({"start from": self.start_from, "run folder": self.folder}))
        column.addWidget(self.launch.keep_running)
        self.pin(self.controls, self.pace)
        column.addWidget(self.look_at)
        column.addWidget(self.curves)
        column.addStretch()

        self._targets = TargetOffer(self.form, "network")
        self.form.changed.connect(self._offer_targets)
        self.source.changed.connect(self._on_source)
        self.source.share(self.form)
        for source in (self.pair, self.image, self.labels_layer, self.form, self.start_from):
            source.changed.connect(self._check)
        for layer in (self.image, self.labels_layer):
            layer.edited.connect(self.controls.messages.forget_mistake)
        self.folder.changed.connect(self._on_folder)
        self.controls.messages.linkActivated.connect(self._on_link)
        self.controls.in_words = refusal_in_words
        self.controls.happened.connect(self._show)
        self.controls.handed_over.connect(self.look_at.remove)
        self._offer_targets()
        self._on_source()
        Remembered(self, napari_viewer, "train", self._remembered())
        WeightsOfTraining(self.form)  # what was handed over wins over what is remembered
        self.launch.take_over(self.controls, "train", self._catch_up)
        CHOSEN.run.connect(self._on_chosen)

    def _misfit(self, channels: int, context: int) -> str:
        """Return why a model cannot be started from, as far as one layer tells; or ''."""
        is_layer = self.source.kind is What.LAYER
        return misfit(self.image.layer if is_layer else None, channels, context)

    def _remembered(self) -> dict[str, QWidget]:
        """Return the fields that are remembered; a partial run has the last word on options."""
        source = self.source
        of_source = {"train on": source.what, "images": source.images, "labels": source.labels}
        return of_source | {
            "options": self.form, "start from": self.start_from, "folder": self.folder,
        }  # fmt: skip

    def _is_running(self) -> bool:
        return hasattr(self, "controls") and self.controls.is_running

    def _offer_targets(self) -> None:
        """Offer what the chosen network can learn; say so if that changes the target."""
        if (said := self._targets.update()) is not None:
            self.controls.say(said)

    def _on_source(self) -> None:
        """Take over which images validate; tiles are shown of one layer alone."""
        is_layer = self.source.kind is What.LAYER
        names = () if is_layer else self.source.table.validation
        if not self.form.problem() and names != self.form.settings().validation_images:
            self.form.set_value("validation_images", names)  # which checks, too
        self.controls.show_in(self.look, *([State.IDLE] if is_layer else []))
        self._check()

    def _check(self) -> None:
        wrong = self.form.problem()
        if not wrong:
            self.source.show_validation(self.form.settings().validation_images)
        problem = self.source.problem(None if wrong else self.form.settings()) or wrong
        start = model_problem(self.start_from.path) if self.start_from.path else ""
        is_done = is_finished(self.folder.path)
        folder = "" if is_done else folder_problem(self.folder.path)
        mark(self.start_from.line, start, "Model or run whose parameters a new run starts from")
        mark(self.folder.line, folder, "Folder for settings, events and the model")
        resumes = can_resume(self.folder.path)
        self.controls.set_verb("Resume" if resumes else "Train on" if is_done else "Train")
        self.controls.set_problem(problem or start or folder)
        self.pace.ask([] if problem else [self._pace()])

    def _pace(self) -> Pace:
        return Pace.of(self.form.settings(), self.source.first())

    def _budget(self, rates: list[float | None]) -> tuple[str, str]:
        """Return what the budget comes to, and whether it is too small."""
        if self.form.problem() or not rates or rates[0] is None:
            return "", ""
        settings = self.form.settings()
        budget = settings.minutes, settings.steps
        warning = few_steps_warning(rates[0], *budget, settings.width)
        return pace_text(rates[0], *budget), warning

    def _on_folder(self) -> None:
        """Show the settings and curves of a run that is chosen, and how it can be continued."""
        folder = self.folder.path
        is_done = is_finished(folder)
        if folder and (is_done or (can_resume(folder) and not folder_problem(folder))):
            run = Run(folder)
            if (run.inputs / IMAGES).exists():
                self.source.choose(What.LAYERS)
            self.form.show_settings(TrainSettings.read(run.settings))
            events, doubt = run.record_on_disk()
            warm = next((e.warm_start for e in events if isinstance(e, RunStarted)), "")
            start = run.model if is_done else Path(warm) if warm else None
            self.start_from.set_path(start)
            self.curves.show_events(events)
            self.curves.caption.show_text(f"Of the run in {folder.name}")
            self.curves.show()
            self.controls.subject = None
            self.controls.messages.clear()
            self.controls.messages.add(
                "This run is finished. Train on begins a new run from its model."
                if is_done
                else f"This run stopped after step {self.curves.last_step}. Resume continues "
                "it with the settings above; the layers must not have changed."
            )
            if doubt:
                self.controls.messages.add(doubt)
        self._check()

    def _on_chosen(self, kind: str, folder: Path) -> None:
        """Show a run that is chosen in the list of runs."""
        if kind != "train" or not isalive(self) or self.is_left:
            return
        self.launch.take_over(self.controls, "train", self._catch_up)
        if not self.controls.is_running:
            self.folder.set_path(folder)

    def _on_link(self, target: str) -> None:
        """Follow a link of a message."""
        way, _, folder = target.partition(":")
        run = Run(folder)
        match Way(way):
            case Way.CHOOSE:
                self.folder.set_path(run.folder)
                return
            case Way.TRAIN_ON:
                self.folder.set_path(None)
                self.start_from.set_path(run.model)
            case Way.DISCARD:
                self.folder.set_path(run.folder)
                self._overwrites = run.folder
        self.controls.button.click()
        self._overwrites = None

    def _collect(self) -> Work:
        """Take image, labels and settings as they are; the work copies layers to disk."""
        self.pace.stop()
        self.controls.messages.setToolTip("")
        inputs, settings = self.source.taken(), self.form.settings()
        chosen = None if is_finished(self.folder.path) else self.folder.path
        folder = chosen or fresh_folder("runs", inputs.name)
        start = ["--warm-start", str(self.start_from.path)] if self.start_from.path else []
        more = [*start, *(["--overwrite"] if folder == self._overwrites else [])]
        self._places = inputs.places
        self._trained, self._folder = self._pace(), folder
        place, is_copying = placement_to_json(_only(inputs.places)), self.controls.is_copying

        def write() -> Generator[None, None, list[str]]:
            copies, is_partial = Run(folder).inputs, can_resume(folder)
            if is_copying and not is_partial:
                copies = command_folder(inputs.name)
            elif not is_partial:
                new_run_folder(folder, settings)
            paths = yield from inputs.written(copies)
            arguments = ["train", *paths, "--out", str(folder), *more, *flags(settings)]
            self.launch.describe(arguments, settings.network, inputs.name, folder, place)
            return arguments

        return write

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._begin(event)
            case StepDone() | EpochDone():
                self.curves.add(event)
            case PreviewReady():
                self.look_at.show_preview(event)
            case RunDone():
                self._show_result(event)
            case RunFailed() if event.differs:
                self._offer_ways(Run(self._folder))
        if isinstance(event, RunDone | RunFailed):
            self.look_at.end()
            self._check()
            self._keep_curves_in_view()

    def _keep_curves_in_view(self) -> None:
        """Scroll to the curves, once their place is known."""
        if not self.curves.isHidden():
            QTimer.singleShot(0, self._scroll_to_curves)

    def _scroll_to_curves(self) -> None:
        if isalive(self):
            self.scroll.ensureWidgetVisible(self.curves)

    def _offer_ways(self, run: Run) -> None:
        """Offer what can be done with a run that cannot be resumed on these layers."""
        if run.model.exists():
            self._offer("Begin a new run from its model.", Way.TRAIN_ON, run)
        self._offer("Discard it and start anew.", Way.DISCARD, run)

    def _offer(self, text: str, way: Way, run: Run) -> None:
        self.controls.messages.offer(text, f"{way.value}:{run.folder}")

    def _begin(self, event: RunStarted) -> None:
        """Clear the curves for a new run, or show those of one that is resumed."""
        is_resumed = event.resumed_from is not None
        self.curves.show_events(Run(event.out).recorded() if is_resumed else [])
        self.curves.caption.show_subject(self.controls.subject)
        self.curves.show()
        self.look_at.begin(Run(event.out), self._places)
        self._keep_curves_in_view()

    def _catch_up(self, told: list[Event]) -> None:
        """Show a run that went on without a panel as if this one had started it."""
        record = self.launch.record
        assert record is not None
        place = placement_from_json(record.results[0].place)
        self._places, self._folder = {"": place} if place else {}, record.out
        self.form.show_settings(TrainSettings.read(Run(record.out).settings))
        image = self.image.layer if self.source.kind is What.LAYER else None
        self.controls.subject = self.launch.subject(image, self.source.subject())
        started = next((event for event in told if isinstance(event, RunStarted)), None)
        if started is None:
            return
        self._begin(started)
        for event in told:
            if isinstance(event, StepDone | EpochDone):
                self.curves.add(event)
        previews = [event for event in told if isinstance(event, PreviewReady)]
        if previews:
            self.look_at.show_preview(previews[-1])

    def _show_result(self, event: RunDone) -> None:
        run = Run(event.out)
        how = ended_text(event)
        if not event.out or not run.model.exists():
            self.controls.messages.add(f"{how}; no model was saved.")
            return
        best = self.curves.best
        scores = event.scores or (best.scores if best else {})
        worth = outcome_of(scores, LOOK[self.source.kind], checked_on(_facts_of(run)))
        is_proved = worth.is_useful and not worth.way_on
        tone = Tone.SUCCESS if is_proved else Tone.WARNING
        self.controls.messages.add(f"The model is chosen in Segment. It is in {run.model}.")
        self.controls.messages.setToolTip(worth.details)
        if not event.stopped:
            self.folder.set_path(None)  # the next run needs another
            self._offer("Train on: begin a new run from this model.", Way.TRAIN_ON, run)
        elif self.folder.path is None and can_resume(run.folder):
            self._offer("Choose this run folder to resume it.", Way.CHOOSE, run)
        verdict = f"{how}. {worth.sentence} {worth.way_on}".rstrip()
        self.controls.messages.add(verdict, tone)  # last, so that it is in view
        MODELS.announce(run.model)
        if not event.kept and event.seconds and self._trained:
            self._keep_pace(self._trained, self.curves.last_step, event.seconds)

    def _keep_pace(self, pace: Pace, steps: int, seconds: float) -> None:
        """Keep what a run has shown, which knows of validations, too."""
        if steps >= STEPS_THAT_TELL:
            keep_rate(pace, 60 * steps / seconds)


def _facts_of(run: Run) -> Mapping[str, Any]:
    """Return what the model of a run was trained on; nothing if it cannot be read."""
    with suppress(UserError):
        return read_card(run.model).trained_on
    return {}


def _only(places: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the place of a single image; {} if there are several, or none."""
    return next(iter(places.values())) if len(places) == 1 else {}
