import pytest

from napari_utile.errors import UserError
from napari_utile.io.pairs import pair_files
from tests.fixtures.touch import touch


def test_pairs_by_stem(tmp_path):
    touch(
        tmp_path, "i/s1.ome.tif", "i/s10.tif", "i/s2.png", "l/s1.tif", "l/s2.tif", "l/s10.tif"
    )
    found = [(i.name, label.name) for i, label in pair_files(tmp_path / "i", tmp_path / "l")]
    assert found == [("s1.ome.tif", "s1.tif"), ("s2.png", "s2.tif"), ("s10.tif", "s10.tif")]


def test_one_image_and_one_labels_file_are_a_pair(tmp_path):
    touch(tmp_path, "volume.tif", "labels.tif")
    both = tmp_path / "volume.tif", tmp_path / "labels.tif"
    assert pair_files(*both) == [both]


def test_what_does_not_pair_up_is_listed(tmp_path):
    touch(tmp_path, "i/a.tif", "i/b.tif", "i/b.png", "l/b.tif", "l/c.tif")
    with pytest.raises(UserError) as refused:
        pair_files(tmp_path / "i", tmp_path / "l")
    for said in ("more than one image called b", "no labels for a.tif", "no image for c.tif"):
        assert said in str(refused.value)


def test_long_lists_of_names_are_cut(tmp_path):
    touch(tmp_path, "l/other.tif", *(f"i/{n}.tif" for n in range(12)))
    with pytest.raises(UserError, match=r"4\.tif and 7 more"):
        pair_files(tmp_path / "i", tmp_path / "l")
