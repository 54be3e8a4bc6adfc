"""Which image is segmented first."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.widgets.home.first_image import image_to_segment


@pytest.fixture
def four():
    """Three images with labels, and a fourth without."""
    viewer = ViewerModel()
    for number, name in enumerate("abcd", 8):
        viewer.add_image(np.zeros((number, 9)), name=name)
    for number, name in enumerate("abc", 8):
        viewer.add_labels(np.zeros((number, 9), np.uint8), name=f"{name}_mask")
    return viewer


@pytest.mark.parametrize(
    ("selected", "first"), [("b", "b"), ("d", "d"), ("c_mask", "d"), (None, "d")]
)
def test_it_is_the_selected_one_else_one_that_was_not_trained_on(four, selected, first):
    known = [four.layers[name] for name in "abc"]
    four.add_image(np.zeros((11, 9), np.uint8), name="d_mask")  # not converted yet
    four.layers.selection.active = four.layers[selected or "d_mask"]
    assert image_to_segment(four, known) is four.layers[first]


def test_it_is_none_if_all_were_trained_on_and_of_a_file_the_channel_that_was():
    viewer = ViewerModel()
    for name in ("one", "two"):
        for channel in range(3):
            layer = viewer.add_image(np.zeros((8, 9)), name=f"{name} {channel}")
            layer._source = layer.source.model_copy(update={"path": f"{name}.tif"})
    known = [viewer.layers["one 1"]]
    assert image_to_segment(viewer, known) is viewer.layers["two 1"]
    viewer.layers.selection.active = viewer.layers["one 2"]
    assert image_to_segment(viewer, known) is viewer.layers["one 1"]
    viewer.layers.selection.active = None
    assert image_to_segment(viewer, [*known, viewer.layers["two 1"]]) is None
