"""What may be wrong with layers that are used together, found before any engine starts."""

from contextlib import suppress
from hashlib import blake2b

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QLabel

from napari_utile.arrays.doubts.labels import label_doubts, looked_at
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.io.units import micrometers
from napari_utile.settings.options import Target
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.layers.stacks import (
    doubts_about,
    is_in_memory,
    placement,
    stack_of,
)

MOST_LOOKED_AT = 2**20
"""Pixels that are looked at while the window waits: a tenth of a second."""
KINDS = ("image", "labels")
Meaning = tuple[Target, int | None, bool]
"""What labels mean: `target`, `ignore` and `sparse` of the settings."""


class DoubtsNote(QLabel):
    """Lines below the fields of layers that say what may be wrong with them."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self._key: object = None
        self._looked: list[str] = []
        self.hide()

    def show_doubts(
        self, labels: Layer | None, meaning: Meaning, image: Layer | None = None
    ) -> None:
        """Show the doubts about labels in memory, and whether an image lies elsewhere.

        Parameters
        ----------
        labels : Labels or None
            None removes the lines.
        meaning : (target, ignore, sparse)
        image : Image, optional
        """
        found: list[str] = []
        if labels is not None:
            found = [*doubts_about(labels)]
            if image is not None:
                together = place_doubt(image, labels), channels_doubt(image, labels)
                found += filter(None, together)
            with suppress(UserError):  # said where the layers are checked
                found += self._looks(stack_of(labels), meaning)
        self.setText("<br>".join(colored(f"⚠ {text}", Tone.WARNING) for text in found))
        self.setVisible(bool(found))

    def _looks(self, labels: Stack, meaning: Meaning) -> list[str]:
        """Return what labels look like; nothing is computed again for the same pixels."""
        if not is_in_memory(labels.data) or labels.dtype.kind not in "iu":
            return []
        target, ignore, sparse = meaning
        planes = looked_at(labels.data, ignore, MOST_LOOKED_AT)
        pixels = blake2b(b"".join(plane.ids.tobytes() for plane in planes)).digest()
        key = pixels, labels.name, meaning
        if key != self._key:
            doubts = label_doubts(planes, labels.name, target, ignore, sparse)
            self._key, self._looked = key, [doubt.text for doubt in doubts]
        return self._looked


def channels_doubt(image: Layer, labels: Layer) -> str:
    """Return that an axis which an image does not name is taken for channels, or ''.

    Parameters
    ----------
    image, labels : Layer

    Returns
    -------
    str
        A sentence that says how the image is read, and how slices would be.
    """
    try:
        shape = stack_of(labels).shape
        alone, beside = stack_of(image), stack_of(image, like=shape)
    except UserError:
        return ""  # said where the layers are checked
    if alone.axes == beside.axes or "c" not in beside.axes:
        return ""
    what = "one slice" if len(shape) == 2 else f"a stack {shape}"
    return (
        f"Image '{image.name}' {tuple(beside.data.shape)} is taken for {what} of "
        f"{beside.channels} channels, as labels '{labels.name}' have the shape {shape}. If "
        "these are slices, choose labels of all of them, or an image of one slice."
    )


def place_doubt(image: Layer, labels: Layer, kinds: tuple[str, str] = KINDS) -> str:
    """Return that two layers of one shape lie at different places in the viewer, or ''.

    Parameters
    ----------
    image, labels : Layer
        The image may have channels that the labels lack.
    kinds : (str, str), default ("image", "labels")
        What the message calls them.

    Returns
    -------
    str
        A sentence that names what differs.
    """
    try:
        truth = stack_of(labels)
        axes = stack_of(image, like=truth.shape).axes
    except UserError:
        return ""  # said where the layers are checked
    here, there = placement(image, axes), placement(labels, truth.axes)
    if len(here["scale"]) != len(there["scale"]):
        return ""
    corners = np.array([np.zeros(len(truth.shape)), np.array(truth.shape) - 1.0])
    pixel = np.abs(there["scale"] * _units(there))
    apart = np.abs(_in_world(here, corners) - _in_world(there, corners)) / pixel
    if apart.max() <= 0.5:
        return ""
    names = [name for name in here if not _same(here[name], there[name])]
    listed = " and ".join(name for name in names if name != "axis_labels")
    return (
        f"{kinds[1].capitalize()} '{labels.name}' and {kinds[0]} '{image.name}' lie up to "
        f"{apart.max():,.4g} px apart (in {listed}), but are used pixel by pixel: give both "
        "layers the same place, or crop them to it."
    )


def _in_world(place: dict, corners: np.ndarray) -> np.ndarray:
    """Return where pixels lie, in micrometers where the unit is known."""
    matrix = place["rotate"] @ place["shear"] @ np.diag(place["scale"])
    points = corners @ matrix.T + place["translate"]
    affine = place["affine"]
    return (points @ affine[:-1, :-1].T + affine[:-1, -1]) * _units(place)


def _units(place: dict) -> np.ndarray:
    return np.array([micrometers(str(unit)) or 1.0 for unit in place["units"]])


def _same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and bool(np.allclose(a, b))
    return a == b
