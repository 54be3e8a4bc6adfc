"""An image that is normalized by itself: whole, once, and the same for every part of it."""

import json

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.arrays.own_gray_values import own_normalization
from napari_utile.engine.models.model import load_model
from napari_utile.engine.prediction import normalizing
from napari_utile.engine.prediction.normalizing import own_normalization_of
from napari_utile.engine.prediction.resume import Execution
from napari_utile.errors import UserError
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import Stack
from tests.fixtures.blob_model import blob_model, blobs
from tests.fixtures.segmented import ends, segment, stopped
from tests.fixtures.tiny_training import cells, tiny

torch.set_num_threads(1)
OWN = ["image", "percentiles"]


@pytest.fixture
def parts_read(monkeypatch):
    """The parts that are read to measure images."""
    read, parts = [], normalizing._windows_of

    def counted(stack):
        for part in parts(stack):
            read.append(part.shape)
            yield part

    monkeypatch.setattr(normalizing, "_windows_of", counted)
    return read


@pytest.mark.parametrize("by", OWN)
def test_all_slices_and_channels_are_measured_in_parts_once(parts_read, monkeypatch, by):
    monkeypatch.setattr(normalizing, "SIDES", (7, 9))
    pixels = np.random.default_rng(0).integers(0, 999, (2, 3, 20, 30)).astype(np.uint16)
    stack = Stack(pixels, "czyx")
    found = own_normalization_of(stack, by)
    expected = own_normalization(pixels, by)
    assert found.mean == pytest.approx(expected.mean, rel=1e-12)
    assert found.std == pytest.approx(expected.std, rel=1e-12)
    assert len(parts_read) == 3 * 3 * 4
    assert max(parts_read) == (2, 7, 9)
    assert own_normalization_of(stack, by) == found
    assert len(parts_read) == 3 * 3 * 4


def test_without_finite_pixels_there_is_no_normalization():
    nothing = Stack(np.full((4, 4), np.nan), "yx", name="a.tif")
    with pytest.raises(UserError, match=r"^a.tif cannot .* by itself: no pixel is finite\.$"):
        own_normalization_of(nothing, "image")


@pytest.mark.parametrize("by", OWN)
def test_a_model_remembers_and_number_formats_give_the_same_objects(tmp_path, by):
    model = blob_model()
    model.normalize = by
    model.save(tmp_path / "model")
    learnt = load_model(tmp_path / "model")
    assert learnt.normalize == by
    pixels = blobs((60, 70))
    here = utile.predict(learnt, pixels)
    for other in (pixels / np.float32(255), pixels.astype(np.uint16) * 257):
        there = utile.predict(learnt, other)
        np.testing.assert_allclose(there, here, atol=1e-5)
        np.testing.assert_array_equal(utile.instances(there), utile.instances(here))
    as_trained = utile.predict(
        learnt, pixels, settings=utile.PredictSettings(normalize="model")
    )
    expected = utile.predict(blob_model(), pixels)
    np.testing.assert_allclose(as_trained, expected, atol=1e-6)


def test_a_trained_model_normalizes_as_it_was_trained():
    image, labels = cells()
    settings = tiny(steps=2, normalize="image")
    learnt = utile.train(image, labels, settings)
    assert learnt.normalize == learnt.settings.normalize == "image"
    here = utile.predict(learnt, image)
    for other in (image / np.float32(255), image.astype(np.uint16) * 257):
        np.testing.assert_allclose(utile.predict(learnt, other), here, atol=1e-5)


@pytest.fixture(scope="module")
def own_files(tmp_path_factory):
    """Folder with ``model``, which normalizes images by themselves, and ``em.tif``."""
    folder = tmp_path_factory.mktemp("own")
    model = blob_model()
    model.normalize = "image"
    model.save(folder / "model")
    brighter = np.arange(1, 4, dtype=np.uint16)[:, None, None]
    write_tiff(folder / "em.tif", blobs((3, 40, 50)) * brighter)
    return folder


def result(folder, name):
    return open_image(folder / name).read()


def test_regions_resumed_runs_parts_and_orders_are_those_of_the_whole(
    own_files, tmp_path, parts_read
):
    segment(own_files, tmp_path / "whole.zarr", dtype="float32")
    assert len(parts_read) == 3
    whole = result(tmp_path, "whole.zarr")
    fixed = segment(own_files, tmp_path / "fixed.zarr", dtype="float32", normalize="model")
    assert ends(fixed)[0].status == "done"
    assert np.abs(result(tmp_path, "fixed.zarr") - whole).max() > 0.1

    segment(own_files, tmp_path / "part.zarr", dtype="float32", region="1:2,3:33,8:50")
    part = result(tmp_path, "part.zarr")
    np.testing.assert_allclose(part, whole[:, 1:2, 3:33, 8:50], atol=1e-5)

    parts_read.clear()
    stopped(own_files, tmp_path / "resumed.zarr", 4, dtype="float32")
    record = json.loads((tmp_path / ".resumed.zarr.utile" / "gray_values.json").read_text())
    assert len(parts_read) == 3 and len(record["normalization"]["mean"]) == 1
    segment(own_files, tmp_path / "resumed.zarr", dtype="float32")
    kept = segment(own_files, tmp_path / "resumed.zarr", dtype="float32")
    assert ends(kept)[0].status == "kept"
    assert len(parts_read) == 3
    np.testing.assert_array_equal(result(tmp_path, "resumed.zarr"), whole)

    for number in (2, 1):
        share = Execution(part=(number, 2))
        segment(own_files, tmp_path / "parts.zarr", execution=share, dtype="float32")
    assert len(parts_read) == 6
    np.testing.assert_array_equal(result(tmp_path, "parts.zarr"), whole)


def test_a_result_of_another_normalization_is_not_resumed(own_files, tmp_path):
    stopped(own_files, tmp_path / "out.zarr", 4)
    with pytest.raises(UserError, match="normalize: image there, percentiles here"):
        segment(own_files, tmp_path / "out.zarr", normalize="percentiles")
    plan = tmp_path / ".out.zarr.utile" / "plan.json"
    plan.write_text(plan.read_text().replace('"whole"', '"sample"'))
    with pytest.raises(UserError, match="normalized by a sample of it"):
        segment(own_files, tmp_path / "out.zarr", normalize="image")
