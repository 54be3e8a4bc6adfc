"""Small pictures of previews and covers. That of probabilities is in `test_model_zip.py`."""

import numpy as np
import pytest
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.folders import thumbnails
from napari_utile.folders.thumbnails import thumbnail


def test_a_picture_with_colors_is_cut_to_its_middle(tmp_path):
    colors = np.zeros((10, 30, 3), np.uint8)
    colors[:, 10:20] = 200, 100, 50
    Image.fromarray(colors).save(tmp_path / "cover.png")
    small = thumbnail(tmp_path / "cover.png", 5)
    np.testing.assert_array_equal(small, np.broadcast_to([200, 100, 50], (5, 5, 3)))


def test_a_large_picture_is_not_read(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "cover.png")
    monkeypatch.setattr(thumbnails, "MOST_PIXELS", 24)
    with pytest.raises(UserError, match="too large for a thumbnail"):
        thumbnail(tmp_path / "cover.png")
