"""Two folders are read in a thread, and the folder above them leads to them."""

import numpy as np
import pytest

from napari_utile.io.images import write_tiff
from napari_utile.widgets.train.folders import FolderPair


@pytest.fixture
def study(tmp_path):
    for name in ("images/a", "masks/a_mask", "other/a"):
        (tmp_path / name).parent.mkdir()
        write_tiff(tmp_path / f"{name}.tif", np.zeros((8, 9), np.uint8))
    return tmp_path


@pytest.fixture
def folders(qtbot):
    folders = FolderPair()
    qtbot.addWidget(folders)
    return folders


def test_the_folder_above_both_offers_them(folders, study, qtbot):
    (study / "other" / "a.tif").unlink()
    folders.images.set_path(study)  # no labels are chosen yet
    qtbot.waitUntil(lambda: "holds no image itself" in folders.problem(None))
    assert "its folders 'images' and 'masks' do" in folders.problem(None)
    assert "Take 'images' and 'masks' in it." in folders.offer.text()
    folders.offer.linkActivated.emit("take")
    assert (folders.images.path, folders.labels.path) == (study / "images", study / "masks")
    assert folders.offer.isHidden()
    qtbot.waitUntil(lambda: folders.problem(None) == "")
    (row,) = folders.rows()
    assert (row.name, row.image, row.labels) == ("a", "a.tif", "a_mask.tif")
    assert folders.first.shape == (8, 9)


def test_nothing_is_offered_where_it_is_not_plain(folders, study, qtbot):
    (study / "masks").rename(study / "more")
    folders.labels.set_path(study)
    qtbot.waitUntil(lambda: "'images', 'more' and 'other'" in folders.problem(None))
    assert folders.offer.isHidden()
