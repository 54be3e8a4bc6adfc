"""Layers are chosen, described and written down; files are left where they are."""

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel

from napari_utile.errors import UserError
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import Stack
from napari_utile.widgets.layers.layers import (
    LayerChoice,
    frozen,
    pair_problem,
    placement,
    refuse_useless,
    stack_of,
    written,
)

STACK = np.arange(2 * 8 * 10, dtype=np.uint16).reshape(2, 8, 10)


@pytest.fixture
def model():
    return ViewerModel()


def path_of(stack, folder):
    """Drain `written`."""
    steps = written(stack, folder)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class TestLayerChoice:
    @pytest.fixture
    def choice(self, model, qtbot):
        from napari.layers import Image

        choice = LayerChoice(model, Image)
        qtbot.addWidget(choice)
        return choice

    def test_nothing_is_chosen_where_there_is_nothing(self, choice):
        assert choice.layer is None

    def test_follows_layers_that_come_go_and_are_renamed(self, model, choice):
        a, b = model.add_image(STACK, name="a"), model.add_image(STACK, name="b")
        model.add_labels(STACK, name="no image")
        assert [choice.itemText(i) for i in range(choice.count())] == ["a", "b"]
        choice.choose(b)
        b.name = "c"
        assert choice.currentText() == "c"
        model.layers.remove(a)
        assert choice.layer == b
        model.layers.remove(b)
        assert choice.layer is None

    def test_a_deleted_choice_no_longer_listens(self, model, qtbot):
        from napari.layers import Image
        from qtpy import sip

        sip.delete(LayerChoice(model, Image))
        model.add_image(STACK)


class TestStackOf:
    def test_keeps_scale_place_and_units(self, model):
        layer = model.add_image(STACK, scale=(50, 4, 4), translate=(0, 1, 2), units=["nm"] * 3)
        stack = stack_of(layer)
        assert (stack.axes, stack.shape) == ("zyx", (2, 8, 10))
        assert stack.scale == (50, 4, 4)
        assert stack.translate == (0, 1, 2)
        assert stack.units == ("nanometer",) * 3

    def test_a_color_picture_has_three_channels_even_with_alpha(self, model):
        stack = stack_of(model.add_image(np.zeros((8, 10, 4), np.uint8), rgb=True))
        assert (stack.axes, stack.channels, stack.shape) == ("yxc", 3, (8, 10))

    def test_the_labels_tell_channels_from_slices(self, model):
        layer = model.add_image(STACK, scale=(1, 4, 5))
        stack = stack_of(layer, like=(8, 10))
        assert (stack.axes, stack.channels, stack.scale) == ("cyx", 2, (4, 5))

    def test_multiscale_means_its_full_resolution(self, model):
        layer = model.add_image([STACK, STACK[:, ::2, ::2]], multiscale=True)
        assert stack_of(layer).shape == (2, 8, 10)

    def test_more_than_four_axes_are_refused_with_the_name(self, model):
        layer = model.add_image(np.zeros((2, 2, 2, 2, 2)), name="five")
        with pytest.raises(UserError, match="Layer 'five'"):
            stack_of(layer)

    def test_painting_on_does_not_change_what_was_taken(self, model):
        layer = model.add_labels(STACK.copy())
        stack = frozen(stack_of(layer))
        layer.data[:] = 0
        np.testing.assert_array_equal(stack.data, STACK)


class TestWritten:
    def test_what_is_in_memory_is_copied_with_scale_and_units(self, model, tmp_path):
        layer = model.add_image(
            STACK, name="my stack", scale=(50, 4, 4), translate=(0, 1, 2), units=["nm"] * 3
        )
        path = path_of(stack_of(layer), tmp_path)
        copy = open_image(path)
        assert path.name == "my-stack.zarr"
        assert (copy.axes, copy.dtype) == ("zyx", np.uint16)
        np.testing.assert_array_equal(copy.data, STACK)
        assert (copy.scale, copy.translate) == ((50, 4, 4), (0, 1, 2))
        assert copy.units == ("nanometer",) * 3

    def test_colors_are_copied_as_channels(self, model, tmp_path):
        colors = np.arange(8 * 10 * 3, dtype=np.uint8).reshape(8, 10, 3)
        copy = open_image(path_of(stack_of(model.add_image(colors, rgb=True)), tmp_path))
        np.testing.assert_array_equal(copy.plane(), colors.transpose(2, 0, 1))

    def test_an_opened_zarr_is_not_copied(self, model, tmp_path):
        data = zarr.create_array(str(tmp_path / "a.zarr"), data=STACK)
        path = path_of(stack_of(model.add_image(data)), tmp_path / "inputs")
        np.testing.assert_array_equal(open_image(path).data, STACK)
        assert not (tmp_path / "inputs").exists()

    def test_a_mapped_file_is_not_copied(self, model, tmp_path):
        np.save(tmp_path / "a.npy", STACK)
        layer = model.add_image(np.load(tmp_path / "a.npy", mmap_mode="r"))
        assert path_of(stack_of(layer), tmp_path) == tmp_path / "a.npy"

    def test_lazy_slices_of_a_file_are_copied(self, model, tmp_path):
        data = zarr.create_array(str(tmp_path / "a.zarr"), data=STACK, chunks=(1, 8, 10))
        import dask.array as da

        layer = model.add_image(da.from_zarr(data)[1:])
        path = path_of(stack_of(layer), tmp_path / "inputs")
        np.testing.assert_array_equal(open_image(path).data, STACK[1:])

    @pytest.mark.parametrize("view", [lambda a: a[::-1], lambda a: a + 1])
    def test_a_lazy_view_of_the_same_shape_is_not_replaced_by_its_file(
        self, model, tmp_path, view
    ):
        import dask.array as da

        write_tiff(tmp_path / "a.tif", STACK)
        lazy = view(da.from_array(STACK, chunks=(1, 8, 10)))
        opened = Stack(lazy, "zyx", name="a", path=tmp_path / "a.tif")
        path = path_of(opened, tmp_path / "inputs")
        np.testing.assert_array_equal(open_image(path).data, view(STACK))

    def test_pixels_in_memory_are_copied_since_they_may_have_been_edited(self, tmp_path):
        write_tiff(tmp_path / "a.tif", STACK)
        opened = Stack(STACK + 1, "zyx", name="a", path=tmp_path / "a.tif")
        path = path_of(opened, tmp_path / "inputs")
        np.testing.assert_array_equal(open_image(path).data, STACK + 1)

    def test_planes_are_checked_one_by_one(self, model, tmp_path):
        seen = []
        steps = written(stack_of(model.add_image(STACK)), tmp_path, lambda p, i: seen.append(i))
        next(steps)
        assert seen == [(0,)]


def test_a_pair_that_does_not_fit_is_named_with_both_shapes(model):
    image, labels = model.add_image(STACK, name="em"), model.add_labels(STACK[:1], name="mine")
    problem = pair_problem(image, labels)
    assert problem == "Image 'em' (2, 8, 10) and labels 'mine' (1, 8, 10) differ in shape."
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
    with pytest.raises(UserError, match=r"Image 'em', slice 7, .*NaN"):
        refuse_useless("em", plane, (7,))


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
