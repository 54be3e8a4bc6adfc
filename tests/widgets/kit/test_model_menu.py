"""What the menu beside a list of models does, and asks before."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_utile.folders.run import Run
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.models import ModelChoice


def actions(choice):
    choice.menu.aboutToShow.emit()
    return {action.text(): action for action in choice.menu.actions()}


def test_a_model_is_renamed_for_every_panel(choice, models, qtbot, monkeypatch, told):
    assert not actions(choice)["Rename …"].isEnabled()
    other = ModelChoice("")
    qtbot.addWidget(other)
    for each in (choice, other):
        each.set_path(models[0])
    name = iter(["Zellen", "x" * 65])
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: (next(name), True))
    actions(choice)["Rename …"].trigger()
    qtbot.waitUntil(lambda: other.line.currentText() == "Zellen")
    assert choice.path == other.path == models[0]
    actions(choice)["Rename …"].trigger()
    qtbot.waitUntil(lambda: bool(told))
    assert "at most 64 characters" in told[0]


def test_a_model_is_deleted_after_a_question(choice, models, qtbot, monkeypatch, told):
    Run(models[0].parent).settings.write_text(TrainSettings().text())
    asked = []
    answers = iter([QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes])

    def question(_parent, _title, text, *_):
        asked.append(text)
        return next(answers)

    monkeypatch.setattr(QMessageBox, "question", question)
    choice.set_path(models[0])
    with Run(models[0].parent).locked():  # it goes on
        for i in range(2):
            actions(choice)["Delete …"].trigger()
            qtbot.waitUntil(lambda i=i: len(asked) == i + 1)
        qtbot.waitUntil(lambda: bool(told))
    assert "in use" in told[0] and models[0].exists()
    assert "kB" in asked[0] and "cannot be undone" in asked[0]
    answers = iter([QMessageBox.StandardButton.Yes])
    actions(choice)["Delete …"].trigger()
    qtbot.waitUntil(lambda: choice.path == models[1])  # the newest of those that are left
    assert not models[0].parent.exists()
    assert "was deleted" in told[1]


def test_a_model_is_exported_and_imported(choice, models, qtbot, monkeypatch, told, tmp_path):
    out = tmp_path / "em"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (f"{out}.zip", ""))
    choice.set_path(models[0])
    actions(choice)["Export as one file …"].trigger()
    qtbot.waitUntil(lambda: told == [f"The model is in {out}.zip."])
    actions(choice)["Import a file (.zip) …"].trigger()
    qtbot.waitUntil(lambda: choice.path != models[0])
    assert choice.path == models[0].parents[2] / "models" / "em"
    Path(f"{out}.zip").write_bytes(b"nothing")
    actions(choice)["Import a file (.zip) …"].trigger()
    qtbot.waitUntil(lambda: len(told) == 2)
    assert "is no model: choose a .zip" in told[1]
