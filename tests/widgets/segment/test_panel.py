"""The segmentation panel: result layers that fill block by block, where their image lies."""

import json
import time

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_utile.events import BlockDone, ImageDone, RunDone, RunFailed, RunStarted, TileDone
from napari_utile.folders.job import JobFolder
from napari_utile.io.images import open_image
from napari_utile.widgets.kit.paths import MODELS
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.segment.panel import SegmentPanel

STARTED = RunStarted(job="predict", out="OUT", total=2)
DONE = RunDone(out="OUT", seconds=1)


FINISH = {"do": "finish"}


def tile(done, image="em.zarr"):
    return TileDone(
        done=done, total=2, image=image, index=(0,), write=((0, 16), (0, 16)), rate=1.0
    )


def fill(value, channels=(2,), dtype="float32", kind="probabilities", **more):
    given = {"channels": channels, "dtype": dtype, "kind": kind, "value": value}
    return {"do": "fill"} | given | more


def objects(value):
    return fill(value, (), "uint32", "instances")


@pytest.fixture
def panel(open_panel, viewer, model):
    panel = open_panel(SegmentPanel, viewer)
    panel.model.set_path(model)
    return panel


def idle(panel):
    return lambda: not panel.controls.is_running


def text(panel):
    return panel.controls.messages.text()


def run(panel, press, qtbot):
    """Press the button, and wait for the end."""
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel), timeout=10_000)


def given(arguments):
    """Read what the engine was started with: images, and a dictionary of its flags."""
    command, _, *rest = json.loads(arguments.read_text())
    assert command == "predict"
    first = next(i for i, word in enumerate(rest) if word.startswith("--"))
    words = iter(rest[first:])
    flags = {}
    for word in words:
        flags[word] = True if word == "--dry-run" else next(words)
    return rest[:first], flags


def test_starts_the_engine_on_model_and_image(panel, script, press, qtbot, model, home):
    arguments = script(STARTED, DONE)
    panel.form.set_value("output", "instances")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    command, given_model, image, *rest = json.loads(arguments.read_text())
    (folder,) = (home / "segmentations").iterdir()
    assert (command, given_model) == ("predict", str(model))
    assert image == str(folder / "inputs" / "em.zarr")
    out = ["--out", str(folder / "instances.zarr"), "--output", "instances"]
    assert rest == [*out, "--job", str(folder)]


def test_probabilities_appear_with_the_first_tile_and_grow(panel, script, press, qtbot, viewer):
    script(
        STARTED, fill(0.25), tile(1), {"do": "sleep", "seconds": 2}, fill(0.75), tile(2),
        {"do": "wait"}, DONE,
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em probabilities" in viewer.layers)
    layer = viewer.layers["em probabilities"]
    assert np.asarray(layer.data[0, :16, :16]).max() == 0.25
    np.testing.assert_array_equal(layer.scale, (50, 4, 4))
    np.testing.assert_array_equal(layer.translate, (0, 100, 200))
    assert layer.units == viewer.layers["em"].units
    assert tuple(layer.contrast_limits) == (0, 1)

    drawn = []
    layer.events.set_data.connect(lambda: drawn.append(layer.data[0, 0, 0]))
    qtbot.waitUntil(lambda: 0.75 in drawn)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert "Done" in panel.controls.messages.text()


def test_the_next_result_needs_another_path(panel, script, press, qtbot, tmp_path):
    script(STARTED, fill(0.25), tile(1), DONE)
    panel.output.set_path(tmp_path / "mine.zarr")
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert f"The result is in {tmp_path / 'mine.zarr'}" in panel.controls.messages.text()
    assert panel.output.path is None
    assert panel.controls.button.isEnabled()


def test_instances_are_a_labels_layer(panel, script, press, qtbot, viewer):
    counted = ImageDone(image="em.zarr", out="OUT", status="done", objects=1234)
    script(STARTED, objects(7), tile(1), counted, DONE)
    panel.form.set_value("output", "instances")
    run(panel, press, qtbot)
    layer = viewer.layers["em instances"]
    assert layer.data[2, 3, 3] == 7
    assert "Done after 1 s: 1,234 objects. The result is in" in text(panel)


def test_several_classes_are_a_layer_each(panel, script, press, qtbot, viewer):
    script(STARTED, fill(0.5, (4,)), tile(1), DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    names = [layer.name for layer in viewer.layers if "prob" in layer.name]
    assert names == [f"em probabilities {i}" for i in (1, 2, 3)]


def test_a_failure_keeps_what_was_done_and_says_so(panel, script, press, qtbot, viewer, errors):
    script(STARTED, fill(0.5), tile(1), RunFailed(message="The disk is full.", user=True))
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert errors == ["The disk is full."]
    assert "em probabilities (partial)" in viewer.layers


def test_a_refusal_leaves_the_result_of_the_last_run_as_it_is(
    panel, script, press, qtbot, viewer, errors, tmp_path
):
    script(STARTED, fill(0.5), tile(1), FINISH, DONE)
    panel.output.set_path(tmp_path / "mine.zarr")
    run(panel, press, qtbot)
    panel.output.set_path(tmp_path / "mine.zarr")
    assert not panel.controls.button.isEnabled()
    assert "mine.zarr exists" in panel.output.line.toolTip()
    panel.controls.button.setEnabled(True)
    press(panel.controls.button)
    assert "exists" in errors[0]
    assert [x.name for x in viewer.layers if "prob" in x.name] == ["em probabilities"]


def test_a_result_of_channels_lies_where_they_lie(panel, script, press, qtbot, viewer, model):
    text = "config: {utile: {arguments: {in_channels: 2}}}"
    (model / "bioimageio.yaml").write_text(text)
    pixels = np.zeros((2, 64, 64), np.uint8)
    panel.image.choose(
        viewer.add_image(pixels, name="two", scale=(1, 4, 5), translate=(0, 7, 8), rotate=30)
    )
    script(STARTED, fill(0.5), tile(1), DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    layer = viewer.layers["two probabilities"]
    np.testing.assert_array_equal(layer.scale, (4, 5))
    np.testing.assert_allclose(
        layer.data_to_world((3, 9)), viewer.layers["two"].data_to_world((0, 3, 9))[1:]
    )


def test_a_layer_of_five_axes_is_said(panel, viewer):
    panel.image.choose(viewer.add_image(np.zeros((2, 2, 2, 2, 2)), name="five"))
    assert "Layer 'five'" in panel.controls.messages.text()
    assert not panel.controls.button.isEnabled()


def test_a_model_trained_beside_it_is_chosen(open_panel, viewer, model):
    panel = open_panel(SegmentPanel, viewer)
    assert not panel.controls.button.isEnabled()
    MODELS.trained.emit(model)
    assert panel.model.path == model
    assert panel.controls.button.isEnabled()


def test_the_model_of_the_last_run_is_chosen_when_the_panel_opens(
    open_panel, viewer, home, model
):
    folder = home / "runs" / "last"
    folder.mkdir(parents=True)
    model.rename(folder / "model")
    assert open_panel(SegmentPanel, viewer).model.path == folder / "model"


@pytest.mark.parametrize("card", ["", "config: 3", "a: [", "config: {utile: {}}"])
def test_what_is_no_model_is_red(panel, model, card):
    (model / "bioimageio.yaml").write_text(card)
    panel.model.set_path(model)
    assert "not made by U-Tile" in panel.model.line.toolTip()
    assert not panel.controls.button.isEnabled()


def test_an_output_that_exists_is_red(panel, tmp_path):
    (tmp_path / "there.zarr").mkdir()
    panel.output.set_path(tmp_path / "there.zarr")
    assert "exists" in panel.output.line.toolTip()
    assert not panel.controls.button.isEnabled()


# while it runs, and afterwards


def test_the_foreground_is_shown_while_objects_come_and_hidden_in_the_end(
    panel, script, press, qtbot, viewer
):
    found = BlockDone(stage="numbers", done=1, total=3, image="em.zarr", rate=2)
    script(
        STARTED, objects(0), tile(2), {"do": "sleep", "seconds": 1}, objects(7), found,
        {"do": "wait"}, DONE,
    )  # fmt: skip
    panel.form.set_value("output", "instances")
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em instances" in viewer.layers)
    foreground = viewer.layers["em probabilities"]
    assert foreground.visible
    assert tuple(foreground.contrast_limits) == (0, 255)
    assert foreground.data[0, 3, 3] == 204
    drawn = []
    labels = viewer.layers["em instances"]
    labels.events.set_data.connect(lambda: drawn.append(labels.data[0, 0, 0]))
    qtbot.waitUntil(lambda: 7 in drawn)
    assert panel.controls.status.text() == "numbering objects 1 of 3"
    run(panel, press, qtbot)
    assert not foreground.visible
    assert labels.visible


def test_looking_again_takes_a_fifth_of_the_time_at_most(viewer, tmp_path, qtbot):
    zarr.create_group(tmp_path / "r.zarr")
    result = Result(viewer, {}, tmp_path / "r.zarr", "em", "classes")

    class Slow:
        def refresh(self):
            time.sleep(0.1)

    slow = Slow()
    result._shown["classes"] = [slow]
    result._viewer = type("Viewer", (), {"layers": [slow]})
    result.refresh()
    assert result._pause.interval() >= 5 * 100


def test_what_it_takes_is_said_when_it_starts(panel, script, press, qtbot):
    facts = {
        "model": "m", "images": 1, "output": "instances", "blocks": 96,
        "memory": "about 1.1 GB", "disk": "up to 2 GB of 9 GB that are free",
    }  # fmt: skip
    script(RunStarted(job="predict", out="OUT", facts=facts), DONE)
    run(panel, press, qtbot)
    said = "96 blocks, memory about 1.1 GB, disk up to 2 GB of 9 GB that are free"
    assert said in text(panel)
    assert "images" not in text(panel)


def test_what_it_writes_itself_is_not_red(panel, script, press, qtbot, tmp_path, viewer):
    panel.output.set_path(tmp_path / "mine.zarr")
    script(STARTED, fill(0.5), tile(1), {"do": "wait"}, FINISH, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em probabilities" in viewer.layers)
    assert "border" not in panel.output.line.styleSheet()
    assert not panel.note.text()
    run(panel, press, qtbot)


def test_an_estimate_computes_and_leaves_nothing(panel, script, press, qtbot, viewer, home):
    facts = {"blocks": 96, "time": "about 3 min"}
    arguments = script(RunStarted(job="predict", out="OUT", facts=facts), DONE)
    press(panel.estimate)
    qtbot.waitUntil(idle(panel))
    images, flags = given(arguments)
    assert open_image(images[0]).shape == (3, 64, 64)
    assert "--dry-run" in flags and "--job" not in flags
    assert "96 blocks, time about 3 min" in text(panel)
    assert len(viewer.layers) == 2
    assert not home.exists()


def test_closing_the_window_lets_it_go_on_if_that_is_ticked(
    window, open_panel, model, script, press, qtbot, home
):
    panel = open_panel(SegmentPanel, window)
    panel.model.set_path(model)
    script(STARTED, fill(0.5), tile(1), {"do": "wait"}, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "em probabilities" in window.layers)
    (folder,) = map(JobFolder, (home / "segmentations").iterdir())
    assert not folder.outlives_window
    panel.goes_on.setChecked(True)
    assert folder.outlives_window
    window.close()
    qtbot.wait(500)
    assert folder.is_running
    folder.request_stop()
    qtbot.waitUntil(lambda: not folder.is_running)


# what is segmented


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


def test_the_view_is_what_napari_shows(make_napari_viewer_proxy, open_panel, model, qtbot):
    window = make_napari_viewer_proxy(show=True)
    layer = window.add_image(np.zeros((3, 64, 64), np.uint8), scale=(50, 4, 4))
    panel = open_panel(SegmentPanel, window)
    panel.source.kind.setCurrentText("the current view")
    window.scene.camera.zoom *= 3
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 1] - layer.corner_pixels[0, 1] < 40)
    part = panel.source.taken(model).parts[0]
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
    assert panel.source.taken(model).region == "0:3,10:21,20:31"
    place = {"scale": (50, 4, 4), "translate": (0, 100, 200)}
    draw(panel, viewer, [[2, 10, 20], [2, 10, 30], [2, 20, 30], [2, 20, 20]], **place)
    part = panel.source.taken(model).parts[0]
    assert (part.stack.shape, part.region) == ((1, 64, 64), "0:1,10:21,20:31")
    np.testing.assert_allclose(part.place["translate"], (100, 140, 280))


def test_the_selected_rectangles_are_segmented_or_else_all(panel, viewer, model):
    one = [[10, 20], [10, 30], [20, 30], [20, 20]]
    other = [[40, 50], [40, 300], [45, 300], [45, 50]]
    shapes = draw(panel, viewer, one, other, scale=(4, 4), translate=(100, 200))
    assert panel.source.taken(model).region == "0:3,10:46,20:64"
    shapes.selected_data = {0}
    assert panel.source.taken(model).region == "0:3,10:21,20:31"


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
    panel.source.layers.tick([viewer.add_image(photo, rgb=True, name="photo")])


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
    panel.source.layers.tick([viewer.layers["em"], second])
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


@pytest.fixture
def folder_of_three(tmp_path):
    folder = tmp_path / "stacks"
    folder.mkdir()
    for i in range(3):
        tifffile.imwrite(folder / f"{i}.tif", np.zeros((16, 16), np.uint8))
    return folder


def test_a_folder_is_given_as_it_is_and_needs_a_folder(
    panel, script, press, qtbot, viewer, tmp_path, folder_of_three
):
    panel.source.kind.setCurrentText("a folder or files")
    panel.source.files.set_paths([str(folder_of_three)])
    panel.output.set_path(tmp_path / "one.zarr")
    assert "one.zarr is one file; name a folder for several images." in text(panel)
    panel.output.set_path(tmp_path / "results")
    arguments = script(STARTED, DONE)
    run(panel, press, qtbot)
    images, flags = given(arguments)
    assert images == [str(folder_of_three)]
    assert flags["--out"] == str(tmp_path / "results")
    assert len(viewer.layers) == 2


def test_one_file_is_shown_while_it_grows_where_it_says_it_is(
    panel, script, press, qtbot, viewer, folder_of_three
):
    panel.source.kind.setCurrentText("a folder or files")
    panel.source.files.set_paths([str(folder_of_three / "1.*")])
    path = str(folder_of_three / "1.tif")
    arguments = script(STARTED, fill(0.5, image=path), tile(1, "1.tif"), DONE)
    run(panel, press, qtbot)
    assert given(arguments)[0] == [str(folder_of_three / "1.*")]
    assert "1 probabilities" in viewer.layers


def test_a_tiff_is_shown_when_it_is_complete(
    panel, script, press, qtbot, viewer, tmp_path, cells
):
    panel.output.set_path(tmp_path / "mine.tif")
    panel.form.set_value("output", "classes")
    script(STARTED, tile(1), DONE)
    press(panel.controls.button)
    tifffile.imwrite(tmp_path / "mine.tif", cells[1], photometric="minisblack")
    qtbot.waitUntil(idle(panel))
    np.testing.assert_array_equal(viewer.layers["em classes"].data[0], cells[1][0])


# going on


def test_an_unfinished_output_goes_on_with_the_same_copy_of_the_layer(
    panel, script, press, qtbot, tmp_path, home
):
    panel.output.set_path(tmp_path / "mine.zarr")
    stopped = RunDone(out="OUT", seconds=1, stopped=True)
    arguments = script(STARTED, fill(0.5), tile(1), stopped)
    run(panel, press, qtbot)
    first = json.loads(arguments.read_text())
    assert panel.note.text() == "mine.zarr is not finished: it goes on where it stopped."
    assert panel.controls.button.text() == "Go on"
    arguments = script(STARTED, FINISH, DONE)
    run(panel, press, qtbot)
    assert json.loads(arguments.read_text()) == first
    assert len(list((home / "segmentations").iterdir())) == 1
    assert panel.controls.button.text() == "Segment"


def test_a_stopped_result_is_offered_to_go_on_with(panel, script, press, qtbot, home):
    arguments = script(STARTED, fill(0.5), tile(1), RunDone(out="OUT", seconds=1, stopped=True))
    run(panel, press, qtbot)
    out = given(arguments)[1]["--out"]
    assert f'href="{out}"' in text(panel)
    panel.controls.messages.linkActivated.emit(out)
    assert str(panel.output.path) == out
    assert panel.controls.button.text() == "Go on"


def test_an_output_that_another_window_writes_is_refused(
    panel, script, press, qtbot, tmp_path, home
):
    panel.output.set_path(tmp_path / "mine.zarr")
    script(STARTED, fill(0.5), tile(1), RunDone(out="OUT", seconds=1, stopped=True))
    run(panel, press, qtbot)
    (folder,) = map(JobFolder, (home / "segmentations").iterdir())
    with folder.held():
        panel.output.set_path(tmp_path / "mine.zarr")
        assert "is being written; see the panel Jobs" in text(panel)
        assert not panel.controls.button.isEnabled()


def test_what_is_finished_in_a_folder_is_kept(panel, tmp_path, folder_of_three):
    panel.source.kind.setCurrentText("a folder or files")
    panel.source.files.set_paths([str(folder_of_three)])
    (tmp_path / "results").mkdir()
    panel.output.set_path(tmp_path / "results")
    assert not panel.note.text()
    (tmp_path / "results" / "0.zarr").mkdir()
    panel.output.set_path(tmp_path / "results")
    assert "What is finished in results is kept" in panel.note.text()
