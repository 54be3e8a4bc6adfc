"""Editors of single options, chosen by the annotation of the option."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from magicgui.widgets import create_widget
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QLocale, QObject, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QWidget,
)

from napari_utile.widgets.kit.size_slider import SizeSlider

LARGEST_INT = 2**31 - 1
NO_WORDS: Mapping[Any, str] = MappingProxyType({})
DECIMAL_COMMA = re.compile(r"([-+]?\d*),(\d+(?:e[-+]?\d+)?(?: ?[a-zµ]+)?)", re.IGNORECASE)
"""Of a single number, with or without a unit."""
LINE, PADDING = 20, 4
"""Height of a line of a list, and what a theme may leave free above and below them, px."""


@dataclass(frozen=True)
class Field:
    """One editor, and how it is read, written and listened to.

    Where an option has names to choose from, `offer` leaves only some of them; one that is
    written comes back with all others.
    """

    editor: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    on_edit: Callable[[Callable[[], None]], Any]
    help: str
    offer: Callable[[Sequence[Any]], None] | None = None


def field_of(info: FieldInfo, words: Mapping[Any, str] = NO_WORDS) -> Field:
    """Return the editor of an option: a list of `words` if it has some, else by its annotation.

    magicgui's editors of float and tuple can hold neither `1e-4`, nor nothing, nor a wrong
    value, which the form turns red; so these are typed into a line.
    """
    kind: Any = info.annotation
    if words:
        choices = [(word, value) for value, word in words.items()]
        return _field(info, create_widget(widget_type="ComboBox", options={"choices": choices}))
    if kind is bool or get_origin(kind) is Literal:
        widget = create_widget(annotation=kind)
        return _field(info, widget) if kind is bool else _choice(info, widget, get_args(kind))
    if kind is int:
        limits = {type(m).__name__: m for m in info.metadata}
        low = limits["Ge"].ge if "Ge" in limits else -LARGEST_INT
        high = limits["Le"].le if "Le" in limits else LARGEST_INT
        return _field(info, create_widget(annotation=int, options={"min": low, "max": high}))
    if get_origin(kind) is tuple:
        return _line(info, _words_in, lambda values: ", ".join(map(str, values)))
    if type(None) in get_args(kind):
        line = _line(
            info, lambda text: None if text in ("", "off") else pointed(text), value_text
        )
        line.editor.setPlaceholderText("off")
        return line
    return _line(info, pointed, value_text)


def pointed(text: str) -> str:
    """Return a typed number with a decimal point where it has a decimal comma.

    Parameters
    ----------
    text : str
        Anything; what is no such number comes back as it is.

    Examples
    --------
    >>> pointed("1,5"), pointed(" 2,5 nm"), pointed("1,2,3")
    ('1.5', '2.5 nm', '1,2,3')
    """
    found = DECIMAL_COMMA.fullmatch(text.strip())
    return f"{found[1]}.{found[2]}" if found else text


def slider_of(info: FieldInfo, low: float, high: float) -> Field:
    """Return a slider with its number beside it.

    Parameters
    ----------
    info : FieldInfo
        The option.
    low, high : float
        Ends of the slider; a whole number may be typed that lies behind them.

    Returns
    -------
    Field
    """
    if info.annotation is int:
        sizes = SizeSlider(round(high), LARGEST_INT)
        help_text = info.description or ""
        return Field(
            sizes, lambda: sizes.value, sizes.set_value, sizes.changed.connect, help_text
        )
    options = {"min": low, "max": high, "step": 0.1 if high > 1 else 0.01}
    slider: Any = create_widget(annotation=float, widget_type="FloatSlider", options=options)
    CommaFilter(slider.native.findChild(QDoubleSpinBox))
    field = _field(info, slider)
    return replace(field, read=lambda: round(slider.value, 6))


class CommaFilter(QObject):
    """Types a point for a comma into a number; Qt leaves commas out, and 1,5 is 15."""

    def __init__(self, number: QDoubleSpinBox):
        super().__init__(number)
        locale = QLocale.c()
        locale.setNumberOptions(QLocale.NumberOption.RejectGroupSeparator)
        number.setLocale(locale)
        number.installEventFilter(self)

    def eventFilter(self, number: QObject, event: QEvent) -> bool:  # noqa: N802
        """Send the other key."""
        if event.type() != QEvent.Type.KeyPress or event.text() != ",":
            return False
        point = QKeyEvent(event.type(), Qt.Key.Key_Period, event.modifiers(), ".")
        return bool(QApplication.sendEvent(number, point))


def ticks_of(info: FieldInfo, names: Sequence[str]) -> Field:
    """Return a list in which some of `names` are ticked.

    Parameters
    ----------
    info : FieldInfo
        The option, a tuple of names.
    names : sequence of str
        Names that can be ticked.

    Returns
    -------
    Field
    """
    ticks = TickList(names)  # magicgui's Select marks names without boxes
    return Field(ticks, ticks.ticked, ticks.tick, ticks.changed.connect, info.description or "")


def _field(info: FieldInfo, widget: Any) -> Field:
    def write(value: Any) -> None:
        widget.value = value

    return Field(
        widget.native, lambda: widget.value, write,
        lambda slot: widget.changed.connect(lambda _: slot()), info.description or "",
    )  # fmt: skip


def _choice(info: FieldInfo, widget: Any, names: Sequence[Any]) -> Field:
    field = _field(info, widget)

    def offer_some(some: Sequence[Any]) -> None:
        if list(widget.choices) != list(some):
            widget.choices = list(some)

    def write(value: Any) -> None:
        if value not in widget.choices:
            widget.choices = list(names)
        field.write(value)

    return replace(field, write=write, offer=offer_some)


def _line(info: FieldInfo, read: Callable[[str], Any], write: Callable[[Any], str]) -> Field:
    line: Any = create_widget(annotation=str)
    return Field(
        line.native, lambda: read(line.native.text()),
        lambda value: line.native.setText(write(value)),
        lambda slot: line.changed.connect(lambda _: slot()), info.description or "",
    )  # fmt: skip


def _words_in(text: str) -> list[str]:
    """Return entries between semicolons, where commas are decimal, or else between commas."""
    parts = map(pointed, text.split(";")) if ";" in text else text.split(",")
    return [part.strip() for part in parts if part.strip()]


def value_text(value: Any) -> str:
    """Return a value as it is typed into a line: 5.0 as 5, None as nothing."""
    return "" if value is None else str(value).removesuffix(".0")


class TickList(QListWidget):
    """Entries with a check box each; as high as its entries."""

    changed = Signal()

    def __init__(self, names: Sequence[str]):
        super().__init__()
        self._entries: list[Any] = []
        self.itemChanged.connect(lambda _: self.changed.emit())
        self.offer({name: name for name in names})
        self.tick(names)

    def offer(self, entries: Mapping[Any, str], in_view: int = 100) -> None:
        """Replace the entries and their texts; those that were ticked stay so."""
        ticked = self.ticked()
        with QSignalBlocker(self):
            self.clear()
            self._entries = list(entries)
            for text in entries.values():
                item = QListWidgetItem(text, self)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                item.setSizeHint(QSize(0, LINE))
            self.tick(ticked)
        lines = max(1, min(len(entries), in_view))
        self.setFixedHeight(LINE * lines + 2 * self.frameWidth() + 2 * PADDING)

    def ticked(self) -> list[Any]:
        """Return the entries that are ticked."""
        return [
            entry
            for row, entry in enumerate(self._entries)
            if self.item(row).checkState() == Qt.CheckState.Checked
        ]

    def tick(self, entries: Sequence[Any]) -> None:
        """Tick these entries, and no other."""
        checked, unchecked = Qt.CheckState.Checked, Qt.CheckState.Unchecked
        for row, entry in enumerate(self._entries):
            self.item(row).setCheckState(checked if entry in entries else unchecked)


def wide_choice() -> QComboBox:
    """Return an empty list as wide as the panel, whose entries do not widen it."""
    choice = QComboBox()
    narrow(choice)
    return choice


def narrow(choice: QComboBox) -> None:
    """Fit a list to the width of the panel: long entries do not widen it."""
    choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    choice.setMinimumContentsLength(8)
    choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)


class SuggestedChoice(QComboBox):
    """A wide list of which an entry is suggested until the user chooses one."""

    decided = Signal()
    """The user has chosen, or leaves the choice to suggestions again."""

    def __init__(self) -> None:
        super().__init__()
        narrow(self)
        self.is_suggested = True
        self._is_suggesting = False
        self.currentIndexChanged.connect(self._on_choice)
        self.activated.connect(self._on_choice)

    def suggest(self, index: int) -> None:
        """Show an entry, unless the user has chosen one."""
        if self.is_suggested:
            self._is_suggesting = True
            self.setCurrentIndex(index)
            self._is_suggesting = False

    def choose(self, text: str) -> None:
        """Choose the entry of a text; '' leaves the choice to suggestions."""
        self.is_suggested = not text
        if text:
            self.setCurrentIndex(max(0, self.findText(text)))
        self.decided.emit()

    def chosen(self) -> str:
        """Return the text that was chosen; '' if it is only suggested."""
        return "" if self.is_suggested else str(self.currentText())

    def _on_choice(self, _index: int) -> None:
        if not self._is_suggesting:
            self.is_suggested = False
            self.decided.emit()


def offer(choice: QComboBox, entries: Mapping[Any, str]) -> None:
    """Replace the entries, data and text; the chosen one stays chosen if it is there.

    Parameters
    ----------
    choice : QComboBox
    entries : mapping of object to str
        Data of each entry, and its text.
    """
    chosen = choice.currentData()
    with QSignalBlocker(choice):
        choice.clear()
        for data, text in entries.items():
            choice.addItem(text, data)
        data = list(entries)
        choice.setCurrentIndex(data.index(chosen) if chosen in data else 0)
