"""Layers as the stacks that they hold, and where they lie in the world."""

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.transforms.transform_utils import shear_to_matrix
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.names import is_url
from napari_utile.io.ngff_axes import NAMES
from napari_utile.io.stack import DOUBTS, HOLDS, SPATIAL, Holds, Stack, guess_axes
from napari_utile.io.units import TIMES, unit_name


def level_0(layer: Layer) -> Any:
    """Return the pixels of a layer in full resolution, as lazy as they are.

    Parameters
    ----------
    layer : Layer

    Returns
    -------
    array-like
        The data of the layer, or of its first level.
    """
    return layer.data[0] if layer.multiscale else layer.data


def stack_of(
    layer: Layer, channels: int | None = None, like: tuple[int, ...] | None = None
) -> Stack:
    """Return a layer as a stack. Nothing is read.

    Parameters
    ----------
    layer : Image or Labels
        Channels of an RGB layer are last. Its axis labels say which axis is time, or a unit
        of time does.
    channels : int, optional
        Number of channels that the model expects.
    like : tuple of int, optional
        Shape of the labels: distinguishes channels from slices.

    Raises
    ------
    UserError
        If the layer has too many axes, or names them in another order.
    """
    data = level_0(layer)
    shape = tuple(data.shape)
    is_color = isinstance(layer, Image) and layer.rgb
    axes = SPATIAL[1 - len(shape) :] + "c" if is_color else SPATIAL[-len(shape) :]
    if not is_color and (like is not None or (channels or 1) > 1):
        with suppress(ValueError):  # reported where the shapes are compared
            axes = guess_axes(shape, channels, like)
    if said := _said_axes(layer):
        axes = said + "c" * is_color
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
        holds=held_in(layer),
        doubts=doubts_about(layer),
    )


def _said_axes(layer: Layer) -> str:
    """Return the axes that a layer names, in the order of shapes, or ''; time by its unit."""
    letters = "".join(NAMES.get(name.strip().lower(), "?") for name in layer.axis_labels)
    is_color = isinstance(layer, Image) and layer.rgb
    spatial = letters.replace("c", "", not is_color)
    if spatial in ("yx", "zyx", "tyx", "tzyx"):
        return letters
    if sorted(spatial) in (["x", "y"], ["x", "y", "z"], ["t", "x", "y"], ["t", "x", "y", "z"]):
        raise UserError(
            f"Layer '{layer.name}' has the axes {', '.join(letters)}, but is read in the "
            "order t, z, y, x: transpose it, or choose its file instead."
        )
    if any(not name.lstrip("-").isdigit() for name in layer.axis_labels):
        return ""
    is_in_time = layer.ndim == 3 and unit_name(layer.units[0]) in TIMES
    if is_in_time or layer.ndim < 3:
        return "tyx" if is_in_time else ""
    return _axes_with_time(layer).removesuffix("c" * is_color)


def _axes_with_time(layer: Layer) -> str:
    """Return the axes in the file of a layer if one is time: readers of napari drop names."""
    path, shape = layer.source.path, tuple(level_0(layer).shape)
    if path and not is_url(path):
        with suppress(UserError, OSError):
            stack = _file_of_layer(Path(path), Path(path).stat().st_mtime_ns)
            if "t" in stack.axes and tuple(stack.data.shape) == shape:
                return stack.axes
    return ""


@lru_cache(maxsize=64)
def _file_of_layer(path: Path, changed: int) -> Stack:
    """Open a file once, as long as it is not changed: panels ask at every click."""
    return open_image(path)


def held_in(layer: Layer) -> Holds:
    """Return what a layer says that its pixels are; our reader and results say it.

    Parameters
    ----------
    layer : Image or Labels

    Returns
    -------
    Holds
        Of a labels layer at least that these are labels.
    """
    said = layer.metadata.get(HOLDS, "")
    if isinstance(layer, Labels):
        return said if said in ("instances", "classes") else "labels"
    return said if said in get_args(Holds) else ""


def doubts_about(layer: Layer) -> tuple[str, ...]:
    """Return what is doubtful about the file of a layer; our reader and results say it.

    Parameters
    ----------
    layer : Image or Labels

    Returns
    -------
    tuple of str
        A sentence each.
    """
    return tuple(map(str, layer.metadata.get(DOUBTS, ())))


def with_copied_pixels(stack: Stack) -> Stack:
    """Return a stack whose pixels in memory are copied: painting on does not change it.

    Parameters
    ----------
    stack : Stack

    Returns
    -------
    Stack
        The same, if its pixels are on disk or computed on demand.
    """
    return replace(stack, data=stack.data.copy()) if is_in_memory(stack.data) else stack


def is_in_memory(data: Any) -> bool:
    """Whether pixels are in memory alone: neither on disk nor computed on demand.

    Parameters
    ----------
    data : array-like

    Returns
    -------
    bool
    """
    return isinstance(data, np.ndarray) and not isinstance(data, np.memmap)


def placement(layer: Layer, axes: str) -> dict[str, Any]:
    """Return the arguments that place a new layer onto `layer`, whose `axes` are these.

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


def shifted(place: dict[str, Any], offset: Any) -> NDArray[Any]:
    """Return the `translate` of a layer at `place` that starts `offset` pixels further on.

    Parameters
    ----------
    place : dict
        See `placement`.
    offset : array-like, one per spatial axis
        In pixels.

    Returns
    -------
    ndarray of float, one per spatial axis
        In world units.
    """
    return place["translate"] + place["rotate"] @ place["shear"] @ (place["scale"] * offset)


def _path_of(layer: Layer, data: Any) -> Path | None:
    """Return the file of lazy data: the one that was opened, a store, or a mapped file."""
    if layer.source.path:
        return Path(layer.source.path)
    if root := getattr(getattr(data, "store", None), "root", None):  # a zarr.Array
        return Path(root) / data.path
    file = getattr(data, "filename", None)  # a numpy.memmap
    return Path(file) if file else None
