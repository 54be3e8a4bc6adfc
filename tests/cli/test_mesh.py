"""`utile mesh`."""

import pytest

from napari_utile.cli.main import main
from tests.fixtures.commands import complaint


def test_meshes_of_chosen_objects(folder, tmp_path):
    arguments = ["mesh", str(folder / "labels.tif"), "--out", str(tmp_path / "m")]
    assert main([*arguments, "--ids", "10, 2", "--format", "obj", "--smooth", "1"]) == 0
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["10.obj", "2.obj"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--ids", "a"], "--ids: 'a' are no ids; write them like 3,7, or all."),
        (["--ids", "5"], "labels.tif has no object 5; it has 4: 2, 10, 18, 26."),
    ],
)
def test_ids_that_are_none_are_refused(folder, tmp_path, capsys, flags, message):
    command = ["mesh", folder / "labels.tif", "--out", tmp_path / "m", *flags]
    assert complaint(capsys, command) == message
    assert not (tmp_path / "m").exists()
