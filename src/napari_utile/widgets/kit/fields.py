"""Editors for single options, chosen by the annotation of the option."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from qtpy.QtCore import QSignalBlocker, QSize, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QSpinBox,
    QWidget,
)
from superqt import QLabeledDoubleSlider

LARGEST_SPIN = 2**31 - 1
ROW, PADDING = 20, 4
"""Height of a line of a list, and what a theme may leave free above and below them, px."""
CHECKED, UNCHECKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


@dataclass(frozen=True)
class Field:
    """One editor, and how it is read, written and listened to."""

    editor: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    on_edit: Callable[[Callable[[], None]], Any]
    help: str


def field_of(info: FieldInfo) -> Field:
    """Choose the editor for a field by its annotation."""
    kind: Any = info.annotation
    text = info.description or ""
    if get_origin(kind) is Literal:
        choice = QComboBox()
        choice.addItems(get_args(kind))
        choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return Field(
            choice, choice.currentText, choice.setCurrentText,
            lambda slot: choice.currentTextChanged.connect(lambda _: slot()), text,
        )  # fmt: skip
    if kind is bool:
        switch = QCheckBox()
        return Field(
            switch, switch.isChecked, switch.setChecked,
            lambda slot: switch.toggled.connect(lambda _: slot()), text,
        )  # fmt: skip
    if kind is int:
        spin = QSpinBox()
        limits = {type(m).__name__: m for m in info.metadata}
        spin.setRange(
            limits["Ge"].ge if "Ge" in limits else -LARGEST_SPIN,
            limits["Le"].le if "Le" in limits else LARGEST_SPIN,
        )
        return Field(
            spin, spin.value, spin.setValue,
            lambda slot: spin.valueChanged.connect(lambda _: slot()), text,
        )  # fmt: skip
    line = QLineEdit()
    if get_origin(kind) is tuple:
        return Field(
            line,
            lambda: [part.strip() for part in line.text().split(",") if part.strip()],
            lambda values: line.setText(", ".join(map(str, values))),
            lambda slot: line.textChanged.connect(lambda _: slot()), text,
        )  # fmt: skip
    optional = type(None) in get_args(kind)
    line.setPlaceholderText("off" if optional else "")
    return Field(
        line,
        lambda: None if optional and line.text() in ("", "off") else line.text(),
        lambda value: line.setText(shown(value)),
        lambda slot: line.textChanged.connect(lambda _: slot()), text,
    )  # fmt: skip


def slider_of(info: FieldInfo, low: float, high: float) -> Field:
    """Make a slider with its number beside it."""
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setDecimals(1)
    return Field(
        slider, slider.value, slider.setValue,
        lambda slot: slider.valueChanged.connect(lambda _: slot()), info.description or "",
    )  # fmt: skip


def ticks_of(info: FieldInfo, names: Sequence[str]) -> Field:
    """Make a list in which some of `names` are ticked."""
    ticks = TickList(names)
    return Field(
        ticks, ticks.ticked, ticks.tick,
        lambda slot: ticks.itemChanged.connect(lambda _: slot()), info.description or "",
    )  # fmt: skip


class TickList(QListWidget):
    """Names with a box before each, as high as it needs to be."""

    def __init__(self, names: Sequence[str]):
        super().__init__()
        for name in names:
            item = QListWidgetItem(name, self)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setSizeHint(QSize(0, ROW))
        self.tick(names)
        self.setFixedHeight(ROW * self.count() + 2 * self.frameWidth() + 2 * PADDING)

    def ticked(self) -> list[str]:
        """List the names that are ticked."""
        return [item.text() for item in self._items() if item.checkState() == CHECKED]

    def tick(self, names: Sequence[str]) -> None:
        """Tick these names, and no other."""
        for item in self._items():
            item.setCheckState(CHECKED if item.text() in names else UNCHECKED)

    def _items(self) -> list[QListWidgetItem]:
        return [self.item(row) for row in range(self.count())]


def wide_choice() -> QComboBox:
    """Make a list that takes the width there is: long entries do not widen the panel."""
    choice = QComboBox()
    choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    choice.setMinimumContentsLength(8)
    choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return choice


def offer(choice: QComboBox, entries: Mapping[str, str]) -> None:
    """Offer other entries, data and text; what was chosen stays chosen if it is there."""
    chosen = choice.currentData()
    with QSignalBlocker(choice):
        choice.clear()
        for data, text in entries.items():
            choice.addItem(text, data)
        choice.setCurrentIndex(max(0, choice.findData(chosen)))


def shown(value: Any) -> str:
    """Write a value as it stands in a line; 5.0 as 5, None as nothing."""
    return "" if value is None else str(value).removesuffix(".0")
