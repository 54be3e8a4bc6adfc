"""Results are corrected in a copy in memory, written back, and learnt from."""

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source

from napari_utile.events import drain
from napari_utile.folders.job import ShownResult
from napari_utile.io.images import open_image
from napari_utile.io.napari_reader import read_layers
from napari_utile.results.edits import save_edit
from napari_utile.widgets.kit import telling
from napari_utile.widgets.layers.errors import ErrorOverlay
from napari_utile.widgets.layers.results import Result
from napari_utile.widgets.segment.correction import Correction
from tests.fixtures.result_store import SHAPE, labels_of_cells, make_result

PLACE = {"scale": (50, 4, 4), "translate": (0, 100, 200), "units": ["nm"] * 3}


@pytest.fixture
def viewer(qtbot):
    viewer = ViewerModel()
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="em", **PLACE)
    return viewer


@pytest.fixture
def result(viewer, tmp_path):
    """A result that is shown where its image lies."""
    path = make_result(tmp_path / "r.zarr")
    shown = ShownResult(image="em", name="em", out=path, place=PLACE)
    Result(viewer, shown, "instances").end(is_partial=False)
    return path


@pytest.fixture
def correction(viewer, qtbot, result):
    correction = Correction(viewer, lambda: viewer.layers["em"])
    qtbot.addWidget(correction)
    return correction


def edited(correction, press, qtbot):
    """Press Edit, and return the copy."""
    press(correction.edit)
    qtbot.waitUntil(lambda: correction.copy is not None)
    return correction.copy


def test_no_brush_can_be_chosen_for_a_result_and_a_line_says_what_to_do(
    viewer, correction, monkeypatch, qtbot
):
    layer = viewer.layers["em instances"]
    layer.mode = "paint"
    assert not layer.editable and layer.mode == "pan_zoom"
    assert "'em instances' is on disk and cannot be painted on: Edit" in correction.line.text()
    assert not correction.save.isVisibleTo(correction)
    told = []
    monkeypatch.setattr(telling, "show_warning", told.append)
    correction.hide()
    for press_key in layer.keymap.values():
        press_key(layer)
    assert len(told) == 4 and "copies what you see" in told[0]
    correction.show()
    qtbot.waitUntil(lambda: telling.is_seen(correction.line))  # and says it itself
    press_key(layer)
    assert len(told) == 4 and "copies what you see" in correction.messages.text()


def test_edit_paint_save(viewer, correction, press, qtbot, result):
    stored = viewer.layers["em instances"]
    copy = edited(correction, press, qtbot)
    assert (copy.name, copy.mode, copy.selected_label) == ("em instances edit", "paint", 4)
    assert viewer.layers.selection.active is copy and not stored.visible
    np.testing.assert_array_equal(copy.data_to_world((1, 2, 3)), (50, 108, 212))
    assert "holds all of it in memory" in correction.line.text()
    copy.paint((1, 2, 12), 4)
    result.with_name("r.zarr.links.csv").touch()
    errors = ErrorOverlay(viewer)
    errors.show(np.ones(SHAPE, np.uint8), PLACE)
    errors.follow([stored])
    drawn = []
    stored.events.set_data.connect(lambda: drawn.append(stored.data[1, 2, 12]))
    press(correction.save)
    qtbot.waitUntil(lambda: correction.copy is None)
    assert stored.visible and drawn[-1] == 4
    wanted = labels_of_cells()
    wanted[copy.data == 4] = 4
    np.testing.assert_array_equal(open_image(result).read(), wanted)
    assert "Saved: " in correction.messages.text()
    assert "are kept beside the result with 'old' in their names" in correction.messages.text()
    assert "the layer 'errors' is out of date, and hidden" in correction.messages.text()
    assert not errors.layer.visible
    assert correction.edit.isEnabled()


def test_what_another_window_has_corrected_meanwhile_is_told(
    viewer, correction, press, qtbot, result
):
    copy = edited(correction, press, qtbot)
    box = tuple((0, n) for n in SHAPE)
    other = labels_of_cells()
    other[0, 0, 0] = 1
    drain(save_edit(result, "instances", box, labels_of_cells(), other))
    copy.data[0, 0, 0] = 2
    press(correction.save)
    qtbot.waitUntil(lambda: correction.copy is None)
    said = correction.messages.text()
    assert (
        "Corrected by another window in the meantime, and now as you painted: 1 pixel." in said
    )
    assert open_image(result).read()[0, 0, 0] == 2


def test_of_a_large_stack_the_slice_in_view_is_corrected(
    viewer, correction, press, qtbot, result, monkeypatch
):
    monkeypatch.setattr("napari_utile.widgets.layers.edits.WHOLE", 100)
    viewer.dims.set_point(0, 50)
    copy = edited(correction, press, qtbot)
    assert copy.data.shape == (1, 20, 22)
    np.testing.assert_array_equal(copy.data[0], labels_of_cells()[1])
    np.testing.assert_array_equal(copy.data_to_world((0, 0, 0)), (50, 100, 200))
    assert "holds slice 1 in memory" in correction.line.text()
    copy.data[0, 0, 0] = 3
    press(correction.save)
    qtbot.waitUntil(lambda: correction.copy is None)
    assert "ids that were free in all slices: 3 is 4" in correction.messages.text()
    assert open_image(result).read()[1, 0, 0] == 4
    viewer.dims.ndisplay = 3
    press(correction.edit)
    assert "too large for that as a whole" in correction.messages.text()


def test_a_copy_that_is_deleted_is_discarded(viewer, correction, press, qtbot, result):
    copy = edited(correction, press, qtbot)
    copy.data[...] = 9
    viewer.layers.remove(copy)
    assert viewer.layers["em instances"].visible
    np.testing.assert_array_equal(open_image(result).read(), labels_of_cells())


def test_a_result_that_was_dropped_into_the_window_is_corrected_too(
    viewer, correction, press, qtbot, tmp_path
):
    dropped = make_result(tmp_path / "other.zarr")
    for levels, given, kind in read_layers(str(dropped)):
        data = levels[0] if isinstance(levels, list) else levels  # as if it had one
        with layer_source(path=str(dropped)):
            layer = getattr(viewer, f"add_{kind}")(data, **given)
    viewer.layers.selection.active = layer
    assert not layer.editable
    copy = edited(correction, press, qtbot)
    copy.data[0, 0, 0] = 1
    press(correction.save)
    qtbot.waitUntil(lambda: correction.copy is None)
    assert open_image(dropped).read()[0, 0, 0] == 1


def test_a_result_in_a_tiff_is_not_corrected_and_it_is_said_how_to_go_on(
    viewer, qtbot, tmp_path, monkeypatch
):
    path = tmp_path / "r.tif"
    tifffile.imwrite(path, labels_of_cells(), photometric="minisblack")
    shown = ShownResult(image="em", name="em", out=path, place=PLACE)
    Result(viewer, shown, "instances").end(is_partial=False)
    correction = Correction(viewer, lambda: viewer.layers["em"])
    qtbot.addWidget(correction)
    layer = viewer.layers["em instances"]
    assert not layer.editable and correction.edit.isHidden()
    assert "is a file that is not corrected in place" in correction.line.text()
    qtbot.waitUntil(lambda: telling.is_seen(correction.line))
    next(iter(layer.keymap.values()))(layer)
    assert "Duplicate Layer" in correction.messages.text()
    # labels of the user's own are none of its business
    viewer.layers.remove(layer)
    assert correction.isHidden()


def test_a_corrected_slice_becomes_labels_for_training(
    viewer, correction, press, qtbot, monkeypatch
):
    monkeypatch.setattr("napari_utile.widgets.layers.edits.WHOLE", 100)
    viewer.dims.set_point(0, 100)
    copy = edited(correction, press, qtbot)
    press(correction.learn)
    labels = viewer.layers["em training labels"]
    wanted = labels_of_cells()
    wanted[:2] = 0
    np.testing.assert_array_equal(labels.data, wanted)
    np.testing.assert_array_equal(labels.translate, (0, 100, 200))
    said = correction.messages.text()
    assert "Slice 2 of 'em' is in 'em training labels'." in said
    assert "Slices without labels are taken for not annotated." in said
    assert viewer.layers.selection.active is copy
    assert correction.into.currentData() is labels
    copy.data[0, 0, 0] = 5
    press(correction.learn)
    assert labels.data[2, 0, 0] == 5 and len(viewer.layers) == 5
