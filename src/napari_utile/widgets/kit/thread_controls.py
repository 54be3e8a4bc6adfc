"""Controls of work that is done in a thread of napari's process."""

from functools import partial
from typing import Any

from napari_utile.events import Event
from napari_utile.widgets.kit.background import Then
from napari_utile.widgets.kit.controls import READING, Collect, Controls, Show, State
from napari_utile.widgets.kit.progress import Step


class ThreadControls(Controls):
    """Controls of a generator that works in a thread; it yields events and returns a result."""

    def press(
        self, collect: Collect, then: Then, show: Show | None = None, status: str = READING
    ) -> None:
        """Work in a thread, and call `then` with the result; or stop what runs."""
        super().press(collect, partial(self._finish, then), show, status)

    def stop(self) -> None:
        """Stop the work, if there is any; its result is not shown."""
        for end in self._ends:
            end()
        self._set_state(State.IDLE)

    def leave(self) -> None:
        """Stop the work: the panel is closed."""
        self.stop()

    def _on_stop(self) -> None:
        self.stop()
        self.messages.add("Stopped.")

    def _finish(self, then: Then, result: Any) -> None:
        self._set_state(State.IDLE)
        then(result)

    def _on_event(self, event: Event | Step | None) -> None:
        if self.state is State.PREPARING:
            self._set_state(State.RUNNING)
        super()._on_event(event)
