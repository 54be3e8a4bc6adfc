"""Pictures for docs/ of a window that the walk goes through, in the theme that it goes in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.spatial import cKDTree

COLORS = 256
"""Of a palette."""
ALIKE_ON_AVERAGE, ALIKE = 2, 20
"""A palette is used where gray values differ by no more on average, and hardly any of them by
more than the second: both of 255."""
EVEN = 5
"""Side of the least even area, px: its color stays exactly as it is."""
HARDLY_ANY = 0.002
"""Fraction of the gray values."""
LIGHT = "_light"
"""End of the name of a picture in the light theme; one in the dark theme has none."""
Pixels = NDArray[np.uint8]


class Pictures:
    """Takes pictures of a window: all of it, the canvas with the dock, one panel, the canvas.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : QWidget
        What is beside the canvas.
    folder : Path, optional
        Where they are saved; without it none is taken.
    theme : str
        Of napari: "dark" or "light".
    """

    def __init__(self, viewer: Any, dock: Any, folder: Path | None = None, theme: str = "dark"):
        self._viewer, self._dock, self._folder = viewer, dock, folder
        self._end = LIGHT if theme == "light" else ""
        if folder:  # napari leaves an empty box at the place of the last stroke
            viewer.canvas.overlays["_brush_circle"].box = False

    @property
    def are_wanted(self) -> bool:
        """Whether pictures are taken."""
        return self._folder is not None

    def window(self, name: str) -> None:
        """Save a picture of the whole window."""
        self._save(name, self._seen)

    def work(self, name: str) -> None:
        """Save a picture of the canvas with its sliders, and the dock beside it."""
        window = self._viewer.window
        self._save(name, lambda: self._part(window._qt_viewer, self._dock.parent()))

    def dock(self, name: str) -> None:
        """Save a picture of the dock."""
        self._save(name, lambda: self._part(self._dock.parent()))

    def panel(self, name: str, panel: Any) -> None:
        """Save a picture of all of a panel, also what is to be scrolled to."""
        self._save(name, lambda: drawn(panel))

    def layers(self, name: str, scale: float) -> None:
        """Save a picture of what the canvas shows, larger, and nothing around it."""
        self._save(name, lambda: cropped(self._canvas(scale)))

    def _save(self, name: str, take: Callable[[], Pixels]) -> None:
        if self._folder is not None:
            save(take(), self._folder / f"{name}{self._end}.png")

    def _seen(self) -> Pixels:
        return np.asarray(self._viewer.screenshot(canvas_only=False, flash=False))[..., :3]

    def _canvas(self, scale: float) -> Pixels:
        camera, size = self._viewer.scene.camera, self._viewer.canvas.size
        zoom, camera.zoom = camera.zoom, camera.zoom * scale
        larger = tuple(round(scale * length) for length in size)
        pixels = self._viewer.screenshot(size=larger, flash=False)
        camera.zoom = zoom
        return np.asarray(pixels)[..., :3]

    def _part(self, *parts: Any) -> Pixels:
        """Return what is seen of parts of the window that lie side by side."""
        from qtpy.QtCore import QPoint, QRect

        window, place = self._viewer.window._qt_window, QRect()
        for part in parts:
            place |= QRect(part.mapTo(window, QPoint(0, 0)), part.size())
        return self._seen()[place.top() : place.bottom() + 1, place.left() : place.right() + 1]


def drawn(panel: Any) -> Pixels:
    """Draw all of a panel, without the empty space below it, as an array (Y, X, RGB)."""
    from napari._qt.utils import QImg2array
    from qtpy.QtCore import QRect
    from qtpy.QtWidgets import QWidget

    content, rows = panel.scroll.widget(), panel.layout()
    parts = [part for part in content.findChildren(QWidget) if part.parent() is content]
    bottom = max(part.geometry().bottom() for part in parts if part.isVisible())
    height = bottom + content.layout().contentsMargins().bottom()
    shown = [content.grab(QRect(0, 0, content.width(), height))]
    if (foot := rows.itemAt(rows.count() - 1).widget()) is not panel.scroll:
        shown.append(foot.grab())
    pixels = [QImg2array(part.toImage())[..., :3] for part in shown]
    width = max(part.shape[1] for part in pixels)
    return np.concatenate(
        [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), "edge") for part in pixels]
    )


def cropped(pixels: Pixels) -> Pixels:
    """Crop the border that has the color of the first pixel, (Y, X, RGB)."""
    is_inside = (pixels != pixels[0, 0]).any(axis=-1)
    rows, columns = (np.flatnonzero(is_inside.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def save(pixels: Pixels, path: Path) -> None:
    """Write a picture as small as PNG allows, with a palette if it looks the same."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    few = with_palette(picture)
    off = np.abs(np.asarray(few.convert("RGB"), np.int16) - pixels)
    if off.mean() <= ALIKE_ON_AVERAGE and (off > ALIKE).mean() <= HARDLY_ANY:
        picture = few
    picture.save(path, optimize=True)
    size = path.stat().st_size // 1000
    print(f"{path}: {picture.width} x {picture.height}, {picture.mode}, {size} kB", flush=True)


def with_palette(picture: Image.Image) -> Image.Image:
    """Return a picture of few colors; those of even areas, as of a legend, stay as they are."""
    packed = np.asarray(picture).astype(np.uint32) @ np.array((1 << 16, 1 << 8, 1), np.uint32)
    is_even = minimum_filter(packed, EVEN) == maximum_filter(packed, EVEN)
    flat, counts = np.unique(packed[is_even], return_counts=True)
    flat = flat[np.argsort(-counts, kind="stable")][: COLORS // 2]
    rest = picture.quantize(COLORS - len(flat), Image.Quantize.MEDIANCUT, kmeans=1)
    palette = np.concatenate([_rgb(flat), np.reshape(rest.getpalette(), (-1, 3))])[:COLORS]
    colors, places = np.unique(packed, return_inverse=True)
    nearest = cKDTree(palette).query(_rgb(colors))[1].astype(np.uint8)
    found = Image.fromarray(nearest[places].reshape(packed.shape), "P")
    found.putpalette(palette.astype(np.uint8).tobytes())
    return found


def _rgb(packed: Any) -> Any:
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], -1)
