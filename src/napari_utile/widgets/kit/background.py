"""Work in a thread of napari's process, and its outcome in that of the window."""

from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import create_worker

from napari_utile.errors import EngineError, UserError

Work = Callable[[], Generator[Any, None, Any]]
"""Work for a thread: yields events, or None, so that it can be stopped; returns its result."""
Then = Callable[[Any], None]
"""Takes the result of the work."""


class Background:
    """Work that is done in a thread.

    Parameters
    ----------
    work : callable
    then : callable
        Called with the result.
    fail : callable
        Called with an exception instead: a `UserError` or an `EngineError`.
    each : callable, optional
        Called with all that is yielded.

    Attributes
    ----------
    worker : GeneratorWorker

    Notes
    -----
    All are called in the window's thread, for as long as this object is kept. The window of
    napari keeps every worker until it is closed. So a worker must hold nothing of a panel: Qt
    holds bound methods weakly, and work that is ended is closed.
    """

    def __init__(
        self,
        work: Work,
        then: Then,
        fail: Callable[[Exception], None],
        each: Callable[[Any], None] = lambda _: None,
    ):
        self._then, self._fail, self._each = then, fail, each
        self._is_ended = False
        outcome = _guarded(work)
        self.worker: Any = create_worker(_working, outcome, _start_thread=False)
        self.worker.yielded.connect(self._on_yielded)
        self.worker.returned.connect(self._on_returned)
        self.worker.aborted.connect(outcome.close)
        self.worker.start()

    def end(self) -> None:
        """End the work; nothing more is called, of what is on its way neither."""
        self._is_ended = True
        self.worker.quit()

    def _on_yielded(self, value: Any) -> None:
        if not self._is_ended:
            self._each(value)

    def _on_returned(self, outcome: tuple[Any, Exception | None]) -> None:
        if self._is_ended:
            return
        result, error = outcome
        self._fail(error) if error else self._then(result)


Guarded = Generator[Any, None, tuple[Any, Exception | None]]


def _working(outcome: Guarded) -> Guarded:
    return (yield from outcome)


def _guarded(work: Work) -> Guarded:
    """Return result and error: superqt drops every RuntimeError, and raises the others."""
    try:
        return (yield from work()), None
    except UserError as error:
        return None, error
    except Exception as error:  # whatever it is, the panel must hear of it
        return None, EngineError(f"{type(error).__name__}: {error}")
