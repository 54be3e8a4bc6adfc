"""The dock U-Tile: the steps of the work as tabs, and from each a way to the next."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any
from weakref import ref

from napari.layers import Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_utile.events import RunDone, RunFailed
from napari_utile.widgets.home.first_image import image_to_segment
from napari_utile.widgets.home.steps import GIVES, STEPS, WorkStep, missing, step_named
from napari_utile.widgets.kit.ahead import AHEAD
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.docks import join_other_panels
from napari_utile.widgets.kit.following import Follower
from napari_utile.widgets.kit.long_lived import LongLived
from napari_utile.widgets.kit.memory import remember, remembered
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.kit.panel import Panel
from napari_utile.widgets.kit.paths import MODELS
from napari_utile.widgets.kit.steady import KeptHeight
from napari_utile.widgets.layers.alone import choose_shown
from napari_utile.widgets.layers.brush import put_brush_away
from napari_utile.widgets.layers.choice import following
from napari_utile.widgets.layers.masks import labels_as_images

TABS_IN_A_ROW = 5
LAST = "tab"
"""Under which the tab that was open is remembered."""
ALWAYS_DONE = ("Data", "Label", "Weight map")
"""Steps that start no work: the next one is offered as soon as it has what it needs."""
BEGINS_WITH_CLICKED = "Segment"
"""The step that begins with the image that was opened or clicked on last."""
HANDED_ON = ("image", "labels_layer")
"""Choices of layers that the panels have in common."""


class HomePanel(QWidget):
    """Everything at hand: a tab for each step; its panel is made when it is first seen.

    Attributes
    ----------
    panels : dict of str to QWidget
        Those that were made, title of the step -> panel.
    """

    def __init__(self, napari_viewer: Viewer):
        super().__init__()
        self._viewer = napari_viewer
        self.panels: dict[str, QWidget] = {}
        self._done: set[str] = set()
        self._clicked: ref[Layer] | None = None  # when Segment was left
        self.step = STEPS[0]
        self.tabs, grid = QButtonGroup(self), QGridLayout()
        grid.setSpacing(2)
        for number, step in enumerate(STEPS):
            tab = QPushButton(step.title)
            tab.setCheckable(True)
            tab.setToolTip(step.help)
            tab.clicked.connect(partial(self.open_step, step.title))
            self.tabs.addButton(tab, number)
            grid.addWidget(tab, *divmod(number, TABS_IN_A_ROW))
        self.pages = QStackedWidget()
        self.missing = QLabel()
        self.missing.setWordWrap(True)
        self.missing.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.missing.linkActivated.connect(self.open_step)
        self.next = [QPushButton(), QPushButton()]
        below, foot = QHBoxLayout(), QWidget()
        for button in self.next:
            button.clicked.connect(partial(self._go_on, button))
            below.addWidget(button)
        lines = QVBoxLayout(foot)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self.missing)
        lines.addLayout(below)
        KeptHeight(foot, least=lambda: self.next[0].sizeHint().height())  # nothing above moves

        rows = QVBoxLayout(self)
        rows.setContentsMargins(4, 4, 4, 4)
        rows.setSpacing(4)
        rows.addLayout(grid)
        rows.addWidget(self.pages, 1)
        rows.addWidget(foot)
        events = napari_viewer.layers.events
        following(self, self._show_ways, events.inserted, events.removed)
        Follower(self, self._show_ways, MODELS.trained)
        follow_theme(self, self._show_ways)
        self._long_lived = LongLived(self, napari_viewer)
        Follower(self, self._leave_out, AHEAD.loaded)
        self.open_step(_tab_to_begin(napari_viewer.layers))

    def _leave_out(self, _: object = None) -> None:
        """Search no more for garbage in what stays: the window is there, and all it loads."""
        if hasattr(self._viewer, "window"):
            self._long_lived.leave_out()

    def open_step(self, title: str, *_: object) -> QWidget:
        """Show the panel of a step, made when it is first seen.

        The brush is put away where nothing is painted, but not when the dock is new.

        Parameters
        ----------
        title : str

        Returns
        -------
        QWidget
        """
        active = self._viewer.layers.selection.active
        if self.step.title == BEGINS_WITH_CLICKED:
            self._clicked = None if active is None else ref(active)
        self.step = step_named(title)
        if self.panels and not self.step.paints:
            put_brush_away(self._viewer)
        remember(LAST, title)
        if title not in self.panels:
            self.panels[title] = panel = panel_of(self.step)(self._viewer)
            self.pages.addWidget(panel)
            if controls := getattr(panel, "controls", None):
                controls.ended.connect(partial(self._on_end, title))
                controls.began.connect(partial(self._mark_tab, title, True))
                self._mark_tab(title, controls.is_running)
                controls.button.installEventFilter(self)
            if (source := _source_of(panel)) is not None:
                source.changed.connect(self._show_ways)
        self.pages.setCurrentWidget(self.panels[title])
        self.tabs.button(STEPS.index(self.step)).setChecked(True)
        self._be_about_what_is_shown(self.panels[title])
        self._be_about_what_was_clicked(self.panels[title])
        self._show_ways()
        return self.panels[title]

    def _be_about_what_is_shown(self, panel: QWidget) -> None:
        """Let a panel that is idle be about the image that is shown alone, if there is one."""
        controls = getattr(panel, "controls", None)
        if controls is None or not controls.is_running:
            for choice in (getattr(panel, name, None) for name in HANDED_ON):
                if choice is not None:
                    choose_shown(self._viewer, choice)

    def _be_about_what_was_clicked(self, panel: QWidget) -> None:
        """Let Segment be about the image that was opened or clicked on since it was left."""
        if self.step.title != BEGINS_WITH_CLICKED or panel.controls.is_running:
            return
        active = self._viewer.layers.selection.active
        was = self._clicked and self._clicked()
        is_new = active is not was and active in panel.image.choices
        if is_new and active not in labels_as_images(self._viewer.layers):
            panel.image.choose(active)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802, Qt's name
        """Follow whether the main button of a panel can be pressed."""
        if event.type() == QEvent.Type.EnabledChange:
            self._show_ways()
        return bool(super().eventFilter(watched, event))

    def _can_begin(self) -> bool:
        """Whether the panel has all it needs, be it layers or files."""
        controls = getattr(self.panels[self.step.title], "controls", None)
        return controls is not None and controls.button.isEnabled()

    def event(self, event: QEvent) -> bool:
        """Lay the dock over those of other panels; leave the work when it is closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self._long_lived.end()
                for panel in self.panels.values():
                    if isinstance(panel, Panel):
                        panel.leave_work()
            else:
                for panel in self.panels.values():
                    if isinstance(panel, Panel):
                        panel.is_left = False
                join_other_panels(self)
                AHEAD.load(*(partial(panel_of, step) for step in STEPS))
                if AHEAD.is_done:
                    self._leave_out()
        return bool(super().event(event))

    def _mark_tab(self, title: str, is_running: bool) -> None:
        """Show on its tab that the work of a step goes on, whichever tab is open."""
        step = step_named(title)
        tab = self.tabs.button(STEPS.index(step))
        tab.setText(f"● {title}" if is_running else title)
        tab.setToolTip(f"{title} is at work. {step.help}" if is_running else step.help)

    def _on_end(self, title: str) -> None:
        """Offer what comes next, unless the work failed or was stopped."""
        self._mark_tab(title, False)
        match self.panels[title].controls.progress.end:
            case RunFailed() | RunDone(stopped=True):
                self._done.discard(title)
            case _:
                self._done.add(title)
        self._show_ways()

    def _show_ways(self, _: object = None) -> None:
        """Say what the step still needs, with a link; or offer the next, if it is done."""
        source = _source_of(self.panels[self.step.title])
        of_files = source is not None and source.is_of_files
        there = self._viewer.layers
        needed = [] if self._can_begin() else missing(self.step, there, of_files)
        links = [
            f"{need.value}: {colored(GIVES[need], Tone.NOTE, GIVES[need])}" for need in needed
        ]
        said = f"{self.step.title} needs {', '.join(links)}." if links else ""
        self.missing.setText(said)
        self.missing.setVisible(bool(links))
        is_done = self.step.title in self._done or self.step.title in ALWAYS_DONE
        offered = self.step.then if is_done and not needed else ()
        ready = [
            x for x in offered
            if not missing(step_named(x), there, of_files and x == BEGINS_WITH_CLICKED)
        ]  # fmt: skip
        for button, title in zip(self.next, [*ready, "", ""][:2], strict=True):
            button.setText(f"Next: {title}" if title else "")
            button.setProperty("step", title)
            button.setVisible(bool(title))

    def _go_on(self, button: QPushButton, *_: object) -> None:
        """Open the next step, with the layers that this one was about."""
        before = self.panels[self.step.title]
        after = self.open_step(button.property("step"))
        for name in HANDED_ON:
            mine, other = getattr(before, name, None), getattr(after, name, None)
            if mine is not None and other is not None and mine.layer is not None:
                with suppress(ValueError):  # it is no choice there
                    other.choose(mine.layer)
        if self.step.title == BEGINS_WITH_CLICKED:
            self._begin_to_segment(before, after)
        result = getattr(before, "result", None)
        for layer in reversed(result.layers if result else []):
            if isinstance(layer, Labels) and layer in self._viewer.layers:
                _use_result(after, layer)
                break

    def _begin_to_segment(self, before: Any, after: Any) -> None:
        """Let Segment be about the newest image; or about files, if folders were trained on."""
        source = _source_of(before)
        known = [before.image.layer] if source is None else source.images_of_layers()
        image = image_to_segment(self._viewer, known)
        if image in after.image.choices:
            after.image.choose(image)
        elif not after.image.choices and source is not None and source.is_of_files:
            after.source.choose_files()


def _tab_to_begin(layers: Iterable[Layer]) -> str:
    """Return the tab to begin with: that of the last time, if it has what it needs."""
    layers, label = list(layers), step_named("Label")
    if missing(label, layers):
        return "Data"
    last = next((step for step in STEPS if step.title == remembered(LAST)), label)
    return label.title if missing(last, layers) else last.title


def _source_of(panel: Any) -> Any:
    """Return what chooses between layers and files in a panel, or None."""
    return getattr(panel, "source", None) or getattr(panel, "inputs", None)


def _use_result(panel: Any, layer: Labels) -> None:
    """Let a panel be about the objects that were just found."""
    if hasattr(panel, "measure"):
        panel.measure(layer)
    elif hasattr(panel, "prediction"):
        panel.prediction.choose(layer)


def panel_of(step: WorkStep) -> Any:
    """Return the class of a step's panel. It is loaded when it is first needed.

    Parameters
    ----------
    step : WorkStep
    """
    module, _, name = step.panel.partition(":")
    return getattr(import_module(f"napari_utile.widgets.{module}"), name)
