"""The panel that lists the jobs of all windows: how far they are, and what failed."""

from collections.abc import Callable
from functools import partial
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
from napari_utile.widgets.jobs.entry import JobEntry
from napari_utile.widgets.kit.background import background
from napari_utile.widgets.kit.form import AMBER, BLUE, GREEN, RED
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.paths import known_jobs
from napari_utile.widgets.kit.progress import ENDED_WELL, outcome
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.process.detached import DetachedJob

LOOK = 1000
"""Milliseconds between two looks at the folders of jobs, while the list is seen."""
AT_ONCE = 4
"""Results that are shown at one click; of more, each by its own."""
COLORS = {
    "running": BLUE, "starting": BLUE, "stopping": BLUE, "done": GREEN, "failed": RED,
    "stopped": AMBER, "interrupted": AMBER,
}  # fmt: skip
KEY = Qt.ItemDataRole.UserRole


class JobsPanel(QWidget):
    """All jobs of Segment, of this window, of others, and of those that are closed."""

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.entries: dict[str, JobEntry] = {}
        self.results: dict[Path, Result] = {}
        self._removing: list[Any] = []
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
        self.goes_on = QCheckBox("goes on when its napari is closed")
        self.goes_on.toggled.connect(self._on_goes_on)
        self.stop = button("Stop", "Let it save and end; it can go on later", self._on_stop)
        self.go_on = button("Go on", "Do what is left of it", self._on_go_on)
        self.show_it = button(
            "Show", "Open the result as layers; they follow if it still runs", self._on_show
        )
        self.remove = button(
            "Remove",
            "Take it off the list, with the copies of layers that were made for it. "
            "Results stay, but an unfinished one can no longer go on from here",
            self._on_remove,
        )

        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 8)
        column.setSpacing(6)
        column.addWidget(self.list, 1)
        for part in (self.details, self.goes_on):
            column.addWidget(part)
        buttons = QGridLayout()
        for place, part in enumerate((self.stop, self.go_on, self.show_it, self.remove)):
            buttons.addWidget(part, 0, place)
        column.addLayout(buttons)
        column.addWidget(self.messages)
        self.setMinimumWidth(300)

        self._timer = QTimer(self)
        self._timer.setInterval(LOOK)
        self._timer.timeout.connect(self.update_list)
        self._show_chosen()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Begin to look, now that the list is seen."""
        super().showEvent(event)
        self.update_list()
        self._timer.start()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Look no more, unless layers follow a job."""
        super().hideEvent(event)
        if not self.results:
            self._timer.stop()

    def update_list(self) -> None:
        """Look for new jobs and at what is new of the others."""
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
        return self.entries.get((item.parent() or item).data(0, KEY)) if item else None

    # the list

    def _show_entries(self) -> None:
        """Give each job a row. Their order never changes: some come, some go."""
        with QSignalBlocker(self.list):
            for row in reversed(range(self.list.topLevelItemCount())):
                if self.list.topLevelItem(row).data(0, KEY) not in self.entries:
                    self.list.takeTopLevelItem(row)
            for row, (key, entry) in enumerate(self.entries.items()):
                item = self.list.topLevelItem(row)
                if item is None or item.data(0, KEY) != key:
                    item = QTreeWidgetItem()
                    item.setData(0, KEY, key)
                    self.list.insertTopLevelItem(row, item)
                    if row == 0:  # it was just started
                        self.list.setCurrentItem(item)
                self._show_entry(item, entry)
        self._show_chosen()

    def _show_entry(self, item: QTreeWidgetItem, entry: JobEntry) -> None:
        """Show a job in its row, and below it the images of a batch that have ended."""
        words = entry.words()
        show_in(item, entry.record.title, words if len(words) < 32 else entry.state)
        item.setForeground(1, QBrush(QColor(COLORS[entry.state])))
        made = f"{entry.record.created:%d %b %Y, %H:%M}"
        item.setToolTip(0, f"{entry.record.title}\n{entry.record.out}\n{made}")
        item.setToolTip(1, entry.details() or words)
        images = entry.images()
        if item.childCount() > len(images):  # it was started again
            item.takeChildren()
        for image in images[item.childCount() :]:
            child = QTreeWidgetItem(item)
            show_in(child, Path(image.image).name, image.status)
            child.setData(0, KEY, image)
            child.setToolTip(0, image.out)
            child.setToolTip(1, outcome(image))
            color = GREEN if image.status in ENDED_WELL else RED
            child.setForeground(1, QBrush(QColor(color)))

    def _show_chosen(self) -> None:
        """Show the details of the row that is chosen, and what can be done with it."""
        entry, item = self.chosen, self.list.currentItem()
        image = self._chosen_image()
        details = "" if entry is None else entry.details()
        if image is not None:
            details = f"{item.text(0)}: {outcome(image)}"
        self.details.setText(details)
        self.details.setVisible(bool(details))
        self.stop.setEnabled(entry is not None and entry.state in ("starting", "running"))
        self.go_on.setEnabled(entry is not None and entry.can_go_on)
        self.show_it.setEnabled(bool(self._to_show()))
        self.remove.setEnabled(entry is not None and not entry.is_alive)
        self.goes_on.setVisible(entry is not None and entry.is_alive)
        with QSignalBlocker(self.goes_on):
            self.goes_on.setChecked(entry is not None and entry.folder.outlives_window)

    def _chosen_image(self) -> ImageDone | None:
        item = self.list.currentItem()
        found = item.data(0, KEY) if item else None
        return found if isinstance(found, ImageDone) else None

    # what the buttons do

    def _on_goes_on(self, goes_on: bool) -> None:
        if self.chosen:
            self.chosen.folder.set_outlives_window(goes_on)

    def _on_stop(self) -> None:
        if self.chosen:
            self.chosen.folder.request_stop()
            self.update_list()

    def _on_go_on(self) -> None:
        """Start the same command again: the engine does what is left."""
        entry = self.chosen
        if entry is None or entry.folder.is_running:
            return
        self.messages.clear()
        try:
            job = DetachedJob(entry.record.arguments, entry.folder)
        except UserError as error:
            self.messages.add(str(error), RED)
            return
        job.setParent(QCoreApplication.instance())  # the list may be closed before
        job.happened.connect(self._on_event)
        job.start()
        self.update_list()

    def _on_event(self, event: Event) -> None:
        """Say why a job that was started here could not go on."""
        if isinstance(event, RunFailed):
            self.messages.add(event.message, RED)
        if isinstance(event, RunDone | RunFailed):
            self.update_list()

    def _on_show(self) -> None:
        entry = self.chosen
        if entry is None:
            return
        self.messages.clear()
        found = self._to_show()
        if len(found) > AT_ONCE:
            self.messages.add(f"There are {len(found)} results: choose an image in the list.")
            return
        for shown in found:
            result = Result(
                self._viewer, shown.place, shown.out, shown.name, entry.record.output
            )
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

        self._removing.append(background(work, lambda _: self.update_list()))

    # what is shown

    def _to_show(self) -> list[ShownResult]:
        """List the results on disk of the job or image that is chosen."""
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
        """Let the layers of a job follow what was written."""
        for shown in [x for x in entry.record.results if x.out in self.results]:
            if not entry.is_alive or self._has_ended(entry, shown):
                self._end(entry, shown)
            elif entry.grew:
                self.results[shown.out].grow()

    def _end(self, entry: JobEntry, shown: ShownResult) -> None:
        self.results.pop(shown.out).end(is_partial=not is_whole(entry, shown))

    def _has_ended(self, entry: JobEntry, shown: ShownResult) -> bool:
        return any(Path(image.out) == shown.out for image in entry.progress.images)


def is_whole(entry: JobEntry, shown: ShownResult) -> bool:
    """Say whether a result that is no longer written was completed."""
    for image in entry.progress.images:
        if Path(image.out) == shown.out:
            return image.status in ENDED_WELL
    return entry.state == "done"


def button(verb: str, tooltip: str, slot: Callable[[], None]) -> QPushButton:
    """Make a button."""
    made = QPushButton(verb)
    made.setToolTip(tooltip)
    made.clicked.connect(partial(lambda slot, _=False: slot(), slot))
    return made


def show_in(item: QTreeWidgetItem, *texts: str) -> None:
    """Write texts into the columns of a row, if they have changed."""
    for column, text in enumerate(texts):
        if item.text(column) != text:
            item.setText(column, text)
