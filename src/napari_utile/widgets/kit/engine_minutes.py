"""How long an engine waits for the next press: the user's choice, kept over a restart."""

from contextlib import suppress

from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QWidget

from napari_utile.widgets.kit.memory import remember, remembered
from napari_utile.widgets.process.worker import WAITING

KEY = "engine minutes"
MOST_MINUTES = 24 * 60
_TAKEN: list[bool] = []
"""Not empty once the choice of the last time was read."""


class EngineMinutes(QWidget):
    """A line with the number of minutes; 0 is that no engine waits."""

    def __init__(self) -> None:
        super().__init__()
        _take_last_choice()
        self.minutes = QSpinBox()
        self.minutes.setRange(0, MOST_MINUTES)
        self.minutes.setSuffix(" min")
        self.minutes.setSpecialValueText("never")
        self.minutes.setValue(round(WAITING.minutes))
        self.minutes.setToolTip(
            "How long the program that trains and segments stays in memory after its work. "
            "Longer: the next work starts at once, and about half a gigabyte is held. Never: "
            "it is loaded for each press, which takes seconds"
        )
        name = QLabel("stay loaded between runs for")
        name.setBuddy(self.minutes)
        name.setToolTip(self.minutes.toolTip())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(name)
        row.addWidget(self.minutes)
        row.addStretch()
        self.minutes.editingFinished.connect(self._on_edit)

    def _on_edit(self) -> None:
        if self.minutes.value() != WAITING.minutes:
            remember(KEY, str(self.minutes.value()))
            WAITING.wait_for(self.minutes.value())


def warm_engine() -> None:
    """See to it that an engine waits, if the user wants one to."""
    _take_last_choice()
    WAITING.warm()


def _take_last_choice() -> None:
    if not _TAKEN:
        _TAKEN.append(True)
        with suppress(TypeError, ValueError):  # nothing was chosen, or the file was edited
            WAITING.minutes = min(max(float(remembered(KEY)), 0), MOST_MINUTES)
