"""Work in a thread of the window's process, whose errors are never lost."""

from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import create_worker

from napari_utile.errors import EngineError, UserError

Work = Callable[[], Generator[Any, None, Any]]
"""Work for a thread: yields now and then, so that it can be ended, and returns its result."""


def background(
    work: Work, then: Callable[[Any], None], each: Callable[[Any], None] | None = None
) -> Any:
    """Do `work` in a thread, then call `then` with its result or its exception.

    Parameters
    ----------
    work : callable
        Without arguments; a generator function.
    then, each : callable
        Called in the window's thread: at the end, and with all that `work` yields.

    Returns
    -------
    napari's worker
        Its `quit()` ends the work; then nothing is called.
    """
    worker = create_worker(_guarded, work, _start_thread=False)
    worker.returned.connect(_unless_ended(worker, lambda outcome: then(*outcome)))
    if each:
        worker.yielded.connect(_unless_ended(worker, each))
    worker.start()
    return worker


def _unless_ended(worker: Any, slot: Callable[[Any], None]) -> Callable[[Any], None]:
    """Drop what was still on its way from the thread when `quit()` was called."""

    def heard(value: Any) -> None:
        if not worker.abort_requested:
            slot(value)

    return heard


def _guarded(work: Work) -> Generator[Any, None, tuple[Any]]:
    """Return exceptions, packed: superqt drops every RuntimeError, and raises the others."""
    try:
        return ((yield from work()),)
    except UserError as error:
        return (error,)
    except Exception as error:  # whatever it is, the panel must hear of it
        return (EngineError(f"{type(error).__name__}: {error}"),)
