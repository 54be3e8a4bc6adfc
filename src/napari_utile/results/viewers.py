"""Links by which viewers in a browser open an OME-Zarr that is served; see docs/viewers.md."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import zarr

from napari_utile.errors import UserError
from napari_utile.io.ngff import LABELS, ngff_of, utile_of
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.io.zarr_nodes import open_folder
from napari_utile.results.measured import made_by, result_of

VIEWERS = {
    "neuroglancer": "https://neuroglancer-demo.appspot.com/",
    "webknossos": "https://webknossos.org/",
}
"""Web pages of viewers by name."""


@dataclass(frozen=True)
class ViewerLayer:
    """A layer of a viewer.

    Attributes
    ----------
    name : str
    kind : {"image", "segmentation"}
    place : str
        Of its OME-Zarr, below the address of the server; ends in a slash.
    version : int
        Of Zarr.
    """

    name: str
    kind: str
    place: str
    version: int


@dataclass(frozen=True)
class ServedResult:
    """What a viewer gets to see of a result.

    Attributes
    ----------
    folders : dict of str to Path
        What is served, by its name in the address.
    layers : tuple of ViewerLayer
    doubts : tuple of str
        What is left out: a sentence each.
    """

    folders: dict[str, Path]
    layers: tuple[ViewerLayer, ...]
    doubts: tuple[str, ...] = ()


def served_result(result: str | Path) -> ServedResult:
    """Return what of a result is served: its image, and all labels in it.

    Parameters
    ----------
    result : str or Path
        An OME-Zarr on this machine, such as a result of U-Tile.

    Returns
    -------
    ServedResult
        The image is the one that the result was made from, if it is an OME-Zarr on this
        machine, or else the probabilities in the result.

    Raises
    ------
    UserError
        If it is no such folder.
    """
    place = result_of(result)
    if not isinstance(place, Path) or not is_zarr(place):
        raise UserError(
            f"{result}: viewers in a browser read OME-Zarr folders of this machine; predict to "
            "a name that ends in .zarr."
        )
    node = open_folder(place)
    if not isinstance(node, zarr.Group) or "multiscales" not in ngff_of(node):
        raise UserError(f"{result} is no image in OME-Zarr: viewers need its metadata.")
    name, version = place.name, node.metadata.zarr_format
    folders = {name: place.absolute()}
    layers, doubts = [], []
    if image := _image_of_result(place):
        path, image_version = image
        shown = path.name if path.name != name else f"image-{path.name}"
        folders[shown] = path.absolute()
        layers.append(ViewerLayer("image", "image", f"{shown}/", image_version))
    if not _is_labels(node):
        is_ours = bool(utile_of(node).get("kind"))
        named = "probabilities" if is_ours else "image"
        layers.append(ViewerLayer(named, "image", f"{name}/", version))
        level = node.get("0")
        if isinstance(level, zarr.Array) and level.dtype == "float16":
            doubts.append("Neuroglancer reads no float16: predict with the dtype uint8.")
    else:
        layers.append(ViewerLayer("labels", "segmentation", f"{name}/", version))
    layers += [
        ViewerLayer(each, "segmentation", f"{name}/{LABELS}/{each}/", version)
        for each in _labels_of(node)
    ]
    if not utile_of(node).get("complete", True):
        doubts.append(f"{place} is a partial result: what was not segmented yet is 0.")
    return ServedResult(folders, tuple(layers), tuple(doubts))


def _image_of_result(result: Path) -> tuple[Path, int] | None:
    """Return the OME-Zarr that a result was made from, and its version of Zarr."""
    plan = made_by(result)
    recorded = plan.get("image_path")
    if not isinstance(recorded, str) or not recorded or plan["settings"].get("region"):
        return None  # a region would be shown at another place
    path = Path(recorded)
    with suppress(UserError, OSError):
        if is_zarr(path):
            node = open_folder(path)
            if isinstance(node, zarr.Group) and "multiscales" in ngff_of(node):
                return path, node.metadata.zarr_format
    return None


def _is_labels(node: zarr.Group) -> bool:
    return "image-label" in ngff_of(node)


def _labels_of(node: zarr.Group) -> list[str]:
    """Return the names of the labels in an image."""
    inside = node.get(LABELS)
    named = ngff_of(inside).get(LABELS) if isinstance(inside, zarr.Group) else None
    names = named if isinstance(named, list) else []
    return [name for name in names if isinstance(name, str) and f"{LABELS}/{name}" in node]


def viewer_page(viewer: str) -> str:
    """Return the address of the web page of a viewer.

    Parameters
    ----------
    viewer : str
        "neuroglancer", "webknossos", or the address of another neuroglancer.

    Raises
    ------
    UserError
        If it is none.
    """
    page = VIEWERS.get(viewer, viewer)
    parts = urlsplit(page)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"{viewer}: give {' or '.join(VIEWERS)}, or the address of a neuroglancer, such as "
            "https://example.org/."
        )
    return page


def origin_of(page: str) -> str:
    """Return the origin of a web page, as browsers tell it to servers.

    Examples
    --------
    >>> origin_of("https://example.org/viewer/#a")
    'https://example.org'
    """
    parts = urlsplit(page)
    return f"{parts.scheme}://{parts.netloc}"


def neuroglancer_link(page: str, address: str, layers: Sequence[ViewerLayer]) -> str:
    """Return the link that opens layers in neuroglancer.

    Parameters
    ----------
    page : str
        Address of neuroglancer.
    address : str
        Of the server, with its key.
    layers : sequence of ViewerLayer
        The first image is visible, the others are not.

    Returns
    -------
    str
        With the state of the viewer, as JSON, behind "#!".
    """
    shown: list[dict[str, Any]] = []
    for layer in layers:
        is_hidden = layer.kind == "image" and any(each["type"] == "image" for each in shown)
        shown.append(
            {
                "type": layer.kind,
                "source": f"{address}{quote(layer.place)}|zarr{layer.version}:",
                "name": layer.name,
                **({"visible": False} if is_hidden else {}),
            }
        )
    selected = {"visible": True, "layer": shown[-1]["name"]}
    state = {"layers": shown, "selectedLayer": selected, "layout": "4panel"}
    return f"{page.partition('#')[0]}#!{quote(json.dumps(state, separators=(',', ':')))}"


def addresses(address: str, layers: Sequence[ViewerLayer]) -> dict[str, str]:
    """Return the address of each layer by its name.

    Parameters
    ----------
    address : str
        Of the server, with its key.
    layers : sequence of ViewerLayer
    """
    return {layer.name: f"{address}{quote(layer.place)}" for layer in layers}
