"""A panel that is closed leaves no work behind."""

from types import SimpleNamespace

from qtpy.QtWidgets import QDockWidget

from napari_utile.widgets.kit.help_page import HelpButton
from napari_utile.widgets.kit.panel import Panel


def test_work_is_left_when_the_panel_is_taken_out_of_its_dock_and_not_before(qtbot):
    left = []
    panel, dock = Panel(), QDockWidget()
    qtbot.addWidget(dock)
    panel.controls = SimpleNamespace(leave=lambda: left.append("left"), is_running=False)
    dock.setWidget(panel)
    dock.setFloating(True)
    assert left == []
    panel.setParent(None)
    assert left == ["left"]


def test_a_panel_without_work_is_closed_like_any_other(qtbot):
    panel, dock = Panel(), QDockWidget()
    qtbot.addWidget(dock)
    dock.setWidget(panel)
    panel.setParent(None)
    assert panel.parent() is None


def test_a_panel_that_has_a_page_has_a_question_mark_in_view(qtbot):
    class WithPage(Panel):
        page = "Segment"

    panel = WithPage()
    qtbot.addWidget(panel)
    panel.show()
    assert panel.findChild(HelpButton).isVisible()
