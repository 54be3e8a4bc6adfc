"""What is put aside so that a result can be looked at: the brush, and labels that cover it."""

from collections.abc import Sequence

from napari.layers import Labels, Layer
from napari.viewer import Viewer

from napari_utile.io.stack import HOLDS
from napari_utile.widgets.layers.alone import hide_beside_alone
from napari_utile.widgets.layers.brush import has_brush, put_brush_away


def brush_away(viewer: Viewer) -> str:
    """Put the brush away, and return of which labels, as a sentence, or ''."""
    layers = put_brush_away(viewer)
    names = _names_of(layers)
    return f"The brush of {names} was put away: dragging moves the image." if layers else ""


def uncover(viewer: Viewer, result: Sequence[Layer]) -> str:
    """Hide other labels: a result cannot be judged among their colors.

    Those that are being painted stay, and those of other results. A result whose image is
    hidden, because another one is shown alone, is hidden with it.

    Parameters
    ----------
    viewer : Viewer
    result : sequence of Layer
        One at least.

    Returns
    -------
    str
        What was hidden, as a sentence, or ''.
    """
    for layer in result:
        hide_beside_alone(viewer, layer)
    if not any(layer.visible for layer in result):
        name = result[0].name
        return f"'{name}' is hidden, as its image is. Click on the image in Data to see it."
    hidden = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels)
        and layer.visible
        and layer not in result
        and HOLDS not in layer.metadata
        and not has_brush(viewer, layer)
    ]
    for layer in hidden:
        layer.visible = False
    if not hidden:
        return ""
    return (
        f"Hidden, so that the result can be read: {_names_of(hidden)}. The eye in the list of "
        "layers shows them again."
    )


def _names_of(layers: Sequence[Layer]) -> str:
    return ", ".join(f"'{layer.name}'" for layer in layers)
