"""Strokes in few slices are divided so that both parts show objects and background."""

import numpy as np
import pytest

from napari_utile.arrays.division import division, fewest_classes
from napari_utile.arrays.labels import IGNORE
from napari_utile.settings.training import TrainingOptions

STROKES = np.full((2, 40, 60), IGNORE, np.uint8)
STROKES[0, 10, 5:55], STROKES[0, 30, 5:55] = 0, 1  # both classes in the first slice alone
STROKES[1, 20, 5:55] = 0
PLANES = [(0, (z,), (40, 60)) for z in range(2)]


def divided(**options):
    settings = TrainingOptions(**options)
    parts = division(PLANES, [*STROKES], settings, receptive_field=9)
    return parts.how, fewest_classes(PLANES, [*STROKES], parts)


def test_slices_that_lack_a_class_are_divided_by_blocks_if_labels_are_sparse():
    assert divided(sparse=True) == (
        "33 px to train, 8 px to validate, 9 px between, along x, the same in every slice",
        2,
    )
    for options in ({"sparse": False}, {"sparse": True, "split": "slice"}):
        assert divided(**options) == ("1 slice to train, 1 to validate", 1)


def test_what_cannot_be_divided_is_an_error():
    with pytest.raises(ValueError, match="2 annotated images"):
        divided(split="image")
