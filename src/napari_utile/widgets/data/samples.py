"""The sample that is downloaded, without the window standing still."""

from collections.abc import Generator

from napari import current_viewer
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.QtCore import QCoreApplication, QThread

from napari_utile.io.napari_reader import LayerData
from napari_utile.samples.samples import isbi2012_layers
from napari_utile.widgets.kit.background import Background

_DOWNLOADS: list[Background] = []
"""The last download: kept, or it would not be heard of."""


def isbi2012_sample() -> list[LayerData]:
    """Return the ISBI 2012 sample; in a window nothing, as it is added when it has come.

    Returns
    -------
    list of LayerData
    """
    viewer = current_viewer()
    if viewer is None or not _is_in_window():
        return isbi2012_layers()
    show_info("ISBI 2012: 7.5 MB are downloaded, once. The layers appear when they are there.")

    def work() -> Generator[None, None, list[LayerData]]:
        yield
        return isbi2012_layers()

    def add(sample: list[LayerData]) -> None:
        add_layers(viewer, sample)

    _DOWNLOADS[:] = [Background(work, add, lambda error: show_error(str(error)))]
    return []


def add_layers(viewer: Viewer, sample: list[LayerData]) -> None:
    """Add the layers of a sample.

    Parameters
    ----------
    viewer : Viewer
    sample : list of LayerData
    """
    for data, options, kind in sample:
        getattr(viewer, f"add_{kind}")(data, **options)


def _is_in_window() -> bool:
    """Whether this is called by an event of the window, which may not wait."""
    app = QCoreApplication.instance()
    return app is not None and QThread.currentThread().loopLevel() > 0
