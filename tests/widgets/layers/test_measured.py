"""Layers that are measured: their result, features, and the way to an object."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_utile.io.lazy_views import ReadOnly
from napari_utile.results.objects import objects_table
from napari_utile.widgets.layers import measured
from napari_utile.widgets.layers.measured import go_to_object, result_shown, show_features
from napari_utile.widgets.layers.results import ON_DISK

LABELS = np.zeros((4, 20, 30), np.uint16)
LABELS[1:3, 2:6, 4:8], LABELS[3, 10:12, 20:30] = 5, 9


def test_the_result_that_a_layer_shows(tmp_path):
    shown = {ON_DISK: f"{tmp_path / 'my cells.zarr'} instances"}
    layer = Labels(ReadOnly(LABELS), metadata=shown)
    assert result_shown(layer) == tmp_path / "my cells.zarr"
    assert result_shown(Labels(LABELS, metadata=shown)) is None  # its pixels are others
    assert result_shown(Labels(ReadOnly(LABELS))) is None


def test_the_table_becomes_features():
    viewer, table = ViewerModel(), objects_table(LABELS)
    layer = viewer.add_labels(LABELS)
    assert show_features(layer, table)
    assert layer.features["index"].tolist() == [5, 9]
    assert layer.features["voxels"].tolist() == [32, 20]
    viewer.dims.set_current_step(0, 2)
    status = layer.get_status((2, 3, 5), view_direction=None, dims_displayed=[1, 2])
    assert "voxels: 32" in status["value"]


@pytest.mark.parametrize("ids", [[5, 5], [5, 2**64 - 1]])
def test_features_that_napari_cannot_hold_are_not_set(ids):
    layer, table = Labels(LABELS), objects_table(LABELS)
    assert not show_features(layer, table | {"id": np.array(ids, np.uint64)})
    assert layer.features.empty


@pytest.mark.parametrize("with_time", [False, True])
def test_the_way_to_an_object(monkeypatch, with_time):
    seen = []
    monkeypatch.setattr(measured, "look_at", lambda *given: seen.append(given[2:]))
    viewer, table = ViewerModel(), objects_table(LABELS)
    if with_time:
        table["t"] = np.array([0, 6])
    layer = viewer.add_labels(LABELS)
    go_to_object(viewer, layer, table, 1)
    first = [6] if with_time else []
    assert seen == [([*first, 3, 10, 20], [*first, 3, 11, 29])]
    assert layer.selected_label == 9
