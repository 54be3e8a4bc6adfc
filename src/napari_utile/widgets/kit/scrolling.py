"""What scrolls in a panel: wide enough for all that is in it, with the focus marked."""

from functools import partial
from weakref import ref

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_utile.widgets.kit.colors import Tone, color_of, follow_theme

LEAST_WIDTH = 300
"""Of a panel, px."""
THEME_BORDER = 2
"""Of a panel, both sides together, px."""
FOCUSED = (
    "QLineEdit", "QTextEdit", "QAbstractSpinBox", "QComboBox", "QAbstractItemView",
    "QAbstractButton", "QSlider",
)  # fmt: skip
"""Parts of a panel that can get the keys."""
LAID_OUT = 50
"""Milliseconds until parts that were just shown have their places."""


def scrolling_column(panel: QScrollArea) -> QVBoxLayout:
    """Return a column in `panel` that scrolls when the dock is low."""
    content = QWidget()
    column = QVBoxLayout(content)
    column.setContentsMargins(8, 6, 8, 8)
    column.setSpacing(6)
    panel.setWidget(content)
    panel.setWidgetResizable(True)
    panel.setFrameShape(QFrame.Shape.NoFrame)
    panel.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    panel.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # fields stay
    panel.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # nothing is seen of its focus
    WideEnough(panel, content)
    return column


class WideEnough(QObject):
    """Keeps a panel so wide that nothing is cut off, also beside its scroll bar."""

    def __init__(self, panel: QScrollArea, content: QWidget):
        super().__init__(panel)
        self._panel = panel
        panel.setMinimumWidth(LEAST_WIDTH)
        content.installEventFilter(self)

    def eventFilter(self, content: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow what is in the panel."""
        if event.type() == QEvent.Type.LayoutRequest and isinstance(content, QWidget):
            bar = self._panel.verticalScrollBar().sizeHint().width()
            needed = content.minimumSizeHint().width() + bar + THEME_BORDER
            self._panel.setMinimumWidth(max(LEAST_WIDTH, needed))
        return False


def bring_into_view(part: QWidget) -> None:
    """Scroll to a part of a panel that was just shown, once it has its place.

    Parameters
    ----------
    part : QWidget
        Nothing happens where nothing around it scrolls.
    """
    QTimer.singleShot(LAID_OUT, partial(_scroll_to, part))


def _scroll_to(part: QWidget) -> None:
    around = part.parent() if isalive(part) else None
    while around is not None and not isinstance(around, QScrollArea):
        around = around.parent()
    if isinstance(around, QScrollArea):
        around.ensureWidgetVisible(part)


def mark_focus(panel: QWidget) -> None:
    """Draw a border around the part of a panel that gets the keys, in the colors of the theme.

    Parameters
    ----------
    panel : QWidget
    """

    seen = ref(panel)  # napari keeps the function, which must not keep the panel

    def draw(_event: object = None) -> None:
        if (area := seen()) is None:
            return
        color, focused = color_of(Tone.NOTE), ", ".join(f"{kind}:focus" for kind in FOCUSED)
        title = f"Fold QPushButton:focus {{ color: {color}; font-weight: bold; }}"
        area.setStyleSheet(f"{focused} {{ border: 1px solid {color}; }} {title}")

    draw()
    follow_theme(panel, draw)
