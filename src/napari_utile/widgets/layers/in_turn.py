"""Layers one after the other: napari takes a tenth of a second to add or remove one.

Six at once would let the window stand still; a layer that is there only needs other pixels.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from napari.layers import Layer
from napari.utils.colormaps import DirectLabelColormap
from napari.viewer import Viewer
from qtpy.QtCore import QTimer

from napari_utile.widgets.layers.active import active_kept

BREATH = 20
"""Milliseconds between two steps: the window draws, and takes keys and clicks."""
PLACE = ("units", "scale", "translate")
"""What a layer takes from another, with its pixels and colors."""


def in_turn(
    viewer: Viewer, steps: Iterable[Callable[[], object]], is_kept: bool = True
) -> None:
    """Change the layers of a viewer step by step; the window goes on between two steps.

    Without a window all is done when this returns.

    Parameters
    ----------
    viewer : Viewer
    steps : iterable of callable
        Each is asked for when the one before is done.
    is_kept : bool, default True
        Whether the active layer stays the active one.
    """
    rest = iter(steps)
    for step in rest:
        with active_kept(viewer) if is_kept else nullcontext():
            step()
        if hasattr(viewer, "window"):
            QTimer.singleShot(BREATH, partial(_go_on, viewer, rest, is_kept))
            return


def _go_on(viewer: Viewer, rest: Iterator[Callable[[], object]], is_kept: bool) -> None:
    with suppress(RuntimeError):  # the window was closed meanwhile
        in_turn(viewer, rest, is_kept)


def renew(layer: Any, fresh: Any) -> None:
    """Let a layer show what another one holds, which is of the same kind and never added.

    What the user has chosen stays: whether it is visible, and how strongly.

    Parameters
    ----------
    layer, fresh : Layer
    """
    layer.data = fresh.data
    for name in PLACE:
        if tuple(getattr(layer, name)) != tuple(getattr(fresh, name)):
            setattr(layer, name, getattr(fresh, name))
    if hasattr(fresh, "contrast_limits") and layer.contrast_limits != fresh.contrast_limits:
        layer.contrast_limits = fresh.contrast_limits
    colors = layer.colormap, fresh.colormap
    is_chosen = isinstance(fresh.colormap, DirectLabelColormap)  # color by color
    if is_chosen or type(colors[0]) is not type(colors[1]) or colors[0].name != colors[1].name:
        layer.colormap = fresh.colormap


def remove_layers(viewer: Viewer, layers: Iterable[Layer]) -> None:
    """Remove those of the layers that are still there.

    Parameters
    ----------
    viewer : Viewer
    layers : iterable of Layer
    """
    for layer in [layer for layer in layers if layer in viewer.layers]:
        viewer.layers.remove(layer)


def remove_in_turn(viewer: Viewer, layers: Iterable[Layer]) -> None:
    """Remove those of the layers that are still there; a window goes on between two.

    Parameters
    ----------
    viewer : Viewer
    layers : iterable of Layer
    """
    in_turn(viewer, [partial(remove_layers, viewer, [layer]) for layer in layers])
