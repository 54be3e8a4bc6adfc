"""Do the main job in a real window by pressing its buttons, and take the pictures of the docs.

    xvfb-run -a -s "-screen 0 1600x1200x24" python docs/make_pictures.py

With a screen, leave out `xvfb-run ...` to watch.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from PIL import Image

DOCS = Path(__file__).parent
SIZE = (1600, 1180)
TIMEOUT = 600
"""Seconds to wait for the window before an error is raised."""
SMALL = {"steps": "", "width": 8, "depth": 3, "tile": 128}
"""A network that learns this easy sample in a minute."""
COMPARED = {"networks": ["unet", "encoder-decoder"], "minutes": "0.5", **SMALL}
SLICE = 2
"""Where samples are shown: one of the slices that are trained on."""


def main() -> None:
    """Preview, train, segment, weigh, evaluate and compare; take a picture of each."""
    minutes, out = wanted(__doc__)
    with new_window() as viewer:
        image, truth = viewer.open_sample("napari-utile", "synthetic")
        names = ("Train on layers", "Segment", "Weight map", "Evaluate")
        opened = [viewer.window.add_plugin_dock_widget("napari-utile", name) for name in names]
        train, segment, weights, evaluate = (panel for _, panel in opened)
        lay_out(*(dock for dock, _ in opened))

        train.folder.set_path(Path("runs/synthetic"))
        fill_in(train, {"minutes": str(minutes), **SMALL})
        viewer.dims.set_current_step(0, SLICE)
        press(train.look, lambda: not train.controls.is_running)
        wait_until(lambda: train.samples is not None and len(train.samples.layers) == 6)
        truth.visible = False
        wait(1)
        save(cropped(viewer.screenshot(flash=False)), out / "preview.png")
        train.samples.remove()
        press(train.controls.button, lambda: not train.controls.is_running)
        train.look_at.remove()

        segment.form.set_value("output", "instances")
        segment.form.set_value("min_size", 30)
        segment.output.set_path(Path("synthetic.zarr"))
        press(segment.controls.button, lambda: not segment.controls.is_running)
        *_, result = segment.result.layers

        weights.labels_layer.choose(truth)
        press(weights.controls.button, lambda: weights.overlay is not None)

        evaluate.prediction.choose(result)
        evaluate.truth.choose(truth)
        press(evaluate.button, lambda: evaluate.report is not None)

        weights.overlay.opacity = 1
        evaluate.view.errors.layer.visible, result.visible = False, True
        show_side_by_side(viewer, image, result, truth)
        save(viewer.screenshot(canvas_only=False, flash=False), out / "window.png")
        save(drawn(train), out / "train.png")
        save(drawn(segment), out / "segment.png")
        save(drawn(weights), out / "weight_map.png")
        show_errors(viewer, image, evaluate, opened, out)
        draw_report(Path("runs/synthetic"), out)
        segment_slowly(viewer, image, segment, opened, out)
        compare_networks(viewer, image, truth, out)


def wanted(description: str) -> tuple[float, Path]:
    """Return how many minutes to train, and the folder for the pictures, as the shell says."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.5, help="how long to train")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder for the pictures")
    given = parser.parse_args()
    return given.minutes, given.out.absolute()


@contextmanager
def new_window() -> Iterator[Any]:
    """Open a viewer in a folder of its own: nothing of the user is read or changed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        places = {"XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        os.environ |= {**places, "NAPARI_CONFIG": f"{home}/napari.yaml"}
        os.chdir(home)
        import napari

        viewer = napari.Viewer(title="napari", show=True)
        viewer.window.resize(*SIZE)
        yield viewer
        viewer.close()


def draw_report(run: Path, out: Path) -> None:
    """Evaluate the probabilities of the network that was trained, as in docs/measuring.md."""
    from napari_utile.cli.main import main as utile

    image, truth = "sample/image.tif", "sample/labels.tif"
    sheet = ["--image", image, "--score-thresholds", "--overwrite"]
    sheet += ["--out", str(out / "report.png")]
    utile(["sample", "synthetic", "--out", "sample"])
    utile(["predict", str(run), image, "--out", "probabilities.zarr"])
    utile(["evaluate", "probabilities.zarr", truth, *sheet])


def show_errors(viewer: Any, image: Any, panel: Any, opened: list[Any], out: Path) -> None:
    """Select an object with an error; take a picture of the window with Evaluate alone."""
    from qtpy.QtCore import Qt

    (dock,) = (dock for dock, shown in opened if shown is panel)
    window = dock.parent()
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    for other, _ in opened:
        other.setVisible(other is dock)
    window.resizeDocks([dock], [620], Qt.Orientation.Horizontal)
    for layer in viewer.layers:
        layer.visible = layer in (image, panel.view.errors.layer)
    viewer.canvas.grid.enabled = False
    wait(1)
    view, objects = panel.view, panel.report.objects
    view.tabs.setCurrentWidget(view.objects.parent())
    view.objects.sort("iou")
    number = worst_in_the_middle(objects, np.array(image.data.shape[-2:]) / 2)
    index = view.objects.model().index(view.objects.order.index(number), 0)
    view.objects.selectRow(index.row())
    view.objects.scrollTo(index, view.objects.ScrollHint.PositionAtCenter)
    view.objects.clicked.emit(index)
    viewer.reset_view()  # the object is near now: show all of its slice
    wait(2)
    save(viewer.screenshot(canvas_only=False, flash=False), out / "evaluate.png")


def worst_in_the_middle(objects: Any, middle: np.ndarray) -> int:
    """Return a larger merged, or else split or missed, object near `middle` (y, x)."""
    for kind in ("merged", "split", "missed"):
        rows = [i for i in objects.of_kind(kind) if objects.row(i)["area"] > 150]
        if rows:
            return int(min(rows, key=lambda i: np.hypot(*(objects.centroid[i] - middle))))
    return 0


def segment_slowly(viewer: Any, image: Any, segment: Any, opened: list[Any], out: Path) -> None:
    """Segment in small tiles; take a picture of the window while a slice is half filled."""
    jobs, _ = viewer.window.add_plugin_dock_widget("napari-utile", "Runs")
    for dock, panel in opened:
        dock.setVisible(panel is segment)
    for layer in viewer.layers:
        layer.visible = layer is image
    viewer.canvas.grid.enabled = False
    fill_in(segment, {"tile": "32", "averaging": True})
    segment.output.set_path(Path("slowly.zarr"))
    press(segment.controls.button, lambda: (segment.controls.progress.share or 0) > 0.55)
    press(segment.controls.pause, lambda: True)
    viewer.dims.set_current_step(0, int(segment.controls.progress.share * len(image.data)))
    viewer.reset_view()
    wait(3)
    save(viewer.screenshot(canvas_only=False, flash=False), out / "segment_live.png")
    press(segment.controls.pause, lambda: True)
    press(segment.controls.button, lambda: not segment.controls.is_running)
    jobs.hide()


def compare_networks(viewer: Any, image: Any, truth: Any, out: Path) -> None:
    """Compare two networks; take a picture of the panel, and of the results side by side."""
    dock, compare = viewer.window.add_plugin_dock_widget("napari-utile", "Compare networks")
    dock.setFloating(True)
    dock.resize(620, 1000)
    compare.image.choose(image)
    compare.labels_layer.choose(truth)
    fill_in(compare, COMPARED)
    compare.folder.set_path(Path("comparison"))
    for layer in viewer.layers:
        layer.visible = False
    viewer.canvas.grid.enabled = False
    press(compare.controls.button, lambda: not compare.controls.is_running)
    wait(1)
    save(drawn(compare), out / "compare.png")
    save(cropped(viewer.screenshot(flash=False)), out / "compare_results.png")


def fill_in(panel: Any, values: dict[str, Any]) -> None:
    """Set fields of a panel as a user does."""
    for name, value in values.items():
        panel.form.set_value(name, value)


def lay_out(train: Any, segment: Any, weights: Any, evaluate: Any) -> None:
    """Put the panels around the canvas: one on the right, two on the left, one below."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QDockWidget

    window = train.parent()
    layers = window.findChild(QDockWidget, "layer list")
    window.findChild(QDockWidget, "layer controls").hide()
    left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
    window.setCorner(Qt.Corner.BottomLeftCorner, left)
    window.setCorner(Qt.Corner.BottomRightCorner, right)
    window.addDockWidget(left, segment)
    window.addDockWidget(left, weights)
    window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, evaluate)
    wait(1)
    window.resizeDocks([train, layers], [340, 320], Qt.Orientation.Horizontal)
    window.resizeDocks([layers, segment, weights], [300, 440, 280], Qt.Orientation.Vertical)
    window.resizeDocks([evaluate], [620], Qt.Orientation.Vertical)


def press(button: Any, is_done: Callable[[], bool]) -> None:
    """Press a button and wait until its work is done."""
    wait_until(button.isEnabled)
    button.click()
    wait_until(is_done)


def wait(seconds: float) -> None:
    """Process events of the window for some seconds."""
    end = monotonic() + seconds
    wait_until(lambda: monotonic() > end)


def wait_until(is_done: Callable[[], bool]) -> None:
    """Process events of the window until a condition holds."""
    from qtpy.QtWidgets import QApplication

    end = monotonic() + TIMEOUT
    while not is_done():
        if monotonic() > end:
            raise TimeoutError("the window did not finish its work in time")
        QApplication.processEvents()
        sleep(0.02)


def show_side_by_side(viewer: Any, image: Any, result: Any, truth: Any) -> None:
    """Show a validation slice twice: with the result over it, and its weight map."""
    viewer.layers.move(viewer.layers.index(result), viewer.layers.index(image) + 1)
    result.opacity = 0.45
    truth.visible = False
    grid = viewer.canvas.grid
    grid.shape, grid.stride, grid.enabled = (1, 2), 2, True
    viewer.dims.set_current_step(0, image.data.shape[0] - 1)
    wait(1)
    viewer.reset_view()
    wait(2)


def drawn(panel: Any) -> np.ndarray:
    """Draw all of a panel, without the empty space below it, as an array (Y, X, RGB)."""
    from napari._qt.utils import QImg2array
    from qtpy.QtCore import QRect
    from qtpy.QtWidgets import QWidget

    content, foot = panel.scroll.widget(), panel.layout().itemAt(panel.layout().count() - 1)
    parts = [part for part in content.findChildren(QWidget) if part.parent() is content]
    bottom = max(part.geometry().bottom() for part in parts if part.isVisible())
    height = bottom + content.layout().contentsMargins().bottom()
    shown = content.grab(QRect(0, 0, content.width(), height)), foot.widget().grab()
    pixels = [QImg2array(part.toImage())[..., :3] for part in shown]
    width = max(part.shape[1] for part in pixels)
    return np.concatenate(
        [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), "edge") for part in pixels]
    )


def cropped(pixels: np.ndarray) -> np.ndarray:
    """Crop the black border of a picture of the canvas, (Y, X, RGB)."""
    rows, columns = (
        np.flatnonzero(pixels[..., :3].any(axis=axes)) for axes in ((1, 2), (0, 2))
    )
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def save(pixels: np.ndarray, path: Path) -> None:
    """Write a picture, as small as PNG allows."""
    picture = Image.fromarray(pixels[..., :3])
    picture.save(path, optimize=True)
    print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
