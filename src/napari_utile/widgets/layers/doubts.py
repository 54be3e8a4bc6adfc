"""What may be wrong with layers that are used together, found before any engine starts."""

from collections.abc import Generator
from contextlib import suppress
from hashlib import blake2b

import numpy as np
from napari.layers import Layer
from qtpy.compat import isalive
from qtpy.QtWidgets import QLabel

from napari_utile.arrays.doubts.labels import label_doubts, looked_at
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.io.units import micrometers
from napari_utile.settings.options import Target
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.layers.stacks import (
    doubts_about,
    is_in_memory,
    placement,
    stack_of,
)

MOST_LOOKED_AT = 2**20
"""Pixels that are looked at after every change: a tenth of a second in a thread."""
KINDS = ("image", "labels")
Meaning = tuple[Target, int | None, bool]
"""What labels mean: `target`, `ignore` and `sparse` of the settings."""


class DoubtsNote(QLabel):
    """Lines below the fields of layers that say what may be wrong with them."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self._found: list[str] = []
        self._looked: list[str] = []
        self._key: object = None  # of what was looked at
        self._wanted: tuple[Stack, Meaning] | None = None
        self._work: Background | None = None
        self.hide()
        follow_theme(self, self._show)

    def show_doubts(
        self, labels: Layer | None, meaning: Meaning, image: Layer | None = None
    ) -> None:
        """Show the doubts about labels in memory, and whether an image lies elsewhere.

        What pixels look like is found in a thread, and shown a little later.

        Parameters
        ----------
        labels : Labels or None
            None removes the lines.
        meaning : (target, ignore, sparse)
        image : Image, optional
        """
        self._found, wanted = [], None
        if labels is not None:
            self._found = [*doubts_about(labels)]
            if image is not None:
                together = place_doubt(image, labels), channels_doubt(image, labels)
                self._found += filter(None, together)
            with suppress(UserError):  # said where the layers are checked
                wanted = stack_of(labels), meaning
        if wanted and (wanted[0].dtype.kind not in "iu" or not is_in_memory(wanted[0].data)):
            wanted = None
        if wanted is None or self._named(wanted) != self._named(self._wanted):
            self._looked = []
        self._wanted = wanted
        self._show()
        if wanted and self._work is None:
            self._look(wanted)

    @staticmethod
    def _named(wanted: tuple[Stack, Meaning] | None) -> object:
        return wanted and (id(wanted[0].data), wanted[0].name, wanted[1])

    def _look(self, wanted: tuple[Stack, Meaning]) -> None:
        """Look at pixels in a thread; nothing is computed again for the same ones."""
        (labels, meaning), known = wanted, (self._key, self._looked)

        def work() -> Generator[None, None, tuple[object, list[str]]]:
            yield
            target, ignore, sparse = meaning
            planes = looked_at(labels.data, ignore, MOST_LOOKED_AT)
            pixels = blake2b(b"".join(plane.ids.tobytes() for plane in planes)).digest()
            key = pixels, labels.name, meaning
            if key == known[0]:
                return known
            doubts = label_doubts(planes, labels.name, target, ignore, sparse)
            return key, [doubt.text for doubt in doubts]

        def take(result: tuple[object, list[str]]) -> None:
            self._work = None
            if not isalive(self):  # its panel was closed
                return
            self._key, looked = result
            if self._wanted is not None and self._wanted is not wanted:
                self._look(self._wanted)
            if self._named(self._wanted) == self._named(wanted):
                self._looked = looked
                self._show()

        self._work = Background(work, take, self._on_failure)

    def _on_failure(self, _error: Exception) -> None:
        """Say nothing: the pixels changed while they were looked at."""
        self._work = None

    def _show(self, _event: object = None) -> None:
        found = [*self._found, *self._looked]
        self.setText("<br>".join(colored(f"⚠ {text}", Tone.WARNING) for text in found))
        self.setVisible(bool(found))


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
