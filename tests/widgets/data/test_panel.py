"""The panel that opens images and samples."""

import warnings

import numpy as np
import tifffile
from napari.layers import Image, Labels
from napari.plugins import _initialize_plugins
from qtpy.QtCore import Qt

from napari_utile.widgets.data import panel as module
from napari_utile.widgets.data.panel import DataPanel


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_files_open_and_are_described_and_a_wrong_one_is_named(open_panel, viewer, tmp_path):
    _initialize_plugins()  # as a window does
    panel = open_panel(DataPanel, viewer)
    assert "em: 3 x 64 x 64, uint8, voxel 50 x 4 x 4 nm" in plain(panel.list.text())
    tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 6), np.uint16))
    (tmp_path / "b.xyz").write_text("none")
    panel.open_paths([str(tmp_path / "b.xyz"), str(tmp_path / "a.tif")])
    assert viewer.layers["a"].data.shape == (5, 6)
    assert ">a</a>: 5 x 6, uint16" in plain(panel.list.text())
    assert "b.xyz" in panel.controls.messages.text()
    (tmp_path / "torn.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:90])
    panel.open_paths([str(tmp_path / "torn.tif")])
    assert "torn.tif is cut off or damaged" in panel.controls.messages.text()
    assert "stack trace" not in panel.controls.messages.text()


def test_masks_beside_their_images_open_as_labels_and_it_is_said(open_panel, viewer, tmp_path):
    _initialize_plugins()
    panel = open_panel(DataPanel, viewer)
    for name in ("a", "a_mask", "em_mask", "b_mask"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.eye(5, 6, dtype=np.uint8))
    panel.open_paths([str(path) for path in sorted(tmp_path.glob("*.tif"))])
    kinds = {layer.name: type(layer) for layer in viewer.layers}
    assert kinds["a_mask"] is kinds["em_mask"] is Labels
    assert kinds["a"] is kinds["b_mask"] is Image
    assert "Opened as labels, by name: 'a_mask', 'em_mask'." in panel.controls.messages.text()


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

    def isbi2012_layers(tell):
        tell("Terms of use.")
        return [(pixels, {"name": "I"}, "image")]

    monkeypatch.setattr(module, "isbi2012_layers", isbi2012_layers)
    press(panel.controls.button)
    assert "I" not in viewer.layers
    qtbot.waitUntil(lambda: "I" in viewer.layers)
    assert "Terms of use." in panel.controls.messages.text()


def test_what_a_reader_warns_of_is_said_in_the_panel(
    open_panel, viewer, monkeypatch, recwarn, tmp_path
):
    panel = open_panel(DataPanel, viewer)
    monkeypatch.setattr(panel, "_open_as_layer", lambda _: warnings.warn("odd", stacklevel=1))
    panel.open_paths([str(tmp_path / "a.tif")])
    assert "⚠ odd" in panel.controls.messages.text() and not recwarn.list


def test_a_double_click_on_the_sample_does_not_stop_it(open_panel, viewer, press, qtbot):
    panel = open_panel(DataPanel, viewer)
    press(panel.synthetic)
    assert panel.synthetic.text() == "Stop" and "ISBI" in panel.controls.button.text()
    qtbot.mouseDClick(panel.synthetic, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    assert panel.making.messages.text() == "" and panel.synthetic.text() != "Stop"


def test_all_images_are_in_view_that_are_opened_first(open_panel, tmp_path, qtbot):
    from napari.components import ViewerModel

    _initialize_plugins()
    viewer = ViewerModel()
    panel = open_panel(DataPanel, viewer)
    sides = 10, 100
    for side in sides:
        tifffile.imwrite(tmp_path / f"{side:03}.tif", np.eye(side, dtype=np.uint8))
    panel.open_paths([str(path) for path in sorted(tmp_path.glob("*.tif"))])
    assert viewer.scene.camera.center[-2:] == (49.5, 49.5)


def test_a_folder_of_images_and_labels_offers_to_open_them_as_pairs(
    open_panel, viewer, tmp_path
):
    _initialize_plugins()
    panel = open_panel(DataPanel, viewer)
    for kind, word in (("images", ""), ("masks", "_mask")):
        (tmp_path / kind).mkdir()
        for name, shape in (("a", (8, 9)), ("b", (20, 30))):
            tifffile.imwrite(tmp_path / kind / f"{name}{word}.tif", np.ones(shape, np.uint8))
    before = {*viewer.layers}
    panel.open_paths([str(tmp_path)])
    text = panel.controls.messages.text()
    assert "its folders 'images' and 'masks' do" in text and {*viewer.layers} == before
    panel.controls.messages.linkActivated.emit(f"pair:{tmp_path}")
    new = [layer for layer in viewer.layers if layer not in before]
    assert [layer.name for layer in new] == ["a", "a labels", "b", "b labels"]
    assert [type(layer) for layer in new] == [Image, Labels] * 2
    panel.open_paths([str(tmp_path / "images")])  # no stack of cut images
    assert [layer.data.shape for layer in viewer.layers[-2:]] == [(8, 9), (20, 30)]
    assert "differ in size: each is a layer of its own" in panel.controls.messages.text()
    tifffile.imwrite(tmp_path / "images" / "b_seg.tif", np.ones((20, 30), np.uint8))
    panel.open_paths([str(tmp_path / "images")])
    assert [layer.name for layer in viewer.layers[-2:]] == ["b [2]", "b labels [1]"]
    assert "Not opened: no labels for a.tif." in panel.controls.messages.text()
