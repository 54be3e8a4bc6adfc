"""The layer that the user works on stays active when U-Tile adds its own.

napari makes every layer that is added the active one, which ends a stroke that is being painted
and lets the next one move the canvas instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari.viewer import Viewer


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
    return layer
