"""The layers of the window: chosen, judged, and written down for the engine."""

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.transforms.transform_utils import shear_to_matrix
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_utile.errors import UserError
from napari_utile.io.disk import check_free
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import create_image, mark_complete
from napari_utile.io.stack import SPATIAL, Stack, guess_axes
from napari_utile.io.units import unit_name
from napari_utile.widgets.kit.paths import plain_name, unused

CHUNK = 1024
"""Side of what a copied layer is written in, px."""
PATCH = 256
"""Side of what is compared of a plane to tell whether two are the same, px."""

AID = "utile aid"
"""Key of the metadata of layers that only show something: they are not offered as a choice."""

Check = Callable[[NDArray[Any], tuple[int, ...]], None]
Steps = Generator[None, None, Path]
"""Yields between planes, so that it can be ended; returns a path."""


class LayerChoice(QComboBox):
    """A list of the layers of one type that follows the viewer.

    Parameters
    ----------
    viewer : Viewer
        Whose layers they are.
    *kinds : subclasses of Layer
        What may be chosen.
    newest : bool, default False
        Whether the first choice is the layer on top, not the one at the bottom.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, *kinds: type[Layer], newest: bool = False):
        super().__init__()
        self._viewer, self._kinds, self._newest = viewer, kinds, newest
        self._layers: list[Layer] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumContentsLength(12)  # a long name is cut, the panel stays narrow
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        events = viewer.layers.events
        following(self, self._refresh, events.inserted, events.removed, events.renamed)
        self.currentIndexChanged.connect(lambda _: self.changed.emit())
        self._refresh()

    @property
    def layer(self) -> Any:
        """The chosen layer, or None if there is none to choose."""
        index = self.currentIndex()
        return self._layers[index] if index >= 0 else None

    def choose(self, layer: Layer) -> None:
        """Choose `layer`."""
        self.setCurrentIndex(self._layers.index(layer))

    def _refresh(self, _event: Any = None) -> None:
        chosen = self.layer
        self._layers = [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, self._kinds) and not layer.metadata.get(AID)
        ]
        if chosen not in self._layers and self._layers:
            chosen = self._layers[-1 if self._newest else 0]
        with QSignalBlocker(self):
            self.clear()
            self.addItems([layer.name for layer in self._layers])
            self.setCurrentIndex(self._layers.index(chosen) if self._layers else -1)
        self.changed.emit()


def following(widget: Any, slot: Callable[..., Any], *events: Any) -> None:
    """Call `slot` on napari's `events` for as long as `widget` lives."""
    for event in events:
        event.connect(slot)
    widget.destroyed.connect(lambda: [event.disconnect(slot) for event in events])


def level_0(layer: Layer) -> Any:
    """Return the pixels of a layer in full resolution, as lazy as they are."""
    return layer.data[0] if layer.multiscale else layer.data


def stack_of(
    layer: Layer, channels: int | None = None, like: tuple[int, ...] | None = None
) -> Stack:
    """Describe a layer as a stack. Nothing is read.

    Parameters
    ----------
    layer : Image or Labels
        A color picture has its channels last; so say its type and napari.
    channels : int, optional
        How many a model expects.
    like : tuple of int, optional
        Shape of the labels, which tells channels from slices.

    Raises
    ------
    UserError
        If the layer has too many axes.
    """
    data = level_0(layer)
    shape = tuple(data.shape)
    is_color = isinstance(layer, Image) and layer.rgb
    axes = SPATIAL[1 - len(shape) :] + "c" if is_color else SPATIAL[-len(shape) :]
    if not is_color and (like is not None or (channels or 1) > 1):
        with suppress(ValueError):  # what does not fit is said where the shapes are compared
            axes = guess_axes(shape, channels, like)
    if len(axes) != len(shape):
        raise UserError(f"Layer '{layer.name}' {shape} has more axes than t, z, y and x.")
    spatial = [i for i, axis in enumerate(axes) if axis != "c"]
    return Stack(
        data,
        axes,
        name=layer.name,
        path=_path_of(layer, data),
        scale=tuple(float(layer.scale[i]) for i in spatial),
        translate=tuple(float(layer.translate[i]) for i in spatial),
        units=tuple(unit_name(layer.units[i]) for i in spatial),
        alpha=bool(is_color and shape[-1] == 4),
    )


def frozen(stack: Stack) -> Stack:
    """Copy pixels that are in memory, so that painting on does not change them."""
    return replace(stack, data=stack.data.copy()) if is_in_memory(stack.data) else stack


def pair_problem(image: Layer | None, labels: Layer | None) -> str:
    """Say why these two layers cannot be used together, or nothing."""
    if image is None:
        return "Choose an image layer: there is none yet."
    if labels is None:
        return f"Choose a labels layer for '{image.name}': there is none yet."
    shape = tuple(level_0(labels).shape)
    try:
        found = stack_of(image, like=shape).shape
    except UserError as error:
        return str(error)
    if found != shape:
        return (
            f"Image '{image.name}' {tuple(level_0(image).shape)} and labels '{labels.name}' "
            f"{shape} differ in shape."
        )
    return ""


def written(stack: Stack, folder: Path, check: Check | None = None) -> Steps:
    """Give a path where the engine finds a stack: its own, or a copy made in `folder`.

    A file that the layer only looks into is left where it is. What is in memory, or anywhere
    else, is copied plane by plane to an OME-Zarr named after the layer, unless such a copy is
    there already. A copy of something else is left alone.

    Parameters
    ----------
    stack : Stack
    folder : Path
        Where a copy is made or found; if another one is there, the folder beside it.
    check : callable, optional
        Called with every plane that is copied and its index. May raise `UserError`.
    """
    if stack.path and _is_in_file(stack, stack.path):
        return stack.path
    name = f"{plain_name(stack.name)}.zarr"
    if (yield from _holds(folder / name, stack)):
        return folder / name
    path = unused(folder) / name
    check_free(path, stack.nbytes)
    has_channels = "c" in stack.axes
    copy = create_image(
        path,
        (stack.channels,) * has_channels + stack.shape,
        stack.dtype,
        (1,) * (has_channels + len(stack.shape) - 2) + (CHUNK, CHUNK),
        like=replace(stack, path=None),
        attributes={"kind": "layer"},
    )
    for index in stack.indices:
        plane = stack.plane(index)
        if check:
            check(plane, index)
        if has_channels:
            copy[(slice(None), *index)] = plane
        else:
            copy[(*index, ...)] = plane[0]
        yield
    mark_complete(path)
    return path


def refuse_useless(image: str, plane: NDArray[Any], index: tuple[int, ...]) -> None:
    """Refuse to train on a plane that is not finite or constant: names layer and slice."""
    where = f"Image '{image}'" + "".join(f", slice {i}" for i in index)
    low, high = plane.min(), plane.max()
    if not np.isfinite(low) or not np.isfinite(high):
        raise UserError(f"{where}, has pixels that are NaN or infinite; mend or cut them out.")
    if low == high:
        raise UserError(
            f"{where}, is constant ({low}): nothing can be learnt from it; leave it out."
        )


def refuse_empty(labels: Stack) -> None:
    """Refuse to train on labels without a single label. Reads up to the first one."""
    if not any(labels.plane(index).any() for index in labels.indices):
        count = f"none of {prod(labels.shape):,} pixels has a label"
        raise UserError(f"Labels '{labels.name}' are empty: {count}.")


def is_in_memory(data: Any) -> bool:
    """Say whether pixels would be lost with the window: they are not on disk, nor computed."""
    return isinstance(data, np.ndarray) and not isinstance(data, np.memmap)


def _is_in_file(stack: Stack, path: Path) -> bool:
    """Say whether `path` opens to the very same array, not to what it was made from."""
    if is_in_memory(stack.data):
        return False
    try:
        there = open_image(path)
        same_shape = tuple(there.data.shape) == tuple(stack.data.shape)
        same_kind = there.dtype == stack.dtype and there.axes == stack.axes
        return same_shape and same_kind and _look_alike(stack, there)
    except UserError:
        return False


def _look_alike(a: Stack, b: Stack) -> bool:
    """Compare the middle of the first, the middle and the last plane."""
    y, x = (slice(max(0, (n - PATCH) // 2), (n + PATCH) // 2) for n in a.shape[-2:])
    planes = a.indices
    return all(
        np.array_equal(a.plane(index, y, x), b.plane(index, y, x), equal_nan=True)
        for index in {planes[0], planes[len(planes) // 2], planes[-1]}
    )


def _holds(path: Path, stack: Stack) -> Generator[None, None, bool]:
    """Say whether `path` is a copy of all pixels of a stack, at its place."""
    try:
        there = open_image(path)
        names = ("axes", "dtype", "scale", "translate", "units")
        if there.data.shape != stack.data.shape or any(
            getattr(there, name) != getattr(stack, name) for name in names
        ):
            return False
        for index in stack.indices:
            if not np.array_equal(there.plane(index), stack.plane(index), equal_nan=True):
                return False
            yield
    except UserError:
        return False
    return True


def _path_of(layer: Layer, data: Any) -> Path | None:
    """Find where lazy data come from: the file that was opened, a store, or a mapped file."""
    if layer.source.path:
        return Path(layer.source.path)
    if root := getattr(getattr(data, "store", None), "root", None):  # a zarr.Array
        return Path(root) / data.path
    file = getattr(data, "filename", None)  # a numpy.memmap
    return Path(file) if file else None


def placement(layer: Layer, axes: str) -> dict[str, Any]:
    """Give the arguments that put a new layer onto `layer`, whose `axes` are these.

    The new layer has all of them but the channels.
    """
    kept = [i for i, axis in enumerate(axes) if axis != "c"]
    square, homogeneous = np.ix_(kept, kept), np.ix_([*kept, -1], [*kept, -1])
    return {
        "scale": layer.scale[kept],
        "translate": layer.translate[kept],
        "rotate": layer.rotate[square],
        "shear": shear_to_matrix(layer.shear, ndim=layer.ndim)[square],
        "affine": layer.affine.affine_matrix[homogeneous],
        "units": [layer.units[i] for i in kept],
        "axis_labels": [layer.axis_labels[i] for i in kept],
    }


def moved(place: dict[str, Any], offset: Any) -> NDArray[Any]:
    """Give the `translate` of a layer at `place` that begins `offset` pixels further on."""
    return place["translate"] + place["rotate"] @ place["shear"] @ (place["scale"] * offset)
