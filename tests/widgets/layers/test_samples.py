"""What the button Preview shows: samples where they can be seen, in colors that can be told."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_utile.io.images import write_tiff
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.samples import SampleLayers

PLACE = {"scale": (50, 4, 4), "translate": (100, 100, 200), "units": ("nm",) * 3}
SIZE = 16


@pytest.fixture
def stack():
    """Return a viewer without a window, with 30 slices of which the middle is in view."""
    from napari.components import ViewerModel

    viewer = ViewerModel()
    viewer.add_image(np.zeros((30, 64, 64), np.uint8), name="em", **PLACE)
    return viewer


@pytest.fixture
def written(tmp_path):
    """Write 8 samples whose first class is the largest, and two maps of the stack."""

    def written(classes=2):
        labels = np.full((8, SIZE, SIZE), classes - 1, np.uint8)
        labels[:, :2] = 255
        for name in ("image", "grid"):
            write_tiff(tmp_path / f"{name}.tif", np.zeros((8, SIZE, SIZE), np.uint8))
        write_tiff(tmp_path / "labels.tif", labels)
        write_tiff(tmp_path / "weights.tif", np.ones((8, SIZE, SIZE), np.float32))
        write_tiff(tmp_path / "density.tif", np.ones((30, 64, 64), np.float32))
        write_tiff(tmp_path / "split.tif", np.ones((30, 64, 64), np.uint8))
        return tmp_path

    return written


def samples_of(viewer):
    return [layer for layer in viewer.layers if layer.name.startswith("samples: ")]


def show(viewer, out):
    SampleLayers(viewer, viewer.layers["em"], (30, 64, 64)).show(out)


@pytest.mark.parametrize(("in_view", "first"), [(0, 0), (15, 11), (29, 22)])
def test_the_slice_in_view_has_a_sample(stack, written, in_view, first):
    stack.dims.set_current_step(0, in_view)
    show(stack, written())
    assert stack.dims.current_step[0] == in_view
    for layer in samples_of(stack):
        begin, end = (layer.extent.world[:, 0] - 100) / 50
        assert (begin, end) == (first, first + 7)
        assert begin <= in_view <= end


def test_samples_stand_left_of_the_image_where_no_other_result_is(stack, written):
    stack.layers.selection.active = stack.layers["em"]
    show(stack, written())
    assert stack.layers.selection.active is stack.layers["em"]
    image = stack.layers["em"].extent.world
    found = samples_of(stack)
    assert [layer.name.split()[1] for layer in found] == ["image", "labels", "weights", "grid"]
    assert all(layer.extent.world[1, -1] < image[0, -1] - 2 for layer in found)
    assert len({tuple(layer.translate[1:]) for layer in found}) == 4
    assert min(layer.translate[1] for layer in found) == image[0, 1]


def test_objects_are_not_shown_in_the_dark_first_color_of_napari(stack, written):
    show(stack, written())
    colors = stack.layers["samples: labels"].colormap
    assert np.max(colors.map(np.uint8(1))[:3]) > 0.5
    assert np.ptp(colors.map(np.uint8(255))[:3]) == 0  # nobody annotated: gray
    assert colors.map(np.uint8(0))[3] == 0


def test_every_class_has_a_color_of_its_own(stack, written):
    show(stack, written(classes=4))
    colors = stack.layers["samples: labels"].colormap
    assert len({tuple(colors.map(np.uint8(number))) for number in range(4)}) == 4


def test_the_density_does_not_tint_what_no_tile_is_drawn_from(stack, written):
    show(stack, written())
    colors = stack.layers["sampling density"].colormap
    assert colors.map(np.array([0.0]))[0, 3] == 0
    assert colors.map(np.array([0.01, 0.5, 1.0]))[:, 3].tolist() == [1, 1, 1]


def test_the_next_preview_changes_pixels_and_adds_no_layer(stack, written):
    first = SampleLayers(stack, stack.layers["em"], (30, 64, 64))
    first.show(written())
    layers, view = list(stack.layers), stack.scene.camera.zoom
    stack.layers["split"].visible = False
    stack.scene.camera.zoom = view / 2
    stack.dims.set_current_step(0, 29)
    second = SampleLayers(stack, stack.layers["em"], (30, 64, 64))
    second.show(written(classes=4), old=first)
    assert list(stack.layers) == layers
    assert sorted(map(id, second.layers)) == sorted(map(id, first.layers))
    assert stack.layers["samples: labels"].data.max() == 255
    assert 3 in stack.layers["samples: labels"].data
    assert stack.layers["samples: labels"].extent.world[0, 0] == 100 + 22 * 50
    assert not stack.layers["split"].visible and stack.scene.camera.zoom == view / 2
    second.remove()
    assert [layer.name for layer in stack.layers] == ["em"]


def test_nothing_that_a_preview_shows_is_offered_as_image_or_labels(stack, written, qtbot):
    show(stack, written())
    assert len(stack.layers) == 7
    for kind, offered in ((Image, ["em"]), (Labels, [])):
        choice = LayerChoice(stack, kind)
        qtbot.addWidget(choice.native)
        assert [layer.name for layer in choice.choices] == offered
