"""What is put aside so that a result can be looked at: the brush, and labels that cover it."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Labels, Layer
from napari.viewer import Viewer

from napari_utile.io.stack import HOLDS
from napari_utile.widgets.layers.alone import hide_beside_alone
from napari_utile.widgets.layers.brush import has_brush, put_brush_away
from napari_utile.widgets.layers.choice import HELPER, shows_probabilities
from napari_utile.widgets.layers.results import PREVIEW

HIDDEN = (
    "Results of hidden images are hidden with them: click on an image in Data to see it with "
    "its result."
)


def brush_away(viewer: Viewer) -> str:
    """Put the brush away, and return of which labels, as a sentence, or ''."""
    layers = put_brush_away(viewer)
    names = _names_of(layers)
    return f"The brush of {names} was put away: dragging moves the image." if layers else ""


def uncover(viewer: Viewer, result: Sequence[Layer], of_run: Sequence[Layer] = ()) -> str:
    """Hide what would cover or tint a result: labels, probabilities, the preview of a training.

    Those that are being painted stay, and results of other places. A result whose image is
    hidden, because another one is shown alone, is hidden with it.

    Parameters
    ----------
    viewer : Viewer
    result : sequence of Layer
        One at least.
    of_run : sequence of Layer, optional
        Results that were made together with it: they stay.

    Returns
    -------
    str
        What was hidden, as a sentence, or ''.
    """
    if hide_beside_alone(viewer, result):
        return HIDDEN
    hidden = [
        layer
        for layer in viewer.layers
        if (isinstance(layer, Labels) or _tints(layer))
        and layer.visible
        and layer not in (*result, *of_run)
        and not (HOLDS in layer.metadata and not _lie_over_one_another(layer, result[0]))
        and not (isinstance(layer, Labels) and has_brush(viewer, layer))
    ]
    for layer in hidden:
        layer.visible = False
    if not hidden:
        return ""
    return (
        f"Hidden, so that the result can be read: {_names_of(hidden)}. The eye in the list of "
        "layers shows them again."
    )


def is_training_preview(layer: Layer) -> bool:
    """Whether a layer shows what a network makes of a slice while it is trained."""
    return bool(layer.metadata.get(HELPER) == PREVIEW)


def _tints(layer: Layer) -> bool:
    """Whether an image is mixed with what lies below it."""
    return is_training_preview(layer) or shows_probabilities(layer)


def _lie_over_one_another(one: Layer, other: Layer) -> bool:
    """Whether two layers lie over one another, in the axes that both have."""
    axes = min(one.ndim, other.ndim)
    (low, high), (first, last) = (x.extent.world[:, -axes:] for x in (one, other))
    return bool(np.all((low < last) & (first < high)))


def _names_of(layers: Sequence[Layer]) -> str:
    return ", ".join(f"'{layer.name}'" for layer in layers)
