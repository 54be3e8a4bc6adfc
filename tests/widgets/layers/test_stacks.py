"""Layers are described as stacks, and results lie where they lie."""

import numpy as np
import pytest
import tifffile
from imageio.v3 import imread
from napari.components import ViewerModel
from napari.layers._source import layer_source

from napari_utile.errors import UserError
from napari_utile.widgets.layers.stacks import placement, stack_of, with_copied_pixels

STACK = np.arange(2 * 8 * 10, dtype=np.uint16).reshape(2, 8, 10)


@pytest.fixture
def model():
    return ViewerModel()


def test_keeps_scale_place_and_units(model):
    layer = model.add_image(STACK, scale=(50, 4, 4), translate=(0, 1, 2), units=["nm"] * 3)
    stack = stack_of(layer)
    assert (stack.axes, stack.shape) == ("zyx", (2, 8, 10))
    assert stack.scale == (50, 4, 4)
    assert stack.translate == (0, 1, 2)
    assert stack.units == ("nanometer",) * 3


def test_a_color_picture_has_three_channels_even_with_alpha(model):
    stack = stack_of(model.add_image(np.zeros((8, 10, 4), np.uint8), rgb=True))
    assert (stack.axes, stack.channels, stack.shape) == ("yxc", 3, (8, 10))


def test_the_labels_tell_channels_from_slices(model):
    layer = model.add_image(STACK, scale=(1, 4, 5))
    stack = stack_of(layer, like=(8, 10))
    assert (stack.axes, stack.channels, stack.scale) == ("cyx", 2, (4, 5))


@pytest.mark.parametrize(
    ("given", "axes"),
    [
        ({"axis_labels": ("t", "y", "x")}, "tyx"),
        ({"axis_labels": ("Time", "Y", "X")}, "tyx"),
        ({"axis_labels": ("c", "y", "x")}, "cyx"),
        ({"axis_labels": ("z", "y", "x")}, "zyx"),
        ({"axis_labels": ("a", "b", "c")}, "zyx"),
        ({"units": ("s", "um", "um")}, "tyx"),
        ({"axis_labels": ("z", "y", "x"), "units": ("s", "um", "um")}, "zyx"),
    ],
)
def test_a_layer_says_what_its_axes_are(model, given, axes):
    assert stack_of(model.add_image(STACK, **given)).axes == axes


@pytest.mark.parametrize(
    ("axes", "kind", "shape"), [("TZYX", "ome", (2, 1, 8, 10)), ("TYX", "imagej", (2, 8, 10))]
)
def test_the_file_of_a_layer_says_that_an_axis_is_time(model, tmp_path, axes, kind, shape):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK.reshape(shape), metadata={"axes": axes}, **{kind: True})
    with layer_source(path=str(path)):  # as a reader of napari that knows no axes
        layer = model.add_image(imread(path))
    assert stack_of(layer).axes == "tyx"
    layer.axis_labels = ("z", "y", "x")  # the user knows better
    assert stack_of(layer).axes == "zyx"


def test_named_slices_are_no_channels(model):
    layer = model.add_image(STACK, axis_labels=("z", "y", "x"))
    assert stack_of(layer, 2).channels == 1


def test_axes_in_another_order_are_refused_with_the_layer(model):
    layer = model.add_image(STACK, name="em", axis_labels=("x", "y", "z"))
    with pytest.raises(UserError, match=r"Layer 'em' has the axes x, y, z.*transpose"):
        stack_of(layer)


def test_multiscale_means_its_full_resolution(model):
    layer = model.add_image([STACK, STACK[:, ::2, ::2]], multiscale=True)
    assert stack_of(layer).shape == (2, 8, 10)


def test_more_than_four_axes_are_refused_with_the_name(model):
    layer = model.add_image(np.zeros((2, 2, 2, 2, 2)), name="five")
    with pytest.raises(UserError, match="Layer 'five'"):
        stack_of(layer)


def test_painting_on_does_not_change_what_was_taken(model):
    layer = model.add_labels(STACK.copy())
    stack = with_copied_pixels(stack_of(layer))
    layer.data[:] = 0
    np.testing.assert_array_equal(stack.data, STACK)


def test_a_result_lies_where_its_image_lies(model):
    image = model.add_image(
        STACK, scale=(50, 4, 4), translate=(0, 1, 2), rotate=30, units=["nm"] * 3
    )
    result = model.add_labels(STACK, **placement(image, "zyx"))
    assert result.extent.world == pytest.approx(image.extent.world)
    assert result.units == image.units


@pytest.mark.parametrize("axes", ["cyx", "yxc"])
def test_a_result_lies_where_an_image_of_channels_lies(model, axes):
    rotation, affine = np.eye(3), np.eye(4)
    y, x = axes.index("y"), axes.index("x")
    rotation[np.ix_([y, x], [y, x])] = [[0, -1], [1, 0]]
    affine[y, -1] = 7
    scale, translate = np.ones(3), np.zeros(3)
    scale[[y, x]], translate[[y, x]] = (4, 5), (1, 2)
    image = model.add_image(
        np.zeros((6, 6, 6)), scale=scale, translate=translate, rotate=rotation, affine=affine
    )
    result = model.add_labels(np.zeros((6, 6), int), **placement(image, axes))
    corner = np.zeros(3)
    corner[[y, x]] = 2, 3
    expected = np.array(image.data_to_world(corner))[[y, x]]
    np.testing.assert_allclose(result.data_to_world((2, 3)), expected)


def test_a_sheared_image_keeps_its_shear(model):
    image = model.add_image(STACK, shear=(0.0, 0.0, 0.5))
    result = model.add_labels(STACK[0], **placement(image, "cyx"))
    np.testing.assert_allclose(result.data_to_world((4, 0)), image.data_to_world((0, 4, 0))[1:])
    np.testing.assert_allclose(result.data_to_world((0, 4)), image.data_to_world((0, 0, 4))[1:])
