"""An image layer and the labels on it: chosen, checked, and written down for training."""

from collections.abc import Generator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtWidgets import QFormLayout

from napari_utile.arrays.doubts.shapes import shape_hint
from napari_utile.errors import UserError
from napari_utile.io.slice_context import slices_problem, volume_problem
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainingOptions
from napari_utile.widgets.kit.form import form_rows, mark
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.doubts import DoubtsNote
from napari_utile.widgets.layers.snapshots import path_on_disk
from napari_utile.widgets.layers.stacks import level_0, stack_of, with_copied_pixels


class PairChoice:
    """An image layer and a labels layer that are chosen together."""

    def __init__(self, viewer: Viewer):
        self.image = LayerChoice(viewer, Image, results=False)
        self.labels = LayerChoice(viewer, Labels)
        self.note = DoubtsNote()

    def rows(self) -> QFormLayout:
        """Return the two lists with their names beside them, and what is doubtful below."""
        rows = form_rows({"image": self.image.native, "labels": self.labels.native})
        rows.addRow(self.note)
        return rows

    def check(self, settings: TrainingOptions | None = None) -> str:
        """Return why these layers cannot be trained on, or ''; mark the wrong one red.

        What is doubtful about them is shown below; without settings nothing is.
        """
        problem, thin = self.image.lost() or self.labels.lost(), ""
        problem = problem or pair_problem(self.image.layer, self.labels.layer)
        if not problem and settings:
            seen = stack_of(self.image.layer, like=tuple(level_0(self.labels.layer).shape))
            problem = thin = slices_problem(seen, settings.context) or self._flat(
                seen, settings
            )
        if problem or settings is None:
            self.note.show_doubts(None, ("instances", None, False))
        else:
            meaning = settings.meaning, settings.ignore, settings.sparse
            self.note.show_doubts(self.labels.layer, meaning, self.image.layer)
        is_of_image = self.image.layer is None or bool(thin)
        mark(self.image.native, problem if is_of_image else "", "Input of the network")
        mark(self.labels.native, "" if is_of_image else problem, "Annotation of that image")
        return problem

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


@dataclass(frozen=True)
class TrainingPair:
    """Image and labels as they were when the button was pressed."""

    image: Stack
    labels: Stack

    def written(self, folder: Path) -> Generator[None, None, list[str]]:
        """Return two paths where the engine finds them; copies are made in `folder`.

        Raises
        ------
        UserError
            If nothing is annotated, or an annotated slice shows nothing.
        """

        def check(plane: NDArray[Any], index: tuple[int, ...]) -> None:
            if self.labels.plane(index).any():
                check_plane(self.image.name, plane, index)

        _check_not_empty(self.labels)
        image = yield from path_on_disk(self.image, folder / "image", check)
        labels = yield from path_on_disk(self.labels, folder / "labels")
        return [str(image), str(labels)]


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
