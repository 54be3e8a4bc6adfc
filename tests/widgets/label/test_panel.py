"""The panel Label: new labels with the brush in hand, and a table that follows it."""

import numpy as np
import pytest
from qtpy.QtWidgets import QTabWidget

from napari_utile.folders.job import ShownResult
from napari_utile.settings.labels import LabelSettings
from napari_utile.widgets.label import new_labels as making
from napari_utile.widgets.label import panel as module
from napari_utile.widgets.label.panel import LabelPanel
from napari_utile.widgets.layers.meaning import class_names, label_meaning, say_meaning
from napari_utile.widgets.layers.results import Result
from tests.fixtures.result_store import make_result


@pytest.fixture
def panel(open_panel, viewer):
    return open_panel(LabelPanel, viewer)


def rows(panel):
    return {row.id: (row.name, row.here, row.everywhere) for row in panel.table.rows}


def test_new_labels_come_on_top_with_the_brush_in_hand_and_are_counted(
    panel, press, viewer, qtbot
):
    press(panel.new)
    layer = viewer.layers[-1]
    assert layer.name == "em labels" and viewer.layers.selection.active is layer
    assert (layer.mode, layer.selected_label) == ("paint", 1)
    assert panel.labels_layer.layer is layer and not layer.metadata.get("utile helper")
    assert layer.data.shape == (3, 64, 64) and list(layer.scale) == [50, 4, 4]
    assert rows(panel) == {0: ("background", None, "–"), 1: ("object 1", 0, "0")}
    assert "Nothing is painted" in panel.more.text()

    layer.brush_size = 1
    layer.paint((2, 5, 5), 1)
    viewer.dims.set_current_step(0, 0)
    qtbot.waitUntil(lambda: rows(panel)[1][1:] == (0, "1"))
    viewer.dims.set_current_step(0, 2)
    assert rows(panel)[1][1:] == (1, "1")
    assert panel.more.text() == "Painted: 1 of 3 slices, 0.0% of its pixels."
    layer.undo()
    qtbot.waitUntil(lambda: rows(panel)[1][1:] == (0, "0"))


def test_the_brush_in_hand_is_offered_nowhere_and_notes_move_no_button(panel, press, viewer):
    assert panel.add.text() == "New object"
    press(panel.new)
    column = panel.scroll.widget().layout()
    above = [column.itemAt(n).widget() for n in range(column.indexOf(panel.add))]
    assert panel.pair.needs not in above and panel.pair.note not in above
    assert panel.brush.text() == "The brush is in your hand" and not panel.brush.isEnabled()
    assert "is empty: paint on the image" in panel.pair.needs.text()
    assert "Take the brush" not in panel.pair.needs.text()
    viewer.layers[-1].mode = "pan_zoom"
    assert panel.brush.text() == "Take the brush" and panel.brush.isEnabled()
    assert "Take the brush" in panel.pair.needs.text()


def test_the_image_is_the_one_that_is_clicked_on_in_the_list_of_layers(panel, viewer):
    above = viewer.add_image(viewer.layers["em"].data.copy(), name="above")
    assert panel.image.layer is above
    viewer.layers.selection.active = viewer.layers["em"]
    assert panel.image.layer is viewer.layers["em"]
    viewer.layers.selection.active = viewer.layers["cells"]
    assert panel.image.layer is viewer.layers["em"]


def test_it_begins_with_the_layer_that_is_active_and_its_image(open_panel, viewer):
    viewer.add_image(np.zeros((8, 9), np.uint8), name="top")
    mask = viewer.add_labels(np.zeros((8, 9), np.uint8), name="top labels")
    panel = open_panel(LabelPanel, viewer)
    assert panel.image.layer is viewer.layers["top"] and panel.labels_layer.layer is mask
    viewer.layers.selection.active = viewer.layers["em"]
    assert panel.labels_layer.layer is viewer.layers["cells"]


def test_classes_are_added_selected_and_named(panel, viewer, press, qtbot, cells):
    layer = viewer.layers["cells"]
    expected = {i: f"{(cells[1] == i).sum():,}" for i in (1, 2)}
    qtbot.waitUntil(lambda: {i: row[2] for i, row in rows(panel).items() if i} == expected)
    panel.form.set_value("target", "classes")
    press(panel.add)
    assert (layer.selected_label, layer.mode) == (3, "paint")
    assert rows(panel)[3] == ("class 3", 0, "0")
    row = [row.id for row in panel.table.rows].index(2)
    panel.table.item(row, 1).setText("nucleus")
    panel.table.cellClicked.emit(row, 0)
    assert (class_names(layer), layer.selected_label) == ({2: "nucleus"}, 2)
    assert rows(panel)[2][0] == "nucleus"


def test_what_0_means_is_said_and_shared_with_every_panel_by_the_layer(panel, viewer):
    layer, sparse = viewer.layers["cells"], LabelSettings(target="classes", sparse=True)
    assert panel.meaning.text().startswith("0 = background")
    panel.form.set_value("sparse", True)
    assert panel.meaning.text().startswith("0 = not annotated · 1 = background")
    assert label_meaning(layer).sparse
    assert rows(panel)[1][0] == "background"
    say_meaning(layer, sparse)  # another panel does
    assert panel.form.settings() == sparse
    viewer.add_labels(np.zeros((3, 64, 64), int), name="other")
    panel.labels_layer.choose(viewer.layers["other"])
    assert panel.meaning.text().startswith("0 = background")
    panel.labels_layer.choose(layer)
    assert panel.form.settings() == sparse


def test_many_ids_are_cut_and_a_refused_id_is_told(panel, viewer, qtbot, monkeypatch, press):
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    layer = viewer.add_labels(np.arange(256, dtype=np.uint8).reshape(16, 16), name="ids")
    panel.labels_layer.choose(layer)
    qtbot.waitUntil(lambda: "246 more labels" in panel.more.text())
    assert len(panel.table.rows) == 10
    press(panel.add)
    assert "Labels 'ids' are uint8" in panel.messages.text()
    monkeypatch.setattr(making, "memory_budget", lambda: 10)
    press(panel.new)
    assert "open only the slices" in panel.messages.text()


def test_lives_in_a_tab_and_without_layers(home, viewer, qtbot):
    viewer.layers.clear()
    panel, tabs = LabelPanel(viewer), QTabWidget()
    qtbot.addWidget(tabs)
    tabs.addTab(panel, "Label")
    assert not panel.new.isEnabled() and not panel.add.isEnabled()
    viewer.add_image(np.zeros((8, 8)))
    assert panel.new.isEnabled()
    panel.new.click()
    assert panel.add.isEnabled()
    viewer.layers.remove(viewer.layers[-1])
    assert panel.table.rows == [] and "make new ones" in panel.meaning.text()


def test_a_result_says_that_it_is_corrected_elsewhere_and_leads_there(
    panel, viewer, tmp_path, monkeypatch
):
    shown = ShownResult(image="em", name="em", out=make_result(tmp_path / "r.zarr"))
    Result(viewer, shown, "instances").end(is_partial=False)
    result, opened = viewer.layers["em instances"], []
    monkeypatch.setattr(module, "open_beside", lambda *given: opened.append(given[2]))
    panel.labels_layer.choose(result)
    assert "'em instances' is a result on disk" in panel.on_disk.text()
    assert not panel.add.isEnabled() and "on disk" in panel.add.toolTip()
    panel.on_disk.linkActivated.emit(module.CORRECT)
    assert opened == ["Segment"] and viewer.layers.selection.active is result
    panel.labels_layer.choose(viewer.layers["cells"])
    assert panel.on_disk.isHidden() and panel.add.isEnabled() and not panel.add.toolTip()
