"""Chooses what is trained on: a layer, several layers, or two folders."""

from collections.abc import Callable, Generator
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_utile.errors import UserError
from napari_utile.folders.places import plain_name
from napari_utile.io.images import stem_of
from napari_utile.io.slice_context import slices_problem, volume_problem
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.fields import SuggestedChoice, offer
from napari_utile.widgets.kit.form import Form, form_rows, mark
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.kit.subject import Subject
from napari_utile.widgets.layers.alone import open_images
from napari_utile.widgets.layers.choice import following, is_choice, shows_probabilities
from napari_utile.widgets.layers.pair import PairChoice, TrainingPair, pair_problem
from napari_utile.widgets.layers.partners import labels_for, own_labels
from napari_utile.widgets.layers.readiness import SPARSE
from napari_utile.widgets.layers.results import ON_DISK
from napari_utile.widgets.layers.stacks import (
    level_0,
    placement,
    stack_of,
    with_copied_pixels,
)
from napari_utile.widgets.train.folders import FolderPair
from napari_utile.widgets.train.inputs import TrainingInputs, name_of_folder
from napari_utile.widgets.train.pair_table import PairRow, PairTable
from napari_utile.widgets.train.strokes import StrokesNote
from napari_utile.widgets.train.words import PREVIEW, ticked_text


class What(Enum):
    """What may be trained on, as the panel calls it."""

    LAYER = "a layer"
    LAYERS = "several layers"
    FOLDERS = "two folders"


HELP = {
    What.LAYER: "One image layer and the labels on it",
    What.LAYERS: "Image layers of any size, each with its labels",
    What.FOLDERS: "A folder of images and one of labels, which pair up by name",
}


LOOK = {
    What.LAYER: PREVIEW,
    What.LAYERS: "click on an image in the panel Data to see it alone with its labels",
    What.FOLDERS: "open some images with their labels in the panel Data",
}
"""How to see what is wrong with them: Preview is of a single layer."""


class TrainingSource(QWidget):
    """Chooses what is trained on.

    Parameters
    ----------
    viewer : Viewer
    is_held : callable
        Whether nothing else is suggested now: a run goes on.

    Attributes
    ----------
    what : QComboBox
        Its data are of `What`.
    pair : PairChoice
    table : PairTable
    folders : FolderPair
    strokes : StrokesNote
    images, labels : PathChoice
        The folders.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, is_held: Callable[[], bool]):
        super().__init__()
        self._viewer, self._is_held = viewer, is_held
        self.what = SuggestedChoice()
        offer(self.what, {what: what.value for what in What})
        self.pair, self.table = PairChoice(viewer), PairTable()
        self.strokes, self.folders = StrokesNote(viewer), FolderPair()
        self.images, self.labels = self.folders.images, self.folders.labels
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.note.linkActivated.connect(self._on_link)
        self._of_layer = QWidget()
        self._of_layer.setLayout(self.pair.rows())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(form_rows({"train on": self.what}))
        for part in (self._of_layer, self.folders, self.table, self.strokes, self.note):
            column.addWidget(part)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

        self._mark_folders()
        self._layers: list[Layer] = []  # of the rows
        events = viewer.layers.events
        following(self, self._on_layers, events.inserted, events.removed, events.renamed)
        self.table.changed.connect(self._on_table)
        self.strokes.changed.connect(self.changed)
        self.folders.changed.connect(self._on_folders)
        self.what.currentIndexChanged.connect(lambda _: self._on_what())
        self.what.decided.connect(self._suggest)
        follow_theme(self, self._show_note)
        self._suggest()
        self._on_what()

    @property
    def kind(self) -> What:
        """What is trained on."""
        return What(self.what.currentData())

    @property
    def is_of_files(self) -> bool:
        """Whether folders are trained on, not layers."""
        return self.kind is What.FOLDERS

    def choose(self, what: What) -> None:
        """Choose what is trained on."""
        self.what.choose(what.value)

    def problem(self, settings: TrainSettings | None) -> str:
        """Return why this cannot be trained on, or ''; mark the wrong field red."""
        rows = self.table.ticked() if self.kind is What.LAYERS else []
        pairs = [(self._layers[row], self.table.labels(row)) for row in rows]
        self.strokes.look_at(pairs, settings)
        match self.kind:
            case What.LAYER:
                return self.pair.check(settings)
            case What.LAYERS:
                problem = self.table.problem() or self._problem_of_layers(settings)
                mark(self.table, problem)
                return problem
        problem = self.folders.problem(settings) or self.table.problem()
        self._mark_folders(problem)
        return problem

    def _mark_folders(self, problem: str = "") -> None:
        for choice, kind in ((self.images, "images"), (self.labels, "their labels")):
            its_own = problem if self.folders.is_wrong(choice) else ""
            mark(choice.line, its_own, f"Folder, or pattern like *.tif, of {kind}")

    def first(self) -> Stack:
        """Return the first image, of which only what it is called and its size are read."""
        match self.kind:
            case What.LAYER:
                return _seen(self.pair.image.layer, self.pair.labels.layer)
            case What.LAYERS:
                row = self.table.ticked()[0]
                return _seen(self._layers[row], self.table.labels(row))
        assert self.folders.first
        return self.folders.first

    def taken(self) -> TrainingInputs:
        """Return all as it is now.

        Raises
        ------
        UserError
            If it cannot be trained on.
        """
        if problem := self.problem(None):
            raise UserError(problem)
        match self.kind:
            case What.LAYER:
                layer, pair = self.pair.image.layer, self.pair.taken()
                place = placement(layer, pair.image.axes)
                name = plain_name(layer.name)
                return TrainingInputs(layer.name, {name: pair}, {name: place})
            case What.FOLDERS:
                paths = str(self.images.path), str(self.labels.path)
                return TrainingInputs(name_of_folder(Path(paths[0])), paths=paths)
        pairs, places = {}, {}
        for row, name in zip(self.table.ticked(), self.table.names(), strict=True):
            layer, labels = self._layers[row], stack_of(self.table.labels(row))
            image = with_copied_pixels(stack_of(layer, like=labels.shape))
            pairs[name] = TrainingPair(image, with_copied_pixels(labels))
            places[name] = placement(layer, image.axes)
        name = self._layers[self.table.ticked()[0]].name if len(pairs) == 1 else ""
        return TrainingInputs(name or f"{len(pairs)} layers", pairs, places)

    def subject(self) -> Subject | None:
        """Return what a training on this is about; None if something is missing."""
        if self.kind is What.LAYER:
            return self.pair.subject()
        if self.kind is What.FOLDERS:
            paths = self.images.path, self.labels.path
            return Subject(paths, str(paths[0])) if None not in paths else None
        rows = self.table.ticked()
        images = Subject.of([self._layers[row] for row in rows])
        labels = Subject.of([self.table.labels(row) for row in rows])
        return Subject((images, labels), images.name) if images and labels else None

    def layer_of(self, name: str) -> Layer | None:
        """Return the layer of an image by its name in settings and events, or None."""
        match self.kind:
            case What.LAYER:
                return self.pair.image.layer
            case What.LAYERS if name in self.table.names():
                return self._layers[self.table.ticked()[self.table.names().index(name)]]
        return None

    def share(self, form: Form[Any]) -> None:
        """Let a form and the chosen labels say the same of what ids mean.

        Parameters
        ----------
        form : Form of TrainSettings
        """
        self.pair.share(form)
        self.strokes.linkActivated.connect(lambda _: form.set_value(SPARSE, True))

    def show_validation(self, names: tuple[str, ...]) -> None:
        """Show the images that validate, as the settings name them."""
        stems = {stem_of(name) for name in names}
        if stems != {*self.table.validation}:
            self.table.set_validation(stems)

    # layers

    def _on_layers(self, _event: Any = None) -> None:
        self._suggest()
        if self.kind is What.LAYERS:
            self._show_layers()
            self._on_table()

    def _suggest(self) -> None:
        """Suggest several layers where several images have labels of their own."""
        if self.what.is_suggested and not self._is_held():
            several = len(self._labelled()) > 1
            self.what.suggest([*What].index(What.LAYERS if several else What.LAYER))
        self._show_note()

    def _on_table(self) -> None:
        self._show_note()
        self.changed.emit()

    def _labelled(self) -> list[Layer]:
        """Return the images that certainly have labels of their own; a result is none."""
        images = [image.images[0] for image in open_images(self._viewer.layers)]
        labels = [layer for layer in self._viewer.layers if is_choice(layer, Labels)]
        painted = [layer for layer in labels if ON_DISK not in layer.metadata]
        return [image for image, found in own_labels(images, painted).items() if found]

    def _show_note(self, _event: Any = None) -> None:
        """Say what was suggested, or which files are left alone."""
        said = ""
        if self.kind is What.LAYERS and self.what.is_suggested:
            link = colored("Train on one layer", Tone.NOTE, What.LAYER.value)
            said = f"{ticked_text(self._labelled(), self._ticked())} {link}"
        elif self.kind is What.FOLDERS and (lacking := self.folders.lacking()):
            said = colored(f"Left alone: {'; '.join(lacking)}.", None)
        self.note.setText(said)
        self.note.setVisible(bool(said))

    def _on_link(self, target: str) -> None:
        self.choose(What(target))

    def _show_layers(self) -> None:
        """List the image layers; those that were ticked, and their labels, stay."""
        shown = [layer for layer in self._viewer.layers if is_choice(layer, Image)]
        images = [layer for layer in shown if not shows_probabilities(layer)]
        labels = [layer for layer in self._viewer.layers if is_choice(layer, Labels)]
        known = {layer: row for row, layer in enumerate(self._layers)}
        chosen = {layer: self.table.labels(row) for layer, row in known.items()}
        ticked = self._ticked()
        bare = [x for x, row in known.items() if row in self.table.without_labels()]
        found = labels_for(images, labels)
        choices = {label: label.name for label in labels} | {None: "none"}
        rows, taken = [], set[str]()
        for image in images:
            label = chosen.get(image) or found[image]
            label = label if label in choices else found[image]
            name = next(n for n in _numbered_names(plain_name(image.name)) if n not in taken)
            taken.add(name)
            is_new = image not in known or image in bare  # nobody unticked it
            is_ticked = label is not None and (image in ticked or is_new)
            rows.append(PairRow(name, image.name, label, choices, is_ticked))
        self._layers = images
        self.table.show_rows(rows)

    def images_of_layers(self) -> list[Layer]:
        """Return the image layers that are trained on; none of folders."""
        match self.kind:
            case What.LAYER:
                return [self.pair.image.layer]
            case What.LAYERS:
                return self._ticked()
        return []

    def _ticked(self) -> list[Layer]:
        return [self._layers[row] for row in self.table.ticked()] if self._layers else []

    def _problem_of_layers(self, settings: TrainSettings | None) -> str:
        for row in self.table.ticked():
            image, labels = self._layers[row], self.table.labels(row)
            if labels is None:
                return f"Choose labels for '{image.name}', or untick it."
            problem = pair_problem(image, labels)
            if not problem and settings:
                seen = _seen(image, labels)
                problem = slices_problem(seen, settings.context)
                problem = problem or volume_problem(seen, settings.network)
            if problem:
                return problem
        return ""

    # folders

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Look at the folders again: files may have come or gone."""
        super().showEvent(event)
        if self.kind is What.FOLDERS:
            self.folders.read()

    def _on_folders(self) -> None:
        if self.kind is What.FOLDERS:
            self.table.show_rows(self.folders.rows())
            self._show_note()
            self.changed.emit()

    def _on_what(self) -> None:
        kind = self.kind
        self.what.setToolTip(HELP[kind])
        self._of_layer.setVisible(kind is What.LAYER)
        self.folders.setVisible(kind is What.FOLDERS)
        self.table.setVisible(kind is not What.LAYER)
        if kind is What.LAYERS:
            self._show_layers()
        elif kind is What.FOLDERS:
            self._layers = []
            self.table.show_rows(self.folders.rows())
            self.folders.read()
        self._show_note()
        self.changed.emit()


def _seen(image: Layer, labels: Layer) -> Stack:
    return stack_of(image, like=tuple(level_0(labels).shape))


def _numbered_names(name: str) -> Generator[str, None, None]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))
