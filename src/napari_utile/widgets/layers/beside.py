"""The result that a layer shows a part of, and the probabilities beside it."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer

from napari_utile.errors import UserError
from napari_utile.io.ome_zarr import probabilities_beside
from napari_utile.io.stack import read_prediction
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.widgets.layers.results import ON_DISK
from napari_utile.widgets.layers.stacks import held_in, level_0, stack_of

PART_OF_RESULT = re.compile(r"(.+) (instances|classes|probabilities)( \d+)?")
"""What a layer says of the result that it shows: its path, and which part it is."""
INSTANCES, PROBABILITIES = " instances", " probabilities"
"""What the names of layers of a result end with."""
Read = Callable[[], tuple[Any, str]]
"""Returns probabilities and the name of what they were read from; or None and ''."""


def result_behind(layer: Layer) -> Path | None:
    """Return the result that a layer shows a part of, as far as the layer says.

    Parameters
    ----------
    layer : Image or Labels

    Returns
    -------
    Path or None
        The whole store, or a file.
    """
    said = layer.metadata.get(ON_DISK)
    if isinstance(said, str) and (found := PART_OF_RESULT.fullmatch(said)):
        return Path(found[1])
    with suppress(UserError):
        if path := stack_of(layer).path:
            stores = [each for each in (path, *path.parents) if each.suffix == ".zarr"]
            return stores[-1] if stores else path
    return None


def probabilities_for(viewer: Viewer, labels: Layer, shape: tuple[int, ...]) -> Read:
    """Find the probabilities that labels were made from: of the same result, or by name.

    Parameters
    ----------
    viewer : Viewer
        In whose layers they may be: "cells probabilities" beside "cells instances".
    labels : Layer
    shape : tuple of int
        Of the truth.

    Returns
    -------
    callable
        Reads them, in a thread.
    """
    result = result_behind(labels) if isinstance(labels, Labels) else None
    by_name = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image)
        and isinstance(labels, Labels)
        and INSTANCES in labels.name
        and layer.name == labels.name.partition(INSTANCES)[0] + PROBABILITIES
        and held_in(layer) in ("", "probabilities")
        and tuple(level_0(layer).shape) == shape
    ]

    def read() -> tuple[Any, str]:
        with suppress(UserError, OSError):
            if result is not None and is_zarr(result):
                stack = probabilities_beside(result)
                if stack is not None and (found := read_prediction(stack)).shape[1:] == shape:
                    return found, result.name
        for layer in by_name:
            return level_0(layer)[...], layer.name
        return None, ""

    return read
