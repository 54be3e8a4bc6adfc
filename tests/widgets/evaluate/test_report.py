"""Tables of scores and objects, and where a click in them leads."""

from itertools import product

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_utile.widgets.evaluate.panel import EvaluatePanel
from tests.fixtures.evaluate_panel import click, click_on, clipboard, column, in_view

# tables


def test_shows_the_whole_first_and_every_slice(panel, run):
    run(panel)
    scores = panel.view.scores
    assert column(scores, "slice") == ["all", "0", "1", "2"]
    assert column(scores, "false_negatives") == ["1", "0", "1", "0"]
    assert float(column(scores, "matching_ap50")[0]) == pytest.approx(5 / 7, abs=1e-3)
    bold = [
        scores.model().data(scores.model().index(row, 0), Qt.ItemDataRole.FontRole)
        for row in range(4)
    ]
    assert bold[0].bold() and bold[1:] == [None] * 3


def test_a_click_on_a_name_sorts_the_slices_below_the_whole(panel, run):
    run(panel)
    scores = panel.view.scores
    scores.sort("iou")
    assert column(scores, "slice")[:2] == ["all", "1"]  # where a cell is missed
    scores.sort("iou", is_descending=True)
    assert column(scores, "slice") == ["all", "0", "2", "1"]


def test_a_few_columns_are_shown_first_and_all_or_a_group_of_them_on_demand(panel, run):
    run(panel)
    group, scores = panel.view.group, panel.view.scores
    few = ["slice", "found", "missed", "merged", "split", "invented"]
    few += ["iou", "f1_50", "coco_ap", "v_rand"]

    def shown(data):
        group.setCurrentIndex(group.findData(data))
        group.activated.emit(group.currentIndex())
        return [n for j, n in enumerate(scores.names) if not scores.isColumnHidden(j)]

    assert group.currentText() == "main columns"
    assert shown(group.currentData()) == few
    assert shown("counts")[:2] == ["slice", "found"] and "iou" not in shown("counts")
    group.setCurrentText("all columns")
    assert shown(group.currentData()) == scores.names and len(scores.names) > 20


def test_every_score_is_explained(panel, run):
    run(panel)
    scores = panel.view.scores
    for j, name in enumerate(scores.names[1:], 1):
        tip = scores.model().headerData(
            j, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
        )
        assert tip.startswith(f"{name}: ")


def test_objects_are_listed_with_what_became_of_them(panel, run):
    report = run(panel)
    objects = panel.view.objects
    assert column(objects, "kind").count("matched") == 5
    assert (
        column(objects, "kind").count("missed")
        == column(objects, "kind").count("invented")
        == 1
    )
    kind = panel.view.kind
    assert kind.itemText(0) == "all objects (7)"
    kind.setCurrentIndex(kind.findData("missed"))
    kind.activated.emit(kind.currentIndex())
    ((slice_, kind, side, truth_id, prediction_id, *_),) = objects.cells()
    assert (slice_, kind, side, truth_id, prediction_id) == ("1", "missed", "truth", "2", "")
    assert objects.order == list(report.objects.of_kind("missed"))


@pytest.mark.parametrize("tab", [0, 1])
def test_the_table_in_view_is_copied_for_a_spreadsheet(panel, run, press, tab):
    report = run(panel)
    panel.view.tabs.setCurrentIndex(tab)
    press(panel.copy)
    lines = [line.split("\t") for line in clipboard().splitlines()]
    names = list(report.rows[0]) if tab == 0 else list(report.objects.names)
    if tab == 0:
        names[1:1] = ["found", "missed", "merged", "split", "invented"]
    assert lines[0] == names
    row = report.rows[-1] if tab == 0 else report.objects.row(0)
    assert float(lines[1][names.index("iou")]) == row["iou"]  # all digits
    assert len(lines) == 1 + (4 if tab == 0 else 7)


# the layer of errors


def test_classes_have_no_objects_and_no_errors(panel, run, viewer):
    run(panel)
    panel.form.set_value("target", "classes")
    report = run(panel)
    assert "mean_iou" in report
    assert "errors" not in viewer.layers
    assert panel.view.legend.isHidden() and not panel.view.tabs.isTabVisible(1)
    assert panel.view.summary.whole.isHidden() and panel.view.walk.isHidden()
    assert viewer.layers["cells"].visible  # they cover no errors
    assert "mean IoU" in panel.view.summary.scores.text()
    panel.view.scores.chosen.emit(2)  # slices are found all the same
    assert viewer.dims.point[0] == 50


def test_the_compared_layers_are_hidden_while_errors_are_shown(panel, run, viewer):
    truth, result = viewer.layers["cells"], viewer.layers["result"]
    run(panel)
    assert not truth.visible and not result.visible and viewer.layers["em"].visible
    panel.view.hides.click()
    assert truth.visible and result.visible
    panel.view.hides.click()
    assert not truth.visible
    viewer.layers.remove("errors")
    assert truth.visible and result.visible
    run(panel)
    result.visible = True
    result.visible = False  # so the user wants it
    panel.leave_work()
    assert truth.visible and not result.visible


# where a click leads


def test_a_click_on_a_slice_moves_the_slider_there(docked, window, run, qtbot):
    run(docked)
    camera = window.scene.camera.zoom
    click(qtbot, docked.view.scores, 3)
    assert window.dims.point[0] == 2 * 50
    click(qtbot, docked.view.scores, 1)
    assert window.dims.point[0] == 0
    click(qtbot, docked.view.scores, 0)  # the whole is nowhere
    assert window.dims.point[0] == 0
    assert window.scene.camera.zoom == camera


def test_the_keys_walk_through_the_objects(docked, window, run, qtbot):
    run(docked)
    click_on(qtbot, docked, "missed")
    before = window.scene.camera.center
    qtbot.keyClick(docked.view.objects, Qt.Key.Key_Up)
    assert window.scene.camera.center != before


def test_objects_are_found_whatever_the_view_and_the_place(docked, window, run, qtbot):
    truth = window.layers["cells"]
    truth.rotate, truth.affine = (0, 0, 30), np.diag([2, 1, 1, 1.0])
    run(docked)
    for ndisplay, order in product((2, 3), [(0, 1, 2), (1, 0, 2), (2, 0, 1)]):
        window.dims.ndisplay, window.dims.order = ndisplay, order
        click_on(qtbot, docked, "invented")  # away from it
        click_on(qtbot, docked, "missed")
        assert in_view(window, truth, (1, 31.5, 43.5)), (ndisplay, order)


def test_objects_are_found_on_labels_with_time_beside_a_layer_with_more_axes(
    open_panel, window, run, qtbot, cells, result
):
    window.layers.clear()
    window.add_image(np.zeros((2, 4, 3, 64, 64), np.uint8))
    truth = window.add_labels(np.stack([cells[1]] * 4), name="t", translate=(5, 0, 1, 2))
    window.add_labels(np.stack([cells[1]] * 3 + [result]), name="p")
    panel = open_panel(EvaluatePanel, window)
    run(panel)
    row = click_on(qtbot, panel, "missed")
    assert row["slice"] == (3, 1)
    assert in_view(window, truth, (3, 1, 31.5, 43.5))


def test_a_single_image_has_its_objects_too(open_panel, window, run, qtbot, cells, result):
    window.layers.clear()
    truth = window.add_labels(cells[1][1], name="t", scale=(3, 3))
    window.add_labels(result[1], name="p")
    panel = open_panel(EvaluatePanel, window)
    run(panel)
    click_on(qtbot, panel, "missed")
    assert in_view(window, truth, (31.5, 43.5))
    assert window.layers["object"].data.shape[1:] == (2, 2)


def test_an_object_through_several_slices_is_outlined_on_each(docked, window, run, qtbot):
    docked.form.set_value("volumetric", True)
    run(docked)
    click_on(qtbot, docked, "matched")
    assert in_view(window, window.layers["cells"], (1, 31, 19))
    assert set(window.layers["object"].data[:, 0, 0]) == {0, 1, 2}


# volumes


@pytest.fixture
def divided(open_panel, window):
    """A panel of a volume in which one of two cells is divided, and one slice joins both."""
    window.layers.clear()
    truth = np.zeros((9, 64, 64), np.uint16)
    truth[:, 10:50, 8:30], truth[:, 10:50, 32:54] = 1, 2
    prediction = truth.copy()
    prediction[6:, :, :31] *= 5
    prediction[(prediction == 2)] = 1
    prediction[3, 28:33, 30:32] = 1
    window.add_labels(truth, name="t", scale=(10, 2, 2), translate=(4, 0, 0))
    window.add_labels(prediction, name="p", scale=(10, 2, 2), translate=(4, 0, 0))
    panel = open_panel(EvaluatePanel, window)
    panel.form.set_value("volumetric", True)
    return panel


def test_a_click_leads_to_the_place_of_a_split_or_merge(divided, window, run, qtbot):
    report = run(divided)
    view = divided.view
    assert [each.kind for each in report.splits_merges] == ["merge", "split"]
    assert view.tabs.isTabVisible(3)
    view.tabs.setCurrentIndex(3)
    table = view.splits_merges
    assert column(table, "kind") == ["merge", "split"]
    assert column(table, "slice") == ["3", "6"]
    truth = window.layers["t"]
    for row, found in enumerate(report.splits_merges):
        click(qtbot, table, row)
        assert in_view(window, truth, found.place)
        assert window.dims.point[0] == 4 + 10 * found.slice
        assert set(window.layers["object"].data[:, 0, 0]) == {found.slice}
    assert view.table is table and "merge" in table.text()


def test_without_volumes_there_is_no_table_of_splits(panel, run):
    run(panel)
    assert not panel.view.tabs.isTabVisible(3)
