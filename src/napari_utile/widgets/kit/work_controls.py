"""What a panel has that works in a thread of the window: a button, progress, messages."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_utile.errors import UserError
from napari_utile.events import Event, SliceDone
from napari_utile.io.units import duration_text
from napari_utile.widgets.kit.background import Work, background
from napari_utile.widgets.kit.form import RED
from napari_utile.widgets.kit.messages import Messages

R = TypeVar("R")


@dataclass(frozen=True)
class Step:
    """How far work is that has a known length.

    Attributes
    ----------
    what : str
        What is done so many times: "slice".
    done, total : int
    seconds : float
        Since the first.
    """

    what: str
    done: int
    total: int
    seconds: float

    def line(self) -> str:
        """Say how far it is, how fast, and how long it takes: 'slice 3 of 30 · 2.1/s'."""
        text = f"{self.what} {self.done:,} of {self.total:,}"
        if not 0 < self.done < self.total or self.seconds <= 0:
            return text
        rate = self.done / self.seconds
        left = (self.total - self.done) / rate
        return f"{text} · {rate:.3g}/s · {duration_text(left)} left"


def steps(what: str, work: Generator[tuple[int, int], None, R]) -> Generator[Step, None, R]:
    """Turn what `work` yields, (done, total), into steps; return what it returns."""
    began = monotonic()
    while True:
        try:
            done, total = next(work)
        except StopIteration as end:
            result: R = end.value
            return result
        yield Step(what, done, total, monotonic() - began)


class WorkControls(QWidget):
    """Starts work in a thread, says how far it is, and ends it.

    Parameters
    ----------
    verb : str
        What the button says.
    collect : callable
        Called when the button is pressed. Takes from the window what the work needs, and
        returns it; it may yield a `Step` now and then. May raise `UserError`.
    show : callable
        Called with what the work returned.
    """

    def __init__(self, verb: str, collect: Callable[[], Work], show: Callable[[Any], None]):
        super().__init__()
        self._verb, self._collect, self._show = verb, collect, show
        self._problem = ""
        self._worker: Any = None
        self.button = QPushButton(verb)
        self.button.clicked.connect(self._on_button)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.status = QLabel()
        self.messages = Messages()
        self.buttons = QHBoxLayout()
        self.buttons.addWidget(self.button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self.buttons)
        for part in (self.bar, self.status, self.messages):
            column.addWidget(part)
        self.destroyed.connect(lambda *_: self._end())
        self._show_idle()

    @property
    def is_running(self) -> bool:
        """Whether work is being done."""
        return self._worker is not None

    def set_problem(self, problem: str) -> None:
        """Disable the button and say why, or enable it with ''."""
        self._problem = problem
        self.messages.set_problem("" if self.is_running else problem)
        self.button.setEnabled(self.is_running or not problem)

    def do(self, work: Work, then: Callable[[Any], None], what: str) -> None:
        """Do other work, and call `then` with its result."""
        self._then = then
        self._worker = background(work, self._on_outcome, self._on_step)
        self.button.setText("Stop")
        self.bar.setMaximum(0)  # moves to and fro
        self.status.setText(what)
        self.bar.show()
        self.status.show()
        self.set_problem(self._problem)

    def stop(self) -> None:
        """End the work, if there is any; nothing is shown of it."""
        if self.is_running:
            self._end()
            self._show_idle()

    def _on_button(self) -> None:
        if self.is_running:
            self.stop()
            self.messages.add("Stopped.")
            return
        self.messages.clear()
        try:
            work = self._collect()
        except UserError as error:
            self._fail(error)
        else:
            self.do(work, self._show, "Reading …")

    def _on_step(self, step: Step | Event | None) -> None:
        if isinstance(step, SliceDone):
            step = Step("step", step.done, step.total, step.done / step.rate)
        if isinstance(step, Step):
            self.bar.setMaximum(step.total)
            self.bar.setValue(step.done)
            self.status.setText(step.line())

    def _on_outcome(self, outcome: Any) -> None:
        self._worker = None
        self._show_idle()
        if isinstance(outcome, Exception):
            self._fail(outcome)
        else:
            self._then(outcome)

    def _fail(self, error: Exception) -> None:
        self.messages.add(str(error), RED)
        show_error(str(error))

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.quit()
            self._worker = None

    def _show_idle(self) -> None:
        self.button.setText(self._verb)
        self.bar.reset()
        self.bar.hide()
        self.status.hide()
        self.set_problem(self._problem)
