"""Layers that come while the window goes on."""

import warnings

import numpy as np
import yaml
from qtpy.QtCore import QTimer

from napari_utile.widgets.data import late_layers
from tests.fixtures.coco_sample import write_coco_sample


def test_in_a_script_layers_are_waited_for_and_in_a_window_they_come_later(
    viewer, monkeypatch, qtbot, tmp_path
):
    sample = [(np.zeros((2, 4, 4), np.uint8), {"name": "I"}, "image")]
    told = []
    monkeypatch.setattr(late_layers, "isbi2012_layers", lambda: sample)
    monkeypatch.setattr(late_layers, "current_viewer", lambda: viewer)
    monkeypatch.setattr(late_layers, "show_error", told.append)
    assert late_layers.isbi2012_sample() == sample

    def in_window(call):
        found = []
        QTimer.singleShot(0, lambda: found.append(call()))
        qtbot.waitUntil(lambda: bool(found))
        return found[0]

    assert in_window(late_layers.isbi2012_sample) == []
    qtbot.waitUntil(lambda: "I" in viewer.layers)
    made = [(sample[0][0], {"name": "S"}, "image")]
    monkeypatch.setattr(late_layers, "synthetic_layers", lambda: made)
    assert in_window(late_layers.synthetic_sample) == []
    qtbot.waitUntil(lambda: "S" in viewer.layers)

    assert late_layers.coco_in_window(str(tmp_path / "a.tif")) is None
    path, _ = write_coco_sample(tmp_path)
    read = late_layers.coco_in_window(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # objects overlap
        assert in_window(lambda: read(str(path))) == late_layers.NOTHING
        names = ("annotations", "annotations classes", "annotations instances")
        qtbot.waitUntil(lambda: all(x in viewer.layers for x in names), timeout=30_000)
        # a file that is broken is said, not raised into the window
        path.write_text('{"images": [], "annotations": [], "categories": []}')
        in_window(lambda: read(str(path)))
        qtbot.waitUntil(lambda: bool(told))
    assert "lists no images" in told[0]


def test_napari_is_told_of_the_functions_that_let_the_window_go_on(project):
    manifest = yaml.safe_load((project / "napari.yaml").read_text())["contributions"]
    names = {command["id"]: command["python_name"] for command in manifest["commands"]}
    for contribution, function in (
        ("sample_synthetic", late_layers.synthetic_sample),
        ("sample_isbi2012", late_layers.isbi2012_sample),
        ("read_coco", late_layers.coco_in_window),
    ):
        there = f"{function.__module__}:{function.__name__}"
        assert names[f"napari-utile.{contribution}"] == there
