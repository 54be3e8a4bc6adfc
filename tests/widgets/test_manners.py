"""Panels in a real window: what the keys reach, what is seen of it, and what is cut off."""

import pytest
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QWidget

from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.train.panel import TrainPanel

NARROW = 300
"""Width of the narrowest panel, px."""


@pytest.fixture
def theme(monkeypatch):
    """Choose another theme, not in the user's file; the old one comes back."""
    monkeypatch.setattr(type(get_settings()), "_maybe_save", lambda _: None)
    appearance = get_settings().appearance
    before = appearance.theme
    yield lambda name: setattr(appearance, "theme", name)
    appearance.theme = before


def cut_off(panel):
    """Return the parts of a panel that reach beyond its right edge."""
    content, edge = panel.scroll.widget(), panel.scroll.viewport().width()
    parts = [part for part in content.findChildren(QWidget) if part.isVisible()]
    return [part for part in parts if part.mapTo(content, part.rect().topRight()).x() >= edge]


def test_keys_reach_what_is_seen_and_nothing_is_cut_off(
    make_napari_viewer, cells, open_panel, qtbot, theme
):
    theme("dark")
    viewer = make_napari_viewer(show=True)
    pressed = []
    viewer.bind_key("Enter", lambda _: pressed.append("Enter"))
    viewer.add_image(cells[0], name="em")
    viewer.add_labels(cells[1], name="cells")
    panel = open_panel(TrainPanel, viewer)
    window = viewer.window._qt_window
    window.resize(1280, 800)
    window.activateWindow()
    qtbot.waitUntil(panel.isVisible)

    # Tab stops from the first field to the main button
    panel.image.native.setFocus()
    stops = [panel.image.native]
    while stops[-1] is not panel.controls.button and len(stops) < 60:
        qtbot.keyClick(stops[-1], Qt.Key.Key_Tab)
        stops.append(QApplication.focusWidget())
        assert not stops[-1].visibleRegion().isEmpty()
    assert len(stops) < 24

    # the mark of the focus, in both themes
    line = panel.form.widget("steps")
    line.setFocus()
    for name in ("dark", "light"):
        theme(name)
        QApplication.processEvents()
        edge = QColor(line.grab().toImage().pixel(line.width() // 2, 0))
        assert edge.name() == color_of(Tone.NOTE)

    # Enter
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert panel.controls.state is State.IDLE and not pressed

    # the right edge, beside the scroll bar
    for fold in panel.form.folds.values():
        fold.set_open(True)
    dock = panel.parent()
    for width in (NARROW, 340, 400):
        window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
        QApplication.processEvents()
        assert panel.scroll.verticalScrollBar().isVisible()
        assert not cut_off(panel)
    assert panel.form.widget("tile").isVisible()
