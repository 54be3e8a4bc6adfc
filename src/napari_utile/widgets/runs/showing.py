"""The image below a result, opened in a thread and added in the window."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer

from napari_utile.errors import UserError
from napari_utile.events import PreviewReady
from napari_utile.folders.comparison import ComparisonFolder, ValidationFolder
from napari_utile.folders.job import JobRecord, ShownResult
from napari_utile.io.images import open_image
from napari_utile.io.lazy_views import LazyChannel
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.paths import is_own_copy
from napari_utile.widgets.layers.active import active_kept
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.comparison import ComparisonLayers
from napari_utile.widgets.layers.results import PREVIEW, Preview, place_of, placement_from_json
from napari_utile.widgets.layers.stacks import held_in

SHOWS = "utile image"
"""Key of a layer's metadata: the path of the image that was opened for a result."""


@dataclass(frozen=True)
class Below:
    """An image that was opened, and how it is shown.

    Attributes
    ----------
    path : str
    name : str
        Of the layer.
    stack : Stack
    limits : tuple of float
        Contrast, by a slice in the middle.
    place : dict
        Scale, position and units of its layers.
    """

    path: str
    name: str
    stack: Stack
    limits: tuple[float, float]
    place: dict[str, Any]


def image_path(record: JobRecord, shown: ShownResult, done: str = "") -> str:
    """Return the path of the image that a result was made of, '' if it is not known.

    Parameters
    ----------
    record : JobRecord
    shown : ShownResult
    done : str, optional
        The image of a batch, as its last event calls it.
    """
    arguments = record.arguments
    if record.kind != "predict":
        return arguments[1] if len(arguments) > 2 else ""
    end = next((i for i, word in enumerate(arguments) if word.startswith("--")), 0)
    images = [*arguments[2:end], done]
    there = (word for word in images if word and Path(word).exists())
    return next((word for word in there if Path(word).name == shown.image), "")


def opened_below(record: JobRecord, shown: ShownResult, path: str) -> Below | None:
    """Open an image and read a slice of it; None if it cannot be read. For a thread.

    Parameters
    ----------
    record : JobRecord
    shown : ShownResult
        The result that will lie on it.
    path : str
        See `image_path`.
    """
    if not path:
        return None
    try:
        stack = open_image(path)
        indices = [*stack.indices]
        pixels = stack.plane(indices[len(indices) // 2])
    except (UserError, OSError):
        return None
    low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
    is_part = "--region" in record.arguments  # whose place is another
    place = {} if is_part else placement_from_json(shown.place)
    limits = (low, high if high > low else low + 1)
    return Below(path, shown.name, stack, limits, place or place_of(stack))


def add_below(viewer: Viewer, below: Below) -> list[Layer]:
    """Add the layers of an image, unless it is open.

    Parameters
    ----------
    viewer : Viewer
    below : Below

    Returns
    -------
    list of Layer
        Those that show it: of several channels one each.
    """
    if found := [layer for layer in viewer.layers if _shows(layer, below)]:
        return found
    stack, axis = below.stack, below.stack.axes.find("c")
    given = {"metadata": {SHOWS: below.path}, "multiscale": False, **below.place}
    given["contrast_limits"] = below.limits
    with active_kept(viewer):
        if axis == stack.data.ndim - 1 and stack.channels in (3, 4) and stack.dtype == np.uint8:
            del given["contrast_limits"]
            return [viewer.add_image(stack.data, name=below.name, rgb=True, **given)]
        if axis < 0 or stack.channels == 1:
            data = stack.data if axis < 0 else LazyChannel(stack.data, axis, 0)
            return [viewer.add_image(data, name=below.name, **given)]
        return [
            viewer.add_image(
                LazyChannel(stack.data, axis, channel),
                name=f"{below.name} {channel}",
                blending="additive",
                **given,
            )
            for channel in range(stack.channels)
        ]


def _shows(layer: Layer, below: Below) -> bool:
    """Whether a layer shows the image; of a layer that was copied, whether it has its name."""
    if not isinstance(layer, Image) or held_in(layer) == "probabilities":
        return False
    path = layer.source.path or layer.metadata.get(SHOWS)
    is_same = path is not None and Path(path).absolute() == Path(below.path).absolute()
    return is_same or (is_own_copy(Path(below.path)) and layer.name == below.name)


def show_preview(viewer: Viewer, record: JobRecord, preview: PreviewReady | None) -> None:
    """Add the last preview of a training, where its image lies.

    Parameters
    ----------
    viewer : Viewer
    record : JobRecord
    preview : PreviewReady or None
    """
    place = record.results[0].place if record.results else {}
    if preview is None or not place:
        return
    shown = Preview(viewer, placement_from_json(place))
    for layer in viewer.layers:  # another picture takes less time than another layer
        if layer.metadata.get(HELPER) == PREVIEW and list(layer.scale) == place["scale"]:
            shown.layer = layer
    with suppress(UserError, OSError):  # it was removed
        shown.show(preview)


def show_comparison(viewer: Viewer, record: JobRecord, image: Layer) -> None:
    """Add truth and results of a comparison, side by side.

    Parameters
    ----------
    viewer : Viewer
    record : JobRecord
    image : Image
        The layer that was trained on.

    Raises
    ------
    UserError, OSError
        If they are not there.
    """
    folders: dict[str, Path] = {}
    for run in ComparisonFolder(record.out).runs:
        if ValidationFolder(run.folder).scores.exists():
            folders.setdefault(TrainSettings.read(run.settings).network, run.folder)
    labels = open_image(record.arguments[2])
    ComparisonLayers(viewer, image, labels.shape).show(record.out, folders, is_row=True)


def prepare_labels(dtype: Any = np.uint32) -> None:
    """Load and compile what napari needs for its first labels, in a thread."""
    Labels(np.zeros((1, 1, 1), dtype))
