"""OME-Zarr as layers of napari, read on demand. No napari here."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_utile.arrays.instances.offsets import FOREGROUND
from napari_utile.arrays.labels import check_labels
from napari_utile.errors import UserError
from napari_utile.events import Warned, warn
from napari_utile.io.images import stem_of
from napari_utile.io.lazy_views import Converted, LazyChannel, ReadOnly
from napari_utile.io.names import is_url, location
from napari_utile.io.ngff import (
    LABELS,
    PROBABILITIES,
    lacks_decided,
    levels_in,
    ngff_image,
    ngff_of,
    partial_doubt,
    plain_image,
    utile_of,
)
from napari_utile.io.remote import open_node
from napari_utile.io.stack import DOUBTS, HOLDS, RULE, Stack
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.io.zarr_nodes import member, open_folder, zarr_errors

LayerData = tuple[Any, dict[str, Any], str]


def reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the function that reads these paths, or None if they are no Zarr folders.

    Parameters
    ----------
    path : str or sequence of str
        Folders, or addresses.

    Returns
    -------
    callable or None
        As npe2 asks of a reader.
    """
    paths = [path] if isinstance(path, str) else path
    is_ours = all(is_url(name) or is_zarr(Path(name)) for name in paths)
    return read_layers if is_ours else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Describe all images and labels of OME-Zarr folders, or addresses, as napari layers.

    Parameters
    ----------
    path : str or sequence of str

    Returns
    -------
    list of (data, arguments of the layer, "image" or "labels")
        Data are arrays on disk, or lists of them, the largest first; nothing is read. Every
        channel is a layer. Probabilities are shown as in the panel *Segment*.

    Raises
    ------
    UserError
        If there is nothing to show.
    """
    found: list[LayerData] = []
    for name in [path] if isinstance(path, str) else path:
        source = location(name)
        node = open_node(source) if isinstance(source, str) else open_folder(source)
        with zarr_errors(source):
            here = list(_node_layers(node, source, stem_of(source)))
        if not here:
            raise UserError(f"{source} holds no image that can be shown.")
        found += here
    return found


def _node_layers(
    node: Any, source: Path | str, name: str, said: tuple[str, ...] = ()
) -> Iterator[LayerData]:
    """Describe an array, an image with its labels, or several images (bioformats2raw).

    What was `said` to be doubtful about an image is so about its labels, too.
    """
    if isinstance(node, zarr.Array):
        stack = plain_image(source, node)
        yield from _doubted(_image_layers(stack, [node], name, {}), stack.doubts)
        return
    ngff = ngff_of(node)
    if "multiscales" not in ngff:
        for inner in ngff.get(LABELS) or sorted(node.group_keys()):
            group = member(node, inner, source)
            if isinstance(group, zarr.Group) and "multiscales" in ngff_of(group):
                yield from _node_layers(group, source, f"{name} {inner}")
        return
    kind = utile_of(node).get("kind")
    stack, levels = ngff_image(source, node), levels_in(node, source)
    doubts = (*partial_doubt(node, source), *stack.doubts)
    labels = ngff_of(member(node, LABELS, source)).get(LABELS, []) if LABELS in node else []
    if stack.holds in ("labels", "classes", "instances"):
        given = _place(stack) | {"name": name, "metadata": {HOLDS: stack.holds}}
        layers = iter([(_layer_data(_integer_levels(stack, levels)), given, "labels")])
    elif stack.holds == PROBABILITIES:
        if kind not in (PROBABILITIES, *labels):
            doubts += (f"{lacks_decided(source, kind)} Its probabilities are shown.",)
        layers = _probability_layers(stack, levels, name, visible=not labels)
    else:
        layers = _image_layers(stack, levels, name, ngff.get("omero", {}))
    yield from _doubted(layers, doubts, said)
    for inner in labels:
        group = member(node, f"{LABELS}/{inner}", source)
        said = partial_doubt(node, source)
        yield from _node_layers(group, source, f"{name} {inner}", said)


def _integer_levels(stack: Stack, levels: list[Any]) -> list[Any]:
    """Return levels of labels as napari takes them: masks and floating point as integers."""
    if stack.dtype.kind in "iu":
        return [*map(ReadOnly, levels)]
    dtype = np.uint8 if stack.dtype.kind == "b" else np.int64
    as_ids = partial(check_labels, name=f"labels of '{stack.name}'")
    return [Converted(levels[0], as_ids, dtype)]  # smaller levels may be interpolated


def _doubted(
    layers: Iterator[LayerData], doubts: tuple[str, ...], said: tuple[str, ...] = ()
) -> Iterator[LayerData]:
    """Warn of doubts, which napari shows as notifications, and keep them with the layers."""
    for doubt in doubts:
        warn(Warned(message=doubt))
    kept = {DOUBTS: (*said, *doubts)} if said or doubts else {}
    for data, given, kind in layers:
        yield data, given | {"metadata": given.get("metadata", {}) | kept}, kind


def _image_layers(
    stack: Stack, levels: list[zarr.Array], name: str, omero: dict[str, Any]
) -> Iterator[LayerData]:
    """Describe a layer per channel, with the colors of its OMERO metadata."""
    described = omero.get("channels", [])
    for channel, arrays in enumerate(_channel_levels(stack, levels)):
        given = _place(stack) | {"name": name}
        if "c" in stack.axes and stack.channels > 1:
            given |= {"name": f"{name} {channel}", "blending": "additive"}
        if channel < len(described):
            given |= _look(described[channel], name)
        yield _layer_data(arrays), given, "image"


def _probability_layers(
    stack: Stack, levels: list[zarr.Array], name: str, visible: bool
) -> Iterator[LayerData]:
    """Describe a layer per class, but for the background; affinities are not shown."""
    shown = [*range(1, stack.channels)] or [0]
    if stack.channel_names[:1] == (FOREGROUND,):
        shown = [0]
    top = 1 if stack.dtype.kind == "f" else 255
    for channel, arrays in enumerate(_channel_levels(stack, levels)):
        if channel not in shown:
            continue
        given = _place(stack) | {
            "name": f"{name} {PROBABILITIES}" + (f" {channel}" if len(shown) > 1 else ""),
            "contrast_limits": (0, top),
            "colormap": "magenta",
            "blending": "additive",
            "opacity": 0.6,
            "visible": visible,
            "metadata": {HOLDS: stack.holds} | ({RULE: stack.rule} if stack.rule else {}),
        }
        yield _layer_data(arrays), given, "image"


def _look(described: dict[str, Any], name: str) -> dict[str, Any]:
    """Return name, color and contrast of a channel from its OMERO metadata."""
    look: dict[str, Any] = {}
    if label := described.get("label"):
        look["name"] = f"{name} {label}"
    if color := re.match("#?([0-9a-fA-F]{6})", str(described.get("color"))):
        look["colormap"] = f"#{color[1]}"  # from black
    window = described.get("window", {})
    if window.get("start", 0) < window.get("end", 0):
        look["contrast_limits"] = (window["start"], window["end"])
    if "active" in described:
        look["visible"] = bool(described["active"])
    return look


def _place(stack: Stack) -> dict[str, Any]:
    """Return scale, translation, units and name per axis of the data, in their order."""
    named = tuple(axis for axis in stack.axes if axis != "c")
    order = [stack.spatial_axes.index(axis) for axis in named]
    are_guessed = bool(stack.doubts) and "t" not in named  # maybe; then they say nothing
    return {
        "scale": tuple(stack.scale[i] for i in order),
        "translate": tuple(stack.translate[i] for i in order),
        "units": tuple(stack.units[i] for i in order),
        **({} if are_guessed else {"axis_labels": named}),
    }


def _channel_levels(stack: Stack, levels: list[zarr.Array]) -> Iterator[list[Any]]:
    if "c" not in stack.axes:
        yield levels
        return
    axis = stack.axes.index("c")
    for channel in range(stack.channels):
        yield [LazyChannel(level, axis, channel) for level in levels]


def _layer_data(levels: list[Any]) -> Any:
    return levels if len(levels) > 1 else levels[0]
