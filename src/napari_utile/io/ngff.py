"""Metadata of images in Zarr, in any store: NGFF 0.1 to 0.5 or none is read, 0.5 written.

No pixels here. ome-zarr-py, which does as much, would bring dask, scikit-image and s3fs into
every installation.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import zarr

from napari_utile.errors import UserError
from napari_utile.io.names import last_part
from napari_utile.io.stack import Holds, Stack, guess_axes
from napari_utile.io.units import unit_name

VERSION = "0.5"
"""Of NGFF, as it is written."""
MARKS = ("zarr.json", ".zgroup", ".zarray")
"""A Zarr folder holds one of these files."""
TYPES = {"c": "channel", "t": "time"}
PROBABILITIES: Final = "probabilities"
LABELS: Final = "labels"


def image_in(
    node: zarr.Group | zarr.Array, source: Path | str, which: str | None = None
) -> Stack:
    """Open the image in a Zarr group or array of any store.

    Parameters
    ----------
    node : zarr.Group or zarr.Array
    source : Path or str
        Path or address of `node`.
    which : str, optional
        As in `open_zarr`.

    Returns
    -------
    Stack

    Raises
    ------
    UserError
        If there is no image, or there are several.
    """
    if isinstance(node, zarr.Array):
        return plain_image(source, node)
    attributes: dict[str, Any] = dict(node.attrs)
    ngff = attributes.get("ome", attributes)
    if which is None:
        kind = attributes.get("utile", {}).get("kind")
        which = kind if kind and f"{LABELS}/{kind}" in node else PROBABILITIES
    if which != PROBABILITIES:
        return ngff_image(source, labels_in(node, source, which))
    if "multiscales" in ngff:
        return ngff_image(source, node)
    if "bioformats2raw.layout" in ngff:  # its images are counted; there may be no list of them
        only_one = "0" in node and "1" not in node
        inside = ["0"] if only_one else sorted(filter(str.isdigit, node.keys()))
    else:
        inside = sorted(node.keys())
    if len(inside) != 1:
        names = ", ".join(inside[:9]) or "nothing"
        raise UserError(f"{source} is not one image: it holds {names}; name one of them.")
    (name,) = inside
    within = source / name if isinstance(source, Path) else f"{source}/{name}"
    return image_in(node[name], within)


def levels_in(group: zarr.Group) -> list[zarr.Array]:
    """List the arrays of an NGFF image, the largest first.

    Parameters
    ----------
    group : zarr.Group
        Of the image.

    Returns
    -------
    list of zarr.Array
    """
    attributes: dict[str, Any] = dict(group.attrs)
    datasets = attributes.get("ome", attributes)["multiscales"][0]["datasets"]
    return [group[dataset["path"]] for dataset in datasets]


def labels_in(group: zarr.Group, source: Path | str, name: str) -> zarr.Group:
    """Return the label image `name` of an image.

    Parameters
    ----------
    group : zarr.Group
        Of the image.
    source : Path or str
        Its path or address, for messages.
    name : str
        Of the labels.

    Raises
    ------
    UserError
        If it is not there.
    """
    found = group.get(f"{LABELS}/{name}")
    if not isinstance(found, zarr.Group):
        raise UserError(f"{source} has no labels called {name}.")
    return found


def plain_image(source: Path | str, data: zarr.Array) -> Stack:
    """Open an array without NGFF metadata.

    Parameters
    ----------
    source : Path or str
        Path or address of the array.
    data : zarr.Array

    Returns
    -------
    Stack
        Axes from the dimension names (of zarr or xarray), or guessed from the shape.
    """
    names = getattr(data.metadata, "dimension_names", None) or data.attrs.get(
        "_ARRAY_DIMENSIONS"
    )
    axes = "".join(str(name).lower()[:1] for name in names or ())
    if len(set(axes)) < data.ndim or not {"y", "x"} <= set(axes) <= set("tzcyx"):
        axes = guess_axes(data.shape)
    return Stack(data, axes, **_called(source))


def ngff_image(source: Path | str, group: zarr.Group) -> Stack:
    """Open level 0 of an NGFF image with its axes, scale, translation and units.

    Parameters
    ----------
    source : Path or str
        Path or address of the group.
    group : zarr.Group
        With metadata of NGFF 0.1 to 0.5.

    Returns
    -------
    Stack
    """
    attributes: dict[str, Any] = dict(group.attrs)
    multiscale = attributes.get("ome", attributes)["multiscales"][0]
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
    for place in (dataset, multiscale):  # first the level's own
        for transformation in place.get("coordinateTransformations", []):
            if transformation["type"] == "scale":
                factor = np.asarray(transformation["scale"])
                scale, translate = scale * factor, translate * factor
            elif transformation["type"] == "translation":
                translate = translate + np.asarray(transformation["translation"])
    order = [axes.index(axis) for axis in "tzyx" if axis in axes]
    holds, ids = held_by(group)
    return Stack(
        data,
        axes,
        **_called(source),
        scale=tuple(float(scale[i]) for i in order),
        translate=tuple(float(translate[i]) for i in order),
        units=tuple(unit_name(named[i].get("unit")) for i in order),
        holds=holds,
        ids=ids,
    )


def held_by(group: zarr.Group) -> tuple[Holds, tuple[int, ...]]:
    """Return what an image in Zarr says that its pixels are.

    Parameters
    ----------
    group : zarr.Group
        Of an image, or of labels.

    Returns
    -------
    holds : Holds
        Empty if it does not say.
    ids : tuple of int
        Of probabilities in a result of U-Tile: the label id of each channel.
    """
    attributes: dict[str, Any] = dict(group.attrs)
    ngff = attributes.get("ome", attributes)
    kind = attributes.get("utile", {}).get("kind")
    if kind in (PROBABILITIES, "instances", "classes"):
        is_decided = kind != PROBABILITIES and f"{LABELS}/{kind}" not in group
        if is_decided:  # the first results had no probabilities
            return cast(Holds, kind), ()
        channels = ngff.get("omero", {}).get("channels", [])
        named = [re.fullmatch(r"class (\d+)", str(each.get("label"))) for each in channels]
        return PROBABILITIES, tuple(int(found[1]) for found in named if found)
    if "image-label" in ngff:
        name = group.path.rpartition("/")[2] or Path(str(group.store_path)).name
        return cast(Holds, name) if name in ("instances", "classes") else LABELS, ()
    return "", ()


def _called(source: Path | str) -> dict[str, Any]:
    """Return name and path, or address, of a stack."""
    if isinstance(source, Path):
        return {"name": source.name, "path": source}
    return {"name": last_part(source), "source": source}


def image_metadata(axes: str, like: Stack, name: str) -> dict[str, Any]:
    """Return the NGFF 0.5 metadata of an image of one level.

    Parameters
    ----------
    axes : str
        Letters of the axes of the array, "c" first if it has channels.
    like : Stack
        Its scale, translation and units are those of the image.
    name : str
        Of the image.

    Returns
    -------
    dict
        What stands under "ome" in the attributes of the group.
    """
    scale = dict(zip(like.spatial_axes, like.scale, strict=True))
    translate = dict(zip(like.spatial_axes, like.translate, strict=True))
    units = dict(zip(like.spatial_axes, like.units, strict=True))
    named = []
    for axis in axes:
        named.append({"name": axis, "type": TYPES.get(axis, "space")})
        if units.get(axis, "pixel") != "pixel":
            named[-1]["unit"] = units[axis]
    level = _level_metadata(
        0, [scale.get(axis, 1.0) for axis in axes], [translate.get(axis, 0.0) for axis in axes]
    )
    return {
        "version": VERSION,
        "multiscales": [{"name": name, "axes": named, "datasets": [level]}],
    }


def with_smaller_levels(ngff: dict[str, Any], count: int) -> dict[str, Any]:
    """Add smaller levels, each of half the height and width, to the metadata of an image.

    Parameters
    ----------
    ngff : dict
        As `image_metadata` returns it.
    count : int
        Number of smaller levels.

    Returns
    -------
    dict
    """
    (multiscale,) = ngff["multiscales"]
    first = multiscale["datasets"][0]
    scale, translation = (
        np.array(place[place["type"]]) for place in first["coordinateTransformations"]
    )
    levels = [first]
    for level in range(1, count + 1):
        factor = np.ones(len(scale))
        factor[-2:] = 2**level
        # The center of the first pixel moves: it covers `factor` pixels of the first level.
        center = translation + scale * (factor - 1) / 2
        levels.append(_level_metadata(level, (scale * factor).tolist(), center.tolist()))
    return ngff | {"multiscales": [multiscale | {"datasets": levels}]}


def _level_metadata(level: int, scale: list[float], translation: list[float]) -> dict[str, Any]:
    placed = [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": translation},
    ]
    return {"path": str(level), "coordinateTransformations": placed}
