"""The box of messages shows whole messages, the newest among them."""

import pytest

from napari_utile.widgets.kit.message_box import MOST_HEIGHT
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.thread_controls import ThreadControls

LONG = "many words that fill a line or two and more "


@pytest.fixture
def panel(qtbot):
    panel = Panel()
    qtbot.addWidget(panel)
    panel.controls = ThreadControls("Work", lambda: None, lambda _: None)
    panel.column().addStretch()
    panel.pin(panel.controls)
    panel.resize(320, 600)
    panel.show()
    return panel


@pytest.fixture
def box(panel):
    return panel.controls.messages.parent().parent()


def test_many_messages_scroll_and_leave_room_for_the_panel(qtbot, panel, box):
    messages = panel.controls.messages
    assert not box.isVisible()
    messages.add("short")
    qtbot.waitUntil(box.isVisible)
    assert box.height() < 30
    assert box.window() is panel  # below the buttons
    qtbot.waitUntil(lambda: box.geometry().top() > panel.controls.button.geometry().top())
    for number in range(6):
        messages.add(f"{number} " + LONG * 4)
    bar = box.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    assert 0 < box.height() <= MOST_HEIGHT
    messages.clear()
    qtbot.waitUntil(lambda: not box.isVisible())


@pytest.mark.parametrize("repeats", [4, 40])
def test_the_newest_is_seen_from_its_first_word_below_whole_others(qtbot, panel, box, repeats):
    messages, bar = panel.controls.messages, box.verticalScrollBar()
    for number in range(5):
        messages.add(f"{number} {LONG * 3}")
    messages.add(LONG * repeats)
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    starts, end = messages.starts(messages.width())
    assert bar.value() in starts
    assert bar.value() <= starts[-1]
    assert bar.value() + box.height() == (end if repeats == 4 else starts[-1] + MOST_HEIGHT)
    assert messages.height() == end  # there is no empty place to scroll to


def test_what_is_wrong_is_seen_first(qtbot, panel, box):
    for number in range(5):
        panel.controls.messages.add(f"{number} {LONG * 4}")
    qtbot.waitUntil(lambda: box.verticalScrollBar().value() > 0)
    panel.controls.messages.set_problem("Choose a model.")
    qtbot.waitUntil(lambda: box.verticalScrollBar().value() == 0)


def test_a_style_with_frames_cuts_no_line_and_needs_no_scroll_bar(qtbot, panel, box):
    panel.setStyleSheet("QWidget { border: 1px solid red; }")  # napari has such a frame
    messages, bar = panel.controls.messages, box.verticalScrollBar()
    messages.add(LONG * 3)
    width = messages.width()
    qtbot.waitUntil(lambda: messages.height() == messages.heightForWidth(width))
    qtbot.waitUntil(lambda: box.viewport().height() == messages.height() and bar.maximum() == 0)
