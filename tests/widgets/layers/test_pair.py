"""Image and labels are checked together before training."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.errors import UserError
from napari_utile.widgets.layers.pair import check_plane, pair_problem

STACK = np.arange(2 * 8 * 10, dtype=np.uint16).reshape(2, 8, 10)


@pytest.fixture
def model():
    return ViewerModel()


def test_a_pair_that_does_not_fit_is_named_with_both_shapes(model):
    image, labels = model.add_image(STACK, name="em"), model.add_labels(STACK[:1], name="mine")
    problem = pair_problem(image, labels)
    both = "Image 'em' (2, 8, 10) and labels 'mine' (1, 8, 10) differ in shape."
    assert problem.startswith(f"{both} They have 2 and 1 slices")
    assert "image layer" in pair_problem(None, labels)
    assert "labels layer for 'em'" in pair_problem(image, None)


def test_channels_beside_two_dimensional_labels_fit(model):
    image, labels = model.add_image(STACK), model.add_labels(STACK[0])
    assert pair_problem(image, labels) == ""


def test_a_layer_of_too_many_axes_is_a_problem_that_is_said(model):
    image, labels = model.add_image(np.zeros((2,) * 5), name="five"), model.add_labels(STACK)
    assert pair_problem(image, labels).startswith("Layer 'five'")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_plane_that_is_not_finite_is_refused_by_layer_and_slice(bad):
    plane = np.arange(4.0).reshape(1, 2, 2)
    plane[0, 1, 1] = bad
    with pytest.raises(UserError, match="Image 'em', slice 7 has pixels that are NaN"):
        check_plane("em", plane, (7,))


def test_a_plane_of_one_gray_value_is_refused(model):
    with pytest.raises(UserError, match=r"Image 'small' is constant \(3\)"):
        check_plane("small", np.full((1, 2, 2), 3), ())
