"""What becomes of runs when the last window of napari is closed: the user is asked once."""

from collections.abc import Sequence
from enum import Enum, auto

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

from napari_utile.widgets.kit.running import RUNNING, open_windows
from napari_utile.widgets.process.detached import DetachedEngine


class AtClose(Enum):
    """What the user chooses."""

    KEEP = auto()
    STOP = auto()
    CANCEL = auto()


def ask_at_close(window: QWidget, runs: Sequence[str]) -> AtClose:
    """Ask what becomes of runs that would be stopped. A test replaces this function.

    Parameters
    ----------
    window : QWidget
        That is closed.
    runs : sequence of str
        What they do.

    Returns
    -------
    AtClose
    """
    box = QMessageBox(window)
    box.setWindowTitle("U-Tile")
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(f"Still running: {', '.join(runs)}.")
    they = "They" if len(runs) > 1 else "It"
    box.setInformativeText(
        f"{they} can keep running in the background without napari, or be stopped: then "
        "everything so far is saved, and the panel Runs can resume it."
    )
    keep = box.addButton("Keep running without napari", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("Stop and save", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(keep)
    box.exec()
    clicked = box.clickedButton()
    return {keep: AtClose.KEEP, stop: AtClose.STOP}.get(clicked, AtClose.CANCEL)


class CloseGuard(QObject):
    """Watches a main window: asks when it is closed, and ends what nobody would see."""

    def __init__(self, window: QMainWindow):
        super().__init__(window)
        window.installEventFilter(self)
        window.destroyed.connect(_on_destroyed)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802, Qt's name
        """Ask before the user closes the last window, and refuse if that is the answer."""
        if event.type() != QEvent.Type.Close or watched is not self.parent():
            return False
        if not isinstance(watched, QMainWindow) or not _is_asked(watched, event):
            return False
        runs = RUNNING.mortal()
        match ask_at_close(watched, [_what(run) for run in runs]):
            case AtClose.CANCEL:
                event.ignore()
                return True
            case AtClose.KEEP:
                for run in runs:
                    run.folder.set_outlives_window(True)
        return False


def watch_window_of(widget: QWidget) -> None:
    """Watch the main window that a widget is docked in, once.

    Parameters
    ----------
    widget : QWidget
    """
    above: QObject | None = widget
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parent()
    children = Qt.FindChildOption.FindDirectChildrenOnly
    if above is not None and above.findChild(CloseGuard, options=children) is None:
        CloseGuard(above)


def _is_asked(window: QMainWindow, event: QEvent) -> bool:
    """Whether the user closes napari, and something would be stopped."""
    is_last = open_windows() in ([window], []) or getattr(window, "_quit_app", False)
    is_by_user = event.spontaneous() or _has_canvas(window)
    return is_last and is_by_user and bool(RUNNING.mortal())


def _has_canvas(window: QMainWindow) -> bool:
    """Whether the canvas is there: `viewer.close()` closes it first, menus and keys do not."""
    center = window.centralWidget()
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    return center is not None and any(
        part.isVisible() for part in center.findChildren(QWidget, options=direct)
    )


def _what(run: DetachedEngine) -> str:
    record = run.folder.record
    return record.title if record else run.folder.path.name


def _on_destroyed() -> None:
    """End what no window shows any more; at the end of napari that is waited for."""
    if not open_windows():
        RUNNING.end_all()
