"""The list of runs: a row for each, and below it the images of a batch."""

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

from napari_utile.events import ImageDone
from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.progress import ENDED_WELL, outcome_text
from napari_utile.widgets.runs.entry import JobEntry
from napari_utile.widgets.runs.words import second_line

TONES = {
    "starting": Tone.NOTE, "running": Tone.NOTE, "stopping": Tone.NOTE, "done": Tone.SUCCESS,
    "failed": Tone.ERROR, "stopped": Tone.WARNING, "interrupted": Tone.WARNING,
}  # fmt: skip
LONGEST_STATE = 32
"""Letters of a state in the list; of a longer one the rest is below it."""
ROW_KEY = Qt.ItemDataRole.UserRole


class RunTree(QTreeWidget):
    """What runs are, when they were made, and how far they are."""

    def __init__(self) -> None:
        super().__init__()
        self.setHeaderLabels(["run", "state"])
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.setStyleSheet("QTreeView::item { padding: 2px 0px; }")
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)

    @property
    def chosen_key(self) -> str:
        """Path of the folder of the run whose row, or one of whose images, is chosen; or ''."""
        item = self.currentItem()
        return str((item.parent() or item).data(0, ROW_KEY)) if item else ""

    @property
    def chosen_image(self) -> ImageDone | None:
        """The image of a batch that is chosen."""
        item = self.currentItem()
        found = item.data(0, ROW_KEY) if item else None
        return found if isinstance(found, ImageDone) else None

    def show_entries(self, entries: Mapping[str, JobEntry], names: Mapping[Path, str]) -> None:
        """Show one row per run. Rows are added and removed, but never change places.

        Parameters
        ----------
        entries : mapping
            Path of the folder -> run, in the order of the rows.
        names : mapping
            Path of a model -> what the user calls it.
        """
        with QSignalBlocker(self):
            for row in reversed(range(self.topLevelItemCount())):
                if self.topLevelItem(row).data(0, ROW_KEY) not in entries:
                    self.takeTopLevelItem(row)
            for row, (key, entry) in enumerate(entries.items()):
                item = self.topLevelItem(row)
                if item is None or item.data(0, ROW_KEY) != key:
                    item = QTreeWidgetItem()
                    item.setData(0, ROW_KEY, key)
                    self.insertTopLevelItem(row, item)
                    if row == 0:  # it was just started
                        self.setCurrentItem(item)
                _show_entry(item, entry, names.get(entry.model, "") if entry.model else "")


def _show_entry(item: QTreeWidgetItem, entry: JobEntry, model: str) -> None:
    """Show a run in its row, and below it the images of a batch that have ended."""
    words, record = entry.words(), entry.record
    state = words if len(words) < LONGEST_STATE else entry.state
    state = state.replace(", ", "\n", 1).replace(" at ", "\nat ", 1)  # the list is narrow
    _show_in(item, f"{record.title}\n{second_line(record, model)}", state)
    item.setForeground(1, QBrush(QColor(color_of(TONES[entry.state]))))
    made = f"{record.created:%d %b %Y, %H:%M}"
    item.setToolTip(0, f"{record.title}\n{record.out}\n{made}")
    item.setToolTip(1, entry.details() or words)
    images = entry.images()
    if item.childCount() > len(images):  # it was started again
        item.takeChildren()
    while item.childCount() < len(images):
        QTreeWidgetItem(item)
    for row, image in enumerate(images):
        child = item.child(row)
        _show_in(child, Path(image.image).name, image.status)
        child.setData(0, ROW_KEY, image)
        child.setToolTip(0, image.out)
        child.setToolTip(1, outcome_text(image))
        tone = Tone.SUCCESS if image.status in ENDED_WELL else Tone.ERROR
        child.setForeground(1, QBrush(QColor(color_of(tone))))


def _show_in(item: QTreeWidgetItem, *texts: str) -> None:
    """Write texts into the columns of a row, if they have changed."""
    for column, text in enumerate(texts):
        if item.text(column) != text:
            item.setText(column, text)
