"""Buttons and keys that lead from error to error, the worst first."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_utile.evaluation.error_counts import worst_errors
from napari_utile.evaluation.error_types import KINDS
from napari_utile.evaluation.object_table import ObjectTable
from napari_utile.widgets.kit.following import when_deleted

NEXT, PREVIOUS = "N", "Shift-N"
"""Keys that napari leaves free."""


class ErrorWalk(QWidget):
    """Leads to the errors of the kinds that are shown, those of most pixels first.

    Parameters
    ----------
    viewer : Viewer
        Whose keys lead there, too, while there are errors.
    """

    chosen = Signal(int)
    """The row of an object."""

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self._objects: ObjectTable | None = None
        self._rows: Sequence[int] = ()
        self._at = -1
        self._keys: dict[
            str, tuple[Callable[[Any], None], Any]
        ] = {}  # ours, and what was there
        self.previous, self.next = QPushButton("Previous"), QPushButton()
        self.previous.setToolTip("Go to the error before (Shift+N)")
        self.next.setToolTip("Go to the next error; those of most pixels come first")
        self.previous.clicked.connect(lambda: self.go(-1))
        self.next.clicked.connect(lambda: self.go(1))
        self.where = QLabel()
        self.where.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self.previous)
        row.addWidget(self.next, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self.where)
        when_deleted(self, partial(_unbind, viewer, self._keys))

    def show_errors(self, objects: ObjectTable | None, kinds: Collection[str]) -> None:
        """Lead through the errors of these kinds from now on; None: there are no objects."""
        is_other = objects is not self._objects
        now = self._rows[self._at] if 0 <= self._at < len(self._rows) and not is_other else -1
        self._objects = objects
        wanted = [KINDS.index(kind) + 1 for kind in kinds]
        self._rows = [] if objects is None else [*map(int, worst_errors(objects, wanted))]
        self._at = self._rows.index(now) if now in self._rows else -1
        self.next.setText(f"Next error (N)  ·  {len(self._rows):,}")
        for part in (self.previous, self.next):
            part.setEnabled(bool(self._rows))
        self.setVisible(objects is not None)
        self._tell()
        self.unbind() if objects is None else self._bind()

    def go(self, step: int) -> None:
        """Go to the next error, or with -1 to the one before; from the last to the first."""
        if not self._rows:
            return
        start = self._at if self._at >= 0 or step > 0 else 0
        self._at = (start + step) % len(self._rows)
        self._tell()
        self.chosen.emit(self._rows[self._at])

    def unbind(self) -> None:
        """Leave the keys to others."""
        _unbind(self._viewer, self._keys)

    def _tell(self) -> None:
        is_somewhere = self._objects is not None and self._at >= 0
        self.where.setVisible(is_somewhere)
        if not is_somewhere or self._objects is None:
            return
        found = self._objects.row(self._rows[self._at])
        place = "" if found["slice"] == "all" else f", slice {found['slice']}"
        self.where.setText(
            f"Error {self._at + 1:,} of {len(self._rows):,}: {found['kind']}{place}, "
            f"{found['area']:,} px"
        )

    def _bind(self) -> None:
        if self._keys:
            return
        for key, step in ((NEXT, 1), (PREVIOUS, -1)):

            def lead(_viewer: Any, step: int = step) -> None:
                if isalive(self):
                    self.go(step)

            self._keys[key] = lead, self._viewer.bind_key(key, lead, overwrite=True)


def _unbind(
    viewer: Viewer, keys: dict[str, tuple[Callable[[Any], None], Any]], *_: Any
) -> None:
    """Give keys back to whoever had them, unless somebody has taken them since."""
    for key, (ours, before) in keys.items():
        there = viewer.bind_key(key, None)
        rightful = before if there == ours else there  # napari may wrap it
        if rightful is not None:
            viewer.bind_key(key, rightful, overwrite=True)
    keys.clear()
