"""New labels have the shape and the place of their image, without its channels."""

import numpy as np
import pytest
from napari.layers import Image

from napari_utile.errors import UserError
from napari_utile.widgets.label import new_labels as module
from napari_utile.widgets.label.new_labels import new_labels

PLACE = {"scale": (5, 2, 3), "translate": (1, 2, 3), "units": ("um",) * 3}


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [
        ((20, 30), {}, (20, 30)),
        ((4, 20, 30), PLACE | {"axis_labels": ("z", "y", "x")}, (4, 20, 30)),
        ((20, 30, 3), {"rgb": True}, (20, 30)),
        ((4, 20, 30, 4), {"rgb": True, **PLACE}, (4, 20, 30)),
        ((2, 20, 30), {"axis_labels": ("c", "y", "x")}, (20, 30)),
        ((20, 30, 3), {"rgb": False}, (20, 30)),
    ],
)
def test_labels_lie_on_their_image(shape, given, expected):
    image = Image(np.zeros(shape, np.uint8), name="em", **given)
    labels = new_labels(image)
    assert (labels.name, labels.data.shape, labels.data.any()) == ("em labels", expected, False)
    kept = [i for i, axis in enumerate(image.axis_labels) if axis != "c"][: len(expected)]
    for name in ("scale", "translate", "units", "axis_labels"):
        of_image = [getattr(image, name)[i] for i in kept]
        assert list(getattr(labels, name)) == of_image, name


def test_of_a_pyramid_the_first_level_counts():
    levels = [np.zeros((16, 40, 60)), np.zeros((16, 20, 30))]
    assert new_labels(Image(levels, multiscale=True)).data.shape == (16, 40, 60)


def test_labels_that_may_not_fit_into_memory_are_refused_before_any_is_taken(monkeypatch):
    monkeypatch.setattr(module, "memory_budget", lambda: 2**20)
    huge = Image(
        np.broadcast_to(np.uint8(0), (600, 1000, 1000)), name="brain", multiscale=False
    )
    with pytest.raises(UserError, match=r"'brain' \(600, 1000, 1000\) may take .* open only"):
        new_labels(huge)
