"""What the colors of a weight map mean: class weight and border weight apart."""

from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap
from qtpy.QtWidgets import QLabel

from napari_utile.widgets.weight_map.live import Terms

FORMULA = (
    "Eq. 2 of the U-Net paper: w = w_c + w0 · exp(−(d1 + d2)² / (2 · sigma²)).<br>"
    "<b>w_c</b>, the class weight: with class balance objects and background count the same "
    "in total, else it is 1.<br>"
    "<b>w0</b>, the border weight, is added to background between objects: d1 and d2 are the "
    "distances to the nearest and the second-nearest object.<br>"
    "<b>sigma</b>, the border width, in pixels: how wide a gap may be and still count."
)


class WeightLegend(QLabel):
    """The terms of the sum, each with the color that it has in the map."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setToolTip(FORMULA)
        self.hide()

    def show_terms(self, terms: Terms, layer: Image) -> None:
        """Show the terms of a map that a layer shows."""

        def named(name: str, weight: float, total: float | None = None) -> str:
            color = _color(weight if total is None else total, layer)
            return f'<span style="color: {color}">■</span>&nbsp;{name}&nbsp;{weight:.2f}'

        in_gaps = terms.background + terms.border
        self.setText(
            "<b>Weight of a pixel in the loss</b><br>"
            f"Class weight (w_c): {named('objects', terms.objects)}, "
            f"{named('background', terms.background)}<br>"
            f"Border weight, added in gaps: {named('up to', terms.border, in_gaps)}<br>"
            f"Largest sum: {terms.largest:.2f}"
        )
        self.show()


def _color(weight: float, layer: Any) -> str:
    """Return the color of a weight in a layer, like #30123b."""
    low, high = layer.contrast_limits
    colormap: Colormap = layer.colormap
    share = np.clip((weight - low) / (high - low), 0, 1)
    red, green, blue, _ = (round(255 * float(part)) for part in colormap.map([share])[0])
    return f"#{red:02x}{green:02x}{blue:02x}"
