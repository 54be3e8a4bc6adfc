"""The layer of errors and its legend."""

import numpy as np

from napari_utile.evaluation.error_types import KINDS
from napari_utile.widgets.evaluate.panel import EvaluatePanel
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.errors import errors_out_of_date
from napari_utile.widgets.layers.results import PREVIEW


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
    assert layer.opacity == 0.4 and not layer.editable
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
    assert "errors" not in [layer.name for layer in panel.prediction.choices]
    assert open_panel(EvaluatePanel, viewer).prediction.layer.name == "result"


def test_errors_are_out_of_date_once_what_was_compared_is_another(panel, run, viewer):
    run(panel)
    layer, result = viewer.layers["errors"], viewer.layers["result"]
    result.data_setitem((np.array([0]), np.array([1]), np.array([1])), 9)
    result.events.paint(value=[])  # as the brush does
    assert layer.name == "errors (out of date)" and layer.visible  # to correct on
    said = "'result' has changed since it was evaluated: the layer 'errors' is out of date."
    assert said in panel.view.news.text()
    run(panel)
    assert layer.name == "errors" and panel.view.news.isHidden()
    assert "and hidden" in errors_out_of_date(viewer, [result, viewer.layers["em"]])
    assert not layer.visible and not viewer.layers["cells"].visible
    run(panel)
    assert layer.name == "errors" and layer.visible
    viewer.layers.remove(result)
    assert not layer.visible and "'result' was removed" in panel.view.news.text()
    assert not errors_out_of_date(viewer, [viewer.layers["em"]])


def test_the_legend_has_the_colors_as_they_are_painted(panel):
    style = panel.view.legend.boxes["matched"].styleSheet()
    assert "#4c8c7a" in style  # 0.4 of #009e73 on gray


def test_the_preview_of_a_training_is_hidden_with_a_word(panel, run, viewer):
    preview = viewer.add_image(np.zeros((4, 4)), name="preview", metadata={HELPER: PREVIEW})
    panel.view.hides.setChecked(False)
    run(panel)
    assert not preview.visible and viewer.layers["cells"].visible
    assert "'preview' is hidden while the errors are shown" in panel.view.news.text()
    viewer.layers.remove("errors")
    assert preview.visible
