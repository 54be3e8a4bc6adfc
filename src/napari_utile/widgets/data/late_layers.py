"""Layers that are read in a thread, and added when they are there: the window goes on."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from napari import current_viewer
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtCore import QCoreApplication, QThread

from napari_utile.coco.napari_reader import coco_reader
from napari_utile.io.napari_reader import LayerData
from napari_utile.samples.samples import isbi2012_layers, synthetic_layers
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.layers.in_turn import in_turn
from napari_utile.widgets.layers.label_colors import compile_colors

NOTHING: list[Any] = [(None,)]
"""What napari takes for: it is read, and there is no layer."""
_READING: list[Background] = []
"""What is being read: kept, or it would not be heard of."""


def layers_or_later(
    read: Callable[[], list[LayerData]], nothing: list[Any] = NOTHING
) -> list[Any]:
    """Return layers; where a window would stand still meanwhile, add them when they are read.

    Parameters
    ----------
    read : callable
        Returns the layers.
    nothing : list
        What is returned at once in a window.

    Returns
    -------
    list of LayerData
    """
    viewer = current_viewer()
    if viewer is None or not _is_in_window():
        return read()

    def work() -> Generator[None, None, list[LayerData]]:
        yield
        found = read()
        for data, options, kind in found:
            if kind == "labels" and isinstance(colors := options.get("colormap"), dict):
                compile_colors(colors, data.dtype)
        return found

    def then(found: list[LayerData]) -> None:
        _READING.remove(reading)
        add_layers(viewer, found)

    def fail(error: Exception) -> None:
        _READING.remove(reading)
        show_error(str(error))

    reading = Background(work, then, fail)
    _READING.append(reading)
    return nothing


def synthetic_sample() -> list[Any]:
    """Return the synthetic sample, which takes a second to make."""
    return layers_or_later(synthetic_layers, [])


def isbi2012_sample() -> list[Any]:
    """Return the ISBI 2012 sample, which is downloaded the first time."""
    return layers_or_later(isbi2012_layers, [])


def coco_in_window(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Return the function that reads these paths, or None if one is no COCO file.

    Parameters
    ----------
    path : str or sequence of str

    Returns
    -------
    callable or None
        As npe2 asks of a reader.
    """
    read = coco_reader(path)
    return None if read is None else lambda path: layers_or_later(partial(read, path))


def add_layers(viewer: Viewer, found: list[LayerData]) -> None:
    """Add layers, one after the other; the last one is the active one, as napari has it.

    Parameters
    ----------
    viewer : Viewer
    found : list of LayerData
    """

    def add(data: Any, options: dict[str, Any], kind: str) -> None:
        getattr(viewer, f"add_{kind}")(data, **options)

    in_turn(viewer, [partial(add, *layer) for layer in found], is_kept=False)


def _is_in_window() -> bool:
    """Whether this is called by an event of the window, which may not wait."""
    app = QCoreApplication.instance()
    return app is not None and QThread.currentThread().loopLevel() > 0
