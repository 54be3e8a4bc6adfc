"""The layers of a result on disk that fill while the engine writes it."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_utile.events import PreviewReady
from napari_utile.files.images import open_image
from napari_utile.widgets._layers import moved

PAUSE = 200
"""Milliseconds between two looks at a result that grows."""


class Result(QObject):
    """Shows what is in `out` at the place of the layer it was made from.

    Parameters
    ----------
    viewer : Viewer
        Where it is shown.
    place : dict
        Of the layer: scale, position, units; see `placement`.
    out : Path
        OME-Zarr that the engine fills.
    name : str
        Of the layer.
    """

    def __init__(self, viewer: Viewer, place: dict[str, Any], out: Path, name: str):
        super().__init__()
        self._viewer, self._place, self.out, self._name = viewer, place, out, name
        self.layers: list[Layer] = []
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self.refresh)

    def grow(self) -> None:
        """Take note that a tile was written: add the layers, or look again within `PAUSE`."""
        if not self.layers:
            self.layers = self._add()
        elif not self._pause.isActive():
            self._pause.start()

    def refresh(self) -> None:
        """Read anew what is in view."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                layer.refresh()

    def end(self, is_partial: bool) -> None:
        """Show the last tiles, and say in the name if some are missing."""
        self._pause.stop()
        self.refresh()
        for layer in self.layers:
            layer.name = f"{layer.name} (partial)" if is_partial else layer.name

    def _add(self) -> list[Layer]:
        found = open_image(self.out)
        # napari's cache, and guessing levels or contrast, would read or keep old tiles
        given = {"multiscale": False, "cache": False, **self._place}
        if "c" not in found.axes:
            return [self._viewer.add_labels(found.data, name=self._name, **given)]
        classes = range(1, found.channels) if found.channels > 1 else [0]
        return [
            self._viewer.add_image(
                Channel(found.data, channel),
                name=self._name if len(classes) == 1 else f"{self._name} {channel}",
                contrast_limits=(0, 1 if found.dtype.kind == "f" else 255),
                colormap="magenta",
                blending="additive",
                opacity=0.6,
                **given,
            )
            for channel in classes
        ]


class Preview:
    """A layer that shows what the best network so far makes of a validation slice."""

    def __init__(self, viewer: Viewer, place: dict[str, Any]):
        self._viewer, self._place = viewer, place
        self.layer: Any = None

    def show(self, event: PreviewReady) -> None:
        """Show another picture, on the slice and at the place that it was made of."""
        pixels = open_image(Path(event.path)).plane()[0]
        pixels = pixels[(np.newaxis,) * len(event.index)]
        corner = moved(self._place, (*event.index, *event.origin))
        place = self._place | {"translate": corner}
        if self.layer in self._viewer.layers:
            self.layer.data, self.layer.translate = pixels, place["translate"]
        elif self.layer is None:  # once it is removed it stays away
            self.layer = self._viewer.add_image(
                pixels,
                name="training preview",
                contrast_limits=(0, 1),
                colormap="magenta",
                blending="additive",
                opacity=0.6,
                **place,
            )

    def remove(self) -> None:
        """Take the layer away: another run begins."""
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)


class Channel:
    """One channel of a (C, ...) array on disk, as lazy as the array."""

    def __init__(self, data: Any, index: int):
        self._data, self._index = data, index
        self.shape, self.dtype, self.ndim = data.shape[1:], data.dtype, data.ndim - 1

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self._data[(self._index, *(key if isinstance(key, tuple) else (key,)))]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._data[self._index].astype(dtype or self.dtype, copy=False)
