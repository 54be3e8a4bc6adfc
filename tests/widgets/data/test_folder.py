"""What of a folder becomes layers."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.images import write_tiff
from napari_utile.widgets.data import folder as module
from napari_utile.widgets.data.folder import images_apart, pairs_inside, pairs_to_open


def write(path, shape):
    path.parent.mkdir(exist_ok=True)
    write_tiff(path, np.zeros(shape, np.uint8))
    return path


def test_images_of_one_size_are_a_stack_and_others_are_not(tmp_path, monkeypatch):
    one = write(tmp_path / "a.tif", (8, 9))
    two = write(tmp_path / "b.tif", (8, 9))
    assert images_apart(tmp_path) == [] and images_apart(one) == []
    wide = write(tmp_path / "c.tif", (8, 90))
    assert images_apart(tmp_path) == [one, two, wide]
    monkeypatch.setattr(module, "MOST_LAYERS", 2)
    with pytest.raises(UserError, match="holds 3 images, too many for a layer each"):
        images_apart(tmp_path)


def test_pairs_are_opened_if_they_are_few(tmp_path, monkeypatch):
    pair = write(tmp_path / "i" / "a.tif", (8, 9)), write(tmp_path / "l" / "a_gt.tif", (8, 9))
    assert pairs_to_open(tmp_path / "i", tmp_path / "l").pairs == [pair]
    monkeypatch.setattr(module, "MOST_LAYERS", 0)
    with pytest.raises(UserError, match="too many"):
        pairs_to_open(tmp_path / "i", tmp_path / "l")


def test_labels_beside_their_images_are_told_by_their_names(tmp_path):
    one = write(tmp_path / "a.tif", (8, 9))
    assert pairs_inside(tmp_path) is None and pairs_inside(one) is None
    assert pairs_inside(tmp_path / "none") is None
    mask = write(tmp_path / "a_mask.tif", (8, 9))
    write(tmp_path / "b.tif", (8, 9))
    found = pairs_inside(tmp_path)
    assert (found.pairs, found.lacking) == ([(one, mask)], ["no labels for b.tif"])
