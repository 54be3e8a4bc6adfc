"""Corrects results: Edit copies what is seen, Save writes it into the result."""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Labels, Layer
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_utile.errors import UserError
from napari_utile.io.units import counted
from napari_utile.results.edits import SavedEdit, read_to_edit, save_edit
from napari_utile.widgets.kit.background import Background, Work
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.fields import offer, wide_choice
from napari_utile.widgets.kit.messages import Messages, colored
from napari_utile.widgets.kit.scrolling import bring_into_view
from napari_utile.widgets.kit.telling import is_seen, notify
from napari_utile.widgets.layers.choice import following, is_choice
from napari_utile.widgets.layers.edits import (
    OpenEdit,
    add_edit,
    add_to_training,
    is_unchangeable,
    open_edit,
    part_text,
    part_to_edit,
    showing,
    stored_labels,
)
from napari_utile.widgets.layers.errors import errors_out_of_date
from napari_utile.widgets.layers.in_turn import in_turn, remove_layers
from napari_utile.widgets.layers.stacks import is_in_memory, level_0

NEW = "new training labels"
BRUSH_KEYS = "1234"
"""Keys by which napari changes to a tool that paints."""


class Correction(QWidget):
    """A line about the result that is chosen in the list of layers, and what can be done.

    Parameters
    ----------
    viewer : Viewer
    image : callable
        Returns the image layer of which labels for training are.

    Attributes
    ----------
    edit, save, learn : QPushButton
    into : QComboBox
        Labels for training, or None for new ones.
    line : QLabel
    messages : Messages
    """

    def __init__(self, viewer: Viewer, image: Callable[[], Layer | None]):
        super().__init__()
        self._viewer, self._image = viewer, image
        self._work: Background | None = None
        self._copies: set[Layer] = set()
        self._refuse_brush = _refusal_of_brushes(self)
        self.line, self.messages = QLabel(), Messages()
        self.line.setWordWrap(True)
        self.edit = self._button(
            "Edit", "Copy what is seen of this result into memory, to correct it", self._on_edit
        )
        self.save = self._button(
            "Save", "Write the corrected part into the result on disk", self._on_save
        )
        self.learn = self._button(
            "Add to training labels", "Learn from the corrected part", self._on_learn
        )
        self.into, self.into_name = wide_choice(), QLabel("add to")
        self.into.setToolTip("Labels that the corrected part is copied into")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.line)
        row = QHBoxLayout()
        for part in (self.edit, self.save, self.learn):
            row.addWidget(part, 1)
        column.addLayout(row)
        row = QHBoxLayout()
        row.addWidget(self.into_name)
        row.addWidget(self.into, 1)
        column.addLayout(row)
        column.addWidget(self.messages)
        layers = viewer.layers
        events = layers.events.inserted, layers.events.removed, layers.events.renamed
        following(self, self._on_layers, *events)
        following(self, self._show, layers.selection.events.active)
        follow_theme(self, self._show)
        self._on_layers()

    @property
    def copy(self) -> Labels | None:
        """The layer in which a result is corrected: the active one, or that on top."""
        found = [layer for layer in self._layers() if open_edit(layer)]
        return found[0] if found else None

    @property
    def target(self) -> Labels | None:
        """The layer of a result: the active one, or that on top."""
        found = [layer for layer in self._layers() if stored_labels(layer)]
        return found[0] if found else None

    def _layers(self) -> list[Any]:
        """Return the layers, the active one first, then from top to bottom."""
        layers = self._viewer.layers
        active = layers.selection.active
        rest = [layer for layer in reversed(layers) if layer is not active]
        return [active, *rest] if active in layers else rest

    # what is shown

    def _on_layers(self, _event: Any = None) -> None:
        """Follow the list of layers; show a result again whose copy was removed."""
        copies = {layer for layer in self._viewer.layers if open_edit(layer)}
        for copy in self._copies - copies:
            edit = open_edit(copy)
            assert edit is not None
            for layer in showing(self._viewer, edit.stored):
                layer.visible = True
        self._copies = copies
        for layer in self._viewer.layers:
            if stored_labels(layer) or is_unchangeable(layer):
                layer.editable = False  # so that no brush can be chosen
                for key in BRUSH_KEYS:
                    layer.bind_key(key, self._refuse_brush, overwrite=True)
        labels = [x for x in self._viewer.layers if _can_be_learnt(x)]
        offer(self.into, {None: NEW} | {layer: layer.name for layer in labels})
        self._show()

    def _show(self, _event: Any = None) -> None:
        self.messages.forget_mistake()  # it was about the layer that was active
        copy, target = self.copy, self.target
        fixed = None if copy or target else next(filter(is_unchangeable, self._layers()), None)
        shown = copy or target or fixed or self.messages.isVisibleTo(self)
        self.setVisible(bool(shown))
        is_free = self._work is None
        for part in (self.edit,):
            part.setVisible(copy is None and fixed is None)
            part.setEnabled(is_free and target is not None)
        for part in (self.save, self.learn, self.into_name, self.into):
            part.setVisible(copy is not None)
            part.setEnabled(is_free)
        self.line.setText(colored(_line_about(copy, target or fixed), Tone.NOTE))
        self.line.setVisible(bool(copy or target or fixed))

    # what is done

    def _on_edit(self) -> None:
        layer = self.target
        stored = stored_labels(layer)
        if layer is None or stored is None:
            return

        def work() -> Generator[None, None, OpenEdit]:
            seen, free = yield from read_to_edit(stored.result, stored.kind, box)
            return OpenEdit(stored, box, seen, free)

        def then(edit: OpenEdit) -> None:
            if layer in self._viewer.layers:
                add_edit(self._viewer, layer, edit)
                bring_into_view(self)  # its buttons may be below the edge

        self.messages.clear()
        try:
            box = part_to_edit(self._viewer, layer)
        except UserError as error:
            self._fail(error)
        else:
            self._start(work, then)

    def _on_save(self) -> None:
        copy = self.copy
        edit = open_edit(copy)
        if copy is None or edit is None:
            return
        edited, stored = np.array(copy.data), edit.stored

        def work() -> Generator[None, None, SavedEdit]:
            saved = save_edit(stored.result, stored.kind, edit.box, edit.seen, edited)
            return (yield from saved)

        def then(saved: SavedEdit) -> None:
            for layer in showing(self._viewer, stored):
                self._viewer.layers.selection.active = layer
            in_turn(self._viewer, [
                partial(remove_layers, self._viewer, [copy]),  # shows the result again
                *(layer.refresh for layer in showing(self._viewer, stored)),
            ])  # fmt: skip
            self.messages.add(_saved_text(saved), Tone.SUCCESS)
            changed = showing(self._viewer, stored) if saved.pixels else ()
            if said := errors_out_of_date(self._viewer, changed):
                self.messages.add(said, Tone.NOTE)
            if saved.overridden:
                self.messages.add(
                    f"Corrected by another window in the meantime, and now as you painted: "
                    f"{counted(saved.overridden, 'pixels')}.", Tone.WARNING,
                )  # fmt: skip

        self.messages.clear()
        self._start(work, then)

    def _on_learn(self) -> None:
        copy, image = self.copy, self._image()
        self.messages.clear()
        try:
            if image is None:
                raise UserError("Choose the image that these labels are of.")
            assert copy is not None
            into, text = add_to_training(self._viewer, copy, image, self.into.currentData())
        except UserError as error:
            self._fail(error)
        else:
            self.into.setCurrentIndex(max(0, self.into.findText(into.name)))
            self._viewer.layers.selection.active = copy
            self.messages.add(text, Tone.SUCCESS)

    def _start(self, work: Work, then: Callable[[Any], None]) -> None:
        def end(outcome: Any) -> None:
            self._work = None
            then(outcome)
            self._show()

        self._work = Background(work, end, self._fail)
        self._show()

    def _fail(self, error: Exception) -> None:
        self._work = None
        self.messages.add(str(error), Tone.ERROR)
        self._show()

    def _button(self, verb: str, tooltip: str, slot: Callable[[], None]) -> QPushButton:
        button = QPushButton(verb)
        button.setToolTip(tooltip)
        button.clicked.connect(slot)
        return button


def _refusal_of_brushes(correction: Correction) -> Callable[[Labels], None]:
    """Return what says what to do instead, when a key of a tool that paints is pressed."""
    seen = ref(correction)  # the layer keeps the function, which must not keep the panel

    def refuse_brush(layer: Labels) -> None:
        there, text = seen(), _line_about(None, layer)
        if there is not None and isalive(there) and is_seen(there.line):
            there.messages.add_mistake(text)
        else:
            notify(text, Tone.WARNING)

    return refuse_brush


def _can_be_learnt(layer: Layer) -> bool:
    """Whether a layer holds labels in memory that a corrected part can be copied into."""
    is_labels = is_choice(layer, Labels) and open_edit(layer) is None
    return is_labels and is_in_memory(level_0(layer))


def _line_about(copy: Labels | None, target: Any) -> str:
    """Return what can be done with the result or the copy that is chosen."""
    edit = open_edit(copy)
    if copy is not None and edit is not None:
        part = part_text(edit.box, _shape_of(edit, target))
        return (
            f"'{copy.name}' holds {part} in memory: correct it with the brush. Save writes it "
            "into the result; to discard it, delete the layer. The layer of the result is "
            "hidden meanwhile."
        )
    if is_unchangeable(target):
        return (
            f"'{target.name}' is a file that is not corrected in place. Right-click the layer, "
            "Duplicate Layer, gives a copy to paint on and to save; a result that ends in "
            ".zarr is corrected here."
        )
    if target is not None:
        return (
            f"'{target.name}' is on disk and cannot be painted on: Edit, in the panel Segment, "
            "copies what you see."
        )
    return ""


def _shape_of(edit: OpenEdit, target: Labels | None) -> tuple[int, ...]:
    """Return the shape of the labels that are corrected, if their layer is still there."""
    if target is not None and stored_labels(target) == edit.stored:
        return tuple(level_0(target).shape)
    return tuple(end for _, end in edit.box)


def _saved_text(saved: SavedEdit) -> str:
    if not saved.pixels:
        return "Nothing was changed."
    pixels = "1 pixel is" if saved.pixels == 1 else f"{saved.pixels:,} pixels are"
    text = f"Saved: {pixels} changed in the result; how they were is kept there, too."
    if saved.renumbered:
        given = ", ".join(f"{was} is {now}" for was, now in [*saved.renumbered.items()][:5])
        more = " ..." if len(saved.renumbered) > 5 else ""
        text += f" New objects got ids that were free in all slices: {given}{more}."
    if saved.stale:
        text += (
            " Tables that were measured before are of the objects as they were, and are kept "
            "beside the result with 'old' in their names: measure the objects again."
        )
    return text
