"""Layers of a result, which grow block by block where their image lies."""

import time

import numpy as np
import tifffile
import zarr
from napari.layers import Labels
from napari.layers._layer_actions import _duplicate_layer

from napari_utile.events import BlockDone, ImageDone, RunFailed
from napari_utile.folders.job import ShownResult
from napari_utile.widgets.layers.results import Result
from tests.fixtures.result_store import make_result
from tests.fixtures.segment_panel import (
    DONE,
    FINISH,
    STARTED,
    fill,
    idle,
    objects,
    run,
    text,
    tile,
)
from tests.fixtures.window import write_card


def test_probabilities_appear_with_the_first_tile_and_grow(
    segment_panel, script, press, qtbot, viewer
):
    script(
        STARTED, fill(0.25), tile(1), {"do": "sleep", "seconds": 2}, fill(0.75), tile(2),
        {"do": "wait"}, DONE,
    )  # fmt: skip
    press(segment_panel.controls.button)
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
    press(segment_panel.controls.button)
    qtbot.waitUntil(idle(segment_panel))
    assert "Done" in segment_panel.controls.messages.text()


def test_instances_are_a_labels_layer(segment_panel, script, press, qtbot, viewer):
    counted = ImageDone(image="em.zarr", out="OUT", status="done", objects=1234)
    script(STARTED, objects(7), tile(1), counted, DONE)
    segment_panel.form.set_value("output", "instances")
    run(segment_panel, press, qtbot)
    layer = viewer.layers["em instances"]
    assert layer.data[2, 3, 3] == 7
    assert "Done after 1 s: 1,234 objects. The result is in" in text(segment_panel)


def test_several_classes_are_a_layer_each(segment_panel, script, press, qtbot, viewer):
    script(STARTED, fill(0.5, (4,)), tile(1), DONE)
    press(segment_panel.controls.button)
    qtbot.waitUntil(idle(segment_panel))
    names = [layer.name for layer in viewer.layers if "prob" in layer.name]
    assert names == [f"em probabilities {i}" for i in (1, 2, 3)]


def test_a_failure_keeps_what_was_done_and_says_so(
    segment_panel, script, press, qtbot, viewer, errors
):
    script(STARTED, fill(0.5), tile(1), RunFailed(message="The disk is full.", user=True))
    press(segment_panel.controls.button)
    qtbot.waitUntil(idle(segment_panel))
    assert errors == ["The disk is full."]
    assert "em probabilities (partial)" in viewer.layers


def test_a_result_of_channels_lies_where_they_lie(
    segment_panel, script, press, qtbot, viewer, model
):
    write_card(model, channels=2)
    pixels = np.zeros((2, 64, 64), np.uint8)
    segment_panel.image.choose(
        viewer.add_image(pixels, name="two", scale=(1, 4, 5), translate=(0, 7, 8), rotate=30)
    )
    script(STARTED, fill(0.5), tile(1), DONE)
    press(segment_panel.controls.button)
    qtbot.waitUntil(idle(segment_panel))
    layer = viewer.layers["two probabilities"]
    np.testing.assert_array_equal(layer.scale, (4, 5))
    np.testing.assert_allclose(
        layer.data_to_world((3, 9)), viewer.layers["two"].data_to_world((0, 3, 9))[1:]
    )


def test_no_brush_is_offered_for_a_result_without_any_panel(viewer, tmp_path):
    path = make_result(tmp_path / "r.zarr")
    result = Result(viewer, ShownResult(image="em", name="em", out=path), "instances")
    result.end(is_partial=False)
    (layer,) = (layer for layer in result.layers if isinstance(layer, Labels))
    layer.mode = "paint"
    assert not layer.editable and layer.mode == "pan_zoom"


# while it runs, and afterwards


def test_the_foreground_is_shown_while_objects_come_and_hidden_in_the_end(
    segment_panel, script, press, qtbot, viewer
):
    found = BlockDone(stage="numbers", done=1, total=3, image="em.zarr", rate=2)
    script(
        STARTED, objects(0), tile(2), {"do": "sleep", "seconds": 1}, objects(7), found,
        {"do": "wait"}, DONE,
    )  # fmt: skip
    segment_panel.form.set_value("output", "instances")
    press(segment_panel.controls.button)
    qtbot.waitUntil(lambda: "em instances" in viewer.layers)
    foreground = viewer.layers["em probabilities"]
    assert foreground.visible
    assert tuple(foreground.contrast_limits) == (0, 255)
    assert foreground.data[0, 3, 3] == 204
    drawn = []
    labels = viewer.layers["em instances"]
    labels.events.set_data.connect(lambda: drawn.append(labels.data[0, 0, 0]))
    qtbot.waitUntil(lambda: 7 in drawn)
    assert segment_panel.controls.status.text() == "numbering objects 1 of 3"
    run(segment_panel, press, qtbot)
    assert not foreground.visible
    assert labels.visible


def test_looking_again_takes_a_fifth_of_the_time_at_most(viewer, tmp_path, qtbot):
    zarr.create_group(tmp_path / "r.zarr")
    shown = ShownResult(image="em", name="em", out=tmp_path / "r.zarr")
    result = Result(viewer, shown, "classes")

    class Slow:
        def refresh(self):
            time.sleep(0.1)

    slow = Slow()
    result._shown["classes"] = [slow]
    result._viewer = type("Viewer", (), {"layers": [slow]})
    result.refresh()
    assert result._pause.interval() >= 5 * 100


# what is segmented


def test_another_try_of_a_view_takes_the_place_of_the_first(
    segment_panel, script, press, qtbot, viewer
):
    segment_panel.source.kind.setCurrentIndex(2)  # a drawn region
    rectangle = [[1, 0, 0], [1, 0, 30], [1, 30, 30], [1, 30, 0]]
    place = viewer.layers["em"]
    segment_panel.source.shapes.choose(
        viewer.add_shapes([rectangle], scale=place.scale, translate=place.translate,
                          units=place.units, name="box")
    )  # fmt: skip
    viewer.layers.selection.active = viewer.layers["em"]
    names, said = [], []
    for output in ("instances", "instances", "probabilities"):
        segment_panel.form.set_value("output", output)
        filled = objects(7) if output == "instances" else fill(0.5)
        script(STARTED, filled, tile(1), FINISH, DONE)
        run(segment_panel, press, qtbot)
        names.append([x.name for x in viewer.layers if x.name not in ("em", "cells", "box")])
        said.append(text(segment_panel))
        assert viewer.layers.selection.active is viewer.layers["em"]
    both = ["em probabilities", "em instances"]
    assert names == [both, both, ["em probabilities"]]
    # colors below a result are hidden, and it is said by the run that hides them
    assert not viewer.layers["cells"].visible
    assert ["Hidden, so that the result can be read: 'cells'" in each for each in said] == [
        True,
        False,
        False,
    ]


def test_a_result_that_is_shown_again_keeps_its_layer_and_shows_what_is_there_now(
    segment_panel, script, press, qtbot, viewer
):
    script(STARTED, objects(7), tile(1), FINISH, DONE)
    segment_panel.form.set_value("output", "instances")
    run(segment_panel, press, qtbot)
    layer, out = viewer.layers["em instances"], segment_panel.result.out
    layer.visible, layer.opacity, count = False, 0.3, len(viewer.layers)
    zarr.open_array(f"{out}/labels/instances/0", mode="r+")[..., :16, :16] = 9
    shown = ShownResult(image="em.zarr", name="again", out=out)
    again = Result(viewer, shown, "instances")
    again.end(is_partial=False)
    assert again.layers[-1] is layer and len(viewer.layers) == count
    assert layer.data[2, 3, 3] == 9
    assert (layer.name, layer.visible, layer.opacity) == ("again instances", True, 0.3)
    assert not layer.editable
    viewer.layers["cells"].name = "third instances"  # no two layers of one name
    third = ShownResult(image="em.zarr", name="third", out=out)
    Result(viewer, third, "instances").end(is_partial=False)
    assert layer.name == "again instances"


def test_a_duplicate_is_painted_on_and_is_not_taken_for_the_result(
    segment_panel, script, press, qtbot, viewer
):
    script(STARTED, objects(7), tile(1), FINISH, DONE)
    segment_panel.form.set_value("output", "instances")
    run(segment_panel, press, qtbot)
    viewer.layers.selection.active = viewer.layers["em instances"]
    _duplicate_layer(viewer.layers)  # as the menu does
    copy = viewer.layers["em instances copy"]
    copy.paint((0, 40, 40), 5)
    shown = ShownResult(image="em.zarr", name="em", out=segment_panel.result.out)
    for _ in range(2):
        Result(viewer, shown, "instances").end(is_partial=False)
        assert copy in viewer.layers and copy.editable and copy.data[0, 40, 40] == 5
        assert viewer.layers["em instances"].data[0, 40, 40] == 0
        viewer.layers.remove("em instances")


def test_a_tiff_is_shown_when_it_is_complete(
    segment_panel, script, press, qtbot, viewer, tmp_path, cells
):
    segment_panel.output.set_path(tmp_path / "mine.tif")
    segment_panel.form.set_value("output", "classes")
    script(STARTED, tile(1), DONE)
    press(segment_panel.controls.button)
    tifffile.imwrite(tmp_path / "mine.tif", cells[1], photometric="minisblack")
    qtbot.waitUntil(idle(segment_panel))
    np.testing.assert_array_equal(viewer.layers["em classes"].data[0], cells[1][0])
