"""Keys and buttons that lead from error to error."""

from qtpy.QtCore import Qt

from tests.fixtures.evaluate_panel import in_view


def test_the_key_n_leads_to_the_worst_errors_and_keeps_the_active_layer(
    docked, window, run, press, qtbot
):
    report = run(docked)
    walk, truth = docked.view.walk, window.layers["cells"]
    assert walk.next.text() == "Next error (N)  ·  2" and docked.view.walk.where.isHidden()
    active = window.layers.selection.active
    missed, invented = (int(report.objects.of_kind(each)[0]) for each in ("missed", "invented"))
    assert report.objects.row(missed)["area"] > report.objects.row(invented)["area"]
    keys = {str(key): function for key, function in window.keymap.items()}
    keys["N"](window)
    assert in_view(window, truth, (1, 31.5, 43.5))
    assert walk.where.text().startswith("Error 1 of 2: missed, slice 1, ")
    press(walk.next)
    assert window.dims.point[0] == 2 * 50 and "invented" in walk.where.text()
    keys["N"](window)  # the first again
    for part in (docked.view.scores, walk.next):  # wherever the focus is
        qtbot.keyClick(part, Qt.Key.Key_N)
    assert "Error 1 of 2" in walk.where.text()
    keys["Shift+N"](window)
    assert "Error 2 of 2: invented" in walk.where.text()
    assert window.layers.selection.active == active
    docked.view.legend.boxes["invented"].click()
    assert walk.next.text().endswith("·  1")
    window.layers.remove("errors")
    assert "N" not in map(str, window.keymap)
