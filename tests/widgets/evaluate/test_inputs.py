"""What the evaluation panel compares: layers, files, or folders of files."""

import numpy as np
import pytest
import tifffile
import zarr

from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.evaluation import evaluate
from napari_utile.io.images import Stack, write_tiff
from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from tests.fixtures.evaluate_panel import column


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


def test_a_layer_of_a_result_knows_how_its_model_finds_objects(panel, run, viewer, cells):
    likely = np.where(cells[1] > 0, 230, 20).astype(np.uint8)
    rule = ModelRule.learnt(3, (1, 1))
    said = {"utile_holds": "probabilities", "utile_rule": rule.as_dict()}
    layer = viewer.add_image(likely, name="p", metadata=said)
    panel.prediction.choose(layer)
    grown = run(panel)
    found = instances(likely[np.newaxis], growth=rule.growth)
    assert grown["iou"] == evaluate(found, cells[1])["iou"]
    layer.metadata.pop("utile_rule")
    assert run(panel)["iou"] == 1 > grown["iou"]
    assert "does not say which model" in panel.messages.text()


def test_a_lazy_layer_is_read(panel, run, viewer, result):
    panel.prediction.choose(viewer.add_labels(zarr.array(result), name="lazy"))
    assert run(panel)["false_negatives"] == 1


def test_a_prediction_that_is_removed_is_not_replaced_by_another(panel, viewer):
    viewer.layers.remove("result")
    assert panel.prediction.layer is None
    assert "'result' was removed: choose another layer." in panel.messages.text()
    assert not panel.button.isEnabled()


def test_different_shapes_are_named_and_red(panel, viewer):
    panel.prediction.choose(viewer.add_labels(np.zeros((2, 8, 8), int), name="small"))
    assert "'small' (2, 8, 8) and truth 'cells' (3, 64, 64)" in panel.messages.text()
    assert not panel.button.isEnabled()


def test_files_are_compared_as_layers_are(panel, run, viewer, tmp_path, cells, result):
    write_tiff(tmp_path / "truth.tif", cells[1])
    zarr.save_array(str(tmp_path / "result.zarr"), result)
    panel.inputs.kind.setCurrentText("files")
    assert not panel.button.isEnabled()
    panel.inputs.prediction_file.set_path(tmp_path / "result.zarr")
    panel.inputs.truth_file.set_path(tmp_path / "truth.tif")
    assert dict(run(panel)) == dict(evaluate(result, cells[1]))
    assert viewer.layers["errors"].data.shape == cells[1].shape


def test_what_files_hold_can_be_said(panel, run, tmp_path, cells):
    path, (_, true) = tmp_path / "both.zarr", cells
    like = Stack(true, "tzyx"[-true.ndim :])
    kind = {"kind": "instances"}
    foreground = create_image(path, true.shape, "u1", true.shape, like, attributes=kind)
    foreground[:] = np.where(true > 0, 255, 0)
    create_labels(path, "instances", true.shape, "u4", true.shape, like)  # all background
    mark_complete(path)
    write_tiff(tmp_path / "true.tif", true)
    panel.inputs.kind.setCurrentText("files")
    panel.inputs.prediction_file.set_path(path)
    panel.inputs.truth_file.set_path(tmp_path / "true.tif")
    assert run(panel)["iou"] == 0
    panel.form.set_value("prediction_holds", "probabilities")
    assert run(panel)["iou"] == 1


def test_errors_of_files_lie_where_the_truth_says(panel, run, viewer, tmp_path, cells, result):
    place = {"scale": (50, 4, 4), "units": ("nanometer",) * 3}
    write_tiff(tmp_path / "truth.tif", cells[1], like=Stack(cells[1], "zyx", **place))
    write_tiff(tmp_path / "result.tif", result)
    panel.inputs.kind.setCurrentText("files")
    panel.inputs.prediction_file.set_path(tmp_path / "result.tif")
    panel.inputs.truth_file.set_path(tmp_path / "truth.tif")
    run(panel)
    layer = viewer.layers["errors"]
    np.testing.assert_allclose(layer.scale, (50, 4, 4))
    assert str(layer.units[-1]) == "nanometer"


def test_a_single_time_point_of_a_file_is_no_axis(panel, run, viewer, tmp_path, cells, result):
    place = {"scale": (9, 50, 4, 4), "units": ("second", *("nanometer",) * 3)}
    panel.inputs.kind.setCurrentText("files")
    for choice, labels in (
        (panel.inputs.truth_file, cells[1][np.newaxis]),
        (panel.inputs.prediction_file, result[np.newaxis]),
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
    panel.inputs.kind.setCurrentText("files")
    panel.inputs.prediction_file.set_path(tmp_path / "prediction")
    panel.inputs.truth_file.set_path(tmp_path / "truth")
    report = run(panel)
    assert column(panel.view.scores, "slice") == ["all", "a", "b"]
    assert viewer.layers["errors"].data.shape == (20, 20)
    (missed,) = report.objects.of_kind("missed")
    panel.view.objects.chosen.emit(int(missed))  # it is in the other image
    np.testing.assert_array_equal(viewer.layers["errors"].data, report.error_layer(1))


def test_a_file_that_is_missing_is_named(panel, tmp_path):
    panel.inputs.kind.setCurrentText("files")
    panel.inputs.prediction_file.set_path(tmp_path / "nothing.tif")
    assert "nothing.tif was not found" in panel.messages.text()
    assert not panel.button.isEnabled()


def test_a_file_that_is_no_image_is_named_in_one_sentence(panel, run, tmp_path, errors):
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_text("no image")
    panel.inputs.kind.setCurrentText("files")
    panel.inputs.prediction_file.set_path(tmp_path / "a.tif")
    panel.inputs.truth_file.set_path(tmp_path / "b.tif")
    run(panel)
    assert len(errors) == 1 and "a.tif is no image" in errors[0]
    assert panel.button.isEnabled()


def test_what_is_doubtful_about_the_files_of_layers_is_said(panel, run, viewer):
    viewer.layers["result"].metadata["utile_doubts"] = ("r.zarr has 3 of 4 chunks.",)
    viewer.layers["cells"].metadata["utile_doubts"] = ("t.zarr is a partial result.",)
    assert {"r.zarr has 3 of 4 chunks.", "t.zarr is a partial result."} <= {*run(panel).notes}


def test_whole_numbers_of_an_image_layer_that_says_nothing_are_doubted(
    panel, run, viewer, cells
):
    foreground = (229 * (cells[1] > 0)).astype(np.uint8)
    said = {"utile_holds": "probabilities"}
    for metadata, count in (({}, 1), (said, 0)):
        panel.prediction.choose(viewer.add_image(foreground, name="p", metadata=metadata))
        notes = run(panel).notes
        assert sum("Layer 'p' says not what it holds" in note for note in notes) == count
