"""The command that starts the engine."""

import sys
from pathlib import Path

import pytest

from napari_utile.cli.main import parsed_command
from napari_utile.errors import UserError
from napari_utile.settings.coco import CocoSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.process.command_line import (
    find_python,
    flags,
    shell_line,
    worker_command,
)


def test_the_python_of_a_windowless_napari_is_the_one_beside_it(tmp_path, monkeypatch):
    for name in ("pythonw.exe", "python.exe"):
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "pythonw.exe"))
    assert find_python() == str(tmp_path / "python.exe")


def test_a_bundle_without_python_says_so(tmp_path, monkeypatch):
    (tmp_path / "napari").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "napari"))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(UserError, match="bundle without a Python"):
        find_python()


def test_the_command_runs_this_python():
    start = [sys.executable, "-P", "-m", "napari_utile.cli.warm"]
    assert worker_command(5) == [*start, '{"idle_seconds": 5}']
    assert Path(sys.executable).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="another shell")
def test_the_shell_line_quotes_what_needs_it():
    assert shell_line(["train", "my image.tif"]) == "utile train 'my image.tif'"


def test_values_with_a_comma_are_flags_of_their_own():
    assert flags(CocoSettings(category=("a", "b"))) == ["--category", "a,b"]
    names = flags(TrainSettings(validation_images=["a.tif", "b"]))  # the shell cuts no name
    assert names == ["--validation-images", "a.tif", "--validation-images", "b"]
    assert parsed_command(["train", "i", "l", "--out", "o", *names]).validation_images == (
        "a.tif",
        "b",
    )
    given = flags(CocoSettings(category=("bottle, glass", "b")))
    assert given == ["--category", "bottle, glass", "--category", "b"]
