"""Layers are written down for the engine; files are left where they are."""

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel

from napari_utile.events import drain
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import Stack
from napari_utile.widgets.layers.snapshots import Source, path_on_disk
from napari_utile.widgets.layers.stacks import stack_of

STACK = np.arange(2 * 8 * 10, dtype=np.uint16).reshape(2, 8, 10)


@pytest.fixture
def model():
    return ViewerModel()


def path_of(stack, folder):
    return drain(path_on_disk(stack, folder))


def test_what_is_in_memory_is_copied_with_scale_and_units(model, tmp_path):
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


def test_copies_of_several_layers_have_names_of_their_own(model, tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    model.add_image(np.load(tmp_path / "a.npy", mmap_mode="r"), name="mapped")
    for name in ("im [1]", "im 1", "Im-1", "a"):
        model.add_image(STACK, name=name)
    parts = Source.of_layers(model.layers, 1).parts
    copies = [drain(path_on_disk(p.stack, tmp_path, name=p.copy_name)).name for p in parts]
    expected = ["im-1.zarr", "im-1-2.zarr", "Im-1-3.zarr", "a-2.zarr"]
    assert copies == ["a.npy", *expected]


def test_a_copy_says_what_is_doubtful_about_its_layer(model, tmp_path):
    said = ("a.zarr has 3 of 4 chunks. Was it copied completely?",)
    layer = model.add_labels(STACK, metadata={"utile_doubts": said})
    assert open_image(path_of(stack_of(layer), tmp_path)).doubts == said


def test_a_mirrored_layer_is_copied_with_the_size_of_its_pixels(model, tmp_path):
    layer = model.add_image(STACK, scale=(1, -4, 4))
    copy = open_image(path_of(stack_of(layer), tmp_path))
    assert (copy.scale, copy.doubts) == ((1, 4, 4), ())


@pytest.mark.parametrize("opened", ["dask", "mapped"])
def test_a_slice_that_was_exchanged_is_in_no_file(model, tmp_path, opened):
    import dask.array as da

    five = np.stack([STACK[0]] * 5)
    if opened == "dask":
        zarr.create_array(str(tmp_path / "a.zarr"), data=five, chunks=(1, 8, 10))
        path, data = tmp_path / "a.zarr", da.from_zarr(str(tmp_path / "a.zarr"))
    else:
        path = tmp_path / "a.npy"
        np.save(path, five)
        data = np.load(path, mmap_mode="c")
    layer = model.add_image(data)
    opened_from = Stack(data, "zyx", path=path)
    assert path_of(opened_from, tmp_path / "inputs") == path
    if opened == "dask":
        is_second = (np.arange(5) == 1)[:, None, None]
        layer.data = da.where(is_second, data[4] + 1, data)
    else:
        layer.data[1] += 1
    edited = Stack(layer.data, "zyx", path=path)
    copy = open_image(path_of(edited, tmp_path / "inputs"))
    np.testing.assert_array_equal(copy.read(), np.asarray(layer.data))


def test_colors_are_copied_as_channels(model, tmp_path):
    colors = np.arange(8 * 10 * 3, dtype=np.uint8).reshape(8, 10, 3)
    copy = open_image(path_of(stack_of(model.add_image(colors, rgb=True)), tmp_path))
    np.testing.assert_array_equal(copy.plane(), colors.transpose(2, 0, 1))


def test_an_opened_zarr_is_not_copied(model, tmp_path):
    data = zarr.create_array(str(tmp_path / "a.zarr"), data=STACK)
    path = path_of(stack_of(model.add_image(data)), tmp_path / "inputs")
    np.testing.assert_array_equal(open_image(path).data, STACK)
    assert not (tmp_path / "inputs").exists()


def test_a_mapped_file_is_not_copied(model, tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    layer = model.add_image(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert path_of(stack_of(layer), tmp_path) == tmp_path / "a.npy"


def test_lazy_slices_of_a_file_are_copied(model, tmp_path):
    data = zarr.create_array(str(tmp_path / "a.zarr"), data=STACK, chunks=(1, 8, 10))
    import dask.array as da

    layer = model.add_image(da.from_zarr(data)[1:])
    path = path_of(stack_of(layer), tmp_path / "inputs")
    np.testing.assert_array_equal(open_image(path).data, STACK[1:])


@pytest.mark.parametrize("view", [lambda a: a[::-1], lambda a: a + 1])
def test_a_lazy_view_of_the_same_shape_is_not_replaced_by_its_file(model, tmp_path, view):
    import dask.array as da

    write_tiff(tmp_path / "a.tif", STACK)
    lazy = view(da.from_array(STACK, chunks=(1, 8, 10)))
    opened = Stack(lazy, "zyx", name="a", path=tmp_path / "a.tif")
    path = path_of(opened, tmp_path / "inputs")
    np.testing.assert_array_equal(open_image(path).data, view(STACK))


def test_pixels_in_memory_are_copied_since_they_may_have_been_edited(tmp_path):
    write_tiff(tmp_path / "a.tif", STACK)
    opened = Stack(STACK + 1, "zyx", name="a", path=tmp_path / "a.tif")
    path = path_of(opened, tmp_path / "inputs")
    np.testing.assert_array_equal(open_image(path).data, STACK + 1)


def test_planes_are_checked_one_by_one(model, tmp_path):
    seen = []
    steps = path_on_disk(
        stack_of(model.add_image(STACK)), tmp_path, lambda p, i: seen.append(i)
    )
    next(steps)
    assert seen == [(0,)]


def test_a_copy_is_used_again_until_a_pixel_changes(model, tmp_path):
    layer = model.add_image(STACK.copy(), name="a")
    first = path_of(stack_of(layer), tmp_path / "inputs")
    assert path_of(stack_of(layer), tmp_path / "inputs") == first
    layer.data[1, 7, 9] += 1
    other = path_of(stack_of(layer), tmp_path / "inputs")
    assert other != first
    np.testing.assert_array_equal(open_image(first).data, STACK)
    np.testing.assert_array_equal(open_image(other).data, layer.data)
