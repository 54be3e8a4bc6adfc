"""What every panel that starts work has: buttons, progress and messages, and their state."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QApplication,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunFailed, RunStarted, StepDone, Warned
from napari_utile.widgets.kit.background import Background, Then, Work
from napari_utile.widgets.kit.button_rows import ButtonRows
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.following import when_deleted
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.progress import RunProgress, Step
from napari_utile.widgets.kit.subject import Subject
from napari_utile.widgets.kit.telling import is_seen, notify
from napari_utile.widgets.process.command_line import shell_line

Collect = Callable[[], Work]
"""Takes what the work needs from the window, at once; may raise `UserError`."""
Show = Callable[[Any], None]
About = Callable[[], Subject | None]

READING = "Reading the layers …"
BAR_MAXIMUM = 1000
"""Value of the progress bar when all is done."""


class State(Enum):
    """What the controls of a panel are doing."""

    IDLE = auto()
    PREPARING = auto()
    """A thread reads the layers."""
    RUNNING = auto()
    PAUSED = auto()
    STOPPING = auto()
    """The engine was asked to save and end."""


class StartButton(QPushButton):
    """A button whose double click is one click: the second would stop what the first began."""

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802, the name is Qt's
        """Leave out the second click."""
        event.accept()


class Controls(QWidget):
    """Button, progress bar, status line and messages of a panel, and the state of its work.

    Where the work is done is up to the children: `EngineControls`, `ThreadControls`.

    Parameters
    ----------
    verb : str
        Text of the button that starts the work.
    collect : callable
        Called when the button is pressed. Takes what the work needs from the window at once,
        and returns the work for a thread. Raises `UserError` if there is nothing to do.
    then : callable
        Called with the result of that work.
    about : callable, optional
        Returns what the next work would be about, a `Subject`, or None if nothing is chosen.

    Attributes
    ----------
    state : State
    progress : Progress
        Of the work that runs, or ran last.
    button : QPushButton
        Starts the work, and stops it.
    bar, status, messages
    in_words : callable
        Returns what is said of a failure; a panel may have other words than the engine.
    subject : Subject or None
        What the work is about that runs, or ran last.
    """

    happened = Signal(object)
    """An event of the work."""
    began = Signal()
    """Work has begun: it is prepared, or goes on."""
    ended = Signal()
    """The work is over."""

    def __init__(self, verb: str, collect: Collect, then: Then, about: About | None = None):
        super().__init__()
        self.state, self.progress = State.IDLE, RunProgress()
        self._verb, self._problem, self._is_long = verb, "", False
        self._show: Show = self.happened.emit
        self._work: Background | None = None
        self._ends: list[Callable[[], None]] = []  # of the thread or engine that works
        self.in_words: Callable[[RunFailed], str] = lambda event: event.message
        self._about: About = about or (lambda: None)
        self.subject: Subject | None = None
        when_deleted(self, partial(end_work, self._ends))

        self.button = StartButton(verb)
        self.button.clicked.connect(lambda: self.press(collect, then))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.status, self._said = QLabel(), ""
        self.status.setWordWrap(True)
        self.messages = Messages()
        self._shown_in: dict[QPushButton, set[State]] = {}
        self._row = ButtonRows()
        self._row.insert(0, self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._row)
        for part in (self.bar, self.status, self.messages):
            column.addWidget(part)
        self._set_state(State.IDLE)

    @property
    def is_running(self) -> bool:
        """Whether work is prepared or done."""
        return self.state is not State.IDLE

    def set_verb(self, verb: str) -> None:
        """Change the text of the button that starts the work."""
        self._verb = verb
        self._set_state(self.state)

    def set_problem(self, problem: str) -> None:
        """Disable the buttons and show the reason, or enable them with ''."""
        self._problem = problem
        self._name_former()
        self.messages.set_problem("" if self.is_running else problem)
        self.button.setEnabled(self.is_running or not problem)
        for button, states in self._shown_in.items():
            button.setEnabled(self.state in states and (self.is_running or not problem))

    def _name_former(self) -> None:
        """Say above messages of a run what they are about, once something else is chosen."""
        subject = self.subject
        is_former = subject is not None and self._about() != subject
        self.messages.set_heading(f"{subject.text()}:" if subject and is_former else "")

    def say(self, text: str) -> None:
        """Show a sentence in the status line while nothing runs; '' removes it."""
        if self.state is State.IDLE:
            self._said = text
            self._set_state(State.IDLE, text)

    def add(self, button: QPushButton, tooltip: str, *states: State) -> None:
        """Add a button that is there in these states."""
        button.setToolTip(tooltip)
        self._row.insert(1, button)
        self.show_in(button, *states)

    def show_in(self, button: QPushButton, *states: State) -> None:
        """Show an added button in these states alone."""
        self._shown_in[button] = set(states)
        self._set_state(self.state)

    def press(
        self, collect: Collect, then: Then, show: Show | None = None, status: str = READING
    ) -> None:
        """Collect, work in a thread, call `then` with the result; or stop what runs."""
        if self.state is not State.IDLE:
            self._on_stop()
            return
        self.messages.clear()
        self.subject = self._about()
        self.progress, self._show = RunProgress(), show or self.happened.emit
        try:
            work = collect()
        except UserError as error:
            self._fail(error)
        else:
            self._set_state(State.PREPARING, status)
            self._work = Background(work, then, self._fail, self._on_event)
            self._ends[:] = [self._work.end]

    # Qt's metaclass allows no abstract class: these are for the children

    def leave(self) -> None:
        """Leave no work that nobody sees: the panel is closed."""
        raise NotImplementedError

    def _on_stop(self) -> None:
        """Stop the work: the button was pressed while it ran."""
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        """Tell why nothing started; what the user can mend is told until a field is changed."""
        is_mistake = isinstance(error, UserError)
        self._on_event(RunFailed(message=str(error), user=is_mistake))
        if is_mistake:
            self.messages.add_mistake(str(error))

    def copy_command(self, arguments: Sequence[str]) -> None:
        """Put the shell command with these arguments on the clipboard."""
        self._set_state(State.IDLE)
        QApplication.clipboard().setText(shell_line(arguments))
        self.messages.add("The command is on the clipboard.")

    def _on_event(self, event: Event | Step | None) -> None:
        if event is None:
            return
        if self.progress.add(event):
            self._show_progress()
        match event:
            case RunStarted():
                self.status.setText(f"Started on {event.device}" if event.device else "Started")
            case StepDone():
                self._is_long = True
            case Warned():
                self.messages.add(f"⚠ {event.message}", Tone.WARNING)
                if self._is_long and not is_seen(self):
                    notify(event.message, Tone.WARNING)
            case RunFailed():
                self._set_state(State.IDLE)
                message = self.in_words(event)
                self.messages.add(message, Tone.ERROR)
                if not is_seen(self):
                    notify(message, Tone.ERROR)
            case RunDone():
                self._set_state(State.IDLE)
                self.messages.remove(f"⚠ {warning}" for warning in event.past)
                for failure in event.failed:
                    self.messages.add(failure, Tone.ERROR)
        self._show(event)

    def _show_progress(self) -> None:
        """Show how far the work is; without a share the bar stays as it is."""
        if self.progress.share is not None:
            self.bar.setMaximum(BAR_MAXIMUM)
            self.bar.setValue(round(BAR_MAXIMUM * self.progress.share))
        if self.state is not State.STOPPING:
            paused = "Paused · " if self.state is State.PAUSED else ""
            self.status.setText(paused + self.progress.line())

    def _set_state(self, state: State, status: str | None = None) -> None:
        """Enter a state, and show what belongs to it."""
        is_end = self.is_running and state is State.IDLE
        is_begin = not self.is_running and state is not State.IDLE
        self.state = state
        if status is not None:
            self.status.setText(status)
        if state is State.PREPARING:
            self.bar.setMaximum(0)  # moves to and fro
        elif state is State.IDLE:
            self._ends.clear()
            self._is_long = False
            self.bar.setMaximum(BAR_MAXIMUM)
            self.bar.reset()
        verbs = {State.IDLE: self._verb, State.STOPPING: "Stop at once"}
        self.button.setText(verbs.get(state, "Stop"))
        self._said = self._said if state is State.IDLE else ""
        self.bar.setVisible(state is not State.IDLE)
        self.status.setVisible(state is not State.IDLE or bool(self._said))
        for button, states in self._shown_in.items():
            button.setVisible(state in states)
        self.set_problem(self._problem)
        if is_begin:
            self.began.emit()
        if is_end:
            self.ended.emit()


def end_work(ends: list[Callable[[], None]], *_: Any) -> None:
    """End the thread or engine of a panel, which may have been destroyed."""
    for end in ends:
        end()
