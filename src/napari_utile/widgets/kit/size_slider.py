"""A slider of sizes in pixels: fine where sizes are small, with a number for any size."""

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QSpinBox, QWidget

STEPS = 200
"""Steps of the slider."""
POWER = 3
"""Of the share of the way: half of it is an eighth of the largest size."""


class SizeSlider(QWidget):
    """A slider from 0 to a size, and a number that may be larger.

    Parameters
    ----------
    high : int
        Right end of the slider, px.
    most : int
        Largest number, px.
    """

    changed = Signal()

    def __init__(self, high: int, most: int):
        super().__init__()
        self._high = high
        self.slider, self.number = QSlider(Qt.Orientation.Horizontal), QSpinBox()
        self.slider.setRange(0, STEPS)
        self.slider.setMinimumWidth(60)
        self.number.setRange(0, most)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(84)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        self.slider.valueChanged.connect(self._on_slider)
        self.number.valueChanged.connect(self._on_number)

    @property
    def value(self) -> int:
        """The size, px."""
        return self.number.value()

    def set_value(self, size: int) -> None:
        """Show another size, px."""
        self.number.setValue(size)

    def _on_slider(self, step: int) -> None:
        self.number.setValue(round(self._high * (step / STEPS) ** POWER))

    def _on_number(self, size: int) -> None:
        share = min(1.0, size / self._high) ** (1 / POWER)
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(STEPS * share))
        self.changed.emit()
