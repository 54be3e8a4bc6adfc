"""Metadata of images in Zarr, in any store: NGFF 0.1 to 0.5 or none is read, 0.5 written.

No pixels here. ome-zarr-py, which does as much, would bring dask, scikit-image and s3fs into
every installation.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import zarr

from napari_utile.errors import UserError
from napari_utile.io.channel_names import distinct_names
from napari_utile.io.names import last_part
from napari_utile.io.ngff_axes import TYPES, VERSIONS, axes_by_names, placed
from napari_utile.io.stack import Holds, Stack
from napari_utile.io.zarr_nodes import checked, member, missing_chunks, zarr_errors

VERSION = "0.5"
"""Of NGFF, as it is written."""
PROBABILITIES: Final = "probabilities"
LABELS: Final = "labels"
AFFINITIES: Final = "affinities"
"""Array in a result of which instances were made, where it is kept."""


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
        If there is no image, or there are several, or the metadata are broken.
    """
    with zarr_errors(source):
        if isinstance(node, zarr.Array):
            return plain_image(source, node)
        ngff, utile = ngff_of(node), utile_of(node)
        if which is None:
            kind = utile.get("kind")
            known = isinstance(kind, str) and kind in ("classes", "instances")
            which = kind if known and f"{LABELS}/{kind}" in node else PROBABILITIES
            if known and which == PROBABILITIES and held_by(node)[0] == PROBABILITIES:
                raise UserError(lacks_decided(source, kind))
        if which != PROBABILITIES:
            stack = ngff_image(source, labels_in(node, source, str(which)))
            return _with_doubts(stack, *partial_doubt(node, source))
        if "multiscales" in ngff:
            return _with_doubts(ngff_image(source, node), *partial_doubt(node, source))
        name = _only_image(node, ngff, source)
        within = source / name if isinstance(source, Path) else f"{source}/{name}"
        return image_in(member(node, name, source), within)


def lacks_decided(source: object, kind: object) -> str:
    """Return a sentence about a result without the labels that were decided from it.

    Parameters
    ----------
    source : object
        Path or address.
    kind : {"classes", "instances"}
    """
    return (
        f"{source} holds {kind}, as it says of itself, but its {LABELS}/{kind} is not there. "
        "Was it copied completely?"
    )


def ngff_of(group: zarr.Group) -> dict[str, Any]:
    """Return the NGFF metadata of a group; empty if it has none.

    Parameters
    ----------
    group : zarr.Group
    """
    attributes: dict[str, Any] = dict(group.attrs)
    found = attributes.get("ome", attributes)
    return found if isinstance(found, dict) else {}


def utile_of(group: zarr.Group | zarr.Array) -> dict[str, Any]:
    """Return what U-Tile wrote of a result; empty if it is none.

    Parameters
    ----------
    group : zarr.Group or zarr.Array
    """
    found: Any = dict(group.attrs).get("utile", {})
    return found if isinstance(found, dict) else {}


def _only_image(node: zarr.Group, ngff: dict[str, Any], source: Path | str) -> str:
    """Return the name of the only image in a group that is none itself.

    Raises
    ------
    UserError
        If it holds several, or is a plate: with their names.
    """
    if "plate" in ngff:
        wells = [str(well.get("path")) for well in ngff["plate"].get("wells", [])]
        raise UserError(
            f"{source} is a plate of {len(wells)} wells ({_some_names(wells)}): give the path "
            f"of one field, such as {source}/{(wells or ['A/1'])[0]}/0."
        )
    if "bioformats2raw.layout" in ngff:  # its images are counted; there may be no list of them
        only_one = "0" in node and "1" not in node
        inside = ["0"] if only_one else sorted(filter(str.isdigit, node.keys()), key=int)
    else:
        inside = sorted(node.keys())
    if len(inside) != 1:
        names = _some_names(inside) or "nothing"
        example = f", such as {source}/{inside[0]}" if inside else ""
        raise UserError(
            f"{source} is not one image: it holds {names}; name one of them{example}."
        )
    return inside[0]


def _some_names(names: list[str]) -> str:
    more = f" and {len(names) - 9} more" if len(names) > 9 else ""
    return ", ".join(name[:80] for name in names[:9]) + more


def partial_doubt(node: zarr.Group, source: Path | str) -> tuple[str, ...]:
    """Return a doubt about a result that was not completed.

    Parameters
    ----------
    node : zarr.Group
    source : Path or str
        Its path or address, for the message.
    """
    return () if utile_of(node).get("complete", True) else (partial_text(source),)


def partial_text(source: object) -> str:
    """Return a sentence about a result that is not complete.

    Parameters
    ----------
    source : object
        Path or address.
    """
    return f"{source} is a partial result: what was not segmented yet is 0."


def half_corrected(utile: Mapping[str, Any], source: object) -> list[str]:
    """Return a doubt about labels of which a correction by hand was not completed.

    Parameters
    ----------
    utile : mapping
        What U-Tile wrote of the labels.
    source : object
        Their path or address.
    """
    records = utile.get("edits")
    records = records if isinstance(records, list) else []
    if all(isinstance(each, dict) and each.get("done", True) for each in records):
        return []
    return [
        f"A correction by hand of {source} is half written: Edit in the panel Segment, or the "
        "command that made the result, completes it."
    ]


def _with_doubts(stack: Stack, *doubts: str) -> Stack:
    return replace(stack, doubts=(*stack.doubts, *doubts)) if doubts else stack


def first_multiscale(ngff: Mapping[str, Any], source: object) -> dict[str, Any]:
    """Return the description of the first image in the metadata of NGFF, checked.

    Parameters
    ----------
    ngff : mapping
    source : object
        Path or address, for messages.

    Raises
    ------
    UserError
        If it is none.
    """
    found = ngff.get("multiscales")
    first = found[0] if isinstance(found, list) and found else None
    datasets = first.get("datasets") if isinstance(first, dict) else None
    if not (isinstance(datasets, list) and datasets):
        raise UserError(f"{source} is broken: its multiscales list no datasets.")
    if not all(isinstance(dataset, dict) for dataset in datasets):
        raise UserError(f"{source} is broken: its datasets are no objects with a path.")
    return cast(dict[str, Any], first)


def levels_in(group: zarr.Group, source: object = "the image") -> list[zarr.Array]:
    """List the arrays of an NGFF image, the largest first; those that are missing are left out.

    Parameters
    ----------
    group : zarr.Group
        Of the image.
    source : object
        Its path or address, for messages.

    Returns
    -------
    list of zarr.Array

    Raises
    ------
    UserError
        If there is none, or one cannot be read.
    """
    datasets = first_multiscale(ngff_of(group), source)["datasets"]
    paths = [dataset.get("path") for dataset in datasets]
    there = [path for path in paths if not isinstance(path, str) or path in group]
    levels = [checked(member(group, path, source), source) for path in there or paths[:1]]
    return sorted(levels, key=lambda level: -prod(level.shape))


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

    Raises
    ------
    UserError
        If it is no image, or cannot be read within memory and time.
    """
    checked(data, source)
    names: Any = getattr(data.metadata, "dimension_names", None)
    names = names or data.attrs.get("_ARRAY_DIMENSIONS")
    names = names if isinstance(names, list | tuple) else ()
    axes, doubts = axes_by_names(names, data.shape, source)
    missing = missing_chunks(data, source)
    doubts = (*doubts, missing) if missing else doubts
    return Stack(data, axes, **_called(source), doubts=doubts)


def ngff_image(source: Path | str, group: zarr.Group) -> Stack:
    """Open the largest level of an NGFF image with its axes, scale, translation and units.

    Parameters
    ----------
    source : Path or str
        Path or address of the group.
    group : zarr.Group
        With metadata of NGFF 0.1 to 0.5.

    Returns
    -------
    Stack

    Raises
    ------
    UserError
        If the metadata are broken, or the array cannot be read within memory and time.
    """
    return _described_image(source, group, ngff_of(group))


def _described_image(source: Path | str, group: zarr.Group, ngff: dict[str, Any]) -> Stack:
    multiscale = first_multiscale(ngff, source)
    datasets = multiscale["datasets"]
    dataset = datasets[0]
    data = checked(member(group, dataset.get("path"), source), source)
    doubts = _version_doubts(ngff, multiscale, source)
    if len(ngff["multiscales"]) > 1:
        doubts.append(f"{source} holds {len(ngff['multiscales'])} images; the first was read.")
    for other in datasets[1:]:
        if isinstance(other.get("path"), str) and other["path"] in group:
            level = member(group, other["path"], source)
            if isinstance(level, zarr.Array) and prod(level.shape) > prod(data.shape):
                dataset, data = other, checked(level, source)
    if dataset is not datasets[0]:
        doubts.append(
            f"{source}: its levels are out of order; the largest, {dataset['path']}, was read."
        )
    place = placed(multiscale, dataset, data.shape, source)
    holds, ids = held_by(group)
    inside = member(group, LABELS, source) if LABELS in group else None
    named = ngff_of(inside).get(LABELS) if isinstance(inside, zarr.Group) else None
    utile = utile_of(group)
    is_ours = bool(utile) or "image-label" in ngff
    listed = [f"{source}/{LABELS}/{name}" for name in named or () if isinstance(name, str)]
    if "chunks" in utile or not utile:  # that results are partial is said elsewhere
        missing = missing_chunks(data, source, utile.get("chunks"))
        doubts += [missing] if missing else []
    doubts += half_corrected(utile, source)
    kept = utile.get("doubts")  # about the layer of which this is a copy
    doubts += [*map(str, kept)] if isinstance(kept, list) else []
    return Stack(
        data,
        place.axes,
        **_called(source),
        scale=place.scale,
        translate=place.translate,
        units=place.units,
        doubts=(*doubts, *place.doubts),
        holds=holds,
        ids=ids,
        rule=utile.get("rule") if holds == PROBABILITIES else None,
        labels_beside=() if is_ours else tuple(listed),
        channel_names=_channel_names(ngff, place.axes, data.shape),
    )


def _channel_names(
    ngff: Mapping[str, Any], axes: str, shape: tuple[int, ...]
) -> tuple[str, ...]:
    """Return what the rendering metadata call the channels."""
    omero = ngff.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if "c" not in axes or not isinstance(channels, list):
        return ()
    labels = [channel.get("label") if isinstance(channel, dict) else "" for channel in channels]
    return distinct_names(labels, shape[axes.index("c")])


def level_image(source: Path | str, group: zarr.Group, name: str) -> Stack | None:
    """Open one level of an NGFF image; None if the metadata do not list it.

    Parameters
    ----------
    source : Path or str
        Path or address of the level.
    group : zarr.Group
        Of the image.
    name : str
        Of the level in it.

    Raises
    ------
    UserError
        As `ngff_image`.
    """
    with zarr_errors(source):
        ngff = ngff_of(group)
        if "multiscales" not in ngff:
            return None
        multiscale = first_multiscale(ngff, source)
        chosen = [each for each in multiscale["datasets"] if each.get("path") == name]
        if not chosen:
            return None
        alone = {**ngff, "multiscales": [{**multiscale, "datasets": chosen}]}
        return _described_image(source, group, alone)


def _version_doubts(
    ngff: Mapping[str, Any], multiscale: Mapping[str, Any], source: object
) -> list[str]:
    """Return a doubt about a version of NGFF that is not known."""
    said = ngff.get("version", multiscale.get("version"))
    if said is None or said in VERSIONS:
        return []
    return [
        f"{source} is of OME-NGFF {str(said)[:40]}, which is not known: it was read as "
        f"{VERSION}."
    ]


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
    ngff, kind = ngff_of(group), utile_of(group).get("kind")
    if kind in (PROBABILITIES, "instances", "classes"):
        is_decided = kind != PROBABILITIES and not _are_beside(kind, group)
        if is_decided:  # a label image, or a first result, which had no probabilities
            return cast(Holds, kind), ()
        omero = ngff.get("omero")
        channels = omero.get("channels", []) if isinstance(omero, dict) else []
        labels = [each.get("label") for each in channels if isinstance(each, dict)]
        named = [re.fullmatch(r"class (\d{1,18})", str(label)) for label in labels]
        return PROBABILITIES, tuple(int(found[1]) for found in named if found)
    if "image-label" in ngff:
        name = group.path.rpartition("/")[2] or Path(str(group.store_path)).name
        return cast(Holds, name) if name in ("instances", "classes") else LABELS, ()
    return "", ()


def _are_beside(kind: str, group: zarr.Group) -> bool:
    """Whether classes or instances are, or were, labels beside the image of a result."""
    level = group.get("0")
    is_image = isinstance(level, zarr.Array) and (
        "c" in (getattr(level.metadata, "dimension_names", None) or ())
        or (kind == "instances" and level.dtype == np.uint8)
    )
    return is_image or f"{LABELS}/{kind}" in group


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
