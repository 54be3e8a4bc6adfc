"""The line of a panel that says, before the press, how far a budget goes on this machine."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_utile.events import Event, RunDone, RunFailed, StepDone
from napari_utile.widgets.kit.background import Background, Work
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.controls import Controls
from napari_utile.widgets.kit.following import when_deleted
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.kit.step_rates import SHARE_OF_STEPS, Pace, keep_rate, known_rate
from napari_utile.widgets.process.command_line import flags
from napari_utile.widgets.process.process import AttachedEngine, Engine

REST = 1_500
"""Milliseconds for which nobody changes anything before the machine is measured."""
LOOK_AROUND = 300
"""Milliseconds between two looks whether something else has begun meanwhile."""
UNKNOWN = "How many steps fit into these minutes is measured when nothing else runs."
Told = tuple[str, str]
"""A sentence, and a warning or ''."""
_ENDING: set[Engine] = set()
"""Engines that were told to stop, and have not yet."""


class PaceLine(QLabel):
    """Says what a budget comes to; measures unknown rates while the panel rests.

    A few steps are taken in an engine on made-up pixels of the same size, never while other
    work runs in this napari, and are given up as soon as any begins. What was measured is kept
    for this machine.

    Parameters
    ----------
    say : callable
        Returns the sentence and the warning for known rates, steps a minute, one for each
        training that was asked for, None where it is not known.
    """

    def __init__(self, say: Callable[[list[float | None]], Told]):
        super().__init__()
        self.setWordWrap(True)
        self._say = say
        self._wanted: list[Pace] = []
        self._failed: set[str] = set()
        self._is_busy = False
        self._rest, self._look = QTimer(self), QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(self._begin)
        self._look.setInterval(LOOK_AROUND)
        self._look.timeout.connect(self._give_way)
        self._measured: Pace | None = None
        self._rate = 0.0
        self._files: TemporaryDirectory[str] | None = None
        self._work: Background | None = None
        self._engine: Engine | None = None
        self._ends: list[Callable[[], None]] = []  # of what measures
        when_deleted(self, partial(_quit_all, self._ends))
        follow_theme(self, self._tell)

    @property
    def is_measuring(self) -> bool:
        """Whether steps are being taken."""
        return self._measured is not None

    def ask(self, wanted: Sequence[Pace]) -> None:
        """Say what these trainings come to; none: there is nothing to say."""
        self._wanted = [*wanted]
        if self._measured and self._measured.key not in {pace.key for pace in wanted}:
            self.stop()
        self._tell()
        if self._unknown():
            self._rest.start(REST)
        else:
            self._rest.stop()

    def follow(self, controls: Controls) -> None:
        """Say nothing while these are at work: it is about what comes next."""
        controls.began.connect(partial(self._set_busy, True))
        controls.ended.connect(partial(self._set_busy, False))

    def _set_busy(self, is_busy: bool) -> None:
        self._is_busy = is_busy
        self._tell()

    def stop(self) -> None:
        """Give up what is being measured: the machine is needed."""
        for end in self._ends:
            end()
        self._finish()

    def leave(self) -> None:
        """Measure nothing any more: the panel is closed."""
        self._wanted = []
        self._rest.stop()
        self.stop()

    def _unknown(self) -> list[Pace]:
        return [
            pace
            for pace in self._wanted
            if pace.key not in self._failed and known_rate(pace) is None
        ]

    def _tell(self, _event: object = None) -> None:
        text, warning = self._say([known_rate(pace) for pace in self._wanted])
        if not self._wanted:
            text = warning = ""
        if self._unknown():
            text = f"{text} {UNKNOWN}".strip()
        lines = [colored(text, None)] if text else []
        lines += [colored(f"⚠ {warning}", Tone.WARNING)] if warning else []
        self.setText("<br>".join(lines))
        self.setVisible(bool(lines) and not self._is_busy)

    def _begin(self) -> None:
        """Measure the first unknown rate, if nothing else runs and somebody sees it."""
        unknown = self._unknown()
        if self.is_measuring or not unknown:
            return
        if not self.isVisible() or _is_anything_running(self):
            self._rest.start(REST)
            return
        self._measured, self._rate = unknown[0], 0.0
        self._files = TemporaryDirectory(ignore_cleanup_errors=True)
        sample = _sample(self._measured, Path(self._files.name))
        self._work = Background(sample, self._launch, lambda _: self._fail())
        self._ends[:] = [self._work.end]
        self._look.start()

    def _launch(self, arguments: Sequence[str]) -> None:
        if not self.isVisible():  # any more
            self.stop()
            self._rest.start(REST)
            return
        self._engine = AttachedEngine(arguments, is_apart=True)
        self._engine.happened.connect(self._on_event)
        self._ends[:] = [partial(_quit, self._engine)]
        self._engine.start()

    def _on_event(self, event: Event) -> None:
        match event:
            case StepDone(step=step) if step > 1:
                self._rate = 60 * event.rate
            case RunFailed():
                self._fail()
            case RunDone() if self._measured and self._rate:
                keep_rate(self._measured, SHARE_OF_STEPS * self._rate)
                self._finish()
                self.ask(self._wanted)

    def _fail(self) -> None:
        """Say nothing of what cannot be measured; what is wrong is said when it is pressed."""
        if self._measured:
            self._failed.add(self._measured.key)
        self._finish()
        self.ask(self._wanted)

    def _give_way(self) -> None:
        if _is_anything_running(self):
            self.stop()
            self._rest.start(REST)

    def _finish(self) -> None:
        self._look.stop()
        self._measured = self._work = self._engine = None
        self._ends.clear()
        if self._files:
            self._files.cleanup()
            self._files = None


def _sample(pace: Pace, folder: Path) -> Work:
    """Return work that writes a sample, and returns the arguments of the engine."""

    def write() -> Generator[None, None, list[str]]:
        paths = pace.write_sample(folder)
        yield
        out = str(folder / "run")  # is not written to
        return ["train", *paths, "--out", out, *flags(pace.settings), "--dry-run", "--alone"]

    return write


def _is_anything_running(line: QWidget) -> bool:
    """Whether any panel of this napari is at work."""
    return any(
        isinstance(widget, Controls) and widget.is_running
        for widget in QApplication.allWidgets()
    )


def _quit(engine: Engine) -> None:
    """End an engine of which nothing is kept, at once: the machine is needed."""
    _ENDING.add(engine)
    engine.happened.disconnect()
    engine.happened.connect(partial(_forget, engine))
    engine.kill()


def _forget(engine: Engine, event: Event) -> None:
    if isinstance(event, RunDone | RunFailed):
        _ENDING.discard(engine)


def _quit_all(ends: list[Callable[[], None]], *_: object) -> None:
    for end in ends:
        end()
