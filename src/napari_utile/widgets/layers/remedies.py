"""What keeps the chosen layers from being trained on, kept up, with links that mend it."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QLabel

from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.training import TRAIN_DEFAULTS, TrainingOptions
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.layers.active import active_kept
from napari_utile.widgets.layers.brush import take_brush
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.meaning import say_meaning
from napari_utile.widgets.layers.painted import PaintedWatch, watch_of
from napari_utile.widgets.layers.readiness import (
    Look,
    Need,
    holds_ids,
    look,
    may_hold_ids,
    needs_of,
)
from napari_utile.widgets.layers.stacks import is_in_memory, level_0

LOOK_REST = 400
"""Milliseconds without a stroke after which pixels are looked at."""
SEPARATOR = " "
"""Between what a link does and what it does it to."""


class Readiness(QObject):
    """Follows an image, its labels and what they mean.

    Parameters
    ----------
    viewer : Viewer
    is_alone : bool, default True
        Whether nothing but these labels is trained on: then a part of them must be kept to
        check the network by.
    """

    changed = Signal()
    """Something else is found than `of` returned last."""

    def __init__(self, viewer: Viewer, is_alone: bool = True):
        super().__init__()
        self._viewer, self._is_alone = viewer, is_alone
        self._watch: PaintedWatch | None = None
        self._given: tuple[Any, Any, TrainingOptions | None] = None, None, None
        self._found: list[Need] = []
        self._key: tuple[Any, ...] = ()  # of what was looked at, or is
        self._awaited: tuple[Any, ...] = ()  # of what waits
        self._seen: Look | None = None
        self._ids: WeakKeyDictionary[Layer, tuple[int, bool]] = WeakKeyDictionary()
        self._work: Background | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(LOOK_REST)
        self._rest.timeout.connect(self._look)

    def of(
        self, image: Image | None, labels: Labels | None, settings: TrainingOptions | None
    ) -> list[Need]:
        """Return what is found by now; `changed` is emitted when it is something else.

        Parameters
        ----------
        image : Image or None
        labels : Labels or None
        settings : TrainingOptions or None
            None if they are wrong: nothing is found then.
        """
        if labels is not self._given[1]:
            if self._watch:
                self._watch.changed.disconnect(self._update)
            self._watch = watch_of(labels) if labels is not None else None
            if self._watch:
                self._watch.changed.connect(self._update)
        self._given = image, labels, settings
        self._found = self._needs()
        self._await_rest()
        return self._found

    def mend(self, link: str) -> None:
        """Do what a link of `NeedsNote` says.

        Raises
        ------
        UserError
            If the labels cannot hold the id that would be painted.
        """
        act, _, of = link.partition(SEPARATOR)
        _, labels, settings = self._given
        match act:
            case "convert":
                for layer in [each for each in self._viewer.layers if self._ids_of(each)]:
                    convert_to_labels(self._viewer, layer)
            case "sparse" if labels is not None and settings:
                target: Any = settings.meaning
                meaning = LabelSettings(target=target, sparse=True, ignore=settings.ignore)
                say_meaning(labels, meaning)
            case "select" if labels is not None:
                take_brush(self._viewer, labels, int(of))
            case "raise" if labels is not None and self._watch:
                raise_ids(labels, self._watch.pixels.painted)

    def _needs(self) -> list[Need]:
        image, labels, settings = self._given
        if settings is None:
            return []
        pixels = self._watch.pixels if self._watch else None
        is_of_these = self._key[:1] == (id(labels),) and self._key[2:3] == (settings,)
        seen = self._seen if is_of_these else None  # of the strokes before the last, perhaps
        named = [layer.name for layer in self._viewer.layers if self._ids_of(layer)]
        return needs_of(image, labels, settings, pixels, seen, named)

    def _update(self) -> None:
        if self._needs() != self._found:
            self.changed.emit()
        self._await_rest()

    def _await_rest(self) -> None:
        """Look once nothing has changed for a while."""
        wanted = self._wanted()
        if wanted not in (self._key, self._awaited):
            self._awaited = wanted
            self._rest.start()

    # what is looked at in a thread

    def _wanted(self) -> tuple[Any, ...]:
        """Return a key of all that `_look` depends on."""
        _, labels, settings = self._given
        version = self._watch.version if self._watch else 0
        unknown = [layer for layer in self._viewer.layers if self._is_unknown(layer)]
        return id(labels), version, settings, tuple(map(id, unknown))

    def _is_unknown(self, layer: Layer) -> bool:
        known = self._ids.get(layer)
        if known and known[0] == id(layer.data):
            return False
        return may_hold_ids(layer, list(self._viewer.layers))

    def _ids_of(self, layer: Layer) -> bool:
        known = self._ids.get(layer)
        return bool(known and known[1] and known[0] == id(layer.data))

    def _look(self) -> None:
        """Look at pixels in a thread; what changes meanwhile is looked at afterwards."""
        _, labels, settings = self._given
        self._awaited = ()
        if self._work is not None or settings is None:
            return
        self._key = self._wanted()
        unknown = [layer for layer in self._viewer.layers if self._is_unknown(layer)]
        arrays = [layer.data for layer in unknown]
        data = None if labels is None else level_0(labels)
        pixels = self._watch.pixels.copy() if self._watch else None
        if pixels is None or not pixels.is_complete or not is_in_memory(data):
            pixels = None

        def work() -> Generator[None, None, tuple[list[bool], Look | None]]:
            yield
            found = [holds_ids(array) for array in arrays]
            yield
            return found, look(data, pixels, settings) if pixels else None

        def take(result: tuple[list[bool], Look | None]) -> None:
            self._work = None
            found, self._seen = result
            if self._seen and not self._is_alone:
                self._seen = replace(self._seen, lacking="")
            for layer, array, holds in zip(unknown, arrays, found, strict=True):
                self._ids[layer] = id(array), holds
            self._key = (*self._key[:-1], ())  # these are known now
            self._update()

        self._work = Background(work, take, self._on_failure)

    def _on_failure(self, _error: Exception) -> None:
        """Say nothing: layers changed while they were looked at, or a file is broken."""
        self._work, self._seen = None, None


class NeedsNote(QLabel):
    """Lines that say what keeps layers from being trained on, with links that mend it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._found: Sequence[Need] = ()
        self._left_out = "", ""  # a remedy that is taken already
        self.hide()
        follow_theme(self, self._show_again)

    def _show_again(self, _event: object = None) -> None:
        self.show_needs(self._found)

    def leave_out(self, act: str, of: str) -> None:
        """Show no link that does this: it is done already."""
        if self._left_out != (act, of):
            self._left_out = act, of
            self._show_again()

    def show_needs(self, found: Sequence[Need]) -> None:
        """Replace the lines."""
        self._found = found
        lines = []
        for need in found:
            tone = Tone.ERROR if need.is_blocking else Tone.WARNING
            links = [
                colored(remedy.text, Tone.NOTE, SEPARATOR.join((remedy.act, remedy.of)))
                for remedy in need.remedies
                if (remedy.act, remedy.of) != self._left_out
            ]
            lines.append(" &nbsp;".join([colored(need.text, tone), *links]))
        self.setText("<br>".join(lines))
        self.setVisible(bool(lines))


class ConvertNote(NeedsNote):
    """Says that labels were opened as images, while labels are missing, and converts them.

    Parameters
    ----------
    viewer : Viewer
    labels, *others : LayerChoice
        Labels are missing if `labels` has none, or the same as another one.
    """

    def __init__(self, viewer: Viewer, labels: LayerChoice, *others: LayerChoice):
        super().__init__()
        self._labels, self._others = labels, others
        self._readiness = Readiness(viewer)
        self._readiness.changed.connect(self._follow)
        self.linkActivated.connect(self._readiness.mend)
        for choice in (labels, *others):
            choice.changed.connect(self._follow)
        self._follow()

    def _follow(self, _event: object = None) -> None:
        layer, others = self._labels.layer, [choice.layer for choice in self._others]
        is_missing = layer is None or layer in others  # else no pixel need be looked at
        self.show_needs(self._readiness.of(None, None, TRAIN_DEFAULTS) if is_missing else [])


def convert_to_labels(viewer: Viewer, image: Image) -> Labels:
    """Replace an image layer by a labels layer of the same pixels, on top of all layers.

    Parameters
    ----------
    viewer : Viewer
    image : Image
        Of whole numbers.

    Returns
    -------
    Labels
        Name, place, units and metadata are those of the image.
    """
    types = {"b": np.uint8, "f": np.int32}
    kind = image.data.dtype.kind
    data = image.data.astype(types[kind]) if kind in types else image.data
    place = {
        name: getattr(image, name)
        for name in ("name", "scale", "translate", "rotate", "units", "axis_labels", "metadata")
    }
    labels = Labels(data, affine=image.affine, **place)
    with active_kept(viewer):
        viewer.layers.remove(image)
        viewer.add_layer(labels)
    viewer.layers.selection.active = viewer.layers.selection.active or labels
    return labels


def raise_ids(labels: Labels, planes: Sequence[tuple[int, ...]]) -> None:
    """Add 1 to every id but 0, as one stroke that can be undone.

    Parameters
    ----------
    labels : Labels
    planes : sequence of tuple of int
        Leading indices of those that are painted.
    """
    data, found = level_0(labels), []
    for index in planes:
        here = np.nonzero(data[index])
        leading = [np.full(len(here[0]), i, np.int64) for i in index]
        found.append([*leading, *here])
    if found:
        pixels = tuple(np.concatenate(axis) for axis in zip(*found, strict=True))
        labels.data_setitem(pixels, data[pixels] + 1)
