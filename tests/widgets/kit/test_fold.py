"""What is folded away is neither seen nor reached by keys."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit

from napari_utile.widgets.kit.fold import Fold


def test_a_click_on_the_title_opens_and_closes(qtbot):
    line = QLineEdit()
    fold = Fold("Network", line)
    qtbot.addWidget(fold)
    fold.show()
    shown = []
    for _ in range(3):
        shown.append((fold.button.text(), fold.is_open, line.isVisible()))
        qtbot.mouseClick(fold.button, Qt.MouseButton.LeftButton)
    assert shown == [
        ("▸ Network", False, False), ("▾ Network", True, True), ("▸ Network", False, False),
    ]  # fmt: skip
