"""Buttons wrap where there is no room for all of them side by side."""

import pytest
from qtpy.QtWidgets import QPushButton, QWidget

from napari_utile.widgets.kit.button_rows import GAP, ButtonRows


class Wide(QPushButton):
    """A button of 100 x 20 px."""

    def sizeHint(self):  # noqa: N802
        from qtpy.QtCore import QSize

        return QSize(100, 20)


@pytest.mark.parametrize(
    ("width", "places"),
    [
        (400, [(0, 188), (194, 100), (300, 100)]),
        (250, [(0, 144), (150, 100), (0, 250)]),
        (200, [(0, 200), (0, 200), (0, 200)]),
    ],
)
def test_rows_are_filled_and_nothing_is_beyond_the_edge(qtbot, width, places):
    box, rows = QWidget(), ButtonRows()
    qtbot.addWidget(box)
    box.setLayout(rows)
    rows.setContentsMargins(0, 0, 0, 0)
    main, last, middle, hidden = (Wide(text) for text in ("Train", "Copy", "Look", "Pause"))
    rows.insert(0, main)
    for button in (last, hidden, middle):
        rows.insert(1, button)
    hidden.hide()
    count = {400: 1, 250: 2, 200: 3}[width]
    assert rows.heightForWidth(width) == 20 * count + GAP * (count - 1)
    box.resize(width, 100)
    box.show()
    rows.activate()
    assert [(b.x(), b.width()) for b in (main, middle, last)] == places
