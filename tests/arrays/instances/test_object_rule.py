"""What is foreground by a rule."""

import numpy as np
import pytest

from napari_utile.arrays.instances.object_rule import foreground_mask


@pytest.mark.parametrize("twice", [0, 1, 102, 255, 357, *range(2, 510, 7)])
def test_foreground_is_higher_than_the_threshold(twice):
    mask = foreground_mask(np.arange(256, dtype=np.uint8), twice / 510)
    assert mask.tolist() == [2 * value > twice for value in range(256)]
