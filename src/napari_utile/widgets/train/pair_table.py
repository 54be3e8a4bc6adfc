"""A table of images and their labels: which are trained on, and which validate."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import QEvent, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_utile.settings.training import TRAIN_DEFAULTS
from napari_utile.widgets.kit.fields import offer, wide_choice

AUTOMATIC, TRAINING, VALIDATION = "automatic", "training", "validation"
SPLITS = {
    AUTOMATIC: "The engine chooses which images validate",
    TRAINING: "The network learns from this image",
    VALIDATION: "The network is judged by this image, and never sees it in training",
}
ROWS_IN_VIEW, ROW_HEIGHT = 6, 26


@dataclass(frozen=True)
class PairRow:
    """An image, its labels, and how the shell calls them.

    Attributes
    ----------
    name : str
        Of the image in settings, without suffix.
    image : str
        What the table calls it.
    labels : str or object
        Name of its labels; or which of `choices` is chosen.
    choices : mapping of object to str
        Labels to choose from; empty where there is no choice, and no tick.
    is_ticked : bool
    """

    name: str
    image: str
    labels: Any
    choices: Mapping[Any, str] = field(default_factory=dict)
    is_ticked: bool = True


class PairTable(QTableWidget):
    """Pairs of images and labels with their part; rows with a choice can be ticked.

    Attributes
    ----------
    validation : tuple of str
        Names of the images that validate; () leaves it to the engine.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(0, 3)
        self.setHorizontalHeaderLabels(["image", "labels", "part"])
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Fixed)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._rows: list[PairRow] = []
        self.validation: tuple[str, ...] = ()
        self.itemChanged.connect(lambda _: self._on_tick())

    def show_rows(self, rows: Sequence[PairRow]) -> None:
        """Show these pairs in place of the others."""
        if [*rows] == self._rows:
            return
        self._rows = [*rows]
        with QSignalBlocker(self):
            self.setRowCount(len(rows))
            for i, row in enumerate(rows):
                self._show_row(i, row)
        self._fit()
        self.set_validation(self.validation)

    def event(self, event: QEvent) -> bool:
        """Fit again once it is shown, or drawn in another style: sizes are known only then."""
        done = bool(super().event(event))
        if event.type() in (QEvent.Type.Show, QEvent.Type.StyleChange):
            self._fit()
        return done

    def _fit(self) -> None:
        """Give the last column the width of its lists, and the table the height of its rows."""
        header = self.horizontalHeader()
        parts = [self._part(row) for row in range(self.rowCount())]
        for part in (self, header, *parts):
            part.ensurePolished()
        widths = [part.sizeHint().width() for part in parts]
        header.resizeSection(2, max([header.sectionSizeHint(2), *widths]))
        lines = max(1, min(len(self._rows), ROWS_IN_VIEW))
        self.setFixedHeight(
            header.sizeHint().height() + lines * ROW_HEIGHT + 2 * self.frameWidth()
        )

    def ticked(self) -> list[int]:
        """Return the numbers of the rows that are trained on or validate."""
        checked = Qt.CheckState.Checked
        return [
            i
            for i, row in enumerate(self._rows)
            if not row.choices or self.item(i, 0).checkState() == checked
        ]

    def names(self) -> list[str]:
        """Return the names of the images that are ticked."""
        return [self._rows[i].name for i in self.ticked()]

    def without_labels(self) -> list[int]:
        """Return the numbers of the rows for which no labels were found."""
        return [i for i, row in enumerate(self._rows) if row.labels is None]

    def labels(self, row: int) -> Any:
        """Return which labels are chosen for an image, or None."""
        choice = self.cellWidget(row, 1)
        return choice.currentData() if isinstance(choice, QComboBox) else None

    def set_validation(self, names: Collection[str]) -> None:
        """Show which images validate, by name; none: the engine chooses."""
        there = self.names()
        self.validation = tuple(name for name in there if name in names)
        for i, row in enumerate(self._rows):
            part = VALIDATION if row.name in self.validation else TRAINING
            choice = self._part(i)
            with QSignalBlocker(choice):
                choice.setCurrentText(part if self.validation else AUTOMATIC)
            choice.setEnabled(row.name in there and len(there) > 1)
            choice.setToolTip(SPLITS[choice.currentText()])

    def problem(self) -> str:
        """Return why these images cannot be trained on, or ''."""
        if not self.names():
            return "Tick the images to train on."
        if len(self.validation) == len(self.names()):
            return "All images validate: leave one to train on."
        return ""

    def _part(self, row: int) -> QComboBox:
        choice = self.cellWidget(row, 2)
        assert isinstance(choice, QComboBox)
        return choice

    def _show_row(self, i: int, row: PairRow) -> None:
        image = QTableWidgetItem(row.image)
        image.setFlags(Qt.ItemFlag.ItemIsEnabled)
        image.setToolTip(row.image)
        if row.choices:
            image.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            checked, unchecked = Qt.CheckState.Checked, Qt.CheckState.Unchecked
            image.setCheckState(checked if row.is_ticked else unchecked)
        self.setItem(i, 0, image)
        if row.choices:
            labels = wide_choice()
            offer(labels, row.choices)
            labels.setCurrentIndex([*row.choices].index(row.labels))
            labels.setToolTip(f"Annotation of {row.image}: {row.choices[row.labels]}")
            labels.currentIndexChanged.connect(lambda _: self.changed.emit())
            self.setCellWidget(i, 1, labels)
        else:
            item = QTableWidgetItem(str(row.labels))
            item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            self.removeCellWidget(i, 1)
            self.setItem(i, 1, item)
        part = QComboBox()
        part.addItems(list(SPLITS))
        part.currentTextChanged.connect(lambda text, name=row.name: self._on_part(name, text))
        self.setCellWidget(i, 2, part)

    def _on_tick(self) -> None:
        self.set_validation(self.validation)
        self.changed.emit()

    def _on_part(self, name: str, part: str) -> None:
        """Let one image train or validate, or leave all to the engine."""
        others = [other for other in self.names() if other != name]
        held = [other for other in self.validation if other != name]
        match part:
            case "automatic":
                held = []
            case "validation":
                held.append(name)
            case "training" if not held:  # then others validate, about as many as usual
                count = max(1, round(TRAIN_DEFAULTS.validation_share * (len(others) + 1)))
                held = others[-count:]
        self.set_validation(held)
        self.changed.emit()
