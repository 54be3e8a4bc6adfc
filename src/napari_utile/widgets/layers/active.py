"""What the user works on stays active, and on top, when U-Tile adds its own layers.

napari makes every layer that is added the active one, which ends a stroke that is being painted
and lets the next one move the canvas instead.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer

from napari_utile.widgets.layers.choice import HELPER


@contextmanager
def active_kept(viewer: Viewer) -> Iterator[None]:
    """Give what was selected its place back, as far as it is still there.

    Parameters
    ----------
    viewer : Viewer
        To which layers are added, or from which they are removed, meanwhile.
    """
    selection = viewer.layers.selection
    selected = {*selection}
    try:
        yield
    finally:
        there = selected.intersection(viewer.layers)
        if len(there) == 1:
            (selection.active,) = there
        elif there:
            selection.clear()
            selection.update(there)


def add_helper(viewer: Viewer, layer: Any) -> Any:
    """Add a layer that only illustrates others; the one that the user works on stays active.

    An image lies below all labels, so that it hides no stroke.

    Parameters
    ----------
    viewer : Viewer
    layer : Layer

    Returns
    -------
    Layer
        The same.
    """
    with active_kept(viewer):
        viewer.add_layer(layer)
        if isinstance(layer, Image):
            put_below_labels(viewer, [layer])
    return layer


def put_below_labels(viewer: Viewer, helpers: Iterable[Layer]) -> None:
    """Move layers that illustrate others below all labels, and keep their order.

    Parameters
    ----------
    viewer : Viewer
    helpers : iterable of Layer
    """
    layers = viewer.layers
    for helper in helpers:
        of_labels = (
            place
            for place, layer in enumerate(layers)
            if isinstance(layer, Labels) and not layer.metadata.get(HELPER)
        )
        place, lowest = layers.index(helper), next(of_labels, len(layers))
        if place > lowest:
            layers.move(place, lowest)


def put_above(viewer: Viewer, helper: Layer, image: Layer) -> None:
    """Move a layer that illustrates an image right above it, if it lies below it.

    Below the labels of one image it may lie below another image.

    Parameters
    ----------
    viewer : Viewer
    helper, image : Layer
        Both are in the viewer.
    """
    layers = viewer.layers
    if layers.index(helper) < layers.index(image):
        with active_kept(viewer):
            layers.move(layers.index(helper), layers.index(image) + 1)
