"""Labels layers whose objects are measured: their place on disk, their table as features."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from napari.viewer import Viewer

from napari_utile.io.lazy_views import ReadOnly
from napari_utile.results.columns import Columns
from napari_utile.widgets.kit.camera import look_at
from napari_utile.widgets.layers.results import ON_DISK
from napari_utile.widgets.layers.stacks import level_0

LARGEST_INDEX = np.iinfo(np.int64).max


def result_shown(layer: Layer) -> Path | None:
    """Return the result whose labels a layer shows, as they are on disk.

    Parameters
    ----------
    layer : Labels

    Returns
    -------
    Path or None
        None if its pixels are others, or it shows no result of a panel.
    """
    said = layer.metadata.get(ON_DISK)
    if not isinstance(said, str) or not isinstance(level_0(layer), ReadOnly):
        return None
    path, _, part = said.rpartition(" ")
    return Path(path) if part in ("instances", "classes") else None


def show_features(layer: Labels, table: Columns) -> bool:
    """Give a labels layer the table of its objects as features.

    Parameters
    ----------
    layer : Labels
        Its status bar then tells the measures of the object below the mouse.
    table : dict of str to ndarray

    Returns
    -------
    bool
        False if an id stands for several objects, as in time points, or napari has no such
        ids: nothing is changed then.
    """
    ids = table["id"]
    if len(np.unique(ids)) < len(ids) or (ids > LARGEST_INDEX).any():
        return False
    measures: dict[str, Any] = {n: v for n, v in table.items() if n not in ("id", "t")}
    layer.features = {"index": ids.astype(np.int64), **measures}
    return True


def go_to_object(viewer: Viewer, layer: Labels, table: Columns, row: int) -> None:
    """Show an object of a labels layer, and select its id.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels
    table : dict of str to ndarray
    row : int
        Of the table.
    """
    axes = [axis for axis in "zyx" if f"{axis}_start_px" in table]
    low = [int(table[f"{axis}_start_px"][row]) for axis in axes]
    high = [int(table[f"{axis}_stop_px"][row]) - 1 for axis in axes]
    if "t" in table:
        low, high = [int(table["t"][row]), *low], [int(table["t"][row]), *high]
    look_at(viewer, layer, low, high)
    layer.selected_label = int(table["id"][row])
