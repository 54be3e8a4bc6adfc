"""What a network that learns makes of the slice in view: told to the engine, and shown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel

from napari_utile.events import PreviewReady
from napari_utile.folders.looked_at import LookedAt
from napari_utile.folders.run import Run
from napari_utile.io.images import stem_of
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.layers.active import put_above
from napari_utile.widgets.layers.alone import ILLUSTRATES, open_images, show_alone
from napari_utile.widgets.layers.choice import following
from napari_utile.widgets.layers.results import Preview
from napari_utile.widgets.layers.stacks import shifted

SETTLED = 250
"""Milliseconds after which a slice in view is told to the engine."""
GO_THERE = "go there"
Places = Mapping[str, dict[str, Any]]
"""Where each image lies in the world, see `placement`, by its name."""


class PreviewOfView(QLabel):
    """Tells the engine what is in view, shows what it makes of it, and says what is shown.

    Parameters
    ----------
    viewer : Viewer
    layer_of : callable
        Returns the layer of an image by its name, or None.
    """

    def __init__(self, viewer: Viewer, layer_of: Callable[[str], Layer | None]):
        super().__init__()
        self.setWordWrap(True)
        self.linkActivated.connect(lambda _: self.go_there())
        self.hide()
        self._viewer, self._layer_of = viewer, layer_of
        self._places: Places = {}
        self._run: Run | None = None
        self._told: LookedAt | None = None
        self._previews: dict[str, Preview] = {}
        self._shown: PreviewReady | None = None
        self._validation: PreviewReady | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(SETTLED)
        self._pause.timeout.connect(self._tell_engine)
        events = viewer.dims.events, viewer.scene.camera.events, viewer.layers.selection.events
        changes = events[0].current_step, events[0].ndisplay, events[1].center, events[2].active
        following(self, self._on_move, *changes)
        follow_theme(self, self._say)

    def begin(self, run: Run, places: Places) -> None:
        """Follow another run: remove the preview of the last one."""
        self.remove()
        self._run, self._places, self._told = run, places, None
        self._shown = self._validation = None
        self._say()
        self._tell_engine()

    def show_preview(self, event: PreviewReady) -> None:
        """Show a preview, unless it is of a validation slice and one in view is shown."""
        if event.kind == "validation":
            self._validation = event
        is_in_view = self._shown is not None and self._shown.kind == "view"
        name = self._name_of(event)
        if name is not None and (event.kind == "view" or not is_in_view):
            for other in [x for x in self._previews if x != name]:
                self._previews.pop(other).remove()
            is_new = name not in self._previews
            if is_new:
                self._previews[name] = Preview(self._viewer, self._places[name])
            self._previews[name].show(event)
            layer = self._previews[name].layer
            image = self._layer_of(name)
            if is_new and image is not None and image in self._viewer.layers:
                layer.metadata[ILLUSTRATES] = image.name
                put_above(self._viewer, layer, image)
            if layer in self._viewer.layers and event.index:
                layer.name = f"training preview: {place_words(event)}"
            self._shown = event
        self._say()

    def end(self) -> None:
        """Leave the run, which is over: nobody needs to look any more."""
        if self._run:
            self._run.view.unlink(missing_ok=True)
        self._run = None

    def remove(self) -> None:
        """Remove the layer, and leave the run."""
        self.end()
        for preview in self._previews.values():
            preview.remove()
        self._previews = {}

    def go_there(self) -> None:
        """Move to the validation slice; the active layer stays."""
        event = self._validation
        name = self._name_of(event) if event else None
        if event is None or name is None:
            return
        place = self._places[name]
        world = shifted(place, (*event.index, *event.origin))
        first = self._viewer.dims.ndim - len(world)
        for axis in range(len(event.index)):
            self._viewer.dims.set_point(first + axis, world[axis])
        if len(self._places) > 1 and (layer := self._layer_of(name)) is not None:
            for image in open_images(self._viewer.layers):
                if layer in image.images and not layer.visible:
                    show_alone(self._viewer, image)
            middle = layer.extent.world.mean(axis=0)
            self._viewer.scene.camera.center = (0, *middle[-2:])

    def in_view(self) -> LookedAt | None:
        """Return which slice of which image is in view; None if none is."""
        if self._viewer.dims.ndisplay == 3 or not self._places:
            return None
        active = self._viewer.layers.selection.active
        order = {layer: number for number, layer in enumerate(self._viewer.layers)}
        there: list[tuple[str, Any]] = [
            (name, layer)
            for name in self._places
            if (layer := self._layer_of(name)) is not None and layer in order
        ]
        if not there:
            return None
        name, looked_at = max(there, key=lambda x: (x[1].visible, x[1] is active, order[x[1]]))
        axes = len(self._places[name]["scale"])
        point = np.array(self._viewer.dims.point, float)
        shown = [*self._viewer.dims.displayed[-2:]]
        point[shown] = self._viewer.scene.camera.center[-2:]
        at = [round(float(x)) for x in looked_at.world_to_data(point)[-axes:]]
        return LookedAt(
            image="" if len(self._places) == 1 else name,
            index=tuple(at[:-2]),
            center=(max(0, at[-2]), max(0, at[-1])),
        )

    def _on_move(self, _event: Any = None) -> None:
        if self._run and not self._pause.isActive():
            self._pause.start()

    def _tell_engine(self) -> None:
        if self._run and (view := self.in_view()) and view != self._told:
            self._told = view
            view.write(self._run.view)
            self._say()

    def _name_of(self, event: PreviewReady) -> str | None:
        """Return the name by which the place of an image is known, or None."""
        if len(self._places) == 1:
            return next(iter(self._places))
        name = stem_of(event.image) if event.image else ""
        return name if name in self._places else None

    def _say(self, _event: Any = None) -> None:
        """Say which slice the preview shows, and where the validation slice is."""
        said = []
        many = len(self._places) > 1
        if self._shown and self._shown.kind == "view":
            said.append(f"Preview: {place_words(self._shown, many)}.")
        name = self._name_of(self._validation) if self._validation else None
        if self._validation and name is not None:  # None: of a file, of which nothing is shown
            link = colored(GO_THERE, Tone.NOTE, GO_THERE)
            what = "Validation" if said else "Preview of the validation part"
            is_there = self._told is not None and self._told.index == self._validation.index
            leads = self._layer_of(name) in self._viewer.layers
            more = f" · {link}" if leads and (many or not is_there) else ""
            said.append(f"{what}: {place_words(self._validation, many)}{more}")
        self.setText(" ".join(said))
        self.setVisible(bool(said))


def place_words(event: PreviewReady, with_image: bool = False) -> str:
    """Return what a preview shows, in words.

    Examples
    --------
    >>> place_words(PreviewReady(path="", step=7, index=(6,), image="em.tif"))
    'slice 6'
    >>> place_words(PreviewReady(path="", step=7, image="em.tif"), with_image=True)
    "'em'"
    >>> place_words(PreviewReady(path="", step=7, index=(2, 6), image="em"), with_image=True)
    "slice 2, 6 of 'em'"
    """
    image = f"'{stem_of(event.image)}'" if event.image else ""
    numbers: Sequence[str] = [str(i) for i in event.index]
    slice_words = f"slice {', '.join(numbers)}" if numbers else ""
    if with_image:
        return " of ".join(filter(None, [slice_words, image])) or "the image"
    return slice_words or "the image"
