"""Probabilities beside labels, and the result that a layer shows."""

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel

from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from napari_utile.io.stack import HOLDS, Stack
from napari_utile.widgets.layers.beside import probabilities_for, result_behind
from napari_utile.widgets.layers.results import ON_DISK

SHAPE = (2, 8, 9)
LABELS = np.zeros(SHAPE, np.uint32)
LIKELY = np.arange(144, dtype=np.uint8).reshape(SHAPE)


@pytest.fixture
def store(tmp_path):
    """Return a result with instances and the probabilities that they were made from."""
    path, like = tmp_path / "a result.zarr", Stack(LIKELY, "zyx")
    create_image(path, SHAPE, "u1", SHAPE, like, attributes={"kind": "instances"})[:] = LIKELY
    create_labels(path, "instances", SHAPE, "u4", SHAPE, like)[:] = 1
    mark_complete(path)
    return path


@pytest.fixture
def viewer():
    return ViewerModel()


def test_they_are_found_in_the_same_store(viewer, store):
    opened = viewer.add_labels(zarr.open_array(store / "labels" / "instances" / "0"))
    shown = viewer.add_labels(LABELS, metadata={ON_DISK: f"{store} instances"})
    for layer in (opened, shown):
        assert result_behind(layer) == store
        pixels, name = probabilities_for(viewer, layer, SHAPE)()
        np.testing.assert_array_equal(pixels, [LIKELY])
        assert name == "a result.zarr"
    assert probabilities_for(viewer, shown, (2, 8, 8))() == (None, "")


def test_they_are_found_by_name_where_there_is_no_store(viewer):
    labels = viewer.add_labels(LABELS, name="em instances [1]")
    assert result_behind(labels) is None
    assert probabilities_for(viewer, labels, SHAPE)() == (None, "")
    given = {"name": "em probabilities", "metadata": {HOLDS: "probabilities"}}
    viewer.add_image(LIKELY, **given)
    pixels, name = probabilities_for(viewer, labels, SHAPE)()
    np.testing.assert_array_equal(pixels, LIKELY)
    assert name == "em probabilities"
    labels.name = "other"
    assert probabilities_for(viewer, labels, SHAPE)() == (None, "")
