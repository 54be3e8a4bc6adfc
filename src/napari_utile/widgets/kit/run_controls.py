"""What every panel that starts work has: the buttons, the progress and the messages."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunFailed, RunStarted, StepDone, Warned
from napari_utile.widgets.kit.background import Work, background
from napari_utile.widgets.kit.form import AMBER, RED
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.progress import Progress
from napari_utile.widgets.process.process import Engine, Job, engine_command, shell_line

Collect = Callable[[], Work]
Show = Callable[[Event], None]
Launch = Callable[[Sequence[str]], Engine]

PAUSE, RESUME = "Pause", "Resume"


class RunControls(QWidget):
    """Starts, pauses and stops the engine, and says how far it is.

    Parameters
    ----------
    verb : str
        What the button says.
    collect : callable
        Called when the button is pressed. Takes what the run needs from the window at once,
        and returns the work that writes it down and gives the arguments of the command line.
        Raises `UserError` if there is nothing to run.
    launch : callable, optional
        Makes the engine for these arguments; by default one that ends with the window.
    """

    happened = Signal(object)

    def __init__(self, verb: str, collect: Collect, launch: Launch | None = None):
        super().__init__()
        self._launch = launch or attached
        self._verb, self._collect, self._problem = verb, collect, ""
        self._show: Show = self.happened.emit
        self._running: list[Any] = []  # the thread that prepares, then the job
        self._is_learning = False
        self.progress = Progress()
        self.destroyed.connect(_ender(self._running))

        self.button = QPushButton(verb)
        self.button.clicked.connect(self._on_button)
        self.copy = QPushButton("Copy as command")
        self.copy.setToolTip("Copy the line that does the same in a shell")
        self.copy.clicked.connect(lambda: self._prepare(self._copy, self._collect))
        self.pause = QPushButton(PAUSE)
        self.pause.setToolTip("Stand still after this step; the time does not count")
        self.pause.clicked.connect(self._on_pause)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.messages = Messages()

        self._idle = [self.copy]  # there while nothing runs
        self._buttons = QHBoxLayout()
        self._buttons.addWidget(self.button, 1)
        for button in (self.pause, self.copy):
            self._buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._buttons)
        for part in (self.bar, self.status, self.messages):
            column.addWidget(part)
        self._show_idle()

    @property
    def is_running(self) -> bool:
        """Whether work is prepared or done."""
        return bool(self._running)

    def set_verb(self, verb: str) -> None:
        """Say something else on the button that starts the work."""
        self._verb = verb
        if not self.is_running:
            self.button.setText(verb)

    def add_button(self, verb: str, tooltip: str, collect: Collect, show: Show) -> QPushButton:
        """Add a button for other work, whose events are for `show` alone.

        Its engine ends with the window.
        """
        button = QPushButton(verb)
        button.setToolTip(tooltip)
        start = partial(self._start, attached)
        button.clicked.connect(lambda: self._prepare(start, collect, show))
        self._buttons.insertWidget(1, button)
        self._idle.append(button)
        return button

    def set_problem(self, problem: str) -> None:
        """Disable the buttons and say why, or enable them with ''."""
        self._problem = problem
        self.messages.set_problem(problem if not self.is_running else "")
        self.button.setEnabled(self.is_running or not problem)
        for button in self._idle:
            button.setEnabled(not self.is_running and not problem)

    def _on_button(self) -> None:
        if not self._running:
            self._prepare(partial(self._start, self._launch), self._collect)
        elif not isinstance(self._running[0], Engine):
            self._running[0].quit()
            self._on_event(RunDone(seconds=0, stopped=True))
        elif self.button.text() == "Stop":
            self._running[0].stop()
            self.button.setText("Stop at once")
            self.pause.hide()
            self.status.setText("Stopping. The result so far is being saved …")
        else:
            self._running[0].kill()

    def _on_pause(self) -> None:
        if self.pause.text() == PAUSE:
            self._running[0].pause()
            self.pause.setText(RESUME)
            self.status.setText("Paused")
        else:
            self._running[0].resume()
            self.pause.setText(PAUSE)

    def _prepare(
        self,
        then: Callable[[list[str]], None],
        collect: Collect,
        show: Show | None = None,
    ) -> None:
        """Collect in the window, write down in a thread, go on with the arguments."""
        self.messages.clear()
        self.progress = Progress()
        self._show = show or self.happened.emit

        def on_outcome(outcome: Any) -> None:
            self._running.clear()
            if isinstance(outcome, Exception):
                self._fail(outcome)
            else:
                then(outcome)

        try:
            work = collect()
        except UserError as error:
            self._fail(error)
        else:
            self._running.append(background(work, on_outcome))
            self._show_busy("Reading the layers …")

    def _fail(self, error: Exception) -> None:
        self._on_event(RunFailed(message=str(error), user=isinstance(error, UserError)))

    def _start(self, launch: Launch, arguments: Sequence[str]) -> None:
        try:
            job = launch(arguments)
        except UserError as error:
            self._fail(error)
            return
        self._running.append(job)
        job.happened.connect(self._on_event)
        self._show_busy("Starting the engine …")
        job.start()
        self.pause.show()

    def _copy(self, arguments: Sequence[str]) -> None:
        QApplication.clipboard().setText(shell_line(arguments))
        self._show_idle()
        self.messages.add("The command is on the clipboard.")

    def _on_event(self, event: Event) -> None:
        if self.progress.add(event):
            self._show_progress()
        match event:
            case RunStarted():
                self.status.setText(f"Started on {event.device}" if event.device else "Started")
            case StepDone():
                self._is_learning = True
            case Warned():
                self.messages.add(f"⚠ {event.message}", AMBER)
                if self._is_learning:  # nobody looks at the panel all the time
                    show_warning(event.message)
            case RunFailed():
                self._running.clear()
                self._show_idle()
                self.messages.add(event.message, RED)
                show_error(event.message)
            case RunDone():
                self._running.clear()
                self._show_idle()
                for failure in event.failed:
                    self.messages.add(failure, RED)
        self._show(event)

    def _show_progress(self) -> None:
        """Show how far a run is; without a share the bar stays as it is."""
        if self.progress.share is not None:
            self.bar.setMaximum(1000)
            self.bar.setValue(round(1000 * self.progress.share))
        if self.button.text() == "Stop":
            paused = "Paused · " if self.pause.text() == RESUME else ""
            self.status.setText(paused + self.progress.line())

    def _show_busy(self, what: str) -> None:
        self.button.setText("Stop")
        for button in self._idle:
            button.hide()
        self.bar.setMaximum(0)  # moves to and fro
        self.bar.show()
        self.status.setText(what)
        self.status.show()
        self.set_problem(self._problem)

    def _show_idle(self) -> None:
        self._is_learning = False
        self.button.setText(self._verb)
        for button in self._idle:
            button.show()
        self.pause.hide()
        self.pause.setText(PAUSE)
        self.bar.setMaximum(1000)
        self.bar.reset()
        self.bar.hide()
        self.status.hide()
        self.set_problem(self._problem)


def attached(arguments: Sequence[str]) -> Engine:
    """Make an engine that ends with the window."""
    return Job(engine_command(arguments))


def _ender(running: list[Any]) -> Callable[[], None]:
    """Return what ends a thread or job when its panel has been destroyed."""

    def end(*_: Any) -> None:
        for work in running:
            work.close() if isinstance(work, Engine) else work.quit()

    return end
