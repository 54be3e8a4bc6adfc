"""A panel is wide enough for what is in it, and marks what gets the keys."""

from qtpy.QtWidgets import QLabel, QScrollArea

from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.scrolling import (
    LEAST_WIDTH,
    bring_into_view,
    mark_focus,
    scrolling_column,
)


def test_nothing_is_cut_off_beside_the_scroll_bar(qtbot):
    area, wide = QScrollArea(), QLabel()
    qtbot.addWidget(area)
    column = scrolling_column(area)
    assert area.minimumWidth() == LEAST_WIDTH
    wide.setFixedWidth(500)
    column.addWidget(wide)
    area.show()
    bar = area.verticalScrollBar().sizeHint().width()
    qtbot.waitUntil(lambda: area.minimumWidth() >= 500 + bar)


def test_what_gets_the_keys_has_a_border_in_the_color_of_the_theme(qtbot):
    area = QScrollArea()
    qtbot.addWidget(area)
    mark_focus(area)
    assert "QLineEdit:focus" in area.styleSheet() and color_of(Tone.NOTE) in area.styleSheet()


def test_a_part_that_was_just_shown_is_scrolled_to(qtbot):
    area, parts = QScrollArea(), [QLabel("a"), QLabel("b")]
    column = scrolling_column(area)
    for part in parts:
        part.setMinimumHeight(300)
        column.addWidget(part)
    parts[1].hide()
    qtbot.addWidget(area)
    area.resize(300, 200)
    area.show()
    parts[1].show()
    bring_into_view(parts[1])
    bar = area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.value() > 0)

    bring_into_view(QLabel("nowhere"))
