"""The walk of a newcomer through the real window: each step done, timed and drawn.

    xvfb-run -a -s "-screen 0 1280x800x24" python -m tests.walk.walk --out folder --theme light

Prints a table in Markdown: what was seen, and the longest pause of the event loop in that step,
as CPU time of the window's thread and as time of the clock. With `--table` it is written to a
file, too. With `--out` a picture of each step is saved. With `--docs docs` the pictures of the
docs are taken, in one theme at a time, and what only they need is done.
"""

import argparse
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from tests.walk.monitor import EventLoopMonitor, Gap
from tests.walk.pictures import Pictures
from tests.walk.steps import the_whole

SIZE = (1280, 800)
TIMEOUT = 300
"""Seconds after which a step has failed."""
PAUSE = 0.1
"""Seconds between two things that the user does, who is no faster."""
HEADINGS = (
    "| step | longest pause, CPU | of the clock | seen |\n"  # and below it the alignment
    "|---|--:|--:|---|"
)


@dataclass
class Seen:
    """One row of the table."""

    step: str
    gap: Gap
    said: str = ""

    def line(self) -> str:
        """Return the row in Markdown."""
        plain = unescape(re.sub(r"<[^>]+>", " ", self.said))
        said = " ".join(plain.split()).replace("|", r"\|")
        cpu, wall = 1000 * self.gap.cpu, 1000 * self.gap.wall
        return f"| {self.step} | {cpu:.0f} ms | {wall:.0f} ms | {said} |"


class Walk:
    """A window at 1280 x 800 with the dock U-Tile, and what was seen in it.

    Parameters
    ----------
    viewer : napari.Viewer
    home : HomePanel
    out : Path, optional
        Folder for a picture of each step.
    docs : Pictures, optional
        Takes those of the docs.
    tell : callable, optional
        Called with each row of the table.
    """

    def __init__(
        self,
        viewer: Any,
        home: Any,
        out: Path | None = None,
        docs: Pictures | None = None,
        tell: Callable[[Seen], object] = lambda _: None,
    ):
        self.viewer, self.home, self.out, self._tell = viewer, home, out, tell
        self.docs = docs or Pictures(viewer, home)
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
        controls = panel.controls
        self.press(button or controls.button)
        if controls.is_running:
            self.are_in_view(controls.button, controls.bar, controls.status)
        return self.until(lambda: not controls.is_running, controls.status.text())

    def are_in_view(self, *widgets: Any) -> None:
        """Assert that all of each is seen in the window: nothing is cut off or hidden."""
        for widget in widgets:
            shown = widget.visibleRegion().boundingRect()
            name = widget.text() if hasattr(widget, "text") else type(widget).__name__
            assert shown == widget.rect(), f"'{name}' is not in view: {shown}, {widget.rect()}"

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
        self._tell(seen)
        if self.out:
            self.picture(name)

    def picture(self, name: str) -> None:
        """Save a picture of the whole window."""
        from PIL import Image

        assert self.out is not None
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        Image.fromarray(pixels[..., :3]).save(self.out / f"{name.replace(' ', '_')}.png")

    def key(self, key: str) -> None:
        """Press a key over the canvas."""
        from qtpy.QtTest import QTest

        self.wait(PAUSE)
        QTest.keyClicks(self.viewer.window._qt_viewer.canvas.native, key)

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


def main() -> None:
    """Walk, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for a picture of each step")
    parser.add_argument("--docs", type=Path, help="folder for the pictures of the docs")
    parser.add_argument("--table", type=Path, help="file for the table, in Markdown")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    parser.add_argument("--minutes", default="1", help="of the training")
    given = parser.parse_args()
    for folder in filter(None, (given.out, given.docs)):
        folder.mkdir(parents=True, exist_ok=True)
    if given.table:
        given.table.write_text("")

    def tell(line: str) -> None:
        print(line, flush=True)
        if given.table:
            with given.table.open("a") as file:
                file.write(f"{line}\n")

    is_shown = given.docs is not None
    with user_folder(is_shown), new_window(given.theme) as (viewer, home):
        docs = Pictures(viewer, home, given.docs, given.theme)
        walk = Walk(viewer, home, given.out, docs, lambda seen: tell(seen.line()))
        walk.wait(2)
        tell(HEADINGS)
        try:
            the_whole(walk, given.minutes)
        finally:
            with suppress(RuntimeError):
                walk.monitor.stop()
    os._exit(0)  # napari takes seconds to take its windows apart


@contextmanager
def user_folder(is_shown: bool) -> Iterator[None]:
    """Keep settings and data in an empty folder: nothing of the user is read or changed.

    It has a short name, the same each time, if it is shown in pictures.
    """
    with ExitStack() as stack:
        if is_shown:
            folder = Path(tempfile.gettempdir()) / "user"
            folder.mkdir()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        else:
            made = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
        for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            os.environ[name] = str(folder)
        yield


@contextmanager
def new_window(theme: str) -> Iterator[tuple[Any, Any]]:
    """Open napari with the dock U-Tile; end the engine that waits for it at the end."""
    import napari
    from napari.settings import get_settings

    from napari_utile.widgets.home.panel import HomePanel
    from napari_utile.widgets.process.worker import WAITING

    get_settings().appearance.theme = theme
    viewer = napari.Viewer(title="napari")
    viewer.window.resize(*SIZE)
    home = HomePanel(viewer)
    viewer.window.add_dock_widget(home, name="U-Tile", area="right")
    try:
        yield viewer, home
    finally:
        WAITING.end()


if __name__ == "__main__":
    main()
