"""An image layer and the labels on it: chosen, checked, and written down for training."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout

from napari_utile.arrays.doubts.shapes import shape_hint
from napari_utile.errors import UserError
from napari_utile.io.slice_context import slices_problem, volume_problem
from napari_utile.io.stack import Stack
from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.training import TrainingOptions
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.form import Form, form_rows, mark
from napari_utile.widgets.kit.subject import Subject
from napari_utile.widgets.kit.telling import tell
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.doubts import DoubtsNote
from napari_utile.widgets.layers.meaning import (
    MEANINGS,
    label_meaning,
    said_meaning,
    say_meaning,
)
from napari_utile.widgets.layers.remedies import NeedsNote, Readiness
from napari_utile.widgets.layers.snapshots import path_on_disk
from napari_utile.widgets.layers.stacks import level_0, stack_of, with_copied_pixels

OF_IMAGE = "Image that is labelled, and that a network learns from"
OF_LABELS = "Labels layer that says which pixels of this image belong to what"


class PairChoice(QObject):
    """An image layer and a labels layer that are chosen together.

    Parameters
    ----------
    viewer : Viewer
    newest : bool, default False
        Whether the first labels that are chosen are those on top.
    """

    changed = Signal()
    """`check` would find something else, though the choice is the same."""

    def __init__(self, viewer: Viewer, newest: bool = False):
        super().__init__()
        self.image = LayerChoice(viewer, Image, results=False)
        self.labels = LayerChoice(viewer, Labels, newest=newest)
        self.note = DoubtsNote()
        self.needs = NeedsNote()
        self.readiness = Readiness(viewer)
        self._form: Any = None
        self._taken: LabelSettings | None = None  # by the form, from a layer
        self._is_taking = False
        self.readiness.changed.connect(self.changed)
        self.needs.linkActivated.connect(self._on_link)

    def rows(self, with_notes: bool = True) -> QFormLayout:
        """Return the two lists with their names beside them, and what is wrong below."""
        rows = form_rows({"image": self.image.native, "labels": self.labels.native})
        for note in (self.needs, self.note) if with_notes else ():
            rows.addRow(note)
        return rows

    def subject(self) -> Subject | None:
        """Return what a training on these two is about; None if one is missing."""
        return Subject.of((self.image.layer, self.labels.layer), " with ")

    def share(self, form: Form[Any]) -> None:
        """Let a form and the chosen labels say the same of what ids mean.

        Parameters
        ----------
        form : Form
            With `target`, `sparse` and `ignore`. It shows what another panel says of these
            labels, and what is edited in it is said to the others.
        """
        self._form = form
        self.labels.changed.connect(self._take_meaning)
        form.changed.connect(self._say_meaning)
        MEANINGS.changed.connect(self._on_meaning)
        self._take_meaning()

    def check(self, settings: TrainingOptions | None = None) -> str:
        """Return why these layers cannot be trained on, or ''; mark the wrong one red.

        What is doubtful about them is shown below, and links that mend it; without settings
        nothing is.
        """
        problem, thin = pair_problem(self.image.layer, self.labels.layer), ""
        found = self.readiness.of(self.image.layer, self.labels.layer, settings)
        self.needs.show_needs(found)
        if not problem and settings:
            seen = stack_of(self.image.layer, like=tuple(level_0(self.labels.layer).shape))
            problem = thin = slices_problem(seen, settings.context) or self._flat(
                seen, settings
            )
        problem = problem or next((each.text for each in found if each.is_blocking), "")
        if problem or settings is None:
            self.note.show_doubts(None, ("instances", None, False))
        else:
            meaning = settings.meaning, settings.ignore, settings.sparse
            self.note.show_doubts(self.labels.layer, meaning, self.image.layer)
        is_of_image = self.image.layer is None or bool(thin)
        mark(self.image.native, problem if is_of_image else "", OF_IMAGE)
        mark(self.labels.native, "" if is_of_image else problem, OF_LABELS)
        return problem

    def _on_link(self, link: str) -> None:
        try:
            self.readiness.mend(link)
        except UserError as error:
            tell(self.image.native, str(error), Tone.ERROR)
        self.changed.emit()

    # what ids mean

    def _take_meaning(self, _layer: Any = None) -> None:
        """Show in the form what the chosen labels mean, if anybody or their file says so."""
        if self._form is None or self.labels.layer is None or self._form.problem():
            return
        shown, layer = _meaning_in(self._form.settings()), self.labels.layer
        said, guess = said_meaning(layer), label_meaning(layer)
        if said is None and (guess.target == "classes" or shown == self._taken):
            said = guess  # what its file says; and what another layer said is not true of it
        self._taken = said
        if said is None or said == shown:
            return
        self._is_taking = True
        for name, value in said.model_dump().items():
            if getattr(shown, name) != value:
                self._form.set_value(name, value)
        self._is_taking = False

    def _on_meaning(self, layer: Any) -> None:
        if isalive(self.labels.native) and layer is self.labels.layer:
            self._take_meaning()

    def _say_meaning(self) -> None:
        """Tell the other panels what the user says in the form."""
        layer = self.labels.layer
        if self._is_taking or layer is None or self._form.problem():
            return
        shown = _meaning_in(self._form.settings())
        if shown != label_meaning(layer):
            say_meaning(layer, shown)

    @staticmethod
    def _flat(seen: Stack, settings: TrainingOptions) -> str:
        """Return why the network cannot see the image as a volume, or ''."""
        chosen = getattr(settings, "network", None)
        networks = [chosen] if chosen else getattr(settings, "networks", ())
        return next(filter(None, (volume_problem(seen, name) for name in networks)), "")

    def taken(self) -> "TrainingPair":
        """Return both layers as they are now.

        Raises
        ------
        UserError
            If they cannot be used together.
        """
        if problem := pair_problem(self.image.layer, self.labels.layer):
            raise UserError(problem)
        labels = with_copied_pixels(stack_of(self.labels.layer))
        return TrainingPair(
            with_copied_pixels(stack_of(self.image.layer, like=labels.shape)), labels
        )


def _meaning_in(settings: Any) -> LabelSettings:
    """Return what the options of a training say of ids."""
    names = settings.model_dump(include={"sparse", "ignore"})
    return LabelSettings(target=settings.meaning, **names)


@dataclass(frozen=True)
class TrainingPair:
    """Image and labels as they were when the button was pressed."""

    image: Stack
    labels: Stack

    def written(self, folder: Path, name: str = "") -> Generator[None, None, list[str]]:
        """Return two paths where the engine finds them; copies are made in `folder`.

        With a name, both are copied, to `images` and `labels` in it, and called so.

        Raises
        ------
        UserError
            If nothing is annotated, or an annotated slice shows nothing.
        """

        def check(plane: NDArray[Any], index: tuple[int, ...]) -> None:
            if self.labels.plane(index).any():
                check_plane(self.image.name, plane, index)

        _check_not_empty(self.labels)
        image, labels = self.image, self.labels
        if name:
            image, labels = replace(image, path=None), replace(labels, path=None)
        there = folder / ("images" if name else "image"), folder / "labels"
        paths = [
            (yield from path_on_disk(image, there[0], check, name)),
            (yield from path_on_disk(labels, there[1], name=name)),
        ]
        return [*map(str, paths)]


def pair_problem(image: Layer | None, labels: Layer | None) -> str:
    """Return why these two layers cannot be used together, or ''.

    Parameters
    ----------
    image, labels : Layer or None

    Returns
    -------
    str
    """
    if image is None:
        return "Choose an image layer: there is none yet."
    if labels is None:
        return f"Choose a labels layer for '{image.name}': there is none yet."
    shape = tuple(level_0(labels).shape)
    try:
        stack_of(labels)
        found = stack_of(image, like=shape).shape
    except UserError as error:
        return str(error)
    if found != shape:
        given = tuple(level_0(image).shape)
        hint = shape_hint(given if len(given) == len(shape) else found, shape)
        return (
            f"Image '{image.name}' {given} and labels '{labels.name}' {shape} differ in shape."
            f"{hint}"
        )
    return ""


def check_plane(image: str, plane: NDArray[Any], index: tuple[int, ...]) -> None:
    """Raise if a plane is not finite or is constant: names layer and slice.

    Parameters
    ----------
    image : str
        Name of the layer.
    plane : ndarray, shape (C, Y, X)
    index : tuple of int
        Of the slice; () of a single image.

    Raises
    ------
    UserError
    """
    where = f"Image '{image}'" + "".join(f", slice {i}" for i in index)
    low, high = plane.min(), plane.max()
    if not np.isfinite(low) or not np.isfinite(high):
        raise UserError(
            f"{where} has pixels that are NaN or infinite; replace them or cut them out."
        )
    if low == high:
        raise UserError(
            f"{where} is constant ({low}): nothing can be learned from it; leave it out."
        )


def _check_not_empty(labels: Stack) -> None:
    """Raise if labels are empty. Reads up to the first label."""
    if not any(labels.plane(index).any() for index in labels.indices):
        count = f"none of {prod(labels.shape):,} pixels has a label"
        raise UserError(f"Labels '{labels.name}' are empty: {count}.")
