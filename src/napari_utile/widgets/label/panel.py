"""The panel that makes labels for an image, names their classes, and counts what is painted."""

from collections.abc import Mapping
from math import prod
from typing import Any

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QLabel, QPushButton

from napari_utile.errors import UserError
from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.docks import open_beside
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.label.class_table import ClassRow, ClassTable, Color, ids_of_rows
from napari_utile.widgets.label.memory import keep_meaning, recall_meaning
from napari_utile.widgets.label.new_labels import new_labels
from napari_utile.widgets.layers.alone import open_images
from napari_utile.widgets.layers.brush import has_brush, plane_in_view, take_brush
from napari_utile.widgets.layers.choice import following
from napari_utile.widgets.layers.edits import is_unchangeable, stored_labels
from napari_utile.widgets.layers.meaning import (
    MEANINGS,
    class_names,
    default_name,
    label_meaning,
    meaning_text,
    name_class,
    say_meaning,
)
from napari_utile.widgets.layers.painted import PaintedWatch, watch_of
from napari_utile.widgets.layers.pair import PairChoice, pair_problem
from napari_utile.widgets.layers.partners import LabelsOfImage
from napari_utile.widgets.layers.readiness import SELECT

CORRECT = "segment"
"""Target of the link to the panel where results are corrected."""
MOST_ROWS = 100
"""Rows of the table; labels of objects may have many thousand ids."""


class LabelPanel(Panel):
    """An image in, labels out: made, named and counted while they are painted."""

    page = "Label"

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.pair = PairChoice(napari_viewer, newest=True)
        self.image, self.labels_layer = self.pair.image, self.pair.labels
        LabelsOfImage(napari_viewer, self.pair)
        self.new = QPushButton("New labels")
        self.new.setToolTip("Make an empty labels layer for the image, and take the brush")
        self.brush = QPushButton("Take the brush")
        self.brush.setToolTip("Paint into the chosen labels, with the label selected below")
        self.form: Form[LabelSettings] = Form(LabelSettings)
        self.meaning = _wrapped()
        self.table = ClassTable()
        self.more = _wrapped()
        self.add = QPushButton("New object")
        self.messages, self.on_disk = Messages(), Messages()
        self._layer: Any = None  # the labels that are followed
        self._watch: PaintedWatch | None = None
        self._colors: dict[int, Color] = {}

        column = self.column()
        column.addWidget(self.new)
        column.addLayout(self.pair.rows(with_notes=False))
        column.addWidget(self.on_disk)
        column.addWidget(self.brush)
        for part in (self.form, self.meaning, self.table, self.more, self.add, self.messages):
            column.addWidget(part)
        for note in (self.pair.needs, self.pair.note):  # where nothing below them moves
            column.addWidget(note)
        column.addStretch()

        self.new.clicked.connect(self.make_labels)
        self.brush.clicked.connect(self._take_brush)
        self.add.clicked.connect(self.add_class)
        self.on_disk.linkActivated.connect(lambda _: self._correct())
        self.table.chosen.connect(self.select)
        self.table.renamed.connect(self._on_renamed)
        self.image.changed.connect(lambda _: self._check())
        self.pair.changed.connect(self._check)
        self.labels_layer.changed.connect(lambda _: self._on_layer())
        self.form.changed.connect(self._on_form)
        MEANINGS.changed.connect(self._on_meaning)
        selected = napari_viewer.layers.selection.events.active
        following(self, self._on_active, selected)
        following(self, self._recall, napari_viewer.layers.events.inserted)  # of its folder
        self._be_about(napari_viewer.layers.selection.active)
        following(self, self._on_step, napari_viewer.dims.events.current_step)
        self._on_layer()

    def _on_active(self, event: Any) -> None:
        """Be about the image that the user has clicked on in the list of layers."""
        if event.value in self.image.choices:
            self.image.choose(event.value)
        self._offer_brush()

    def _be_about(self, active: Any) -> None:
        """Begin with the layer that is active, be it an image or labels."""
        for image in open_images(self._viewer.layers) if active is not None else ():
            if active in image.layers and image.images[0] in self.image.choices:
                self.image.choose(image.images[0])
                if active in self.labels_layer.choices:
                    self.labels_layer.choose(active)

    def make_labels(self) -> None:
        """Add an empty labels layer on the chosen image, with the brush in hand."""
        self.messages.clear()
        try:
            layer = new_labels(self.image.layer)
            watch = watch_of(layer, is_empty=True)  # before another panel counts it
            self._viewer.add_layer(layer)
            self.labels_layer.choose(layer)
            take_brush(self._viewer, layer, 1, is_new=True)
            assert self._watch is watch
        except UserError as error:
            self.messages.add(str(error), Tone.ERROR)
        self._show_rows()

    def add_class(self) -> None:
        """Select the lowest id above all that are used or named."""
        meaning = label_meaning(self._layer)
        used = {*class_names(self._layer), *self._pixels.totals} - {meaning.ignore}
        used |= {self._layer.selected_label, meaning.first - 1} - {meaning.ignore}
        id_ = max(used) + 1
        self.select(id_ + (id_ == meaning.ignore))

    def select(self, id_: int) -> None:
        """Paint an id from now on."""
        self.messages.clear()
        try:
            take_brush(self._viewer, self._layer, id_)
        except UserError as error:
            self.messages.add(str(error), Tone.ERROR)
        self._show_rows()

    def _take_brush(self) -> None:
        if self._layer is not None:
            self.select(self._layer.selected_label)

    @property
    def _pixels(self) -> Any:
        assert self._watch is not None
        return self._watch.pixels

    # what changes

    def _check(self) -> None:
        """Show what keeps the layers from being trained on."""
        image, labels = self.image.layer, self.labels_layer.layer
        self.new.setEnabled(image is not None)
        wrong = self.form.problem()
        settings = None if wrong else TrainSettings(**self.form.settings().model_dump())
        self.pair.check(settings)
        self._offer_brush()
        is_waiting = image is not None and labels is None  # for the button
        self.messages.set_problem(wrong or ("" if is_waiting else pair_problem(image, labels)))

    def _on_layer(self) -> None:
        """Follow the chosen labels, and no others any more."""
        layer = self.labels_layer.layer
        if layer is not self._layer:
            for event, slot in self._events():
                event.disconnect(slot)
            if self._watch:
                self._watch.changed.disconnect(self._show_rows)
            self._layer, self._watch = layer, watch_of(layer) if layer else None
            self._recall()
            self._colors = {}
            for event, slot in self._events():
                event.connect(slot)  # napari holds it weakly
            if self._watch:
                self._watch.changed.connect(self._show_rows)
        for part in (self.form, self.table):
            part.setEnabled(layer is not None)
        self._say_on_disk()
        self._offer_brush()
        self._on_meaning(layer)

    def _say_on_disk(self) -> None:
        """Say of a result why nothing can be painted into it, and where it is corrected."""
        layer, why = self._layer, ""
        self.on_disk.clear()
        if stored_labels(layer) is not None:
            why = f"'{layer.name}' is a result on disk, so it cannot be painted on here."
            self.on_disk.add(why, Tone.WARNING)
            self.on_disk.offer("Correct it with Edit in the panel Segment.", CORRECT)
        elif is_unchangeable(layer):
            why = f"'{layer.name}' is a file on disk, so it cannot be painted on."
            self.on_disk.add(
                f"{why} Right-click the layer, Duplicate Layer, gives a copy to paint on.",
                Tone.WARNING,
            )
        self.add.setEnabled(layer is not None and not why)
        self.add.setToolTip(why)

    def _correct(self) -> None:
        """Open the panel where results are corrected, about this one."""
        if self._layer in self._viewer.layers:
            self._layer.visible = True
            self._viewer.layers.selection.active = self._layer
        open_beside(self, self._viewer, "Segment", "Segment")

    def _events(self) -> list[tuple[Any, Any]]:
        """Return what changes rows beside pixels, and what is called then."""
        if self._layer is None:
            return []
        events = self._layer.events
        of_rows = (
            (event, self._show_rows) for event in (events.selected_label, events.features)
        )
        of_brush = (
            (event, self._offer_brush)
            for event in (events.mode, events.editable, events.selected_label)
        )
        return [*of_rows, *of_brush, (events.colormap, self._on_colors)]

    def _offer_brush(self, _event: Any = None) -> None:
        """Offer the brush while the mouse would not paint into the chosen labels."""
        if isalive(self):
            layer = self._layer
            has = layer is not None and has_brush(self._viewer, layer)
            self.brush.setVisible(layer is not None and layer.editable)
            self.brush.setEnabled(not has)
            self.brush.setText("The brush is in your hand" if has else "Take the brush")
            self.pair.needs.leave_out(SELECT, str(layer.selected_label) if has else "")

    def _on_form(self) -> None:
        if self._layer is not None and not self.form.problem():
            say_meaning(self._layer, self.form.settings())
        self._check()
        self._show_rows()

    def _on_meaning(self, layer: Any) -> None:
        """Show what the ids of the chosen labels mean, whichever panel was told."""
        if layer is not self._layer or not isalive(self):
            return
        if layer is not None:
            keep_meaning(self._viewer, layer)
        if layer is not None and self.form.settings() != label_meaning(layer):
            self.form.show_settings(label_meaning(layer))
        self._check()
        self._show_rows()

    def _recall(self, _event: Any = None) -> None:
        if self._layer is not None:
            recall_meaning(self._viewer, self._layer)

    def _on_step(self, _event: Any = None) -> None:
        self._show_rows()

    def _on_renamed(self, id_: int, name: str) -> None:
        name_class(self._layer, id_, name)
        self._show_rows()

    # what is shown

    def _show_rows(self, _event: Any = None) -> None:
        """Show the classes with what is painted of each."""
        if not isalive(self):  # the panel was closed, and napari keeps its slots for a while
            return
        if self._layer is None:
            self.table.show_rows([], 0)
            self.meaning.setText("Choose labels, or make new ones for the image.")
            self.add.setText("New object")
            self.more.hide()
            return
        meaning, selected = label_meaning(self._layer), self._layer.selected_label
        self.meaning.setText(meaning_text(meaning))
        is_of_classes = meaning.target == "classes"
        self.add.setText("Add class" if is_of_classes else "New object")
        here = plane_in_view(self._viewer, self._layer)
        assert self._watch is not None
        self._watch.look_at(here)
        names = class_names(self._layer)
        always = {meaning.background, selected, *names} | ({1} if is_of_classes else set())
        ids, left_out = ids_of_rows(self._pixels.ids, always, MOST_ROWS)
        shown = self._pixels.of(here) if self._pixels.knows(here) else None
        self.table.show_rows([self._row(id_, names, meaning, shown) for id_ in ids], selected)
        self.more.setText(self._painted_text(left_out))
        self.more.setVisible(True)

    def _row(
        self,
        id_: int,
        names: Mapping[int, str],
        meaning: LabelSettings,
        shown: Mapping[int, int] | None,
    ) -> ClassRow:
        total = self._pixels.totals.get(id_, 0)
        count = None if shown is None else shown.get(id_, 0)
        text = f"{total:,}" if self._pixels.is_complete else f"≥ {total:,}"
        if id_ == 0:  # nothing is painted of it
            count, text = None, "–"
        name = names.get(id_) or default_name(id_, meaning)
        return ClassRow(id_, self._color(id_), name, count, text)

    def _color(self, id_: int) -> Color:
        """Return the color of an id; napari takes a while for each."""
        if id_ not in self._colors:
            color = self._layer.get_color(id_) if id_ else None
            self._colors[id_] = None if color is None else tuple(map(float, color))
        return self._colors[id_]

    def _on_colors(self, _event: Any = None) -> None:
        self._colors = {}
        self._show_rows()

    def _painted_text(self, left_out: int) -> str:
        """Return how much is painted, and how many ids have no row."""
        pixels = self._pixels
        planes, count = len(pixels.painted), pixels.count
        slices = prod(pixels.shape[:-2])
        if not planes:
            said = "Nothing is painted yet."
        else:
            share = f"{count / (planes * pixels.plane_size):.1%} of its pixels"
            many = share.replace("its", "their") if planes > 1 else share
            of = f"{planes:,} of {slices:,} slices, " if slices > 1 else ""
            said = f"Painted: {of}{many}."
        more = f" {left_out:,} more labels are not listed." if left_out else ""
        return said + more


def _wrapped() -> QLabel:
    line = QLabel()
    line.setWordWrap(True)
    return line
