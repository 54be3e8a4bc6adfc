"""Controls of work that an engine does in a process of its own."""

from collections.abc import Callable, Generator, Sequence
from functools import partial

from napari.utils.notifications import show_info
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.kit.controls import About, Collect, Controls, Show, State, end_work
from napari_utile.widgets.kit.progress import RunProgress
from napari_utile.widgets.kit.running import RUNNING
from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.process.process import AttachedEngine, Engine

Launch = Callable[[Sequence[str]], Engine]

SAVING = "Stopping. The result so far is being saved …"
RUNS_ON = {"train": "Training", "compare": "The comparison", "predict": "Segmenting"}
"""Command -> what goes on when its panel is closed."""
LAST_TOLD = 1000
"""Events among which one may be that was told while they were read."""


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
    about : callable, optional
        As in `Controls`.

    Attributes
    ----------
    is_copying : bool
        Whether `collect` is called for a command that is copied, not for a run.
    """

    handed_over = Signal()
    """Another panel shows the engine from now on."""

    def __init__(
        self,
        verb: str,
        collect: Collect,
        launch: Launch = AttachedEngine,
        about: About | None = None,
    ):
        super().__init__(verb, collect, partial(self._start, launch), about)
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
            end_work(self._ends)
            self._on_event(RunDone(seconds=0, stopped=True))
            return
        assert self._engine is not None
        if self.state is State.STOPPING:
            self._engine.kill()
        else:
            self._engine.stop()
            self._set_state(State.STOPPING, SAVING)
