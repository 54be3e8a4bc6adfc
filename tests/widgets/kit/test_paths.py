"""Folders that are chosen, made, and left alone."""

from pathlib import Path

import pytest

from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.paths import (
    PathChoice,
    fresh_folder,
    last_model,
    new_run_folder,
    plain_name,
    unused,
)
from tests.fixtures.new_run import new_run


def test_a_folder_in_which_a_run_goes_on_is_left_alone(tmp_path):
    with new_run(tmp_path / "mine", TrainSettings(steps=7)) as run:
        with pytest.raises(UserError, match="in use"):
            new_run_folder(run.folder, TrainSettings(steps=5))
        assert TrainSettings.read(run.settings).steps == 7


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


def test_a_fresh_folder_is_named_and_not_made(home):
    folder = fresh_folder("runs", "em 1")
    assert folder.parent == home / "runs"
    assert folder.name.endswith("_em-1")
    assert not home.exists()
    assert last_model() is None


def test_a_path_that_is_typed_may_begin_at_home(qtbot):
    choice = PathChoice("hint")
    qtbot.addWidget(choice)
    assert choice.path is None
    choice.line.setText(" ~/models/a ")
    assert choice.path == Path.home() / "models" / "a"
