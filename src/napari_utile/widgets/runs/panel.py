"""The panel that lists the runs of all windows: how far they are, and what failed."""

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QCoreApplication, QSignalBlocker, Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunFailed
from napari_utile.folders.job import JobFolder, ShownResult
from napari_utile.folders.model import given_name
from napari_utile.folders.run import Run
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.docks import open_beside
from napari_utile.widgets.kit.engine_minutes import EngineMinutes
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.paths import CHOSEN, MODELS, is_own_copy
from napari_utile.widgets.kit.progress import ENDED_WELL, outcome_text
from napari_utile.widgets.kit.running import RUNNING
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.runs.entry import ALIVE, JobEntry
from napari_utile.widgets.runs.found import FoundRun
from napari_utile.widgets.runs.in_view import OpenedTogether
from napari_utile.widgets.runs.listing import KnownRuns
from napari_utile.widgets.runs.rows import RunTree
from napari_utile.widgets.runs.showing import (
    Below,
    add_below,
    image_path,
    opened_below,
    prepare_labels,
    show_comparison,
    show_preview,
)
from napari_utile.widgets.runs.words import folder_words, model_folder

REFRESH_INTERVAL = 1000
"""Milliseconds between two readings of the job folders, while the list is visible."""
PAUSE = 20
"""Milliseconds between an image and the result on it: the window draws and takes keys."""
SHOWN_TOGETHER = 4
"""Results that are shown at one click; of a job with more, one at a time."""
PANELS = {"train": "Train on layers", "compare": "Compare networks"}
"""Command -> title of its panel."""


class RunsPanel(Panel):
    """Trainings, comparisons and segmentations, of this window, of others, of closed ones."""

    page = "Runs"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self._runs = KnownRuns()
        self.results: dict[Path, Result] = {}
        self._removing: list[Background] = []
        self._opening: Background | None = None  # what is to be shown
        self._naming: Background | None = None
        self._names: dict[Path, str] = {}  # of models
        self.list = RunTree()
        self.list.currentItemChanged.connect(lambda *_: self._show_chosen())
        self.details = QLabel()
        self.details.setWordWrap(True)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.messages = Messages()
        self.keep_running = QCheckBox("keep running when its napari is closed")
        self.keep_running.toggled.connect(self._on_keep_running)
        self.stop = _button("Stop", "Save and end; it can be resumed later", self._on_stop)
        self.resume = _button("Resume", "Compute what is missing", self._on_resume)
        self.show_it = _button(
            "Show", "Open the result on its image, or the curves of a training", self._on_show
        )
        self.open = _button("Open folder", "Show its files in the file manager", self._on_open)
        self.remove = _button(
            "Remove",
            "Remove it from the list, with the copies of layers that were made for a "
            "segmentation. Results and models stay, but a partial result can no longer be "
            "resumed from here",
            self._on_remove,
        )

        self.engine = EngineMinutes()
        column = self.column()
        column.addWidget(self.list)
        column.addWidget(self.engine)
        foot = QWidget()
        rows = QVBoxLayout(foot)
        rows.setContentsMargins(0, 0, 0, 0)
        for part in (self.details, self.keep_running):
            rows.addWidget(part)
        buttons = QGridLayout()
        parts = (self.stop, self.resume, self.show_it, self.open, self.remove)
        for place, part in enumerate(parts):
            buttons.addWidget(part, *divmod(place, 3))
        rows.addLayout(buttons)
        rows.addWidget(self.messages)
        self.pin(foot)

        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_INTERVAL)
        self._timer.timeout.connect(self.update_list)
        self._show_chosen()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Start to follow the runs, now that the list is visible."""
        super().showEvent(event)
        self.update_list()
        self._timer.start()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Stop to follow the runs, unless layers grow with one."""
        super().hideEvent(event)
        if not self.results:
            self._timer.stop()

    def update_list(self) -> None:
        """Read which runs there are, and what is new of each."""
        is_read = self._runs.read()
        for entry in self.entries.values():
            self._follow(entry)
        self._show_entries()
        self._read_names()
        if not is_read:  # so that napari stays quick
            QTimer.singleShot(0, self.update_list)
        if not self.isVisible() and not self.results:
            self._timer.stop()

    @property
    def entries(self) -> dict[str, JobEntry]:
        """The runs that are listed, by the paths of their folders."""
        return self._runs.entries

    def _read_names(self) -> None:
        """Read in a thread what the user called the models, and show it then."""
        models = {entry.model for entry in self.entries.values()} - {*self._names, None}
        if not models or self._naming:
            return

        def work() -> Generator[None, None, dict[Path, str]]:
            yield
            return {model: given_name(model) for model in models if model}

        self._naming = Background(work, self._on_names, self._on_error)

    def _on_names(self, names: dict[Path, str]) -> None:
        self._naming = None
        self._names |= names
        self._show_entries()

    @property
    def chosen(self) -> JobEntry | None:
        """The run whose row, or one of whose images, is chosen."""
        return self.entries.get(self.list.chosen_key)

    def _show_entries(self) -> None:
        self.list.show_entries(self.entries, self._names)
        self._show_chosen()

    def _show_chosen(self) -> None:
        """Show the details of the chosen row, and enable the buttons that apply."""
        entry, item = self.chosen, self.list.currentItem()
        image = self.list.chosen_image
        details = "" if entry is None else "\n".join((entry.details(), self._by(entry))).strip()
        if image is not None:
            details = f"{item.text(0)}: {outcome_text(image)}"
        lost = "" if entry is None else entry.lost(image)
        details = "\n".join(filter(None, (details, lost)))
        self.details.setText(details)
        self.details.setVisible(bool(details))
        state = entry.state if entry and isinstance(entry.folder, JobFolder) else None
        self.stop.setEnabled(state in ("starting", "running"))
        self.open.setEnabled(entry is not None and entry.record.out.parent.exists())
        self.resume.setEnabled(entry is not None and entry.can_resume)
        self.show_it.setEnabled(bool(self._to_show()) and self._opening is None)
        self.remove.setEnabled(entry is not None and not entry.is_alive)
        self.keep_running.setVisible(state in ALIVE)
        with QSignalBlocker(self.keep_running):
            self.keep_running.setChecked(entry is not None and entry.folder.outlives_window)

    def _by(self, entry: JobEntry) -> str:
        """Return by which model a segmentation is made."""
        folder = model_folder(entry.record)
        name = self._names.get(entry.model, "") if entry.model else ""
        return f"Model: {name or folder_words(folder)}" if folder else ""

    # what the buttons do

    def _on_keep_running(self, is_kept: bool) -> None:
        if self.chosen:
            self.chosen.folder.set_outlives_window(is_kept)

    def _on_stop(self) -> None:
        if self.chosen:
            self.chosen.folder.request_stop()
            self.update_list()

    def _on_resume(self) -> None:
        """Start the same command again: the engine computes what is missing."""
        entry = self.chosen
        if entry is None or entry.folder.is_running:
            return
        self.messages.clear()
        if not isinstance(entry.folder, JobFolder):
            self._hand_over(entry)
            return
        job = DetachedEngine(entry.record.arguments, entry.folder)
        job.setParent(QCoreApplication.instance())  # the list may be closed before
        job.happened.connect(self._on_event)
        job.start()
        RUNNING.add(job)
        CHOSEN.run.emit(entry.record.kind, entry.record.out)  # an open panel shows it
        self.update_list()

    def _hand_over(self, entry: JobEntry) -> None:
        """Choose a run in its own panel, where there are the layers to resume it on."""
        title = PANELS[entry.record.kind]
        self._open_panel(entry)
        self.messages.add(f"It is chosen in the panel {title}: choose its layers there.")

    def _open_panel(self, entry: JobEntry) -> None:
        """Open the panel of a training or comparison, and show it there."""
        title = PANELS[entry.record.kind]
        open_beside(self, self._viewer, title.split()[0], title)
        CHOSEN.run.emit(entry.record.kind, entry.record.out)

    def _on_event(self, event: Event) -> None:
        """Show why a run that was resumed here has failed, and tell of its model."""
        if isinstance(event, RunFailed):
            self.messages.add(event.message, Tone.ERROR)
        if isinstance(event, RunDone) and event.out and Run(event.out).model.exists():
            MODELS.announce(Run(event.out).model)
        if isinstance(event, RunDone | RunFailed):
            self.update_list()

    def _on_open(self) -> None:
        """Open the folder of a run or result in the file manager of the system."""
        entry, image = self.chosen, self.list.chosen_image
        if entry is not None:
            out = Path(image.out) if image else entry.record.out
            folder = out if entry.record.kind != "predict" else out.parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _on_show(self) -> None:
        """Open the results and their images in a thread, then add the layers."""
        entry, found = self.chosen, self._to_show()
        if entry is None:
            return
        self.messages.clear()
        if len(found) > SHOWN_TOGETHER:
            text = f"There are {len(found)} results: choose one in the list, then Show."
            self.messages.add(text)
            self.list.expandItem(self.list.currentItem())
            return
        record = entry.record
        paths = {Path(image.out): image.image for image in entry.progress.images}

        def work() -> Generator[None, None, list[Below | None]]:
            yield
            if record.output != "probabilities":
                prepare_labels()
            images = [image_path(record, one, paths.get(one.out, "")) for one in found]
            return [opened_below(record, *pair) for pair in zip(found, images, strict=True)]

        def then(below: list[Below | None]) -> None:
            self._opening = None
            self._show_chosen()
            say = partial(self.messages.add, tone=Tone.NOTE)
            opened = OpenedTogether(self._viewer, len(found), say)
            for one, image in zip(found, below, strict=True):
                layers = add_below(self._viewer, image) if image else []
                show = partial(self._show_result, entry, one, layers, opened)
                QTimer.singleShot(PAUSE, show)

        self._opening = Background(work, then, self._on_error)
        self._show_chosen()

    def _show_result(
        self, entry: JobEntry, shown: ShownResult, below: list[Layer], opened: OpenedTogether
    ) -> None:
        """Show what a run made on the layers of its image."""
        if entry.record.kind == "predict":
            result = Result(self._viewer, shown, entry.record.output)
            opened.add(result)
            self.results[shown.out] = result
            if entry.is_alive and not self._has_ended(entry, shown):
                result.grow()
            else:
                self._end(entry, shown)
        elif entry.record.kind == "train":
            self._show_training(entry)
        elif below:
            try:
                show_comparison(self._viewer, entry.record, below[0])
            except (UserError, OSError) as error:
                self.messages.add(f"The results cannot be shown: {error}", Tone.WARNING)
        else:
            self.messages.add(
                "Its image is not known. Open folder shows its table and figures."
            )

    def _show_training(self, entry: JobEntry) -> None:
        """Show the last preview; choose the run in its panel, and its model in Segment."""
        out = entry.record.out
        show_preview(self._viewer, entry.record, entry.preview)
        self._open_panel(entry)
        self.messages.add(f"Its curves are in the panel {PANELS['train']}.")
        if Run(out).model.exists():
            MODELS.announce(Run(out).model)
            self.messages.add("Its model is chosen in the panel Segment.")

    def _on_remove(self) -> None:
        entry = self.chosen
        if entry is None or entry.folder.is_running:
            return

        folder, record = entry.folder, entry.record

        def work() -> Any:
            yield
            folder.remove()
            if record.kind != "predict" and record.out.is_dir() and is_own_copy(record.out):
                FoundRun(record.out, record.kind).remove()  # else its folder would be found

        self._removing.append(Background(work, lambda _: self.update_list(), self._on_error))

    def _on_error(self, error: Exception) -> None:
        self._opening = self._naming = None
        self.messages.add(str(error), Tone.ERROR)
        self.update_list()

    # what is shown

    def _to_show(self) -> list[ShownResult]:
        """Return the results on disk of the chosen job or image."""
        entry, image = self.chosen, self.list.chosen_image
        if entry is None:
            return []
        known = {shown.out: shown for shown in entry.record.results}
        ended = [image] if image else entry.progress.images
        for done in ended:
            out = Path(done.out)
            name = Path(done.image).stem
            known.setdefault(out, ShownResult(image=Path(done.image).name, name=name, out=out))
        found = [known[Path(image.out)]] if image else list(known.values())
        return [shown for shown in found if shown.out.exists()]

    def _follow(self, entry: JobEntry) -> None:
        """Refresh the layers of a job whose result has grown."""
        for shown in [x for x in entry.record.results if x.out in self.results]:
            if not entry.is_alive or self._has_ended(entry, shown):
                self._end(entry, shown)
            elif entry.grew:
                self.results[shown.out].grow()

    def _end(self, entry: JobEntry, shown: ShownResult) -> None:
        result, is_complete = self.results.pop(shown.out), _is_complete(entry, shown)
        result.end(is_partial=not is_complete)
        for doubt in result.doubts if is_complete else ():
            self.messages.add(f"⚠ {doubt}", Tone.WARNING)

    def _has_ended(self, entry: JobEntry, shown: ShownResult) -> bool:
        return any(Path(image.out) == shown.out for image in entry.progress.images)


def _is_complete(entry: JobEntry, shown: ShownResult) -> bool:
    """Whether a result that is no longer written was completed."""
    for image in entry.progress.images:
        if Path(image.out) == shown.out:
            return image.status in ENDED_WELL
    return entry.state == "done"


def _button(verb: str, tooltip: str, slot: Callable[[], None]) -> QPushButton:
    button = QPushButton(verb)
    button.setToolTip(tooltip)
    button.clicked.connect(slot)
    return button
