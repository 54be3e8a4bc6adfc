"""The evaluation panel: prediction and truth in, scores, objects, curves and errors out."""

import json
import shlex

import numpy as np
import pytest
import tifffile
import zarr
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_utile.evaluation import evaluate
from napari_utile.evaluation.error_types import COLORS, KINDS
from napari_utile.io.images import Stack, write_tiff
from napari_utile.io.ome_zarr import create_image, mark_complete
from napari_utile.settings import EvaluateSettings
from napari_utile.widgets.evaluate import inputs
from napari_utile.widgets.evaluate.panel import EvaluatePanel
from napari_utile.widgets.kit.table_model import as_text

SLOW = 60_000  # numba compiles in the first run


@pytest.fixture
def result(cells):
    """Labels of which one of six cells is missed, and another is joined by an invented one."""
    labels = cells[1].copy()
    labels[1, :, 32:] = 0
    labels[2, 58:63, 2:60] = 3
    return labels


@pytest.fixture
def panel(open_panel, viewer, result):
    viewer.add_labels(result, name="result")
    return open_panel(EvaluatePanel, viewer)


@pytest.fixture
def docked(open_panel, window, result):
    """Return the panel in a real window."""
    window.add_labels(result, name="result")
    return open_panel(EvaluatePanel, window)


@pytest.fixture
def run(press, qtbot):
    """Press the button, and wait for the end."""

    def run(panel):
        press(panel.button)
        qtbot.waitUntil(idle(panel), timeout=SLOW)
        return panel.report

    return run


def idle(panel):
    return lambda: not panel.controls.is_running


def column(table, name):
    return [row[table.names.index(name)] for row in table.cells()]


def clipboard():
    return QApplication.clipboard().text()


# what is compared


def test_compares_the_newest_labels_with_the_first(panel):
    assert (panel.prediction.layer.name, panel.truth.layer.name) == ("result", "cells")


def test_the_numbers_are_those_of_evaluate(panel, run, cells, result):
    report = run(panel)
    expected = evaluate(result, cells[1], pixel_um2=0.004**2)
    assert dict(report) == dict(expected)
    assert report.sizes == expected.sizes


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_probabilities_of_the_foreground_are_taken_as_such(panel, run, viewer, cells, kind):
    top = 1 if kind is np.float32 else 255
    foreground = (0.9 * top * (cells[1] > 0)).astype(kind)
    panel.prediction.choose(viewer.add_image(foreground, name="p"))
    assert run(panel)["iou"] == 1
    panel.form.set_value("threshold", "0.95")
    assert run(panel)["iou"] == 0


def test_a_lazy_layer_is_read(panel, run, viewer, result):
    panel.prediction.choose(viewer.add_labels(zarr.array(result), name="lazy"))
    assert run(panel)["false_negatives"] == 1


def test_different_shapes_are_named_and_red(panel, viewer):
    panel.prediction.choose(viewer.add_labels(np.zeros((2, 8, 8), int), name="small"))
    assert "'small' (2, 8, 8) and truth 'cells' (3, 64, 64)" in panel.messages.text()
    assert not panel.button.isEnabled()


def test_files_are_compared_as_layers_are(panel, run, viewer, tmp_path, cells, result):
    write_tiff(tmp_path / "truth.tif", cells[1])
    zarr.save_array(str(tmp_path / "result.zarr"), result)
    panel.compared.kind.setCurrentText("files")
    assert not panel.button.isEnabled()
    panel.compared.prediction_file.set_path(tmp_path / "result.zarr")
    panel.compared.truth_file.set_path(tmp_path / "truth.tif")
    assert dict(run(panel)) == dict(evaluate(result, cells[1]))
    assert viewer.layers["errors"].data.shape == cells[1].shape


def test_errors_of_files_lie_where_the_truth_says(panel, run, viewer, tmp_path, cells, result):
    place = {"scale": (50, 4, 4), "units": ("nanometer",) * 3}
    write_tiff(tmp_path / "truth.tif", cells[1], like=Stack(cells[1], "zyx", **place))
    write_tiff(tmp_path / "result.tif", result)
    panel.compared.kind.setCurrentText("files")
    panel.compared.prediction_file.set_path(tmp_path / "result.tif")
    panel.compared.truth_file.set_path(tmp_path / "truth.tif")
    run(panel)
    layer = viewer.layers["errors"]
    np.testing.assert_allclose(layer.scale, (50, 4, 4))
    assert str(layer.units[-1]) == "nanometer"


def test_a_single_time_point_of_a_file_is_no_axis(panel, run, viewer, tmp_path, cells, result):
    place = {"scale": (9, 50, 4, 4), "units": ("second", *("nanometer",) * 3)}
    panel.compared.kind.setCurrentText("files")
    for choice, labels in (
        (panel.compared.truth_file, cells[1][np.newaxis]),
        (panel.compared.prediction_file, result[np.newaxis]),
    ):
        path = tmp_path / f"{labels.sum()}.zarr"
        like = Stack(labels, "tzyx", **place)
        create_image(path, labels.shape, labels.dtype, (1, 1, 64, 64), like=like)[:] = labels
        mark_complete(path)
        choice.set_path(path)
    run(panel)
    np.testing.assert_allclose(viewer.layers["errors"].scale, (50, 4, 4))


def test_folders_are_compared_pair_by_pair(panel, run, viewer, tmp_path):
    for name, shape in (("a", (20, 20)), ("b", (30, 40))):
        for side in ("prediction", "truth"):
            labels = np.zeros(shape, np.uint8)
            labels[2:9, 2:9] = 1
            labels[12:18, 12:18] = 2 if side == "truth" or name == "a" else 0
            (tmp_path / side).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / side / f"{name}.tif", labels)
    panel.compared.kind.setCurrentText("files")
    panel.compared.prediction_file.set_path(tmp_path / "prediction")
    panel.compared.truth_file.set_path(tmp_path / "truth")
    report = run(panel)
    assert column(panel.view.scores, "slice") == ["all", "a", "b"]
    assert viewer.layers["errors"].data.shape == (20, 20)
    (missed,) = report.objects.of_kind("missed")
    panel.view.objects.chosen.emit(int(missed))  # it is in the other image
    np.testing.assert_array_equal(viewer.layers["errors"].data, report.error_layer(1))


def test_a_file_that_is_missing_is_named(panel, tmp_path):
    panel.compared.kind.setCurrentText("files")
    panel.compared.prediction_file.set_path(tmp_path / "nothing.tif")
    assert "nothing.tif was not found" in panel.messages.text()
    assert not panel.button.isEnabled()


def test_a_file_that_is_no_image_is_named_in_one_sentence(panel, run, tmp_path, errors):
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_text("no image")
    panel.compared.kind.setCurrentText("files")
    panel.compared.prediction_file.set_path(tmp_path / "a.tif")
    panel.compared.truth_file.set_path(tmp_path / "b.tif")
    run(panel)
    assert len(errors) == 1 and "a.tif is no image" in errors[0]
    assert panel.button.isEnabled()


def test_the_command_of_files_is_the_one_that_does_the_same(panel, press, tmp_path):
    assert panel.command.isHidden()  # layers have no names in a shell
    panel.compared.kind.setCurrentText("files")
    for name, choice in (
        ("a b.tif", panel.compared.prediction_file),
        ("t.tif", panel.compared.truth_file),
    ):
        (tmp_path / name).touch()
        choice.set_path(tmp_path / name)
    panel.form.set_value("ignore", "7")
    panel.form.set_value("threshold", "0.3")
    press(panel.command)
    paths = [str(tmp_path / "a b.tif"), str(tmp_path / "t.tif")]
    words = shlex.split(clipboard())
    assert words[:4] == ["utile", "evaluate", *paths]
    assert sorted(words[4:]) == sorted(["--ignore", "7", "--threshold", "0.3"])


def test_every_option_is_there(panel):
    for name in EvaluateSettings.model_fields:
        assert panel.form.widget(name).toolTip() == (
            EvaluateSettings.model_fields[name].description
        )


# while it runs


@pytest.fixture
def slow(monkeypatch):
    """Let the evaluation stand at its second step until `finish` is called."""
    import threading

    real, go_on, begun = inputs.evaluation_of, threading.Event(), threading.Event()

    def evaluation_of(*given):
        work = real(*given)
        yield next(work)
        begun.set()
        while not go_on.wait(0.01):
            yield 1, 2
        return (yield from work)

    monkeypatch.setattr(inputs, "evaluation_of", evaluation_of)
    evaluation_of.finish, evaluation_of.begun = go_on.set, begun
    yield evaluation_of
    go_on.set()


def test_says_how_far_it_is_and_how_long_it_takes(panel, press, qtbot, slow):
    press(panel.button)
    text = panel.controls.status.text
    qtbot.waitUntil(lambda: text().startswith("step 1 of 2 · ") and text().endswith(" left"))
    assert (panel.controls.bar.value(), panel.controls.bar.maximum()) == (1, 2)
    slow.finish()
    qtbot.waitUntil(idle(panel), timeout=SLOW)
    assert panel.controls.status.isHidden() and panel.controls.bar.isHidden()


def test_stop_ends_it_at_once_and_it_can_begin_again(panel, press, qtbot, slow, run):
    press(panel.button)
    assert panel.button.text() == "Stop"
    qtbot.waitUntil(slow.begun.is_set)
    worker = panel.controls._worker
    with qtbot.waitSignal(worker.aborted, timeout=SLOW):
        press(panel.button)
        assert panel.button.text() == "Evaluate"
    assert panel.report is None
    assert "Stopped" in panel.messages.text()
    slow.finish()
    assert run(panel)["false_negatives"] == 1


def test_layers_that_are_painted_on_or_removed_meanwhile_do_not_matter(
    panel, press, qtbot, slow, viewer, cells, result
):
    expected = dict(evaluate(result, cells[1], pixel_um2=0.004**2))
    press(panel.button)
    qtbot.waitUntil(slow.begun.is_set)
    viewer.layers["cells"].data[:] = 0
    viewer.layers["result"].data[:] = 9
    viewer.layers.clear()
    slow.finish()
    qtbot.waitUntil(idle(panel), timeout=SLOW)
    assert dict(panel.report) == expected
    np.testing.assert_array_equal(viewer.layers["errors"].scale, (50, 4, 4))


def test_the_window_goes_on_meanwhile(panel, press, qtbot, slow):
    from qtpy.QtCore import QTimer

    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(panel.controls.is_running))
    timer.start(5)
    press(panel.button)
    qtbot.waitUntil(lambda: len(ticks) > 20)
    assert ticks[-1]


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_any_error_reaches_the_user(panel, press, qtbot, monkeypatch, errors, error):
    def broken(*_):
        raise error("deep inside")
        yield

    monkeypatch.setattr(inputs, "evaluation_of", broken)
    press(panel.button)
    qtbot.waitUntil(idle(panel))
    assert errors == [f"{error.__name__}: deep inside"]
    assert panel.button.isEnabled() and panel.button.text() == "Evaluate"


def test_what_the_settings_cannot_do_is_said(panel, run, errors):
    panel.form.set_value("thresholds", True)  # labels have no probabilities
    run(panel)
    assert len(errors) == 1 and "probabilities" in errors[0]


def test_a_closed_panel_ends_its_work(viewer, press, home, cells, slow, qtbot):
    from qtpy import sip

    viewer.add_labels(cells[1].copy(), name="result")
    panel = EvaluatePanel(viewer)
    press(panel.button)
    worker = panel.controls._worker
    qtbot.waitUntil(slow.begun.is_set)
    with qtbot.waitSignal(worker.aborted, timeout=SLOW):
        sip.delete(panel)


def test_a_panel_that_is_taken_out_of_its_dock_ends_its_work(
    docked, window, press, slow, qtbot
):
    press(docked.button)
    qtbot.waitUntil(slow.begun.is_set)
    with qtbot.waitSignal(docked.controls._worker.aborted, timeout=SLOW):
        window.window.remove_dock_widget(docked)


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


def test_scores_of_one_group_can_be_shown_alone(panel, run):
    run(panel)
    group, scores = panel.view.group, panel.view.scores
    group.setCurrentIndex(group.findData("counts"))
    group.activated.emit(group.currentIndex())
    shown = [n for j, n in enumerate(scores.names) if not scores.isColumnHidden(j)]
    assert shown[0] == "slice" and "true_positives" in shown and "iou" not in shown


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


def test_a_hundred_thousand_objects_do_not_freeze_the_window(qtbot):
    from time import perf_counter

    from napari_utile.widgets.kit.table import Table

    n = 100_000
    rng = np.random.default_rng(0)
    iou = rng.random(n)
    iou[5] = np.nan
    columns = {"truth_id": np.arange(n), "kind": np.array(KINDS)[np.arange(n) % 5], "iou": iou}
    table = Table(COLORS)
    qtbot.addWidget(table)
    table.show()
    began = perf_counter()
    table.show_columns(columns)
    table.sort("iou", is_descending=True)
    table.keep(range(0, n, 2))
    assert perf_counter() - began < 2  # as items of a QTableWidget: 10 s and more
    kept = iou[::2]
    expected = 2 * np.argsort(-kept, kind="stable")
    assert table.order[:100] == expected[:100].tolist()
    table.keep(None)
    assert table.order[-1] == 5  # without a value: last, either way
    table.sort("iou")
    assert table.order[-1] == 5


@pytest.mark.parametrize("tab", [0, 1])
def test_the_table_in_view_is_copied_for_a_spreadsheet(panel, run, press, tab):
    report = run(panel)
    panel.view.tabs.setCurrentIndex(tab)
    press(panel.copy)
    lines = [line.split("\t") for line in clipboard().splitlines()]
    names = list(report.rows[0]) if tab == 0 else list(report.objects.names)
    assert lines[0] == names
    row = report.rows[-1] if tab == 0 else report.objects.row(0)
    assert float(lines[1][names.index("iou")]) == row["iou"]  # all digits
    assert len(lines) == 1 + (4 if tab == 0 else 7)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.500"), (0.00012345, "0.000123"), (None, "")]
)
def test_small_errors_keep_their_digits(value, text):
    assert as_text(value) == text


# the layer of errors


def test_errors_lie_on_the_truth_in_a_color_for_each_kind(panel, run, viewer, cells):
    report = run(panel)
    layer, truth = viewer.layers["errors"], viewer.layers["cells"]
    assert layer.data.dtype == np.uint8
    np.testing.assert_array_equal(layer.data, report.error_layer())
    assert layer.data[1, 20, 40] == 1 + KINDS.index("missed")
    assert layer.data[2, 60, 20] == 1 + KINDS.index("invented")
    assert layer.data[0, 20, 20] == 1 + KINDS.index("matched")
    for name in ("scale", "translate"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(truth, name))
    assert layer.units == truth.units
    colors = {tuple(layer.colormap.color_dict[value][:3]) for value in range(1, 7)}
    assert len(colors) == 6


def test_errors_lie_on_a_truth_that_is_turned_and_bent(panel, run, viewer):
    truth = viewer.layers["cells"]
    truth.rotate, truth.shear = (10, 20, 30), (0.1, 0.2, 0.3)
    truth.affine = np.diag([1, 2, 3, 1.0])
    run(panel)
    layer = viewer.layers["errors"]
    for pixel in ((0, 0, 0), (2, 10, 60), (1, 63, 5)):
        np.testing.assert_allclose(layer.data_to_world(pixel), truth.data_to_world(pixel))


def test_the_kind_stands_in_the_status_bar(panel, run, viewer):
    run(panel)
    layer = viewer.layers["errors"]
    status = layer.get_status(layer.data_to_world((1, 20, 40)), world=True)
    assert "missed" in " ".join(map(str, status.values()))


def test_the_next_evaluation_changes_the_layer_that_is_there(panel, run, viewer, cells):
    run(panel)
    layer = viewer.layers["errors"]
    layer.opacity = 0.4
    viewer.layers["result"].data = cells[1].copy()
    viewer.layers["cells"].translate = (0, 7, 7)
    run(panel)
    assert [x for x in viewer.layers if x.name.startswith("errors")] == [layer]
    assert layer.opacity == 0.4
    assert set(np.unique(layer.data)) == {0, 1}
    np.testing.assert_array_equal(layer.translate, (0, 7, 7))


def test_a_removed_layer_comes_back_with_the_next_evaluation(panel, run, viewer):
    run(panel)
    viewer.layers.remove("errors")
    panel.view.legend.boxes["missed"].click()  # changes nothing
    run(panel)
    assert "errors" in viewer.layers


def test_the_legend_counts_the_objects_and_hides_kinds(panel, run, viewer):
    report = run(panel)
    boxes = panel.view.legend.boxes
    assert [boxes[kind].text() for kind in ("matched", "missed")] == ["matched  5", "missed  1"]
    border = np.count_nonzero(np.asarray(report.error_layer()) == 6)
    assert boxes["border"].text() == f"border  {border} px"
    boxes["matched"].click()
    colors = viewer.layers["errors"].colormap.color_dict
    assert colors[1][3] == 0 and colors[2][3] > 0
    run(panel)
    assert viewer.layers["errors"].colormap.color_dict[1][3] == 0  # still hidden
    boxes["matched"].click()
    assert viewer.layers["errors"].colormap.color_dict[1][3] > 0


def test_the_layers_of_the_panel_are_not_offered_as_prediction(panel, run, viewer, open_panel):
    active = viewer.layers.selection.active
    run(panel)
    assert viewer.layers.selection.active is active
    assert panel.prediction.layer.name == "result"
    assert panel.prediction.findText("errors") < 0
    assert open_panel(EvaluatePanel, viewer).prediction.layer.name == "result"


def test_classes_have_no_objects_and_no_errors(panel, run, viewer):
    run(panel)
    panel.form.set_value("labels", "classes")
    report = run(panel)
    assert "mean_iou" in report
    assert "errors" not in viewer.layers
    assert panel.view.legend.isHidden() and not panel.view.tabs.isTabVisible(1)
    panel.view.scores.chosen.emit(2)  # slices are found all the same
    assert viewer.dims.point[0] == 50


# where a click leads


def in_view(viewer, layer, pixel):
    """Say whether a pixel is on the slice in view, and in the middle of the canvas."""
    missing = viewer.dims.ndim - layer.ndim  # leading axes that the layer does not have
    place = np.array([*viewer.dims.point[:missing], *layer.data_to_world(pixel)])
    shown, hidden = list(viewer.dims.displayed), list(viewer.dims.not_displayed)
    close = np.array(viewer.canvas.size) / viewer.scene.camera.zoom / 20
    is_near = np.abs(place[shown] - viewer.scene.camera.center[-len(shown) :])[-2:] < close
    steps = np.array(viewer.dims.range)[hidden, 2]
    on_slice = np.abs(place - viewer.dims.point)[hidden] <= steps / 2
    return bool(is_near.all() and on_slice.all())


def click(qtbot, table, row):
    """Click on a row as a user does."""
    index = table.model().index(row, 0)
    table.scrollTo(index)
    place = table.visualRect(index).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def click_on(qtbot, panel, kind):
    """Click on the first object of a kind; return its row."""
    panel.view.tabs.setCurrentIndex(1)
    number = int(panel.report.objects.of_kind(kind)[0])
    click(qtbot, panel.view.objects, panel.view.objects.order.index(number))
    return panel.report.objects.row(number)


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


def test_a_click_on_an_object_brings_it_into_view_and_outlines_it(docked, window, run, qtbot):
    run(docked)
    truth = window.layers["cells"]
    window.dims.set_point(0, 100)
    click_on(qtbot, docked, "missed")
    assert window.dims.point[0] == 50
    # id 2 on slice 1: y 8 to 55, x 32 to 55, of 4 nm, the first pixel at (100, 200)
    np.testing.assert_allclose(
        window.scene.camera.center[-2:], (100 + 4 * 31.5, 200 + 4 * 43.5)
    )
    height = min(window.canvas.size) / window.scene.camera.zoom
    assert 0.4 < 48 * 4 / height < 0.7  # it fills a good part of the view
    outline = window.layers["object"]
    np.testing.assert_array_equal(outline.scale, truth.scale)
    points = outline.data[:, 0]
    assert set(points[:, 0]) == {1}
    np.testing.assert_array_equal(points[:, 1:].min(0), (7.5, 31.5))
    np.testing.assert_array_equal(points[:, 1:].max(0), (55.5, 55.5))


def test_outlines_of_the_next_object_replace_the_last(docked, window, run, qtbot):
    run(docked)
    click_on(qtbot, docked, "missed")
    layer = window.layers["object"]
    white = layer.edge_color[0].copy()
    click_on(qtbot, docked, "invented")
    assert [x for x in window.layers if x.name.startswith("object")] == [layer]
    assert set(layer.data[:, 0, 0]) == {2}
    assert not (layer.edge_color == white).all(axis=1).any()  # nothing true is there
    run(docked)
    assert "object" not in window.layers


def test_the_keys_walk_through_the_objects(docked, window, run, qtbot):
    run(docked)
    click_on(qtbot, docked, "missed")
    before = window.scene.camera.center
    qtbot.keyClick(docked.view.objects, Qt.Key.Key_Up)
    assert window.scene.camera.center != before


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("ndisplay", [2, 3])
def test_objects_are_found_whatever_the_view_and_the_place(
    docked, window, run, qtbot, order, ndisplay
):
    truth = window.layers["cells"]
    truth.rotate, truth.affine = (0, 0, 30), np.diag([2, 1, 1, 1.0])
    run(docked)
    window.dims.ndisplay, window.dims.order = ndisplay, order
    click_on(qtbot, docked, "missed")
    assert in_view(window, truth, (1, 31.5, 43.5))


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


# curves


@pytest.fixture
def likely(viewer, result, panel):
    """Let the panel compare probabilities, 0.75 in the objects of the result."""
    foreground = np.where(result > 0, 0.75, 0.1).astype(np.float32)
    panel.prediction.choose(viewer.add_image(foreground, name="p"))
    panel.form.set_value("thresholds", True)
    return panel


def choose_curve(panel, kind):
    choice = panel.view.curves.kind
    choice.setCurrentIndex(choice.findData(kind))
    assert choice.currentData() == kind
    return panel.view.curves.lines


def test_precision_is_drawn_against_recall_for_each_threshold(likely, run):
    report = run(likely)
    lines = choose_curve(likely, "precision against recall")
    assert len(lines) == 10
    rows = [row for row in report.precision_recall if row["iou_threshold"] == 0.75]
    recalls, precisions = lines["0.75"]
    assert recalls == [row["recall"] for row in rows][: len(recalls)]
    assert precisions == [row["precision"] for row in rows][: len(precisions)]
    # five of six cells are found: it falls to 0 beyond a recall of 5 / 6, and ends
    assert recalls[-1] == pytest.approx(0.84) and precisions[-1] == 0 and precisions[-2] > 0


def test_scores_are_drawn_against_the_iou_threshold(panel, run):
    report = run(panel)
    lines = choose_curve(panel, "scores against IoU threshold")
    assert {"f1", "matching_ap", "precision", "recall", "panoptic_quality"} == set(lines)
    assert lines["f1"][0][0] == 0.5
    assert lines["f1"][1][0] == report["f1_50"]


def test_a_score_is_drawn_against_the_probability_threshold_and_the_best_is_marked(likely, run):
    report = run(likely)
    curves = likely.view.curves
    choose_curve(likely, "score against probability threshold")
    best = next(row for row in report.best if row["name"] == "v_rand")
    curves.score.setCurrentIndex(curves.score.findData("v_rand"))
    assert list(curves.lines) == ["v_rand"]
    assert curves.lines["v_rand"][1] == [row["v_rand"] for row in report.thresholds]
    assert f"{best['value']:.4g}" in curves.best.text()
    assert curves.best.text().endswith(f"chosen on {best['chosen_on']}.")


def test_curves_that_are_not_there_are_not_offered(likely, run):
    run(likely)
    choose_curve(likely, "score against probability threshold")
    likely.form.set_value("thresholds", False)
    run(likely)
    kinds = likely.view.curves.kind
    assert kinds.findData("score against probability threshold") < 0
    assert likely.view.curves.score.isHidden()


# what is saved


@pytest.fixture
def save(monkeypatch, tmp_path, qtbot):
    """Choose an entry of the menu, and a file to save in."""

    def save(panel, entry, name):
        chosen = str(tmp_path / name), ""
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: chosen)
        (action,) = (a for a in panel.save.menu().actions() if entry in a.text())
        action.trigger()
        qtbot.waitUntil(idle(panel), timeout=SLOW)
        return tmp_path / name

    return save


def test_scores_and_objects_are_saved_as_tables(panel, run, save):
    report = run(panel)
    assert save(panel, "scores", "a.csv").read_text() == report.to_csv()
    assert save(panel, "objects", "b.csv").read_text() == report.objects_csv()
    assert "Saved" in panel.messages.text() and panel.button.isEnabled()


def test_all_numbers_are_saved_as_json(panel, run, save):
    report = run(panel)
    assert json.loads(save(panel, "JSON", "a.json").read_text())["iou"] == report["iou"]


@pytest.mark.parametrize(("entry", "name"), [("HTML", "a.html"), ("PNG", "a.png")])
def test_the_report_is_saved_with_what_was_compared(panel, run, save, monkeypatch, entry, name):
    from napari_utile.widgets.evaluate import panel as module

    given, real = [], module.write_report

    def write_report(*args):
        given.append(args)
        real(*args)

    monkeypatch.setattr(module, "write_report", write_report)
    panel.form.set_value("ignore", "9")
    run(panel)
    assert save(panel, entry, name).stat().st_size > 1000
    ((_, report, title, images, facts),) = given
    assert report is panel.report
    assert title == "result against cells"
    assert [image.name for image in images] == ["em"]
    assert facts == {"prediction": "result", "truth": "cells", "ignore": "9"}


def test_a_suffix_that_was_left_out_is_added(panel, run, save, tmp_path):
    run(panel)
    save(panel, "JSON", "scores")
    assert (tmp_path / "scores.json").exists()


def test_a_place_that_cannot_be_written_is_named(panel, run, save, errors, tmp_path):
    run(panel)
    (tmp_path / "file").touch()
    save(panel, "JSON", "file/a.json")
    assert len(errors) == 1 and str(tmp_path / "file") in errors[0]
    assert panel.report is not None and panel.button.isEnabled()
