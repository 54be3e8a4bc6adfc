"""The layers of a result on disk that fill while the engine writes it."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_utile.arrays.instances.offsets import FOREGROUND
from napari_utile.errors import UserError
from napari_utile.events import PreviewReady
from napari_utile.folders.job import ShownResult
from napari_utile.io.images import open_image
from napari_utile.io.lazy_views import LazyChannel, ReadOnly
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.io.stack import DOUBTS, HOLDS, RULE, Stack
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.widgets.layers.active import add_helper
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.in_turn import in_turn, remove_layers, renew
from napari_utile.widgets.layers.stacks import level_0, shifted

MIN_REFRESH_INTERVAL = 200
"""Least milliseconds between two refreshes of a growing result."""
REFRESH_DUTY_CYCLE = 1 / 5
"""A refresh may take 1/5 of the window's time: planes may be large."""
PARTIAL = " (partial)"
PREVIEW = "training preview"
"""What the layer of the preview is, in its metadata."""
ON_DISK = "utile"
"""Key of a layer's metadata: the path of the result that it shows."""


class Result(QObject):
    """Shows the result in `out` while it is written, at the place of its image.

    Instances are decided from the probability of the foreground, which is shown while the
    network computes it, and hidden when all is done.

    Parameters
    ----------
    viewer : Viewer
        Where it is shown.
    result : ShownResult
        Its path, an OME-Zarr that the engine fills, or a TIFF, which is shown when it is
        complete; name and place of the layers.
    output : str
        Probabilities, classes or instances.
    former : sequence of Layer, optional
        Those of an earlier try, which go when the first layer comes.

    Attributes
    ----------
    doubts : list of str
        What is doubtful about a result that has ended: a sentence each.

    Notes
    -----
    In a window the layers come one after the other, and are there a moment later.
    """

    added = Signal()
    """There are new layers."""

    def __init__(
        self,
        viewer: Viewer,
        result: ShownResult,
        output: str,
        former: Sequence[Layer] = (),
    ):
        super().__init__()
        self._viewer, self.out, self._output = viewer, result.out, output
        self._former = [*former]
        self._place, self._name = result.place, result.name
        self._shown: dict[str, list[Layer]] = {}
        self._steps: deque[Callable[[], object]] = deque()
        self._is_stepping = False
        self.doubts: list[str] = []
        self.is_over = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self.refresh)

    @property
    def layers(self) -> list[Layer]:
        """All layers, those of what was asked for last."""
        return list(chain(*self._shown.values()))

    @property
    def has_instances(self) -> bool:
        """Whether objects are shown, with what they were made of beside them on disk."""
        return "instances" in self._shown and self.out.suffix.lower() == ".zarr"

    def grow(self) -> None:
        """Show a block that was written: add layers, or refresh them after a pause."""
        if not self._add() and not self._pause.isActive():
            self._pause.start()

    def refresh(self) -> None:
        """Read what is in view again; the longer that takes, the longer the next pause."""
        began = monotonic()
        for layer in self.layers:
            self._refresh(layer)
        self._pause.setInterval(
            max(MIN_REFRESH_INTERVAL, round(1000 * (monotonic() - began) / REFRESH_DUTY_CYCLE))
        )

    def end(self, is_partial: bool) -> None:
        """Show the last blocks, and mark the names of a partial result; once."""
        if self.is_over:
            return
        self.is_over = True
        self._add(is_partial)
        self._pause.stop()
        stacks = {part: self._open(part, is_partial) for part in self._shown}
        doubts = {part: stack.doubts if stack else () for part, stack in stacks.items()}
        self.doubts = [*dict.fromkeys(chain(*doubts.values()))]
        self._do(partial(self._finish, doubts, is_partial))

    def _finish(self, doubts: Mapping[str, Sequence[str]], is_partial: bool) -> None:
        """Give the layers, which are all there now, their last look."""
        for part, layers in self._shown.items():
            for layer in layers:
                layer.metadata[DOUBTS] = doubts[part]
                layer.name = f"{layer.name}{PARTIAL}" if is_partial else layer.name
                if self._output == "instances" and part == "probabilities" and not is_partial:
                    layer.visible = False
        self._do(*(partial(self._refresh, layer) for layer in self.layers if layer.visible))

    def _refresh(self, layer: Layer) -> None:
        if layer in self._viewer.layers:
            layer.refresh()

    def _do(self, *steps: Callable[[], object]) -> None:
        """Do steps when those before are done; a window goes on between two of them."""
        self._steps.extend(steps)
        if not self._is_stepping:
            self._is_stepping = True
            in_turn(self._viewer, self._next_steps())

    def _next_steps(self) -> Iterator[Callable[[], object]]:
        while self._steps:
            yield self._steps.popleft()
        self._is_stepping = False

    def _add(self, is_partial: bool = True) -> bool:
        """Add the layers of what is on disk by now; return whether there were any."""
        parts = [] if self._output == "classes" else ["probabilities"]
        if self._output != "probabilities":
            parts.append(self._output)
        new = [part for part in parts if part not in self._shown]
        found = {part: stack for part in new if (stack := self._open(part, is_partial))}
        for part, stack in found.items():
            self._shown[part] = []
            self._do(*self._to_add(part, stack))
        if found:
            self._do(self.added.emit)
        return bool(found)

    def _open(self, part: str, is_partial: bool) -> Stack | None:
        """Open a part of the result; None if it is not there yet."""
        with suppress(UserError, OSError, KeyError, ValueError):  # it is just being made
            if self.out.suffix.lower() == ".zarr":
                return open_zarr(self.out, part) if is_zarr(self.out) else None
            if not is_partial and part == self._output:
                return open_image(self.out)
        return None

    def _to_add(self, part: str, stack: Stack) -> Iterator[Callable[[], object]]:
        """Yield what adds the layers of a part, one by one."""
        yield from (partial(self._remove, layer) for layer in self._former)
        self._former = []
        # napari's cache, and guessing levels or contrast, would read or keep old blocks
        place = placement_from_json(self._place) or place_of(stack)
        given = {"multiscale": False, "cache": False, **place}
        name = f"{self._name} {part}"
        if part != "probabilities":
            key = f"{self.out} {part}"
            yield partial(self._put, key, part, ReadOnly(stack.data), name=name, **given)
            return
        classes = [*range(1, stack.channels)] or [0]
        if stack.channel_names[:1] == (FOREGROUND,):  # affinities behind it are for machines
            classes = [0]
        has_channels, axis = "c" in stack.axes, stack.axes.find("c")
        for channel in classes:
            yield partial(
                self._put,
                f"{self.out} {part} {channel}",
                part,
                LazyChannel(stack.data, axis, channel) if has_channels else stack.data,
                name=name if len(classes) == 1 else f"{name} {channel}",
                contrast_limits=(0, 1 if stack.dtype.kind == "f" else 255),
                colormap="magenta",
                blending="additive",
                opacity=0.6,
                rule=stack.rule,
                **given,
            )

    def _remove(self, layer: Layer) -> None:
        remove_layers(self._viewer, [layer])

    def _put(self, key: str, part: str, data: Any, rule: Any = None, **given: Any) -> None:
        """Add a layer, in place of one that shows what was on disk there before."""
        is_image = part == "probabilities"
        kind, layers = (Image if is_image else Labels), self._viewer.layers
        said = {ON_DISK: key, HOLDS: part} | ({RULE: rule} if rule else {})
        here = [
            layer
            for layer in layers
            if layer.metadata.get(ON_DISK) == key and not _is_duplicate(layer)
        ]
        same = next((layer for layer in here if type(layer) is kind), None)
        remove_layers(self._viewer, {*here} - {same})
        if same is None:
            add = self._viewer.add_image if is_image else self._viewer.add_labels
            layer = add(data, metadata=said, **given)
        else:  # other pixels cost the window less than another layer
            renew(same, kind(data, **given))
            if given["name"] not in {x.name for x in layers if x is not same}:
                same.name = given["name"]
            else:  # two layers of one name cannot be told apart in a list
                same.name = same.name.removesuffix(PARTIAL)
            same.visible, layer = True, same
            for name in (RULE, DOUBTS):
                same.metadata.pop(name, None)
            same.metadata.update(said)
        if not is_image:
            layer.editable = False  # napari offers no brush for what is on disk
        self._shown[part].append(layer)


class Preview:
    """A layer that shows what the best network so far makes of a validation slice."""

    def __init__(self, viewer: Viewer, place: dict[str, Any]):
        self._viewer, self._place = viewer, place
        self.layer: Any = None

    def show(self, event: PreviewReady) -> None:
        """Show another picture, at the slice and place of its pixels."""
        pixels = open_image(Path(event.path)).plane()[0]
        pixels = pixels[(np.newaxis,) * len(event.index)]
        corner = shifted(self._place, (*event.index, *event.origin))
        place = self._place | {"translate": corner}
        if self.layer in self._viewer.layers:
            self.layer.data, self.layer.translate = pixels, place["translate"]
        elif self.layer is None:  # once it is removed it stays away
            for old in [x for x in self._viewer.layers if x.metadata.get(HELPER) == PREVIEW]:
                self._viewer.layers.remove(old)  # of a panel that was closed
            look = {"contrast_limits": (0, 1), "colormap": "magenta", "blending": "additive"}
            layer = Image(pixels, name="training preview", opacity=0.6, **look, **place)
            layer.metadata[HELPER] = PREVIEW
            self.layer = add_helper(self._viewer, layer)

    def remove(self) -> None:
        """Remove the layer: another run starts."""
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)


def _is_duplicate(layer: Layer) -> bool:
    """Whether labels that were on disk are in memory: the user has duplicated their layer."""
    return isinstance(layer, Labels) and not isinstance(level_0(layer), ReadOnly)


def place_of(stack: Stack) -> dict[str, Any]:
    """Return the arguments that place a layer as its file says.

    Parameters
    ----------
    stack : Stack

    Returns
    -------
    dict
        scale, translate and units, one entry per spatial axis.
    """
    return {"scale": stack.scale, "translate": stack.translate, "units": stack.units}


def placement_to_json(place: dict[str, Any]) -> dict[str, Any]:
    """Return a `placement` with plain JSON types.

    Parameters
    ----------
    place : dict
        See `placement`.

    Returns
    -------
    dict
    """
    return {
        name: [str(word) for word in value] if name in TEXT_KEYS else np.asarray(value).tolist()
        for name, value in place.items()
    }


def placement_from_json(place: dict[str, Any]) -> dict[str, Any]:
    """Return a `placement` from what `placement_to_json` returned."""
    return {
        name: value if name in TEXT_KEYS else np.asarray(value) for name, value in place.items()
    }


TEXT_KEYS = ("units", "axis_labels")
"""Parts of a placement that are no numbers."""
