"""Messages stand in the panel that is in view, and else in a notification."""

import pytest
from qtpy.QtWidgets import QLabel

from napari_utile.widgets.kit import telling
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.telling import is_seen, tell


@pytest.fixture
def shown(monkeypatch):
    """Collect the notifications of napari."""
    found = []
    for name in ("show_error", "show_warning", "show_info"):
        monkeypatch.setattr(telling, name, lambda text, name=name: found.append((name, text)))
    return found


@pytest.fixture
def panel(qtbot):
    panel = Panel()
    qtbot.addWidget(panel)
    panel.messages, panel.line = Messages(), QLabel("a field")
    panel.column().addWidget(panel.line)
    panel.pin(panel.messages)
    return panel


def test_the_panel_says_it_while_it_is_seen(panel, shown):
    panel.show()
    assert is_seen(panel.line)
    tell(panel.line, "It is saved.", Tone.SUCCESS)
    assert "It is saved." in panel.messages.text() and not shown


def test_a_notification_says_it_where_no_panel_is_seen(panel, shown, qtbot):
    tell(panel.line, "broken", Tone.ERROR)
    alone = QLabel("alone")
    qtbot.addWidget(alone)
    alone.show()
    tell(alone, "few", Tone.WARNING)
    tell(alone, "done")
    assert shown == [("show_error", "broken"), ("show_warning", "few"), ("show_info", "done")]
    assert panel.messages.text() == ""
