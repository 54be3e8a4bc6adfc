"""A folder of folders of images says what it holds."""

from napari_utile.io.inner_folders import inner_folders
from tests.fixtures.touch import touch


def test_a_folder_of_two_folders_names_them_and_their_pair(tmp_path):
    touch(tmp_path, "study/images/a.tif", "study/masks/a.tif", "study/notes/a.txt")
    found = inner_folders(tmp_path / "study")
    assert (
        str(found) == "'study' holds no image itself, but its folders 'images' and 'masks' do."
    )
    assert found.pair == (tmp_path / "study" / "images", tmp_path / "study" / "masks")
    found = inner_folders(tmp_path)
    assert found is None  # images are two folders down


def test_images_beside_folders_are_meant_themselves(tmp_path):
    touch(tmp_path, "a.tif", "masks/a.tif")
    assert inner_folders(tmp_path) is None
    assert inner_folders(tmp_path / "a.tif") is None
    (tmp_path / "a.tif").unlink()
    found = inner_folders(tmp_path)
    assert str(found).endswith("but its folder 'masks' does.") and found.pair is None
