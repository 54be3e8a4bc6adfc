"""What a layer is, in a few words."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_utile.widgets.data.facts import layer_facts


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Image(np.zeros((8, 1200), np.uint8)), "8 x 1,200, uint8"),
        (
            Labels(np.zeros((2, 3, 4), int), scale=(50, 4, 4.5), units=("nm",) * 3),
            "2 x 3 x 4, int64, voxel 50 x 4 x 4.5 nm",
        ),
        (
            Image(np.zeros((3, 4), "f4"), scale=(0.1, 0.1), units=("um",) * 2),
            "3 x 4, float32, pixel 0.1 x 0.1 µm",
        ),
        (Image([np.zeros((4, 4)), np.zeros((2, 2))], multiscale=True), "4 x 4, float64"),
    ],
)
def test_facts(layer, said):
    assert layer_facts(layer) == said
