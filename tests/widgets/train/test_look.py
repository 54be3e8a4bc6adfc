"""The slice in view is told to the engine, and its preview named."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_utile.events import PreviewReady
from napari_utile.folders.looked_at import LookedAt
from napari_utile.folders.run import Run
from napari_utile.io.images import write_tiff
from napari_utile.widgets.layers.stacks import placement, stack_of
from napari_utile.widgets.train.look import PreviewOfView


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture
def pixels(tmp_path):
    write_tiff(tmp_path / "p.tif", np.full((32, 64), 0.5, np.float32))
    return str(tmp_path / "p.tif")


@pytest.fixture
def look(viewer, qtbot, run):
    em = viewer.layers["em"]
    look = PreviewOfView(viewer, lambda name: em)
    qtbot.addWidget(look)
    viewer.dims.set_point(0, 100)  # slice 2: they are 50 apart
    viewer.scene.camera.center = (0, 100 + 20 * 4, 200 + 30 * 4)
    look.begin(run, {"em": placement(em, stack_of(em).axes)})
    return look


def previews(viewer):
    return [layer.name for layer in viewer.layers if "preview" in layer.name]


def test_the_slice_in_view_is_told_at_the_start_and_when_it_changes(look, viewer, run, qtbot):
    assert LookedAt.read(run.view) == LookedAt(index=(2,), center=(20, 30))
    viewer.dims.set_point(0, 0)
    qtbot.waitUntil(lambda: LookedAt.read(run.view).index == (0,))
    viewer.dims.ndisplay = 3  # shows no slice: the last one stays
    assert look.in_view() is None
    look.end()
    assert not run.view.exists()
    viewer.dims.ndisplay = 2
    viewer.dims.set_point(0, 100)
    qtbot.wait(300)
    assert not run.view.exists()


def test_the_preview_in_view_comes_before_that_of_the_validation(look, viewer, pixels):
    view = PreviewReady(path=pixels, step=9, index=(2,), kind="view", image="em.zarr")
    validation = PreviewReady(path=pixels, step=9, index=(1,), origin=(32, 0))
    look.show_preview(validation)
    assert previews(viewer) == ["training preview: slice 1"]
    assert "Preview of the validation part: slice 1" in look.text()
    look.show_preview(view)
    look.show_preview(validation)
    assert previews(viewer) == ["training preview: slice 2"]
    assert look.text().startswith("Preview: slice 2. Validation: slice 1")
    (layer,) = [x for x in viewer.layers if "preview" in x.name]
    np.testing.assert_allclose(layer.translate, (2 * 50, 100, 200))

    viewer.layers.selection.active = viewer.layers["cells"]
    look.linkActivated.emit("go there")
    assert viewer.dims.point[0] == 50
    assert viewer.layers.selection.active is viewer.layers["cells"]
    look.begin(look._run, look._places)  # another run
    assert previews(viewer) == [] and look.text() == ""


def test_of_several_images_the_active_one_is_looked_at(qtbot, run, pixels):
    viewer = ViewerModel()
    layers = {
        name: viewer.add_image(np.zeros(shape), name=name)
        for name, shape in (("a", (40, 50)), ("b", (60, 70)))
    }
    look = PreviewOfView(viewer, layers.get)
    qtbot.addWidget(look)
    places = {name: placement(layer, "yx") for name, layer in layers.items()}
    look.begin(run, places)
    assert LookedAt.read(run.view).image == "b"
    viewer.layers.selection.active = layers["a"]
    qtbot.waitUntil(lambda: LookedAt.read(run.view).image == "a")
    look.show_preview(PreviewReady(path=pixels, step=1, kind="view", image="a.zarr"))
    look.show_preview(PreviewReady(path=pixels, step=1, kind="validation", image="b.zarr"))
    look.show_preview(PreviewReady(path=pixels, step=1, kind="view", image="unknown"))
    assert previews(viewer) == ["training preview"]
    assert "Preview: 'a'. Validation: 'b'" in look.text() and "go there" in look.text()
    viewer.layers.insert(1, Labels(np.zeros((40, 50), np.uint8), name="of a"))
    look.show_preview(PreviewReady(path=pixels, step=1, kind="view", image="b.zarr"))
    assert [x.name for x in viewer.layers] == ["a", "of a", "b", "training preview"]
    viewer.layers.selection.active = layers["b"]
    layers["b"].visible = False  # another image is shown alone
    assert look.in_view().image == "a"
    look.linkActivated.emit("go there")
    assert layers["b"].visible and not layers["a"].visible
    viewer.layers.remove(layers["b"])
    look.show_preview(PreviewReady(path=pixels, step=2, kind="validation", image="b.zarr"))
    assert "go there" not in look.text()


def test_of_files_that_are_no_layers_nothing_is_said(look, viewer, pixels, run):
    look.begin(run, {})
    look.show_preview(PreviewReady(path=pixels, step=1, kind="validation", image="a.tif"))
    assert look.isHidden() and previews(viewer) == []
