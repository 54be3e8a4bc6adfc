"""The evaluation panel: two layers in, a table out."""

import numpy as np
import pytest

from napari_utile.metrics import evaluate
from napari_utile.widgets import evaluate as evaluate_panel
from napari_utile.widgets.evaluate import EvaluatePanel


@pytest.fixture
def panel(open_panel, viewer, cells):
    result = cells[1].copy()
    result[1, :, 32:] = 0  # one of the six cells is missed
    viewer.add_labels(result, name="result")
    return open_panel(EvaluatePanel, viewer)


def idle(panel):
    return lambda: panel._worker is None


def column(panel, name):
    names = [
        panel.table.horizontalHeaderItem(j).toolTip() for j in range(panel.table.columnCount())
    ]
    return [
        panel.table.item(i, names.index(name)).text() for i in range(panel.table.rowCount())
    ]


def test_compares_the_newest_labels_with_the_first(panel):
    assert (panel.prediction.layer.name, panel.truth.layer.name) == ("result", "cells")


def test_shows_the_whole_first_and_every_slice(panel, press, qtbot, cells):
    press(panel.button)
    qtbot.waitUntil(idle(panel))
    assert column(panel, "slice") == ["all", "0", "1", "2"]
    assert column(panel, "false_negatives") == ["1", "0", "1", "0"]
    assert float(column(panel, "matching_ap50")[0]) == pytest.approx(5 / 6, abs=1e-3)


def test_a_click_on_a_name_sorts_by_number(panel, press, qtbot):
    from qtpy.QtCore import Qt

    press(panel.button)
    qtbot.waitUntil(idle(panel))
    panel.table.sortItems(1, Qt.SortOrder.AscendingOrder)
    assert column(panel, "slice")[0] == "1"


def test_the_table_is_copied_for_a_spreadsheet(panel, press, qtbot):
    from qtpy.QtWidgets import QApplication

    press(panel.button)
    qtbot.waitUntil(idle(panel))
    press(panel.copy)
    first = QApplication.clipboard().text().splitlines()[0]
    assert first.startswith("slice\tiou\tdice")


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_probabilities_of_the_foreground_are_taken_as_such(
    panel, press, qtbot, viewer, cells, kind
):
    top = 1 if kind is np.float32 else 255
    foreground = (0.9 * top * (cells[1] > 0)).astype(kind)
    panel.prediction.choose(viewer.add_image(foreground, name="p"))
    press(panel.button)
    qtbot.waitUntil(idle(panel))
    assert panel.report["iou"] == 1
    panel.form.set_value("threshold", "0.95")
    press(panel.button)
    qtbot.waitUntil(idle(panel))
    assert panel.report["iou"] == 0


def test_different_shapes_are_named_and_red(panel, viewer):
    panel.prediction.choose(viewer.add_labels(np.zeros((2, 8, 8), int), name="small"))
    assert "'small' (2, 8, 8) and truth 'cells' (3, 64, 64)" in panel.messages.text()
    assert not panel.button.isEnabled()


def test_a_runtime_error_reaches_the_user(panel, press, qtbot, monkeypatch, errors):
    def broken(*_, **__):
        raise RuntimeError("deep inside")

    monkeypatch.setattr(evaluate_panel, "evaluate", broken)
    press(panel.button)
    qtbot.waitUntil(idle(panel))
    assert errors == ["RuntimeError: deep inside"]
    assert panel.button.isEnabled()


def test_a_closed_panel_ends_its_work(viewer, press, home, cells):
    from qtpy import sip

    viewer.add_labels(cells[1].copy(), name="result")
    panel = EvaluatePanel(viewer)
    press(panel.button)
    worker = panel._worker
    sip.delete(panel)
    assert worker.abort_requested


def test_the_numbers_are_those_of_evaluate(panel, press, qtbot, viewer, cells):
    press(panel.button)
    qtbot.waitUntil(idle(panel))
    assert dict(panel.report) == dict(evaluate(viewer.layers["result"].data, cells[1]))
