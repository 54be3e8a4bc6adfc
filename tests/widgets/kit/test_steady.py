"""What is below lines that come and go stays where it is."""

import pytest
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.steady import KeptHeight
from napari_utile.widgets.kit.thread_controls import ThreadControls


def test_a_height_is_kept_when_lines_go_and_not_in_another_width(qtbot):
    part, line = QWidget(), QLabel("words " * 60)
    qtbot.addWidget(part)
    rows = QVBoxLayout(part)
    line.setWordWrap(True)
    rows.addWidget(line)
    KeptHeight(part)
    part.resize(200, 10)
    part.show()
    qtbot.waitUntil(lambda: part.minimumHeight() > 60)
    high = part.minimumHeight()
    line.hide()
    qtbot.wait(20)
    assert part.minimumHeight() == high
    part.resize(300, high)
    qtbot.waitUntil(lambda: part.minimumHeight() < high)


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


def test_the_button_stays_when_a_message_comes_work_begins_and_all_is_cleared(qtbot, panel):
    def place():
        qtbot.wait(20)
        button = panel.controls.button
        return button.mapTo(panel, button.rect().topLeft()).y()

    began = place()
    panel.controls.messages.add("short")
    assert place() == began
    panel.controls.messages.clear()
    panel.controls.bar.show()
    panel.controls.status.setText("step 1")
    panel.controls.status.show()
    assert place() == began
    panel.controls.bar.hide()
    panel.controls.status.hide()
    panel.controls.messages.add("many words " * 30)
    higher = place()
    assert higher < began
    panel.controls.messages.set_heading("On 'em', today 09:05:")
    assert place() == higher
    panel.controls.messages.clear()
    assert place() == higher
