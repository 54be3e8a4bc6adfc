"""Files and layers that are labels by their names."""

import numpy as np
import tifffile
from napari.layers import Image, Labels

from napari_utile.widgets.layers.masks import files_of_labels, labels_as_images


def test_files_are_labels_of_files_or_layers_if_they_hold_whole_numbers(tmp_path):
    pixels = {
        "a.tif": np.zeros((4, 5), np.uint8),
        "a_mask.tif": np.zeros((4, 5), np.uint8),
        "b_mask.tif": np.zeros((4, 5), np.uint16),
        "c.tif": np.zeros((4, 5), np.uint8),
        "c_seg.tif": np.zeros((4, 5), np.float32),
        "a_gt.tif": np.zeros((4, 5, 3), np.uint8),
        "d_mask.tif": np.zeros((4, 5), np.uint8),
    }
    for name, data in pixels.items():
        tifffile.imwrite(tmp_path / name, data)
    (tmp_path / "c_mask.tif").write_text("broken")
    paths = [str(tmp_path / name) for name in (*pixels, "c_mask.tif", "a_labels")]
    found = files_of_labels(paths, [Image(np.zeros((4, 5)), name="b")])
    assert [path.rpartition("/")[2] for path in found] == ["a_mask.tif", "b_mask.tif"]


def test_layers_are_labels_of_another_of_their_shape():
    pixels, other = np.zeros((4, 5), np.uint8), np.zeros((5, 5), np.uint8)
    a, b, a_mask = (Image(pixels, name=name) for name in ("a", "b", "a_mask [1]"))
    b_mask, b_gt = Image(other, name="b_mask"), Labels(pixels, name="b_gt")
    assert labels_as_images([a, b, a_mask, b_mask, b_gt]) == {a_mask: "a"}
