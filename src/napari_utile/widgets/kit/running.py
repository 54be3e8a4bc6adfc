"""The engines of this napari that run, whichever panel started them, and who shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import ref

from qtpy.QtWidgets import QApplication, QMainWindow

from napari_utile.widgets.process.detached import DetachedEngine
from napari_utile.widgets.process.process import Engine


@dataclass
class _Seat:
    """Who shows an engine, and how that is told to stop showing it."""

    hand_over: Callable[[], Callable[[], None] | None] = lambda: None
    is_left: bool = True
    is_ending: bool = False


class Running:
    """The engines of this napari that run.

    An engine that the panel *Runs* lists does not depend on the panel that started it: when
    that is closed it goes on, and another panel of the kind may take it over. It ends with the
    last window, unless it shall outlive napari.
    """

    def __init__(self) -> None:
        self._seats: dict[Engine, _Seat] = {}

    @property
    def engines(self) -> list[Engine]:
        """All that run."""
        self._seats = {each: seat for each, seat in self._seats.items() if each.is_running}
        return [*self._seats]

    def add(self, engine: Engine, by: Any = None) -> None:
        """Hold an engine that was started.

        Parameters
        ----------
        engine : Engine
        by : EngineControls, optional
            Shows it; None if the list of runs alone does.
        """
        self._seats = {each: self._seats[each] for each in self.engines}
        self._seats[engine] = self._seat_of(by)

    def take_over(self, engine: Engine, by: Any) -> None:
        """Let other controls show an engine; those that did are told to let go of it."""
        seat = self._seats.get(engine, _Seat())
        if hand_over := seat.hand_over():
            hand_over()
        self._seats[engine] = self._seat_of(by)

    def leave(self, engine: Engine) -> bool:
        """Note that the panel of an engine was closed; return whether that is news."""
        seat = self._seats.get(engine)
        is_news = seat is not None and not seat.is_left
        if seat is not None:
            seat.is_left = True
        return is_news

    def unseen(self, command: str) -> DetachedEngine | None:
        """Return an engine that does this command, and that no open panel shows."""
        for engine in self.engines:
            seat = self._seats[engine]
            if isinstance(engine, DetachedEngine) and seat.is_left and not seat.is_ending:
                record = engine.folder.record
                if record and record.kind == command:
                    return engine
        return None

    def mortal(self) -> list[DetachedEngine]:
        """Return the runs that end with napari."""
        return [
            each
            for each in self.engines
            if isinstance(each, DetachedEngine) and not each.folder.outlives_window
        ]

    def let_go(self, engine: Engine) -> None:
        """Let an engine whose panel is destroyed go on if a window can list it, else end."""
        if engine in self._seats:
            self._seats[engine] = _Seat()
        if not (engine.is_in_jobs and open_windows()):
            self.end(engine)

    def end(self, engine: Engine) -> None:
        """Let an engine save and end, unless it shall outlive napari; do not wait for it."""
        outlives = isinstance(engine, DetachedEngine) and engine.folder.outlives_window
        if engine in self.engines and not outlives:
            self._seats[engine].is_ending = True
            engine.stop()

    def end_all(self) -> None:
        """Let all engines save and end that shall not outlive napari; do not wait for them."""
        for engine in self.engines:
            self.end(engine)

    def _seat_of(self, by: Any) -> _Seat:
        if by is None:
            return _Seat()
        controls = ref(by)
        return _Seat(lambda: getattr(controls(), "hand_over", None), is_left=False)


RUNNING = Running()


def open_windows() -> list[QMainWindow]:
    """Return the main windows of this napari that are open."""
    windows = QApplication.topLevelWidgets()
    return [each for each in windows if isinstance(each, QMainWindow) and each.isVisible()]
