"""Panels lie behind one another, not above one another: each has the whole height."""

from functools import partial
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

RAISED_AFTER = 100
"""Milliseconds until a dock that was opened is a tab that can be raised."""
OURS = "utile panel"
"""Name of the property that marks the panels."""


def join_other_panels(panel: QWidget) -> None:
    """Lay the dock of a panel over the one where other panels are, as a tab.

    Napari's manifest has no word for it that it heeds. Nothing happens to a panel that is in
    no dock, or in another panel.

    Parameters
    ----------
    panel : QWidget
    """
    panel.setProperty(OURS, True)
    QTimer.singleShot(
        0, partial(_lay_over_others, panel)
    )  # napari is not done with the dock yet


def open_beside(panel: QWidget, viewer: Any, step: str, title: str) -> Any:
    """Open another panel, and return it: as a step where the panel is one, else in its dock.

    Parameters
    ----------
    panel : QWidget
    viewer : Viewer
        Where it has no window nothing happens, and None is returned.
    step, title : str
        What the other panel is called among the steps, and as a dock.
    """
    above = panel.parent()
    while above is not None and not hasattr(above, "open_step"):
        above = above.parent()
    if above is not None:
        return above.open_step(step)
    if not hasattr(viewer, "window"):
        return None
    dock, opened = viewer.window.add_plugin_dock_widget("napari-utile", title)
    QTimer.singleShot(RAISED_AFTER, partial(_raise, dock))
    return opened


def _raise(dock: QDockWidget) -> None:
    if isalive(dock):
        dock.raise_()


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that holds a widget, however deep, or None."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent


def _lay_over_others(panel: QWidget) -> None:
    dock = dock_of(panel) if isalive(panel) else None
    window = dock.parent() if dock else None
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    area = window.dockWidgetArea(dock)
    for other in window.findChildren(QDockWidget):
        holds_one = any(child.property(OURS) for child in other.findChildren(QWidget))
        if other is dock or not holds_one or other.isFloating() or other.isHidden():
            continue
        if window.dockWidgetArea(other) == area:
            if dock not in window.tabifiedDockWidgets(other):
                window.tabifyDockWidget(other, dock)
            dock.raise_()
            return
