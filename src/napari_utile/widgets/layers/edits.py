"""Parts of the labels in a result as layers in memory, to be corrected."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.lazy_views import ReadOnly
from napari_utile.io.memory import check_memory
from napari_utile.io.names import is_url
from napari_utile.io.ngff import LABELS
from napari_utile.io.stack import HOLDS
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.results.edits import Box, Kind
from napari_utile.results.measured import result_of
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.layers.measured import result_shown
from napari_utile.widgets.layers.regions import view_of
from napari_utile.widgets.layers.stacks import held_in, level_0, placement, shifted, stack_of

EDIT = "utile edit"
"""Key of the metadata of a layer that is a copy of a part of a result."""
WHOLE = 2**23
"""Voxels up to which all of a result is copied, not only what is seen."""
LARGEST_SLICE = 2**26
"""Pixels up to which all of a slice is copied, not only the part in view."""

NOT_ANNOTATED = 65535
"""Id of pixels around a corrected part of a slice, which nobody has looked at."""


@dataclass(frozen=True)
class StoredLabels:
    """Labels in a result, which a layer shows.

    Attributes
    ----------
    result : Path
        Zarr folder.
    kind : {"instances", "classes"}
    """

    result: Path
    kind: Kind


@dataclass(frozen=True, eq=False)
class OpenEdit:
    """What is corrected in a layer.

    Attributes
    ----------
    stored : StoredLabels
    box : tuple of (int, int)
        Where in the labels it begins and ends, along each axis.
    seen : ndarray of int
        How it was when it was read.
    free : int
        An id that no object of the result has.
    """

    stored: StoredLabels
    box: Box
    seen: NDArray[Any]
    free: int


def stored_labels(layer: Layer | None) -> StoredLabels | None:
    """Return the labels on disk that a layer shows as they are; None if it shows others.

    Parameters
    ----------
    layer : Layer or None
        Of a result that a panel shows, or of one that was dropped into the window.
    """
    if not isinstance(layer, Labels) or not isinstance(level_0(layer), ReadOnly):
        return None
    kind = held_in(layer)
    path = result_shown(layer)
    if path is None and layer.source.path and not is_url(layer.source.path):
        path = Path(result_of(layer.source.path))
    if path is None or kind not in ("instances", "classes"):
        return None
    is_there = is_zarr(path) and is_zarr(path / LABELS / kind)
    return StoredLabels(path, kind) if is_there else None


def is_unchangeable(layer: Layer | None) -> bool:
    """Whether a layer shows a result on disk that is not corrected in place, as a TIFF.

    Parameters
    ----------
    layer : Layer or None
    """
    is_on_disk = isinstance(layer, Labels) and isinstance(level_0(layer), ReadOnly)
    is_result = layer is not None and held_in(layer) in ("instances", "classes")
    return is_on_disk and is_result and stored_labels(layer) is None


def showing(viewer: Viewer, stored: StoredLabels) -> list[Layer]:
    """List the layers of a viewer that show these labels."""
    return [layer for layer in viewer.layers if stored_labels(layer) == stored]


def open_edit(layer: Layer | None) -> OpenEdit | None:
    """Return what is corrected in a layer; None if it is no such layer."""
    found = layer.metadata.get(EDIT) if isinstance(layer, Labels) else None
    return found if isinstance(found, OpenEdit) else None


def part_to_edit(viewer: Viewer, layer: Layer) -> Box:
    """Return which part of labels is copied: all of small ones, else the slice in view.

    Of a slice that is larger than `LARGEST_SLICE`, the part in view.

    Raises
    ------
    UserError
        If the view is of no slice of the layer.
    """
    shape = tuple(level_0(layer).shape)
    return tuple((0, n) for n in shape) if prod(shape) <= WHOLE else slice_seen(viewer, layer)


def box_seen(viewer: Viewer, layer: Layer, axes: int, largest: int) -> Box:
    """Return the slice in view, or where objects are found in volumes, the volume.

    Parameters
    ----------
    viewer : Viewer
    layer : Layer
    axes : {2, 3}
        Of what objects are found in.
    largest : int
        Voxels of a volume.

    Raises
    ------
    UserError
        If the view is of no slice of the layer, or the volume is larger.
    """
    shape = tuple(level_0(layer).shape)
    if axes == 2:
        return slice_seen(viewer, layer)
    if prod(shape[-3:]) > largest:
        raise UserError(
            f"'{layer.name}' is too large a volume to be redrawn while you drag: segment a "
            f"drawn region of up to {largest:,} voxels, and try it there."
        )
    leading = np.round(layer.world_to_data(viewer.dims.point))[: layer.ndim - 3].astype(int)
    time = leading.clip(0, np.array(shape[: layer.ndim - 3], int) - 1).tolist()
    return tuple((i, i + 1) for i in time) + tuple((0, n) for n in shape[-3:])


def slice_seen(viewer: Viewer, layer: Layer) -> Box:
    """Return the slice in view; of one larger than `LARGEST_SLICE`, the part in view.

    Raises
    ------
    UserError
        If the view is of no slice of the layer.
    """
    shape, ndim = tuple(level_0(layer).shape), viewer.dims.ndim
    if viewer.dims.ndisplay != 2 or tuple(viewer.dims.displayed) != (ndim - 2, ndim - 1):
        raise UserError(
            f"'{layer.name}' is too large for that as a whole: show one slice of it, in 2D."
        )
    if prod(shape[-2:]) > LARGEST_SLICE:
        return view_of(viewer, layer)
    index = np.round(layer.world_to_data(viewer.dims.point))[: layer.ndim - 2].astype(int)
    if not all(0 <= i < n for i, n in zip(index, shape, strict=False)):
        raise UserError(f"The slice in view lies outside of '{layer.name}'.")
    return tuple((i, i + 1) for i in index.tolist()) + tuple((0, n) for n in shape[-2:])


def part_text(box: Box, shape: tuple[int, ...]) -> str:
    """Return what a part of labels is called in a message.

    Examples
    --------
    >>> part_text(((3, 4), (0, 50), (0, 60)), (9, 50, 60))
    'slice 3'
    >>> part_text(((3, 4), (0, 50), (0, 9)), (9, 50, 60))
    'a part of slice 3'
    """
    whole = tuple((0, n) for n in shape)
    if box == whole:
        return "all of it"
    part = "" if box[-2:] == whole[-2:] else "a part of "
    if box[:-2] == whole[:-2]:
        return f"{part}all slices" if box[:-2] else "a part of it"
    first = [f"{a}" if b == a + 1 else f"{a} to {b - 1}" for a, b in box[:-2]]
    return f"{part}slice {', '.join(first)}"


def add_edit(viewer: Viewer, layer: Labels, edit: OpenEdit) -> Labels:
    """Add a copy of labels on top, active, with a brush that paints a new object.

    The layer that shows the labels on disk is hidden until the copy is gone.
    """
    place = placement(layer, "tzyx"[-layer.ndim :])
    place["translate"] = shifted(place, [first for first, _ in edit.box])
    copy = viewer.add_labels(
        edit.seen.copy(),
        name=f"{layer.name} edit",
        metadata={EDIT: edit, HOLDS: edit.stored.kind},
        **place,
    )
    copy.opacity, copy.colormap = layer.opacity, layer.colormap
    copy.selected_label = edit.free if edit.stored.kind == "instances" else 1
    copy.mode = "paint"
    layer.visible = False
    viewer.layers.selection.active = copy
    return copy


def add_to_training(
    viewer: Viewer, copy: Labels, image: Layer, into: Labels | None
) -> tuple[Labels, str]:
    """Copy a corrected part into labels of an image, to be learnt from.

    Parameters
    ----------
    viewer : Viewer
    copy : Labels
        Of `add_edit`.
    image : Image
        What the labels are of.
    into : Labels or None
        Labels of the whole image in memory; None: new ones.

    Returns
    -------
    layer : Labels
    text : str
        What the rest of it means, as a sentence.

    Raises
    ------
    UserError
        If the part does not lie on pixels of the image, or the labels are others.
    """
    edit = open_edit(copy)
    assert edit is not None
    pixels = np.asarray(copy.data)
    stack = stack_of(image, like=into.data.shape if into is not None else None)
    if into is None:
        into = _new_labels(viewer, image, stack.axes, stack.shape, edit.stored.kind)
    where = _where(copy, into)
    ignored = NOT_ANNOTATED if not (pixels == NOT_ANNOTATED).any() else 2**31 - 1
    largest = max(int(pixels.max(initial=0)), ignored)
    if largest > np.iinfo(into.data.dtype).max:
        into.data = into.data.astype(np.uint32 if largest < 2**32 else np.uint64)
    data = into.data
    is_part = data[where].shape[-2:] != data.shape[-2:]
    around = where[:-2]
    fills = is_part and not data[around].any()
    if fills:
        data[around] = ignored
    data[where] = pixels
    into.refresh()
    if into not in viewer.layers:
        viewer.add_layer(into)
    what = part_text(tuple((side.start, side.stop) for side in where), data.shape)
    text = f"{what[0].upper()}{what[1:]} of '{image.name}' is in '{into.name}'."
    if fills:
        name = f"'{TrainSettings.label('ignore')}'"
        text += f" Around it are pixels {ignored}: type {ignored} as {name} in Train."
    elif data[around].size < data.size:
        text += " Slices without labels are taken for not annotated."
    return into, text


def _new_labels(
    viewer: Viewer, image: Layer, axes: str, shape: tuple[int, ...], kind: Kind
) -> Labels:
    check_memory(4 * prod(shape), "A labels layer of the whole image")
    return Labels(
        np.zeros(shape, np.uint32),
        name=f"{image.name} training labels",
        metadata={HOLDS: kind},
        **placement(image, axes),
    )


def _where(copy: Labels, into: Labels) -> tuple[slice, ...]:
    """Return where the pixels of a copy lie in other labels."""
    shape, fits = np.array(copy.data.shape), copy.ndim == into.ndim
    if fits:
        corners = np.zeros(copy.ndim), shape - 1
        first, last = (into.world_to_data(copy.data_to_world(corner)) for corner in corners)
        start = np.round(first).astype(int)
        is_aligned = np.allclose(first, start, atol=0.01)
        fits = is_aligned and np.allclose(np.subtract(last, first), shape - 1, atol=0.01)
    if not fits or (start < 0).any() or (start + shape > into.data.shape).any():
        raise UserError(
            f"'{copy.name}' does not lie on the pixels of '{into.name}': choose the image that "
            "it was made of, or other labels."
        )
    return tuple(slice(a, a + n) for a, n in zip(start.tolist(), shape.tolist(), strict=True))
