"""The legend of the weight map."""

import numpy as np
from napari.layers import Image

from napari_utile.widgets.weight_map.legend import WeightLegend
from napari_utile.widgets.weight_map.live import Terms


def test_class_weight_and_border_weight_stand_apart_in_the_colors_of_the_map(qtbot):
    legend = WeightLegend()
    qtbot.addWidget(legend)
    layer = Image(np.zeros((2, 2)), contrast_limits=(0, 4), colormap="gray")
    legend.show_terms(Terms(objects=1.5, background=0.75, border=2.25), layer)
    text = legend.text().replace("&nbsp;", " ")
    for color, told in (("#606060", "objects 1.50"), ("#303030", "background 0.75")):
        assert f'{color}">■</span> {told}' in text
    assert '#bfbfbf">■</span> up to 2.25' in text  # 0.75 + 2.25 of 4
    assert "Largest sum: 3.00" in text
