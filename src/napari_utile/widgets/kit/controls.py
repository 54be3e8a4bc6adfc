"""What every panel that starts work has: buttons, progress and messages, and their state."""

from collections.abc import Callable, Generator, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_info, show_warning
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
from napari_utile.widgets.kit.running import RUNNING
from napari_utile.widgets.process.command_line import shell_line
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.process.process import AttachedEngine, Engine

Collect = Callable[[], Work]
"""Takes what the work needs from the window, at once; may raise `UserError`."""
Show = Callable[[Any], None]
Launch = Callable[[Sequence[str]], Engine]

READING = "Reading the layers …"
SAVING = "Stopping. The result so far is being saved …"
RUNS_ON = {"train": "Training", "compare": "The comparison", "predict": "Segmenting"}
"""Command -> what goes on when its panel is closed."""
BAR_MAXIMUM = 1000
"""Value of the progress bar when all is done."""
LAST_TOLD = 1000
"""Events among which one may be that was told while they were read."""


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
    """

    happened = Signal(object)
    """An event of the work."""
    ended = Signal()
    """The work is over."""

    def __init__(self, verb: str, collect: Collect, then: Then):
        super().__init__()
        self.state, self.progress = State.IDLE, RunProgress()
        self._verb, self._problem, self._is_long = verb, "", False
        self._show: Show = self.happened.emit
        self._work: Background | None = None
        self._ends: list[Callable[[], None]] = []  # of the thread or engine that works
        self.in_words: Callable[[RunFailed], str] = lambda event: event.message
        when_deleted(self, partial(_end, self._ends))

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
        self.messages.set_problem("" if self.is_running else problem)
        self.button.setEnabled(self.is_running or not problem)
        for button, states in self._shown_in.items():
            button.setEnabled(self.state in states and (self.is_running or not problem))

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
                if self._is_long:  # the panel may be out of sight by now
                    show_warning(event.message)
            case RunFailed():
                self._set_state(State.IDLE)
                message = self.in_words(event)
                self.messages.add(message, Tone.ERROR)
                show_error(message)
            case RunDone():
                self._set_state(State.IDLE)
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
        if is_end:
            self.ended.emit()


class EngineControls(Controls):
    """Controls of an engine process: it is started, paused, stopped, and its events shown.

    Parameters
    ----------
    verb : str
        Text of the button that starts the work.
    collect : callable
        As in `Controls`; the work writes the layers to disk and returns the arguments of the
        command line.
    launch : callable, optional
        Creates the engine for these arguments; by default one that ends with the window.

    Attributes
    ----------
    is_copying : bool
        Whether `collect` is called for a command that is copied, not for a run.
    """

    handed_over = Signal()
    """Another panel shows the engine from now on."""

    def __init__(self, verb: str, collect: Collect, launch: Launch = AttachedEngine):
        super().__init__(verb, collect, partial(self._start, launch))
        self._engine: Engine | None = None
        self.is_copying = False
        self._early: list[Event] | None = None  # told while what was told before is read
        self._reading: Background | None = None
        self.copy = QPushButton("Copy as command")
        self.copy.clicked.connect(lambda: self._on_copy(collect))
        self.add(self.copy, "Copy the shell command that does the same", State.IDLE)
        self.pause = QPushButton()
        self.pause.clicked.connect(self._on_pause)
        tooltip = "Pause after this step; the time budget pauses too"
        self.add(self.pause, tooltip, State.RUNNING, State.PAUSED)

    def _on_copy(self, collect: Collect) -> None:
        self.is_copying = True  # nothing will run: no folder of a run is needed
        try:
            self.press(collect, self.copy_command)
        finally:
            self.is_copying = False

    def add_button(self, verb: str, tooltip: str, collect: Collect, show: Show) -> QPushButton:
        """Add a button for other work, whose events are for `show` alone.

        Its engine ends with the window.
        """
        button = QPushButton(verb)
        start = partial(self._start, AttachedEngine)
        button.clicked.connect(lambda: self.press(collect, start, show))
        self.add(button, tooltip, State.IDLE)
        return button

    def _start(self, launch: Launch, arguments: Sequence[str]) -> None:
        try:
            engine = launch(arguments)
        except UserError as error:
            self._fail(error)
            return
        self._follow(engine)
        self._set_state(State.RUNNING, "Starting the engine …")
        engine.start()
        RUNNING.add(engine, self)

    def _follow(self, engine: Engine) -> None:
        self._engine, self._ends[:] = engine, [partial(RUNNING.let_go, engine)]
        engine.happened.connect(self._on_engine)
        self.pause.setText("Pause")

    def _on_engine(self, event: Event) -> None:
        if self._early is None:
            self._on_event(event)
        else:
            self._early.append(event)

    def take_over(
        self, engine: DetachedEngine, catch_up: Callable[[list[Event]], None]
    ) -> None:
        """Show an engine that goes on without a panel.

        Parameters
        ----------
        engine : DetachedEngine
        catch_up : callable
            Called with all that it has told so far.
        """
        RUNNING.take_over(engine, self)
        self._early, self._show = [], self.happened.emit
        self._follow(engine)
        is_stopping = engine.folder.is_stop_requested
        self._set_state(State.STOPPING if is_stopping else State.RUNNING, "Still running")

        def work() -> Generator[None, None, tuple[list[Event], RunProgress]]:
            yield
            told, progress = engine.folder.told(), RunProgress()
            for event in told:
                progress.add(event)
            return told, progress

        def then(found: tuple[list[Event], RunProgress]) -> None:
            told, self.progress = found
            self._show_progress()
            catch_up(told)
            known = {event.line() for event in told[-LAST_TOLD:]}
            early, self._early = self._early or [], None
            for event in early:
                if event.line() not in known:
                    self._on_event(event)

        self._reading = Background(work, then, self._fail)

    def hand_over(self) -> None:
        """Let go of the engine: other controls show it from now on."""
        if self._engine is not None:
            self._engine.happened.disconnect(self._on_engine)
        self._engine, self._early = None, None
        self._set_state(State.IDLE)
        self.handed_over.emit()

    def _on_pause(self) -> None:
        assert self._engine is not None
        if self.state is State.PAUSED:
            self._engine.resume()
            self._set_state(State.RUNNING)
            self.pause.setText("Pause")
        else:
            self._engine.pause()
            self._set_state(State.PAUSED, "Paused")
            self.pause.setText("Resume")

    def leave(self) -> None:
        """Let a run go on that the panel Runs lists, and stop any other work: it is closed."""
        if self.state is State.PREPARING:
            self._on_stop()
        elif not self.is_running or self._engine is None:
            return
        elif not isinstance(self._engine, DetachedEngine):
            self._engine.stop()
            self._set_state(State.STOPPING, SAVING)
        elif RUNNING.leave(self._engine):
            if self.state is State.PAUSED:
                self._on_pause()  # nobody could resume it
            record = self._engine.folder.record
            show_info(f"{RUNS_ON.get(record.kind if record else '', 'It')} goes on: see Runs.")

    def _on_stop(self) -> None:
        if self.state is State.PREPARING:
            _end(self._ends)
            self._on_event(RunDone(seconds=0, stopped=True))
            return
        assert self._engine is not None
        if self.state is State.STOPPING:
            self._engine.kill()
        else:
            self._engine.stop()
            self._set_state(State.STOPPING, SAVING)


def _end(ends: list[Callable[[], None]], *_: Any) -> None:
    """End the thread or engine of a panel, which may have been destroyed."""
    for end in ends:
        end()
