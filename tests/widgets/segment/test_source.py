"""What is segmented: a layer, the view, a drawn region, several layers, or files."""

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_utile.events import ImageDone, RunDone, RunStarted
from napari_utile.io.images import open_image
from napari_utile.io.stack import HOLDS
from napari_utile.widgets.layers.snapshots import Source
from napari_utile.widgets.segment.panel import SegmentPanel
from tests.fixtures.segment_panel import DONE, STARTED, fill, given, run, text, tile
from tests.fixtures.window import write_card


def source_of(panel):
    return Source.of_layers(panel.source.layers, 1, panel.source.region())


def test_a_layer_of_five_axes_is_said(panel, viewer):
    panel.image.choose(viewer.add_image(np.zeros((2, 2, 2, 2, 2)), name="five"))
    assert "Layer 'five'" in panel.controls.messages.text()
    assert not panel.controls.button.isEnabled()


def test_other_images_that_are_open_are_offered(panel, viewer):
    source = panel.source
    assert source.others.text() == ""
    viewer.add_image(np.zeros((9, 9)), name="other")
    assert "2 images are open: this is one of them." in source.others.text()
    source.others.linkActivated.emit("")
    assert [layer.name for layer in source.layers] == ["em", "other"]
    assert source.others.text() == ""


# what is segmented


def test_probabilities_of_a_result_are_no_image_to_segment(panel, viewer):
    viewer.add_image(np.zeros((3, 64, 64)), name="p", metadata={HOLDS: "probabilities"})
    assert [layer.name for layer in panel.image.choices] == ["em"]
    assert panel.source.ticks.count() == 1
    viewer.layers.remove("em")
    assert panel.image.layer is None


def test_the_current_view_is_segmented_on_its_slice(panel, script, press, qtbot, viewer, cells):
    panel.source.kind.setCurrentText("the current view")
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    viewer.scene.camera.zoom = height / 80  # 80 nm are in view: 20 px
    viewer.scene.camera.center = (0, 100 + 4 * 25, 200 + 4 * 20)
    viewer.dims.set_current_step(0, 1)
    arguments = script(STARTED, fill(0.5), tile(1), DONE)
    run(panel, press, qtbot)
    images, flags = given(arguments)
    half = 10 * width / height
    columns = range(64)
    seen = [x for x in columns if 20 - half - 0.5 < x < 20 + half + 0.5]
    assert flags["--region"] == f"0:1,15:36,{seen[0]}:{seen[-1] + 1}"
    there = open_image(images[0])
    np.testing.assert_array_equal(there.data, cells[0][1:2])
    assert there.translate == (50, 100, 200)
    place = viewer.layers["em probabilities"].translate
    np.testing.assert_allclose(place, (50, 100 + 4 * 15, 200 + 4 * seen[0]))


def test_of_a_view_all_slices_are_copied_where_gray_values_of_the_whole_count(
    panel, script, press, qtbot, viewer, cells
):
    panel.source.kind.setCurrentText("the current view")
    viewer.dims.set_current_step(0, 1)
    panel.form.set_value("normalize", "percentiles")
    arguments = script(STARTED, fill(0.5), tile(1), DONE)
    run(panel, press, qtbot)
    images, flags = given(arguments)
    assert flags["--region"].startswith("1:2,")
    np.testing.assert_array_equal(open_image(images[0]).data, cells[0])


def test_the_view_is_what_napari_shows(make_napari_viewer_proxy, open_panel, model, qtbot):
    window = make_napari_viewer_proxy(show=True)
    layer = window.add_image(np.zeros((3, 64, 64), np.uint8), scale=(50, 4, 4))
    panel = open_panel(SegmentPanel, window)
    panel.source.kind.setCurrentText("the current view")
    window.scene.camera.zoom *= 3
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 1] - layer.corner_pixels[0, 1] < 40)
    part = source_of(panel).parts[0]
    ours = [tuple(map(int, side.split(":"))) for side in part.region.split(",")]
    theirs = layer.corner_pixels[:, 1:]
    assert np.abs(np.array(ours[1:]).T - [[0, 0], [1, 1]] - theirs).max() <= 1


def test_a_region_of_a_file_is_given_as_it_is(
    panel, script, press, qtbot, viewer, cells, tmp_path
):
    stored = zarr.create_array(str(tmp_path / "s.zarr"), data=cells[0], chunks=(1, 64, 64))
    panel.image.choose(viewer.add_image(stored, name="stored"))
    draw(panel, viewer, [[9.6, 20], [9.6, 30], [20.2, 30], [20.2, 20]])
    arguments = script(STARTED, DONE)
    run(panel, press, qtbot)
    images, flags = given(arguments)
    assert images == [str(tmp_path / "s.zarr")]
    assert flags["--region"] == "0:3,10:21,20:31"


def test_of_a_lazy_layer_only_the_slices_of_the_region_are_computed(
    panel, script, press, qtbot, viewer, cells
):
    computed = []

    def plane(block, block_info=None):
        if block_info:
            computed.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(cells[0], chunks=(1, 64, 64)).map_blocks(plane, dtype=np.uint8)
    panel.image.choose(viewer.add_image(lazy, name="lazy", contrast_limits=(0, 255)))
    draw(panel, viewer, [[2, 10, 20], [2, 10, 30], [2, 20, 30], [2, 20, 20]])
    computed.clear()
    arguments = script(STARTED, DONE)
    run(panel, press, qtbot)
    images, flags = given(arguments)
    assert set(computed) == {2}
    assert flags["--region"] == "0:1,10:21,20:31"
    np.testing.assert_array_equal(open_image(images[0]).data, cells[0][2:])


def draw(panel, viewer, *rectangles, **place):
    """Choose a new shapes layer with these rectangles."""
    panel.source.kind.setCurrentText("a drawn region")
    shapes = viewer.add_shapes(list(rectangles), shape_type="rectangle", **place)
    panel.source.shapes.choose(shapes)
    return shapes


def test_a_rectangle_goes_through_all_slices_or_lies_on_one(panel, viewer, model):
    place = {"scale": (4, 4), "translate": (100, 200)}
    draw(panel, viewer, [[10, 20], [10, 30], [20, 30], [20, 20]], **place)
    assert source_of(panel).region == "0:3,10:21,20:31"
    place = {"scale": (50, 4, 4), "translate": (0, 100, 200)}
    draw(panel, viewer, [[2, 10, 20], [2, 10, 30], [2, 20, 30], [2, 20, 20]], **place)
    part = source_of(panel).parts[0]
    assert (part.stack.shape, part.region) == ((1, 64, 64), "0:1,10:21,20:31")
    np.testing.assert_allclose(part.place["translate"], (100, 140, 280))


def test_the_selected_rectangles_are_segmented_or_else_all(panel, viewer, model):
    one = [[10, 20], [10, 30], [20, 30], [20, 20]]
    other = [[40, 50], [40, 300], [45, 300], [45, 50]]
    shapes = draw(panel, viewer, one, other, scale=(4, 4), translate=(100, 200))
    assert source_of(panel).region == "0:3,10:46,20:64"
    shapes.selected_data = {0}
    assert source_of(panel).region == "0:3,10:21,20:31"


def test_a_region_of_a_rotated_layer_lies_where_it_was_drawn(
    panel, script, press, qtbot, viewer
):
    turned = viewer.add_image(
        np.zeros((64, 64), np.uint8), name="turned", rotate=30, scale=(3, 3)
    )
    panel.image.choose(turned)
    corners = np.array([[10, 20], [10, 30], [20, 30], [20, 20]])
    draw(panel, viewer, corners, rotate=30, scale=(3, 3))
    script(STARTED, fill(0.5), tile(1), DONE)
    run(panel, press, qtbot)
    result = viewer.layers["turned probabilities"]
    np.testing.assert_allclose(result.data_to_world((0, 0)), turned.data_to_world((10, 20)))


def no_shapes(panel, viewer):
    panel.source.kind.setCurrentText("a drawn region")


def no_rectangle(panel, viewer):
    no_shapes(panel, viewer)
    viewer.add_shapes([[[0, 0], [9, 9]]], shape_type="line", name="lines")


def outside(panel, viewer):
    no_shapes(panel, viewer)
    corners = [[90, 20], [90, 30], [95, 30], [95, 20]]
    viewer.add_shapes(
        [corners], shape_type="rectangle", name="far", scale=(4, 4), translate=(100, 200)
    )


def in_3d(panel, viewer):
    panel.source.kind.setCurrentText("the current view")
    viewer.dims.ndisplay = 3


def elsewhere(panel, viewer):
    panel.source.kind.setCurrentText("the current view")
    viewer.scene.camera.center = (0, -1e6, 0)


def no_ticks(panel, viewer):
    panel.source.kind.setCurrentText("several layers")


def colored_ticks(panel, viewer):
    no_ticks(panel, viewer)
    photo = np.zeros((8, 8, 3), np.uint8)
    panel.source.ticks.tick([viewer.add_image(photo, rgb=True, name="photo")])


def no_files(panel, viewer):
    panel.source.kind.setCurrentText("a folder or files")


def missing_files(panel, viewer):
    no_files(panel, viewer)
    panel.source.files.set_paths(["/no/such/folder"])


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (no_shapes, "Add a shapes layer"),
        (no_rectangle, "There is no rectangle in 'lines': draw one."),
        (outside, "The rectangle in 'far' lies outside layer 'em'."),
        (in_3d, "switch from 3D to 2D"),
        (elsewhere, "The view lies outside layer 'em'."),
        (no_ticks, "Tick the image layers."),
        (colored_ticks, "The model expects 1 channel, layer 'photo' has 3."),
        (no_files, "Choose a folder or images."),
        (missing_files, "/no/such/folder was not found."),
    ],
)
def test_a_choice_that_cannot_be_segmented_is_said(
    panel, viewer, script, press, qtbot, errors, choice, sentence
):
    arguments = script(STARTED, DONE)
    choice(panel, viewer)
    if panel.controls.button.isEnabled():  # what is in view changes without a word
        run(panel, press, qtbot)
        assert sentence in errors[0]
    assert sentence in text(panel)
    assert not arguments.exists()


def test_several_layers_are_segmented_in_one_run(panel, script, press, qtbot, viewer, home):
    second = viewer.add_image(np.zeros((64, 64), np.uint8), name="second", scale=(7, 7))
    panel.source.kind.setCurrentText("several layers")
    panel.source.ticks.tick([viewer.layers["em"], second])
    started = RunStarted(job="predict", out="OUT", facts={"images": 2})
    ends = [
        ImageDone(image="in/em.zarr", out="OUT/em.zarr", status="done", objects=3, seconds=2),
        ImageDone(image="in/second.zarr", out="", status="failed", message="It is torn."),
    ]
    failed = ("second.zarr: It is torn.",)
    script(
        started, fill(0.5, name="em.zarr"), tile(1, "em.zarr"), ends[0], tile(1, "second.zarr"),
        {"do": "wait"}, ends[1], RunDone(out="OUT", seconds=3, failed=failed),
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "image 2 of 2, second.zarr" in panel.controls.status.text())
    assert panel.controls.bar.value() == 750  # of four tiles in all
    assert "em.zarr: done in 2 s, 3 objects" in text(panel)
    run(panel, press, qtbot)
    (folder,) = (home / "segmentations").iterdir()
    images, flags = given(home.parent / "script" / "arguments.json")
    inputs = folder / "inputs"
    assert images == [str(inputs / "1" / "em.zarr"), str(inputs / "2" / "second.zarr")]
    assert flags["--out"] == str(folder / "probabilities")
    assert "em probabilities" in viewer.layers
    assert "second.zarr: It is torn." in text(panel)
    assert "Done after 3 s: 1 done, 1 failed. The results are in" in text(panel)


# a model that sees several slices


@pytest.mark.parametrize(
    ("z", "kept", "region"),
    [(0, slice(0, 2), "0:1"), (1, slice(0, 3), "1:2"), (2, slice(1, 3), "1:2")],
)
def test_the_slices_around_a_region_are_kept(
    panel, script, press, qtbot, viewer, cells, model, z, kept, region
):
    write_card(model, channels=1, context=1)
    panel.image.choose(viewer.add_image(cells[0].copy(), name="stack"))
    draw(panel, viewer, [[z, 10, 20], [z, 10, 30], [z, 20, 30], [z, 20, 20]])
    arguments = script(STARTED, fill(0.5), DONE)
    run(panel, press, qtbot)
    images, flags = given(arguments)
    np.testing.assert_array_equal(open_image(images[0]).data, cells[0][kept])
    assert flags["--region"].split(",")[0] == region


def test_a_layer_without_slices_is_refused(panel, viewer, cells, model):
    write_card(model, channels=1, context=2)
    panel.image.choose(viewer.add_image(cells[0][0], name="flat"))
    assert "5 slices are to be seen at once (context 2), and 'flat'" in text(panel)
    assert not panel.controls.button.isEnabled()
