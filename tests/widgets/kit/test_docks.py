"""Docks of panels in a real window."""

from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_utile.widgets.evaluate.panel import EvaluatePanel
from napari_utile.widgets.home.panel import HomePanel
from napari_utile.widgets.kit.docks import dock_of, open_beside
from napari_utile.widgets.segment.panel import SegmentPanel
from napari_utile.widgets.train.panel import TrainPanel


def test_panels_lie_behind_one_another_and_the_main_button_is_always_in_view(
    window, open_panel, qtbot
):
    window.window.resize(1280, 800)
    window.window.show()
    panels = [open_panel(kind, window) for kind in (TrainPanel, SegmentPanel, EvaluatePanel)]
    docks, main = [dock_of(panel) for panel in panels], panels[0].window()
    qtbot.waitUntil(lambda: len(main.tabifiedDockWidgets(docks[0])) == 2)
    assert all(isinstance(dock, QDockWidget) for dock in docks)
    for dock, panel in zip(docks, panels, strict=True):
        dock.raise_()
        button = panel.controls.button
        qtbot.waitUntil(lambda: not button.visibleRegion().isEmpty())  # noqa: B023
        # all of it, at the bottom of the panel, whatever is unfolded above
        corner = button.mapTo(main, QPoint(0, button.height()))
        assert button.visibleRegion().boundingRect() == button.rect()
        assert main.height() * 0.6 < corner.y() < main.height()
    home = open_panel(HomePanel, window)
    qtbot.waitUntil(lambda: dock_of(home) in main.tabifiedDockWidgets(docks[0]))
    # a panel in a dock that floats is left where it is
    floating = open_panel(TrainPanel, window)
    dock_of(floating).setFloating(True)
    qtbot.wait(50)
    assert dock_of(floating) not in main.tabifiedDockWidgets(docks[0])


def test_a_panel_that_is_a_step_opens_another_step(qtbot):
    class Steps(QWidget):
        def open_step(self, title):
            self.opened = title

    home = Steps()
    qtbot.addWidget(home)
    inside = QWidget(QWidget(home))
    open_beside(inside, None, "Train", "Train on layers")
    assert home.opened == "Train"
