"""The fields of a panel are remembered for the folder whose images are worked on."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.layers import Image
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QTabWidget, QWidget

from napari_utile.errors import UserError
from napari_utile.io.names import is_url
from napari_utile.widgets.kit.fields import SuggestedChoice
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.memory import remember, remembered
from napari_utile.widgets.kit.models import ModelChoice
from napari_utile.widgets.kit.paths import PathChoice
from napari_utile.widgets.layers.choice import following, is_choice, shows_probabilities

SAVE_DELAY = 1000
"""Milliseconds after the last change at which fields are saved."""


def project_of(viewer: Viewer) -> str:
    """Return the folder of the first image on disk, or '' if there is none.

    Parameters
    ----------
    viewer : Viewer
    """
    for layer in viewer.layers:
        path = layer.source.path
        is_own = not is_choice(layer, Image) or shows_probabilities(layer)
        if path and not is_own and not is_url(path):
            return str(Path(path).absolute().parent)
    return ""


class Remembered(QObject):
    """Keeps what fields of a panel show for the next panel, also after a restart.

    Values are kept for a project, the folder of the first image: when another one is opened,
    the fields show its values, unless the user has changed some since the panel was opened.

    Parameters
    ----------
    panel : QWidget
        It owns this; closing it saves.
    viewer : Viewer
    key : str
        Of the panel.
    fields : mapping of str to QWidget
        Forms, paths, lists of words, check boxes and tabs, in the order in which they are
        filled.
    """

    def __init__(self, panel: QWidget, viewer: Viewer, key: str, fields: Mapping[str, QWidget]):
        super().__init__(panel)
        self._viewer, self._key = viewer, key
        self._fields = {name: _accessors(field) for name, field in fields.items()}
        self._forms = [field for field in fields.values() if isinstance(field, Form)]
        self._first = self._values()  # what is not remembered
        self._shown: dict[str, Any] = {}  # what was restored or saved last
        self._project = project_of(viewer)
        self._is_over = False  # the panel is closed; who knows when Qt deletes it
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_DELAY)
        self._timer.timeout.connect(self.save)
        self._restore()
        self._say_origin(self._values() != self._first)
        for accessors in self._fields.values():
            accessors.changed.connect(self._on_change)
        panel.installEventFilter(self)
        QApplication.instance().aboutToQuit.connect(self.save)
        following(self, self._on_layer, viewer.layers.events.inserted)

    def save(self) -> None:
        """Keep what differs from what the panel shows by itself, if that has changed."""
        self._timer.stop()
        values = self._values()
        if values != self._shown and not self._is_over:
            self._shown = values
            changed = {n: v for n, v in values.items() if v != self._first[n]}
            remember(self._key, changed, self._project)

    def eventFilter(self, panel: QObject, event: QEvent) -> bool:  # noqa: N802
        """Save at once when the panel is closed, and nothing after that."""
        if event.type() in (QEvent.Type.ParentChange, QEvent.Type.Close):
            is_closed = event.type() == QEvent.Type.Close or panel.parent() is None
            if is_closed and self._timer.isActive():
                self.save()
            self._is_over = is_closed
        return False

    def _on_change(self, *_: Any) -> None:
        if not self._is_over:
            self._timer.start()

    def _on_layer(self, _event: Any = None) -> None:
        """Turn to another project with its first image."""
        project = project_of(self._viewer)
        if not project or project == self._project:
            return
        before = self._values()
        is_untouched = before == self._shown
        self._project = project
        if is_untouched:
            self._restore()
            self._say_origin(self._values() != before)
        else:
            self._say_origin(False)
            self._shown = {}
            self.save()

    def _restore(self) -> None:
        """Show what is remembered, as far as the fields can; the rest as it was at first."""
        kept = remembered(self._key, self._project)
        kept = kept if isinstance(kept, dict) else {}
        for name, accessors in self._fields.items():
            value = kept.get(name, self._first[name])
            if value != accessors.read():
                with suppress(UserError, ValueError, TypeError):
                    accessors.write(value)
        self._shown = self._values()

    def _say_origin(self, has_changed: bool) -> None:
        """Say below the fields whose they are, if that changed any."""
        is_kept = self._values() != self._first
        how = "as you left them for" if is_kept else "at their defaults, new for"
        said = f"Fields {how} the folder '{Path(self._project).name}'."
        if not self._project:
            said = "Fields as you left them while no image from a file was open."
        said = said if has_changed else ""
        for form in self._forms:
            form.say_origin(said)

    def _values(self) -> dict[str, Any]:
        return {name: accessors.read() for name, accessors in self._fields.items()}


def _path_if_there(text: str) -> Path | None:
    """Return a path that is still there, or None."""
    return Path(text) if text and Path(text).exists() else None


@dataclass(frozen=True)
class Accessors:
    """How a field is read and written, as plain JSON types, and the signal of its changes."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]
    changed: Any


def _accessors(field: QWidget) -> Accessors:
    """Return the accessors of a field, by its kind."""
    match field:
        case Form():
            return Accessors(field.options, field.show_options, field.changed)
        case PathChoice() | ModelChoice():
            return Accessors(
                lambda: str(field.path or ""),
                lambda text: field.set_path(_path_if_there(text)),
                field.changed,
            )
        case SuggestedChoice():
            return Accessors(field.chosen, field.choose, field.decided)
        case QComboBox():
            return Accessors(
                field.currentText,
                lambda text: field.setCurrentIndex(max(0, field.findText(text))),
                field.currentTextChanged,
            )
        case QTabWidget():
            return Accessors(field.currentIndex, field.setCurrentIndex, field.currentChanged)
        case QAbstractButton():
            return Accessors(field.isChecked, field.setChecked, field.toggled)
    raise TypeError(f"{type(field).__name__} is no field that is remembered")
