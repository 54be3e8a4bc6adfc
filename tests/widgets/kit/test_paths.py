"""Folders that are chosen, made, and left alone."""

from functools import partial
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QToolButton

from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.paths import (
    PathChoice,
    fresh_folder,
    last_model,
    new_run_folder,
)
from tests.fixtures.new_run import new_run


def test_a_folder_in_which_a_run_goes_on_is_left_alone(tmp_path):
    with new_run(tmp_path / "mine", TrainSettings(steps=7)) as run:
        with pytest.raises(UserError, match="in use"):
            new_run_folder(run.folder, TrainSettings(steps=5))
        assert TrainSettings.read(run.settings).steps == 7


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


def test_a_relative_path_is_shown_as_the_one_it_means(qtbot, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    choice = PathChoice("hint")
    qtbot.addWidget(choice)
    qtbot.keyClicks(choice.line, "runs/mine")
    assert choice.line.text() == "runs/mine"
    assert choice.path == tmp_path / "runs" / "mine"
    qtbot.keyClick(choice.line, Qt.Key.Key_Return)
    assert choice.line.text() == str(tmp_path / "runs" / "mine")


def test_a_dialog_begins_where_somebody_keeps_something(qtbot, home, monkeypatch, tmp_path):
    asked = []
    for dialog, answer in (("getExistingDirectory", ""), ("getSaveFileName", ("", ""))):
        told = partial(lambda answer, *given: asked.append(given[2]) or answer, answer)
        monkeypatch.setattr(QFileDialog, dialog, told)
    mine, runs, new = PathChoice(""), PathChoice("", inside="runs"), PathChoice("", new=".zarr")
    for choice in (mine, runs, new):
        qtbot.addWidget(choice)
        choice.findChild(QToolButton).click()
    (home / "runs").mkdir(parents=True)
    runs.findChild(QToolButton).click()
    mine.set_path(tmp_path)
    mine.findChild(QToolButton).click()
    user = str(Path.home())
    assert asked == [user, user, user, str(home / "runs"), str(tmp_path)]
