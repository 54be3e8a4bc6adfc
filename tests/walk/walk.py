"""The walk of a newcomer through the real window: each step done, timed and drawn.

    xvfb-run -a -s "-screen 0 1280x800x24" python -m tests.walk.walk --out folder --theme light

Prints a table: what was seen, and the longest pause of the event loop in that step, as CPU time
of the window's thread and as time of the clock. With `--out` it saves a picture of each step.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from tests.walk.monitor import EventLoopMonitor, Gap

SIZE = (1280, 800)
TIMEOUT = 300
"""Seconds after which a step has failed."""
PAUSE = 0.1
"""Seconds between two things that the user does, who is no faster."""
SMALL = {"depth": "3", "width": "8", "tile": "128"}
"""A network that learns the sample in a minute."""


@dataclass
class Seen:
    """One row of the table."""

    step: str
    gap: Gap
    said: str = ""


class Walk:
    """A window at 1280 x 800 with the dock U-Tile, and what was seen in it.

    Parameters
    ----------
    viewer : napari.Viewer
    home : HomePanel
    out : Path, optional
        Folder for the pictures.
    """

    def __init__(self, viewer: Any, home: Any, out: Path | None = None):
        self.viewer, self.home, self.out = viewer, home, out
        self.monitor = EventLoopMonitor()
        self.rows: list[Seen] = []

    def wait(self, seconds: float) -> None:
        """Let the event loop run, as it does in napari."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(round(1000 * seconds), loop.quit)
        loop.exec()

    def until(self, is_so: Callable[[], object], what: str = "") -> float:
        """Wait until something is so; return the seconds."""
        began = monotonic()
        while not is_so():
            if monotonic() - began > TIMEOUT:
                raise TimeoutError(what or "this takes too long")
            self.wait(0.02)
        return monotonic() - began

    def press(self, button: Any) -> None:
        """Click on a button as a user does."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        self.wait(PAUSE)
        assert button.isEnabled(), f"{button.text()}: {button.toolTip()}"
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def run(self, panel: Any, button: Any = None) -> float:
        """Press a button of a panel, and wait until the work has ended; return the seconds."""
        self.press(button or panel.controls.button)
        return self.until(lambda: not panel.controls.is_running, panel.controls.status.text())

    @contextmanager
    def step(self, name: str) -> Iterator[Seen]:
        """Do a step: watch the event loop, and take a picture at the end."""
        self.wait(0.3)
        self.monitor.begin()
        seen = Seen(name, Gap(0, 0))
        yield seen
        self.wait(0.5)
        seen.gap = self.monitor.end()
        self.rows.append(seen)
        if self.out:
            self.picture(name)

    def picture(self, name: str) -> None:
        """Save a picture of the whole window."""
        from PIL import Image

        assert self.out is not None
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        Image.fromarray(pixels[..., :3]).save(self.out / f"{name.replace(' ', '_')}.png")

    def stroke(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Paint from one pixel to another of the slice in view, with the real mouse."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        canvas = self.viewer.window._qt_viewer.canvas.native
        middle = QPoint(canvas.width() // 2, canvas.height() // 2)
        points = [
            middle + QPoint(round(x), round(y))
            for y, x in zip(
                np.linspace(start[0], end[0], 8), np.linspace(start[1], end[1], 8), strict=True
            )
        ]
        button = Qt.MouseButton.LeftButton
        QTest.mouseMove(canvas, points[0])
        self.wait(0.05)
        QTest.mousePress(canvas, button, Qt.KeyboardModifier.NoModifier, points[0])
        for point in points[1:]:
            QTest.mouseMove(canvas, point)
            self.wait(0.03)
        QTest.mouseRelease(canvas, button, Qt.KeyboardModifier.NoModifier, points[-1])


def the_whole(walk: Walk, minutes: str = "1", options: dict[str, str] | None = None) -> None:
    """Go through all steps on the synthetic sample, as a newcomer would."""
    bring_and_label(walk)
    train_a_network(walk, {**SMALL, "minutes": minutes, **(options or {})})
    segment_and_correct(walk)
    look_at_it(walk)


def bring_and_label(walk: Walk) -> None:
    """Open the sample, paint a stroke into new labels, and see the weights of the loss."""
    home, viewer = walk.home, walk.viewer
    with walk.step("data") as seen:
        data = home.open_step("Data")
        walk.press(data.synthetic)
        walk.until(lambda: len(viewer.layers) == 2)
        seen.said = data.list.text()
    image, truth = viewer.layers
    with walk.step("label") as seen:
        label = home.open_step("Label")
        label.image.choose(image)
        walk.press(label.new)
        walk.stroke((0, -60), (30, 60))
        painted = viewer.layers.selection.active
        seen.said = f"{painted.name}: {int((painted.data > 0).sum()):,} px painted"
    viewer.layers.remove(painted)

    with walk.step("weight map") as seen:
        weights = home.open_step("Weight map")
        weights.labels_layer.choose(truth)
        walk.press(weights.controls.button)
        walk.until(lambda: weights.overlay is not None)
        seen.said = f"weights up to {float(weights.overlay.data.max()):.3g}"
    viewer.layers.remove(weights.overlay)


def train_a_network(walk: Walk, options: dict[str, str]) -> None:
    """Look at what training sees, train, and see the preview."""
    home, viewer = walk.home, walk.viewer
    train = home.open_step("Train")
    train.labels_layer.choose(viewer.layers[1])
    for name, value in options.items():
        train.form.set_value(name, value)
    for number in ("first", "again"):
        with walk.step(f"preview {number}") as seen:
            seen.said = f"{walk.run(train, train.look):.1f} s"
            walk.until(lambda: train.before.samples and len(train.before.samples.layers) == 6)
    train.before.samples.remove()
    with walk.step("train until the first preview") as seen:
        walk.press(train.controls.button)
        started = walk.until(train.curves.isVisible)
        previewed = walk.until(lambda: any("preview" in x.name for x in viewer.layers))
        seen.said = f"started after {started:.1f} s, preview {previewed:.1f} s later"
    with walk.step("train") as seen:
        walk.until(lambda: not train.controls.is_running)
        seen.said = train.controls.messages.text()
    train.look_at.remove()


def segment_and_correct(walk: Walk) -> None:
    """Find objects, by other settings, too, and correct one with the brush."""
    home, viewer = walk.home, walk.viewer
    segment = home.open_step("Segment")
    segment.image.choose(viewer.layers[0])
    with walk.step("segment the layer") as seen:
        seen.said = f"{walk.run(segment):.1f} s"
        walk.until(lambda: any(x.name.endswith("instances") for x in viewer.layers))
    with walk.step("segment the view") as seen:
        segment.source.kind.setCurrentText("the current view")
        seen.said = f"{walk.run(segment):.1f} s"
    segment.source.kind.setCurrentText("a layer")
    with walk.step("threshold") as seen:
        for value in (0.6, 0.7):
            segment.form.set_value("threshold", value)
            walk.wait(0.3)
        seen.said = segment.redraw.line.text()
    if segment.redraw.is_shown:
        walk.press(segment.redraw.discard)
    with walk.step("edit a result") as seen:
        before = len(viewer.layers)
        walk.press(segment.correction.edit)
        walk.until(lambda: len(viewer.layers) > before)
        walk.stroke((-40, -40), (-20, 30))
        walk.press(segment.correction.save)
        walk.until(lambda: "Saved" in segment.correction.messages.text())
        seen.said = segment.correction.messages.text()


def look_at_it(walk: Walk) -> None:
    """Measure, evaluate, and find it all again in the list of runs."""
    home, viewer = walk.home, walk.viewer
    truth = next(x for x in viewer.layers if x.name == "Synthetic ssTEM labels")
    with walk.step("measure") as seen:
        objects = home.open_step("Measure")
        objects.labels_layer.choose(truth)
        walk.run(objects)
        walk.until(lambda: "id" in objects.columns)
        seen.said = f"{len(objects.columns['id'])} objects"
    with walk.step("evaluate") as seen:
        evaluate = home.open_step("Evaluate")
        evaluate.truth.choose(truth)
        result = next(x for x in reversed(viewer.layers) if x.name.endswith("instances"))
        evaluate.prediction.choose(result)
        walk.press(evaluate.button)
        walk.until(lambda: evaluate.report is not None)
        seen.said = evaluate.view.summary.whole.text()
    with walk.step("runs") as seen:
        runs = home.open_step("Runs")
        walk.until(lambda: runs.list.topLevelItemCount() > 1)
        seen.said = f"{runs.list.topLevelItemCount()} runs"
    with walk.step("show a run"):
        for row in range(runs.list.topLevelItemCount()):
            item = runs.list.topLevelItem(row)
            runs.list.setCurrentItem(item)
            if runs.show_it.isEnabled() and not runs.show_it.isHidden():
                walk.press(runs.show_it)
                break
        walk.wait(2)
    with walk.step("compare"):
        home.open_step("Compare")
        walk.wait(1)


def main() -> None:
    """Walk, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    parser.add_argument("--minutes", default="1", help="of the training")
    given = parser.parse_args()
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            os.environ[name] = folder
        import napari
        from napari.settings import get_settings

        from napari_utile.widgets.home.panel import HomePanel

        get_settings().appearance.theme = given.theme
        viewer = napari.Viewer()
        viewer.window.resize(*SIZE)
        home = HomePanel(viewer)
        viewer.window.add_dock_widget(home, name="U-Tile", area="right")
        walk = Walk(viewer, home, given.out)
        walk.wait(2)
        try:
            the_whole(walk, given.minutes)
        finally:
            for row in walk.rows:
                gap = f"{1000 * row.gap.cpu:6.0f} ms CPU {1000 * row.gap.wall:6.0f} ms"
                print(f"{row.step:30} {gap}  {row.said}", flush=True)
            with suppress(RuntimeError):
                walk.monitor.stop()
            from napari_utile.widgets.process.worker import WAITING

            WAITING.end()
    os._exit(0)  # napari takes seconds to take its windows apart


if __name__ == "__main__":
    main()
