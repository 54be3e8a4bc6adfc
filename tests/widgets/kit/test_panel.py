"""A panel that is closed leaves no work behind."""

from types import SimpleNamespace

from qtpy.QtWidgets import QDockWidget

from napari_utile.widgets.kit.help_page import HelpButton
from napari_utile.widgets.kit.panel import MOST_HEIGHT, Panel
from napari_utile.widgets.kit.thread_controls import ThreadControls


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


def test_many_messages_scroll_and_leave_room_for_the_panel(qtbot):
    panel = Panel()
    qtbot.addWidget(panel)
    panel.controls = ThreadControls("Work", lambda: None, lambda _: None)
    panel.column().addStretch()
    panel.pin(panel.controls)
    panel.resize(320, 600)
    panel.show()
    messages = panel.controls.messages
    brief = messages.parent().parent()
    assert not brief.isVisible()
    messages.add("short")
    qtbot.waitUntil(brief.isVisible)
    assert brief.height() < 30
    assert brief.window() is panel  # below the buttons
    qtbot.waitUntil(lambda: brief.geometry().top() > panel.controls.button.geometry().top())
    for number in range(6):
        messages.add(f"{number} " + "many words that fill a line or two and more " * 4)
    qtbot.waitUntil(lambda: brief.height() == MOST_HEIGHT)
    bar = brief.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    messages.clear()
    qtbot.waitUntil(lambda: not brief.isVisible())


def test_a_panel_that_has_a_page_has_a_question_mark_in_view(qtbot):
    class WithPage(Panel):
        page = "Segment"

    panel = WithPage()
    qtbot.addWidget(panel)
    panel.show()
    assert panel.findChild(HelpButton).isVisible()
