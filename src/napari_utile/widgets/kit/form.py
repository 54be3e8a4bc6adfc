"""A settings class as a Qt form. It checks through the class itself and computes nothing."""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_utile.errors import UserError
from napari_utile.refusals import sentence, why
from napari_utile.settings.checked import Settings
from napari_utile.widgets.kit.colors import Tone, color_of, follow_theme
from napari_utile.widgets.kit.fields import field_of, slider_of, ticks_of, value_text
from napari_utile.widgets.kit.fold import Fold
from napari_utile.widgets.kit.messages import colored

S = TypeVar("S", bound=Settings)

DECIDING = {"recipe", "network", "networks"}
"""Fields that the defaults of others follow."""
EXAMPLES = {"a number": ", like 5 or 1.5", "a whole number": ", like 5"}
"""Of what an option must be."""
LABEL_WIDTH = 118
"""Of the column of names, px."""
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Form(QWidget, Generic[S]):
    """Edits one settings class: a few main fields, the others folded away by subject.

    Parameters
    ----------
    kind : subclass of Settings
        Its fields give type, limits, default and tooltip of each row, and the group under
        which the row is folded away.
    sliders : mapping of str to (float, float), optional
        Fields that are dragged, and between which values.
    ticks : mapping of str to sequence of str, optional
        Fields that hold several names, and which there are: they are ticked in a list.
    without : collection of str, optional
        Fields that are not shown, and not given to the class.

    Notes
    -----
    Recipe and network decide about other fields: choosing shows their values.
    """

    changed = Signal()

    def __init__(
        self,
        kind: type[S],
        sliders: Mapping[str, tuple[float, float]] = NO_OPTIONS,
        ticks: Mapping[str, Sequence[str]] = NO_OPTIONS,
        without: Collection[str] = (),
    ):
        super().__init__()
        self._kind = kind
        self._shown = self._defaults = kind()
        self.problems: dict[str, str] = {}  # a sentence for each wrong field
        self._origin = ""  # why the fields show what they show
        self._fields = {
            name: slider_of(info, *sliders[name])
            if name in sliders
            else ticks_of(info, ticks[name])
            if name in ticks
            else field_of(info, kind.words(name))
            for name, info in kind.model_fields.items()
            if name not in without
        }

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._rows(kind.main_options()))
        self.folds = {
            title: Fold(title, self._group(names)) for title, names in kind.groups().items()
        }
        for fold in self.folds.values():
            column.addWidget(fold)
        self.restore = QLabel()
        follow_theme(self.restore, self._color)
        self.restore.setToolTip("Show again what the panel showed when it was new")
        self.restore.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.restore.setWordWrap(True)
        self.restore.linkActivated.connect(lambda _: self._restore())
        column.addWidget(self.restore)
        self.set_defaults(self._shown)
        self._color()

    def settings(self) -> S:
        """Return what the form shows, checked.

        Raises
        ------
        UserError
            If a field is wrong; it names the field.
        """
        if self.problems:
            raise UserError(self.problem())
        return self._shown

    def problem(self) -> str:
        """Return what is wrong with the first wrong field, or ''."""
        return next(iter(self.problems.values()), "")

    def show_settings(self, settings: S) -> None:
        """Fill every field from `settings`; what the class filled in is left to the class."""
        for name in self._fields:
            is_given = name in settings.model_fields_set
            default = self._kind.model_fields[name].default
            self._write(name, getattr(settings, name) if is_given else default)
        self._check()

    def say_origin(self, text: str) -> None:
        """Say in a line below the fields why they show what they show; '' says nothing."""
        self._origin = text
        self._color()

    def _restore(self) -> None:
        self.show_settings(self._defaults)
        self.say_origin("")

    def _color(self, _event: object = None) -> None:
        """Show the line below the fields: a link if they are not at their defaults."""
        is_changed = bool(self.problems) or self._shown != self._defaults
        link = colored("Restore defaults", Tone.NOTE, "restore") if is_changed else ""
        self.restore.setText(" ".join(filter(None, [colored(self._origin, None), link])))
        self.restore.setVisible(bool(self._origin) or is_changed)

    def set_defaults(self, settings: S) -> None:
        """Show `settings`, and take them for what a link restores."""
        self._defaults = settings
        self.show_settings(settings)

    def options(self) -> dict[str, Any]:
        """Return what differs from the defaults of the class, right values alone, as JSON."""
        return self._shown.model_dump(mode="json", include={*self._shown.given()})

    def show_options(self, options: Mapping[str, Any]) -> None:
        """Fill the fields as `options` were, leaving out what is no longer right."""
        known = {name: value for name, value in options.items() if name in self._fields}
        while True:
            try:
                settings = self._kind.model_validate_json(json.dumps(known))
            except ValidationError as error:
                wrong = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
                known = {n: v for n, v in known.items() if n not in wrong and wrong}
            else:
                return self.show_settings(settings)

    def widget(self, name: str) -> QWidget:
        """Return the editor of one field."""
        return self._fields[name].editor

    def set_value(self, name: str, value: Any) -> None:
        """Set one field as if the user had typed it."""
        self._fields[name].write(value)

    def value(self, name: str) -> Any:
        """Return what one field shows, right or wrong."""
        return self._fields[name].read()

    def offer(self, name: str, choices: Sequence[Any]) -> bool:
        """Leave only some values of an option to choose.

        Parameters
        ----------
        name : str
            Of an option with a list of names.
        choices : sequence
            In their order; the default is one of them.

        Returns
        -------
        bool
            Whether another was chosen, so that the field is now at its default.
        """
        field, default = self._fields[name], self._kind.model_fields[name].default
        assert field.offer is not None
        is_lost = field.read() not in choices
        with QSignalBlocker(field.editor):
            if is_lost:
                field.write(default)
            field.offer(choices)
        if is_lost:
            self._check()
        return is_lost

    def _rows(self, names: Sequence[str]) -> QFormLayout:
        names = [name for name in names if name in self._fields]
        for name in names:
            field = self._fields[name]
            field.editor.setObjectName(name)
            for part in (field.editor, *field.editor.findChildren(QWidget)):
                part.installEventFilter(self)
            field.on_edit(self._on_choice if name in DECIDING else self._check)
        return form_rows({self._kind.label(name): self._fields[name].editor for name in names})

    def _group(self, names: Sequence[str]) -> QWidget:
        """Return the rows that a title hides."""
        group = QWidget()
        group.setLayout(self._rows(names))
        return group

    def _on_choice(self) -> None:
        """Show the options that recipe and network decide; leave the others as they are."""
        chosen = {name: self._fields[name].read() for name in DECIDING & self._fields.keys()}
        before = self._kind.model_validate(self._shown.model_dump(include=set(chosen)))
        with suppress(ValidationError):  # which the check below says
            for name, value in self._kind.model_validate(chosen):
                if name in self._fields and value != getattr(before, name):
                    self._write(name, value)
        self._check()

    def _write(self, name: str, value: Any) -> None:
        field = self._fields[name]
        with QSignalBlocker(field.editor):
            field.write(value)

    def _check(self) -> None:
        """Validate the values by the settings class; mark the wrong fields red."""
        self.problems = {}
        try:
            self._shown = self._kind.model_validate(
                {n: f.read() for n, f in self._fields.items()}
            )
        except ValidationError as error:
            wrong: dict[str, list[Any]] = {}
            for detail in error.errors():
                wrong.setdefault(str(detail["loc"][0]), []).append(detail)
            self.problems = {name: self._refusal(name, wrong[name]) for name in wrong}
        else:
            self._show_what_the_class_filled_in()
        self._color()
        for name, field in self._fields.items():
            mark(field.editor, self.problems.get(name), field.help)
        self.changed.emit()

    def _refusal(self, name: str, details: Sequence[Any]) -> str:
        """Return why a value is refused: 'minutes must be a number, like 5 or 1.5.'."""
        told, label, loc = why(details), self._kind.label(name), details[0]["loc"]
        if not told.startswith("should be "):
            return sentence(f"{label}: {told}")
        if isinstance(loc[-1], int):  # an entry of several
            label = f"{label}: {details[0]['input']}"
        told = told.removeprefix("should be ")
        return sentence(f"{label} must be {told}{EXAMPLES.get(told, '')}")

    def _show_what_the_class_filled_in(self) -> None:
        for name, field in self._fields.items():
            if field.read() is None:
                value = getattr(self._shown, name)
                field.editor.setPlaceholderText(value_text(value) or "off")

    def eventFilter(self, editor: QObject, event: QEvent) -> bool:  # noqa: N802
        """Make the mouse wheel scroll the panel, not change a field in passing."""
        if event.type() == QEvent.Type.Wheel and not editor.hasFocus():
            event.ignore()
            return True
        return False


def mark(editor: QWidget, problem: str | None, help_text: str = "") -> None:
    """Mark `editor` red with the problem as its tooltip, or restore it and its help.

    Parameters
    ----------
    editor : QWidget
    problem : str or None
        What is wrong; '' or None restores the editor.
    help_text : str, optional
        Tooltip of an editor without a problem.
    """
    kind, color = type(editor).__name__, color_of(Tone.ERROR)
    borders = f"{kind} {{ border: 1px solid {color}; }} {kind}:focus {{ border-width: 2px; }}"
    style = borders if problem else ""
    if editor.styleSheet() != style:
        editor.setStyleSheet(style)
    editor.setToolTip(problem or help_text)


def form_rows(editors: Mapping[str, QWidget]) -> QFormLayout:
    """Return names and fields in two columns, at the same place in every panel.

    Parameters
    ----------
    editors : mapping of str to QWidget
        Label of each row, and its editor.

    Returns
    -------
    QFormLayout
    """
    rows = QFormLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setHorizontalSpacing(6)
    rows.setVerticalSpacing(4)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for name, editor in editors.items():
        rows.addRow(RowName(name, editor), editor)
    return rows


class RowName(QLabel):
    """The name of a row, wrapped if it is long, with the tooltip of its field."""

    def __init__(self, name: str, editor: QWidget):
        super().__init__(name)
        self._editor = editor
        self.setBuddy(editor)
        self.setMinimumWidth(LABEL_WIDTH)
        if " " in name:
            self.setWordWrap(True)
            self.setFixedWidth(LABEL_WIDTH)

    def event(self, event: QEvent) -> bool:
        """Take the tooltip that the field has now: it may say what is wrong."""
        if event.type() == QEvent.Type.ToolTip:
            self.setToolTip(self.explanation)
        return bool(super().event(event))

    @property
    def explanation(self) -> str:
        """What the field is for, or what is wrong with it."""
        line: QWidget = getattr(self._editor, "line", self._editor)  # beside its buttons
        return str(line.toolTip())
