"""The part of a stack that is predicted, as the user writes it."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.region import part_of
from napari_utile.io.stack import Stack


def stack(shape=(5, 30, 40)):
    return Stack(np.zeros(shape, np.uint8), "tzyx"[-len(shape) :], name="cells")


def test_a_region_is_where_it_begins_and_its_shape():
    assert part_of(stack(), "1:3,0:30,8:40") == ((1, 0, 8), (2, 30, 32))
    assert part_of(stack((30, 40)), None) == ((0, 0), (30, 40))


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("0:10,0:10", r"has 2 axes, cells has 3 \(z, y, x\)"),
        ("0:6,0:10,0:10", r"does not lie in cells: z goes from 0 to 5"),
        ("0:5,9:9,0:10", r"does not lie in cells: y goes from 0 to 30"),
        ("0:5,0:30,8:41", r"does not lie in cells: x goes from 0 to 40"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(region, words):
    with pytest.raises(UserError, match=words):
        part_of(stack(), region)
