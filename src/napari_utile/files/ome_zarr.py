"""OME-Zarr in and out: level 0 of NGFF images up to 0.5, plain Zarr arrays, v2 and v3."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr

from napari_utile.errors import UserError
from napari_utile.files.runs import check_writable
from napari_utile.files.stacks import Stack, guess_axes, unit

MARKS = ("zarr.json", ".zgroup", ".zarray")
TYPES = {"c": "channel", "t": "time"}


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr group or array."""
    return any((path / mark).is_file() for mark in MARKS)


def open_zarr(path: Path) -> Stack:
    """Open an OME-Zarr image or a plain Zarr array; nothing is read but metadata.

    Raises
    ------
    UserError
        If there is no image, or there are several.
    """
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return _plain(path, node)
    attributes: dict[str, Any] = dict(node.attrs)
    ngff = attributes.get("ome", attributes)
    if "multiscales" in ngff:
        return _image(path, node, ngff["multiscales"][0])
    inside = [path / name for name in sorted(node.keys())]
    if "bioformats2raw.layout" in ngff:
        inside = [inner for inner in inside if inner.name.isdigit()]
    if len(inside) != 1:
        names = ", ".join(inner.name for inner in inside[:9]) or "nothing"
        raise UserError(f"{path} is not one image: it holds {names}; name one of them.")
    return open_zarr(inside[0])


def create(
    path: Path | str,
    shape: Sequence[int],
    dtype: Any,
    chunks: Sequence[int],
    like: Stack,
    *,
    channel_names: Sequence[str] | None = None,
    kind: Literal["probabilities", "classes", "instances"] = "probabilities",
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> zarr.Array:
    """Make an OME-Zarr 0.5 image of zeros, with complete metadata, to be filled tile by tile.

    Parameters
    ----------
    path : path
        Folder to make.
    shape : sequence of int
        ``like.shape`` or ``(C, *like.shape)``.
    dtype : dtype
    chunks : sequence of int
        As long as `shape`. Two processes or threads may write as long as no chunk is shared.
    like : Stack
        The image that it is made from; scale, translate, units and axes are kept.
    channel_names : sequence of str, optional
        One per channel.
    kind : {"probabilities", "classes", "instances"}
        What the numbers mean. The latter two are marked as labels.
    overwrite : bool, default False
        Replace a Zarr folder that is there. Nothing else is ever replaced.
    attributes : mapping, optional
        Kept under "utile", beside ``kind`` and ``complete``, which is false until
        `mark_complete`.

    Returns
    -------
    zarr.Array
        Level 0.

    Raises
    ------
    UserError
        If `path` exists and may not be replaced, or cannot be written.

    Notes
    -----
    With a time axis, channels still come first, before time, as in memory.
    """
    path = Path(path)
    check_output(path, like, overwrite)
    remove(path)
    axes = "c" * (len(shape) - len(like.shape)) + like.spatial_axes
    ngff = describe(axes, like, path.stem)
    if kind != "probabilities":
        ngff["image-label"] = {}
    if channel_names:
        top = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
        window = {"min": 0.0, "max": top, "start": 0.0, "end": top}
        ngff["omero"] = {
            "channels": [
                {"label": name, "color": "FFFFFF", "active": True, "window": window}
                for name in channel_names
            ]
        }
    utile = {"kind": kind, "complete": False} | dict(attributes or {})
    group = zarr.create_group(path, zarr_format=3, attributes={"ome": ngff, "utile": utile})
    return group.create_array(
        "0",
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(min(c, n) for c, n in zip(chunks, shape, strict=True)),
        fill_value=0,
        dimension_names=list(axes),
    )


def mark_complete(path: Path | str, **attributes: Any) -> None:
    """Note that all of an image made by `create` is written, and what else is known by now."""
    group = zarr.open_group(path, mode="r+")
    group.attrs["utile"] = provenance(path) | {"complete": True} | attributes


def provenance(path: Path | str) -> dict[str, Any]:
    """Read what stands under "utile"; empty for an image that is not ours."""
    attributes: dict[str, Any] = dict(zarr.open_group(path, mode="r").attrs)
    return attributes.get("utile", {})


def check_output(path: Path | str, like: Stack | None = None, overwrite: bool = False) -> None:
    """Refuse an output that must not be replaced: `create` would do so, but later.

    Raises
    ------
    UserError
        If it is there without `overwrite`, is no Zarr folder, holds the input, or cannot be
        written.
    """
    path = Path(path)
    check_writable(path)
    if not path.exists():
        return
    if like is not None and like.path is not None:
        source, target = like.path.resolve(), path.resolve()
        if source == target or target in source.parents or source in target.parents:
            raise UserError(f"{path} is the image itself; choose another output.")
    if not overwrite:
        raise UserError(f"{path} exists; --overwrite replaces it.")
    if not is_zarr(path):
        raise UserError(f"{path} exists and is no Zarr folder; choose another output.")


def remove(path: Path) -> None:
    """Delete a Zarr folder; its name is free at once."""
    if is_zarr(path):
        waste = path.with_name(f".{path.name}.{os.getpid()}.old")
        os.replace(path, waste)
        shutil.rmtree(waste)


def describe(axes: str, like: Stack, name: str) -> dict[str, Any]:
    """Write the NGFF 0.5 metadata of an image of one level."""
    scale = dict(zip(like.spatial_axes, like.scale, strict=True))
    translate = dict(zip(like.spatial_axes, like.translate, strict=True))
    units = dict(zip(like.spatial_axes, like.units, strict=True))
    named = []
    for axis in axes:
        named.append({"name": axis, "type": TYPES.get(axis, "space")})
        if units.get(axis, "pixel") != "pixel":
            named[-1]["unit"] = units[axis]
    placed = [
        {"type": "scale", "scale": [scale.get(axis, 1.0) for axis in axes]},
        {"type": "translation", "translation": [translate.get(axis, 0.0) for axis in axes]},
    ]
    level = {"path": "0", "coordinateTransformations": placed}
    return {
        "version": "0.5",
        "multiscales": [{"name": name, "axes": named, "datasets": [level]}],
    }


def _plain(path: Path, data: zarr.Array) -> Stack:
    """Name the axes of a bare array by its dimension names, or else by its shape."""
    names = getattr(data.metadata, "dimension_names", None) or data.attrs.get(
        "_ARRAY_DIMENSIONS"
    )
    axes = "".join(str(name).lower()[:1] for name in names or ())
    if len(set(axes)) < data.ndim or not {"y", "x"} <= set(axes) <= set("tzcyx"):
        axes = guess_axes(data.shape)
    return Stack(data, axes, name=path.name, path=path)


def _image(path: Path, group: zarr.Group, multiscale: Mapping[str, Any]) -> Stack:
    """Read axes, scale, translation and units as NGFF 0.1 to 0.5 write them."""
    dataset = multiscale["datasets"][0]
    data = group[dataset["path"]]
    assert isinstance(data, zarr.Array)
    # Before 0.3 there were no axes: always t, c, z, y, x. In 0.3 they were plain letters.
    named: list[Mapping[str, str]] = [
        axis if isinstance(axis, Mapping) else {"name": axis}
        for axis in multiscale.get("axes", "tczyx")
    ]
    letter = {kind: axis for axis, kind in TYPES.items()}
    axes = "".join(letter.get(axis.get("type", ""), axis["name"].lower()) for axis in named)
    scale, translate = np.ones(data.ndim), np.zeros(data.ndim)
    for place in (dataset, multiscale):  # those of the whole come after those of the level
        for transformation in place.get("coordinateTransformations", []):
            if transformation["type"] == "scale":
                factor = np.asarray(transformation["scale"])
                scale, translate = scale * factor, translate * factor
            elif transformation["type"] == "translation":
                translate = translate + np.asarray(transformation["translation"])
    order = [axes.index(axis) for axis in "tzyx" if axis in axes]
    return Stack(
        data,
        axes,
        name=path.name,
        path=path,
        scale=tuple(float(scale[i]) for i in order),
        translate=tuple(float(translate[i]) for i in order),
        units=tuple(unit(named[i].get("unit")) for i in order),
    )
