"""The panel that opens images and samples."""

import numpy as np
import tifffile
from napari.plugins import _initialize_plugins

from napari_utile.widgets.data import panel as module
from napari_utile.widgets.data.panel import DataPanel


def test_files_open_and_are_described_and_a_wrong_one_is_named(open_panel, viewer, tmp_path):
    _initialize_plugins()  # as a window does
    panel = open_panel(DataPanel, viewer)
    assert "em: 3 x 64 x 64, uint8, voxel 50 x 4 x 4 nm" in panel.list.text()
    tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 6), np.uint16))
    (tmp_path / "b.xyz").write_text("none")
    panel.open_paths([str(tmp_path / "b.xyz"), str(tmp_path / "a.tif")])
    assert viewer.layers["a"].data.shape == (5, 6)
    assert ">a</a>: 5 x 6, uint16" in panel.list.text()
    assert "b.xyz" in panel.controls.messages.text()


def test_samples_come_with_their_labels_the_download_in_a_thread(
    open_panel, viewer, press, qtbot, monkeypatch
):
    panel = open_panel(DataPanel, viewer)
    press(panel.synthetic)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    assert [layer.name for layer in viewer.layers[-2:]] == [
        "Synthetic ssTEM",
        "Synthetic ssTEM labels",
    ]
    pixels = np.zeros((2, 4, 4), np.uint8)
    monkeypatch.setattr(module, "isbi2012_layers", lambda: [(pixels, {"name": "I"}, "image")])
    press(panel.controls.button)
    assert "I" not in viewer.layers
    qtbot.waitUntil(lambda: "I" in viewer.layers)


def test_a_double_click_on_the_sample_does_not_stop_it(open_panel, viewer, press, qtbot):
    panel = open_panel(DataPanel, viewer)
    for _ in range(2):
        press(panel.synthetic)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    assert panel.controls.messages.text() == ""
