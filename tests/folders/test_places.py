"""Names of folders in that of the user's data."""

import pytest

from napari_utile.folders.places import plain_name, unused


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("em [1]: a/b.tif", "em-1-a-b.tif"),
        ("...", "layer"),
        ("", "layer"),
        ("ä_1", "ä_1"),
        ("Aux", "layer-Aux"),
    ],
)
def test_a_layer_names_a_file_on_any_system(name, plain):
    assert plain_name(name) == plain
    assert len(plain_name(name * 99)) <= 60


def test_a_name_that_is_taken_is_numbered(tmp_path):
    assert unused(tmp_path / "a") == tmp_path / "a"
    for name in ("a", "a_2"):
        (tmp_path / name).mkdir()
    assert unused(tmp_path / "a") == tmp_path / "a_3"
