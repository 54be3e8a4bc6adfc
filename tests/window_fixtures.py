"""Fixtures for panels in a real window, with an engine that plays a script.

The `conftest.py` of `tests/widgets` and of `tests/faults` take them from here.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

FAKE = Path(__file__).with_name("fake_engine.py")


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Make every engine that the window starts play the given events and commands."""
    from napari_utile.widgets import _controls, _detached

    folder = tmp_path / "script"
    folder.mkdir()

    def play(*lines):
        lines = [json.loads(x.line()) if hasattr(x, "line") else x for x in lines]
        (folder / "script.json").write_text(json.dumps(lines))
        command = [sys.executable, str(FAKE), str(folder / "script.json")]
        for module in (_controls, _detached):
            monkeypatch.setattr(module, "engine_command", lambda given: [*command, *given])
        return folder / "arguments.json"

    return play


@pytest.fixture
def errors(monkeypatch):
    """Collect what the user is told in notifications."""
    from napari_utile.widgets import _controls, _working, weights

    told = []
    for module in (_controls, _working, weights):
        monkeypatch.setattr(module, "show_error", told.append)
    return told


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Keep what the panels make in a folder of the test."""
    from napari_utile.widgets import _paths

    monkeypatch.setattr(_paths, "data_folder", lambda: tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def cells():
    """Three slices with two cells each, one pixel apart, and labels of them."""
    labels = np.zeros((3, 64, 64), np.uint8)
    labels[:, 8:56, 8:31] = 1
    labels[:, 8:56, 32:56] = 2
    noise = np.random.default_rng(0).integers(0, 20, labels.shape)
    return (100 * (labels > 0) + noise).astype(np.uint8), labels


@pytest.fixture
def viewer(cells, qtbot):
    """Return a viewer without a window, which is fast, with two layers in it."""
    from napari.components import ViewerModel

    return add_cells(ViewerModel(), cells)


@pytest.fixture
def window(make_napari_viewer_proxy, cells):
    """Return a real window with the same two layers."""
    return add_cells(make_napari_viewer_proxy(), cells)


def add_cells(viewer, cells):
    """Add an image layer "em" and a labels layer "cells", with pixels of 4 nm."""
    place = {"scale": (50, 4, 4), "translate": (0, 100, 200), "units": ("nm",) * 3}
    viewer.add_image(cells[0].copy(), name="em", **place)
    viewer.add_labels(cells[1].copy(), name="cells", **place)
    return viewer


@pytest.fixture
def model(tmp_path):
    """Return the folder of a model of one channel, as far as the window reads it."""
    folder = tmp_path / "run" / "model"
    folder.mkdir(parents=True)
    text = "config: {utile: {arguments: {in_channels: 1}}}"
    (folder / "bioimageio.yaml").write_text(text)
    return folder


@pytest.fixture
def open_panel(qtbot, home):
    """Open a panel, docked where there is a window."""

    def open_panel(panel_type, viewer):
        panel = panel_type(viewer)
        if hasattr(viewer, "window"):
            viewer.window.add_dock_widget(panel, name=panel_type.__name__)
        else:
            qtbot.addWidget(panel)
        return panel

    return open_panel


@pytest.fixture
def press(qtbot):
    """Press a button as a user does: only if it is enabled."""
    from qtpy.QtCore import Qt

    def press(button):
        assert button.isEnabled()
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    return press
