"""A corrected part of a slice, and what lies around it, in labels for training."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.errors import UserError
from napari_utile.widgets.layers.edits import (
    NOT_ANNOTATED,
    OpenEdit,
    StoredLabels,
    add_edit,
    add_to_training,
)


@pytest.fixture
def shown(tmp_path):
    """A viewer with an image, and a copy of a part of slice 1 in it."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 8, 9)), name="em", scale=(5, 2, 2))
    layer = viewer.add_labels(np.zeros((3, 8, 9), np.uint8), name="r", scale=(5, 2, 2))
    seen = np.full((1, 4, 4), 300, np.uint32)
    stored = StoredLabels(tmp_path, "instances")
    edit = OpenEdit(stored, ((1, 2), (2, 6), (3, 7)), seen, 301)
    return viewer, image, layer, add_edit(viewer, layer, edit)


def test_what_lies_around_a_part_of_a_slice_is_not_annotated(shown):
    viewer, image, layer, copy = shown
    into, text = add_to_training(viewer, copy, image, layer)
    assert into is layer
    wanted = np.zeros((3, 8, 9))
    wanted[1] = NOT_ANNOTATED
    wanted[1, 2:6, 3:7] = 300
    np.testing.assert_array_equal(layer.data, wanted)
    assert text == (
        "A part of slice 1 of 'em' is in 'r'. Around it are pixels 65535: type 65535 as "
        "'ignore id' in Train."
    )


def test_another_part_of_that_slice_leaves_the_first_as_it_was(shown):
    viewer, image, layer, copy = shown
    add_to_training(viewer, copy, image, layer)
    copy.translate = (5, 0, 0)
    add_to_training(viewer, copy, image, layer)
    assert (layer.data[1] == 300).sum() == 2 * 16 - 2 * 1
    assert (layer.data[[0, 2]] == 0).all()


def test_a_copy_beside_the_pixels_of_an_image_is_refused(shown):
    viewer, image, _, copy = shown
    copy.translate = (5, 1, 0)
    with pytest.raises(UserError, match="does not lie on the pixels of 'em training labels'"):
        add_to_training(viewer, copy, image, None)
    assert len(viewer.layers) == 3
