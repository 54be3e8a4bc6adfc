import numpy as np
import pytest

from napari_utile.engine.training.data.pair_check import check_shapes, pair_check
from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from tests.fixtures.annotated import cells, stack

IMAGE, OBJECTS = cells((16, 24))
WITH_NAN = np.where(OBJECTS == 1, np.nan, IMAGE)


@pytest.mark.parametrize(
    ("image", "labels", "said"),
    [
        (IMAGE, OBJECTS[1:], "differ in shape"),
        (IMAGE, OBJECTS - 1, "negative id -1"),
        (IMAGE, OBJECTS + 0.5, "ids are whole numbers"),
        (WITH_NAN, OBJECTS, "NaN or infinite in 25 pixels"),
        (np.ones_like(IMAGE), OBJECTS, "is constant"),
    ],
)
def test_what_is_wrong_with_a_pair_is_said(image, labels, said):
    with pytest.raises(UserError, match=said):
        pair_check(TrainSettings())(stack(image), stack(labels, "ids"))


def test_a_good_pair_passes():
    pair_check(TrainSettings())(stack(IMAGE), stack(OBJECTS))
    pair_check(TrainSettings(ignore=-1))(stack(IMAGE), stack(OBJECTS - 1))


def test_leading_axes_of_length_one_are_no_difference():
    check_shapes(stack(IMAGE[None]), stack(OBJECTS))
