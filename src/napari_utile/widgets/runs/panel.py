"""The panel that lists the jobs of all windows: how far they are, and what failed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QCoreApplication, QSignalBlocker, Qt, QTimer
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_utile.errors import UserError
from napari_utile.events import Event, ImageDone, RunDone, RunFailed
from napari_utile.folders.job import ShownResult
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.paths import known_jobs
from napari_utile.widgets.kit.progress import ENDED_WELL, outcome_text
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.runs.entry import JobEntry

REFRESH_INTERVAL = 1000
"""Milliseconds between two readings of the job folders, while the list is visible."""
SHOWN_TOGETHER = 4
"""Results that are shown at one click; of a job with more, one at a time."""
TONES = {
    "starting": Tone.NOTE, "running": Tone.NOTE, "stopping": Tone.NOTE, "done": Tone.SUCCESS,
    "failed": Tone.ERROR, "stopped": Tone.WARNING, "interrupted": Tone.WARNING,
}  # fmt: skip
ROW_KEY = Qt.ItemDataRole.UserRole


class RunsPanel(QWidget):
    """All jobs of Segment, of this window, of others, and of closed ones."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.entries: dict[str, JobEntry] = {}
        self.results: dict[Path, Result] = {}
        self._removing: list[Background] = []
        self.list = QTreeWidget()
        self.list.setHeaderLabels(["job", "state"])
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
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
            "Show", "Open the result as layers; they grow while it runs", self._on_show
        )
        self.remove = _button(
            "Remove",
            "Remove it from the list, with the copies of layers that were made for it. "
            "Results stay, but a partial one can no longer be resumed from here",
            self._on_remove,
        )

        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 8)
        column.setSpacing(6)
        column.addWidget(self.list, 1)
        for part in (self.details, self.keep_running):
            column.addWidget(part)
        buttons = QGridLayout()
        for place, part in enumerate((self.stop, self.resume, self.show_it, self.remove)):
            buttons.addWidget(part, 0, place)
        column.addLayout(buttons)
        column.addWidget(self.messages)
        self.setMinimumWidth(300)

        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_INTERVAL)
        self._timer.timeout.connect(self.update_list)
        self._show_chosen()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Start to follow the jobs, now that the list is visible."""
        super().showEvent(event)
        self.update_list()
        self._timer.start()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Stop to follow the jobs, unless layers grow with one."""
        super().hideEvent(event)
        if not self.results:
            self._timer.stop()

    def update_list(self) -> None:
        """Read which jobs there are, and what is new of each."""
        folders = {str(folder.path): folder for folder in known_jobs()}
        for key in [key for key in self.entries if key not in folders]:
            del self.entries[key]
        for key, folder in folders.items():
            if key not in self.entries and (record := folder.record):
                self.entries[key] = JobEntry(folder, record)
        self.entries = {key: self.entries[key] for key in folders if key in self.entries}
        for entry in self.entries.values():
            entry.update()
            self._follow(entry)
        self._show_entries()
        if not self.isVisible() and not self.results:
            self._timer.stop()

    @property
    def chosen(self) -> JobEntry | None:
        """The job whose row, or one of whose images, is chosen."""
        item = self.list.currentItem()
        return self.entries.get((item.parent() or item).data(0, ROW_KEY)) if item else None

    # the list

    def _show_entries(self) -> None:
        """Show one row per job. Rows are added and removed, but never change places."""
        with QSignalBlocker(self.list):
            for row in reversed(range(self.list.topLevelItemCount())):
                if self.list.topLevelItem(row).data(0, ROW_KEY) not in self.entries:
                    self.list.takeTopLevelItem(row)
            for row, (key, entry) in enumerate(self.entries.items()):
                item = self.list.topLevelItem(row)
                if item is None or item.data(0, ROW_KEY) != key:
                    item = QTreeWidgetItem()
                    item.setData(0, ROW_KEY, key)
                    self.list.insertTopLevelItem(row, item)
                    if row == 0:  # it was just started
                        self.list.setCurrentItem(item)
                self._show_entry(item, entry)
        self._show_chosen()

    def _show_entry(self, item: QTreeWidgetItem, entry: JobEntry) -> None:
        """Show a job in its row, and below it the images of a batch that have ended."""
        words = entry.words()
        _show_in(item, entry.record.title, words if len(words) < 32 else entry.state)
        item.setForeground(1, QBrush(QColor(color_of(TONES[entry.state]))))
        made = f"{entry.record.created:%d %b %Y, %H:%M}"
        item.setToolTip(0, f"{entry.record.title}\n{entry.record.out}\n{made}")
        item.setToolTip(1, entry.details() or words)
        images = entry.images()
        if item.childCount() > len(images):  # it was started again
            item.takeChildren()
        for image in images[item.childCount() :]:
            child = QTreeWidgetItem(item)
            _show_in(child, Path(image.image).name, image.status)
            child.setData(0, ROW_KEY, image)
            child.setToolTip(0, image.out)
            child.setToolTip(1, outcome_text(image))
            tone = Tone.SUCCESS if image.status in ENDED_WELL else Tone.ERROR
            child.setForeground(1, QBrush(QColor(color_of(tone))))

    def _show_chosen(self) -> None:
        """Show the details of the chosen row, and enable the buttons that apply."""
        entry, item = self.chosen, self.list.currentItem()
        image = self._chosen_image()
        details = "" if entry is None else entry.details()
        if image is not None:
            details = f"{item.text(0)}: {outcome_text(image)}"
        lost = "" if entry is None else entry.lost(image)
        details = "\n".join(filter(None, (details, lost)))
        self.details.setText(details)
        self.details.setVisible(bool(details))
        self.stop.setEnabled(entry is not None and entry.state in ("starting", "running"))
        self.resume.setEnabled(entry is not None and entry.can_resume)
        self.show_it.setEnabled(bool(self._to_show()))
        self.remove.setEnabled(entry is not None and not entry.is_alive)
        self.keep_running.setVisible(entry is not None and entry.is_alive)
        with QSignalBlocker(self.keep_running):
            self.keep_running.setChecked(entry is not None and entry.folder.outlives_window)

    def _chosen_image(self) -> ImageDone | None:
        item = self.list.currentItem()
        found = item.data(0, ROW_KEY) if item else None
        return found if isinstance(found, ImageDone) else None

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
        try:
            job = DetachedEngine(entry.record.arguments, entry.folder)
        except UserError as error:
            self.messages.add(str(error), Tone.ERROR)
            return
        job.setParent(QCoreApplication.instance())  # the list may be closed before
        job.happened.connect(self._on_event)
        job.start()
        self.update_list()

    def _on_event(self, event: Event) -> None:
        """Show why a job that was resumed here has failed."""
        if isinstance(event, RunFailed):
            self.messages.add(event.message, Tone.ERROR)
        if isinstance(event, RunDone | RunFailed):
            self.update_list()

    def _on_show(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        self.messages.clear()
        found = self._to_show()
        if len(found) > SHOWN_TOGETHER:
            self.messages.add(f"There are {len(found)} results: choose an image in the list.")
            return
        for shown in found:
            result = Result(self._viewer, shown, entry.record.output)
            self.results[shown.out] = result
            if entry.is_alive and not self._has_ended(entry, shown):
                result.grow()
            else:
                self._end(entry, shown)

    def _on_remove(self) -> None:
        entry = self.chosen
        if entry is None or entry.folder.is_running:
            return

        def work() -> Any:
            yield
            entry.folder.remove()

        self._removing.append(Background(work, lambda _: self.update_list(), self._on_error))

    def _on_error(self, error: Exception) -> None:
        self.messages.add(str(error), Tone.ERROR)
        self.update_list()

    # what is shown

    def _to_show(self) -> list[ShownResult]:
        """Return the results on disk of the chosen job or image."""
        entry, image = self.chosen, self._chosen_image()
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


def _show_in(item: QTreeWidgetItem, *texts: str) -> None:
    """Write texts into the columns of a row, if they have changed."""
    for column, text in enumerate(texts):
        if item.text(column) != text:
            item.setText(column, text)
