"""Redraws the objects in view from stored probabilities while their settings are dragged."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QPushButton, QVBoxLayout, QWidget

from napari_utile.errors import UserError
from napari_utile.events import Event, ImageDone, RunDone
from napari_utile.io.units import counted
from napari_utile.results.edits import Box, edits_of
from napari_utile.results.stored_probabilities import StoredProbabilities
from napari_utile.settings.prediction import PredictSettings
from napari_utile.widgets.kit.background import Background, Work
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.layers.active import add_helper
from napari_utile.widgets.layers.borrowed import Borrowed
from napari_utile.widgets.layers.choice import HELPER, following
from napari_utile.widgets.layers.edits import (
    StoredLabels,
    box_seen,
    open_edit,
    part_text,
    showing,
    stored_labels,
)
from napari_utile.widgets.layers.errors import errors_out_of_date
from napari_utile.widgets.layers.stacks import level_0, placement, shifted
from napari_utile.widgets.process.command_line import flags_of

LIVE = ("threshold", "min_size", "fill_holes", "instance_method", "grow")
"""Settings that are followed; those of linking change whole stacks."""
PREVIEW = "objects preview"
WHOLE_RESULT = "Apply to the whole result"
"""What the button says."""
LARGEST_VOLUME = 2**22
"""Voxels of a volume up to which its objects are redrawn."""
WARM = 16
"""Side of what is looked at first, so that all is compiled when the user drags."""


class Redraw(QWidget):
    """A preview of the objects in view by the settings of a form, and what is done with it.

    The objects are those that the engine would make of that slice, or volume. They are made in
    a thread; of settings that change meanwhile the newest count.

    Parameters
    ----------
    viewer : Viewer
    form : Form of PredictSettings
        Its fields are followed.
    controls : EngineControls
        Of the panel: they run *Apply to the whole result*.
    """

    drawn = Signal()
    """The preview shows the newest settings, or there is none."""

    def __init__(self, viewer: Viewer, form: Form[PredictSettings], controls: EngineControls):
        super().__init__()
        self._viewer, self._form, self._controls = viewer, form, controls
        self._values = self._read()
        self._opened: dict[Path, StoredProbabilities] = {}
        self._target: Labels | None = None
        self._work: Background | None = None
        self._is_due = False
        self._hidden = Borrowed("visible", False)
        self._counted: int | None = None
        self.preview: Any = None
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.apply = controls.add_button(
            WHOLE_RESULT,
            "Make the objects of the whole result again by these settings, without the network",
            self._collect,
            self._on_event,
        )
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Set the fields to those of the result, and show it again")
        self.discard.clicked.connect(self._on_discard)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.line)
        row = QHBoxLayout()
        row.addWidget(self.apply, 1)
        row.addWidget(self.discard, 1)
        column.addLayout(row)
        self._said = "", Tone.NOTE
        follow_theme(self, self._color)
        self.hide()
        form.changed.connect(self._on_form)
        following(self, self._on_view, viewer.dims.events.point, viewer.dims.events.ndisplay)
        following(self, self._on_layers, viewer.layers.events.removed)

    @property
    def is_shown(self) -> bool:
        """Whether there is a preview, in place of the result."""
        return self.preview is not None and self.preview in self._viewer.layers

    def prepare(self, result: Path) -> None:
        """Open a result that was just finished, and load what redraws it, in a thread."""
        if result not in self._opened and self._work is None:
            self._start(result, fail=self._on_unprepared)

    # what is drawn

    def _read(self) -> tuple[Any, ...]:
        return tuple(self._form.value(name) for name in LIVE)

    def _on_form(self) -> None:
        """Redraw if the user has changed what objects are made by, and it can be."""
        values = self._read()
        if values == self._values or self._form.problem():
            return
        self._values = values
        target = self._target if self.is_shown else self._newest()
        if target is not None and not any(map(open_edit, self._viewer.layers)):
            self._target = target
            self._draw()

    def _newest(self) -> Labels | None:
        """Return the layer of a result of instances: the active one, or that on top."""
        layers = self._viewer.layers
        found: list[Any] = [layers.selection.active, *reversed(layers)]
        for layer in found:
            if (stored := stored_labels(layer)) and stored.kind == "instances":
                return layer
        return None

    def _on_view(self, _event: Any = None) -> None:
        """Redraw another slice that is in view."""
        if self.is_shown:
            self._draw()

    def _on_layers(self, _event: Any = None) -> None:
        """Show the result again if the preview was removed, and the other way round."""
        shown = [layer for layer in (self.preview, self._target) if layer is not None]
        if not all(layer in self._viewer.layers for layer in shown):
            self._end()

    def _draw(self) -> None:
        """Start to draw what is in view now; or later, if a drawing is under way."""
        self._is_due = self._work is not None
        stored = stored_labels(self._target)
        if self._is_due or stored is None or self._target is None:
            return
        if (opened := self._opened.get(stored.result)) is None:
            self._is_due = True
            self._start(stored.result)
            return
        try:
            settings = self._settings(opened)
            if settings == opened.settings:  # the result is what it makes
                self._end()
                return
            box = box_seen(self._viewer, self._target, opened.rule.axes, LARGEST_VOLUME)
        except UserError as error:
            self._fail(error)
        else:
            self._start(stored.result, settings, box)

    def _settings(self, opened: StoredProbabilities) -> PredictSettings:
        """Return the settings of a result with those of the form."""
        values = self._form.settings().model_dump(include=set(LIVE))
        return opened.settings.model_copy(update=values)

    def _start(
        self,
        result: Path,
        settings: PredictSettings | None = None,
        box: Box | None = None,
        fail: Callable[[Exception], None] | None = None,
    ) -> None:
        """Open a result, or make objects of a part of it, in a thread."""
        opened = self._opened.get(result)

        def work() -> Generator[None, None, Any]:
            yield
            stored = opened or StoredProbabilities.of(result)
            if settings is None or box is None:
                warm = tuple((0, min(n, WARM)) for n in stored.shape[-stored.rule.axes :])
                index = ((0, 1),) * (len(stored.shape) - stored.rule.axes)
                if not stored.rule.offsets or stored.affinities is not None:
                    stored.objects(stored.settings, (*index, *warm))
                return stored
            return stored.objects(settings, box)

        def then(found: Any) -> None:
            self._work = None
            if settings is None or box is None:
                self._opened[result] = found
            else:
                self._show(found, settings, box)
            self._draw() if self._is_due else self.drawn.emit()

        self._work = Background(work, then, fail or self._fail)

    def _on_unprepared(self, _error: Exception) -> None:
        """Leave it until the user wants to redraw: the reason is said then."""
        self._work = None
        if self._is_due:
            self._draw()

    def _fail(self, error: Exception) -> None:
        self._work, self._is_due = None, False
        self._end()
        self._say(str(error), Tone.WARNING)
        self.show()
        self.apply.setVisible(False)
        self.discard.setVisible(False)

    def _say(self, text: str, tone: Tone) -> None:
        self._said = text, tone
        self._color()

    def _color(self, _event: Any = None) -> None:
        self.line.setText(colored(*self._said))

    def _show(self, objects: NDArray[Any], settings: PredictSettings, box: Box) -> None:
        target = self._target
        if target is None or target not in self._viewer.layers:
            return
        place = placement(target, "tzyx"[-target.ndim :])
        place["translate"] = shifted(place, [first for first, _ in box])
        if self.is_shown:
            self.preview.data, self.preview.translate = objects, place["translate"]
            self.preview.editable = False  # napari sets it with the pixels
        else:
            self.preview = Labels(objects, name=PREVIEW, metadata={HELPER: True}, **place)
            self.preview.opacity = target.opacity
            self.preview.editable = False
            add_helper(self._viewer, self.preview)
        self._hidden.take([target])
        self._say(_drawn_text(target, objects, settings, box), Tone.NOTE)
        for part in (self, self.apply, self.discard):
            part.setVisible(True)

    def _end(self) -> None:
        """Remove the preview, and show the result."""
        self._is_due = False
        self._hidden.give_back()
        preview, self.preview, self._target = self.preview, None, None
        if preview is not None and preview in self._viewer.layers:
            self._viewer.layers.remove(preview)
        self.hide()
        self.drawn.emit()

    # what is done with it

    def _on_discard(self) -> None:
        stored = stored_labels(self._target)
        opened = self._opened.get(stored.result) if stored else None
        self._end()
        if opened is not None:
            for name in LIVE:
                self._form.set_value(name, getattr(opened.settings, name))

    def _collect(self) -> Work:
        """Return the command that makes the objects of the whole result."""
        stored = stored_labels(self._target)
        opened = self._opened.get(stored.result) if stored else None
        if stored is None or opened is None:
            raise UserError("There is no result whose objects could be made again.")
        settings = self._settings(opened)
        changed = {
            name: getattr(settings, name)
            for name in LIVE
            if getattr(settings, name) != getattr(opened.settings, name)
        }
        arguments = ["instances", str(stored.result), *flags_of(changed)]
        if edits_of(stored.result):
            if not self._may_replace(stored):
                raise UserError("The result is as it was, with what was corrected by hand.")
            arguments.append("--overwrite")
        self._applied = stored

        def work() -> Generator[None, None, list[str]]:
            yield
            return arguments

        return work

    def _may_replace(self, stored: StoredLabels) -> bool:
        """Ask whether corrections by hand may be lost."""
        answer = QMessageBox.question(
            self,
            WHOLE_RESULT,
            f"{stored.result.name} was corrected by hand. New objects replace what was "
            "corrected. Make them?",
        )
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _on_event(self, event: Event) -> None:
        match event:
            case ImageDone():
                self._counted = event.objects
            case RunDone() if event.stopped:
                text = f"Stopped; the result is as it was. '{WHOLE_RESULT}' resumes it."
                self._controls.messages.add(text)
            case RunDone() if event.out and not event.failed:
                self._opened.pop(self._applied.result, None)
                self._end()
                for layer in showing(self._viewer, self._applied):
                    layer.refresh()
                found = (
                    "" if self._counted is None else f": {counted(self._counted, 'objects')}"
                )
                text = f"The whole result is made of these settings{found}."
                self._controls.messages.add(text, Tone.SUCCESS)
                changed = showing(self._viewer, self._applied)
                if said := errors_out_of_date(self._viewer, changed):
                    self._controls.messages.add(said, Tone.NOTE)
                self.prepare(self._applied.result)


def _drawn_text(
    target: Labels, objects: NDArray[Any], settings: PredictSettings, box: Box
) -> str:
    """Return what a preview shows, as sentences."""
    count, what = len(np.unique(objects[objects > 0])), part_text(box, level_0(target).shape)
    return (
        f"{what[0].upper()}{what[1:]}: {count:,} object{'' if count == 1 else 's'} with "
        f"threshold {round(settings.threshold, 2):g} and {PredictSettings.label('min_size')} "
        f"{settings.min_size:,} px. "
        f"'{target.name}' is as it was, and hidden meanwhile."
    )
