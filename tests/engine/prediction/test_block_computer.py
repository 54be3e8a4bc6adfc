"""What the network gets of a stack."""

import numpy as np
import pytest
import torch

from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.front import predict
from napari_utile.engine.prediction.in_memory import predict_stack, probabilities
from napari_utile.engine.prediction.resume import Execution
from napari_utile.errors import UserError
from napari_utile.events import Warned
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import Stack
from napari_utile.networks import UNet
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.blob_model import blobs
from tests.fixtures.lively import in_one_pass, lively
from tests.fixtures.segmented import SHAPE, segment, stopped

torch.set_num_threads(1)


def test_pixels_that_are_no_numbers_are_told_once_a_slice(blob_files, tmp_path):
    pixels = blobs(SHAPE).astype(np.float32)
    pixels[1, 20, 30] = np.nan
    write_tiff(tmp_path / "em.tif", pixels)
    (tmp_path / "model").symlink_to(blob_files / "model")
    events = segment(tmp_path, tmp_path / "out.zarr")
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert "Slice 1 of em.tif has pixels that are NaN, infinite or far beyond" in warning


# more than a slice


def seen_at_once(network, image, normal, context):
    """Probabilities of each slice of (C, Z, Y, X), from NumPy's mirrored neighbours."""
    fed = normal.apply(image)
    padded = np.pad(fed, [(0, 0), (context, context), (0, 0), (0, 0)], mode="reflect")
    slices = range(image.shape[1])
    around = [padded[:, z : z + 2 * context + 1].swapaxes(0, 1) for z in slices]
    planes = [np.ascontiguousarray(part).reshape(-1, *image.shape[2:]) for part in around]
    return np.stack([probabilities(in_one_pass(network, plane)) for plane in planes], axis=1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("context", [1, 2])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_tiled_equals_whole_with_the_slices_around(padding, context, channels):
    network = lively(
        UNet(channels * (2 * context + 1), 2, depth=2, width=2, padding=padding, norm="batch")
    )
    image = np.random.default_rng(0).normal(50, 9, (channels, 5, 37, 30)).astype(np.float32)
    normal = Normalization(mean=(50.0, 45.0)[:channels], std=(9.0, 20.0)[:channels])
    model = Model(network, normal, context=context)
    assert model.in_channels == channels
    expected = seen_at_once(network, image, normal, context)
    found = predict(model, image if channels > 1 else image[0], (16, 12))
    np.testing.assert_allclose(found, expected, atol=1e-5)

    # a part sees the slices, rows and columns outside of it
    stack, part = Stack(image, "czyx"), ((1, 8, 3), (2, 20, 25))
    cut = np.empty((2, *part[1]), np.float32)
    for _ in predict_stack(model, stack, cut, PredictSettings(tile=8), part=part):
        pass
    np.testing.assert_allclose(cut, expected[:, 1:3, 8:28, 3:28], atol=1e-5)


@pytest.fixture(scope="module")
def thick_files(tmp_path_factory):
    """Folder with a model of context 1, and a stack."""
    folder = tmp_path_factory.mktemp("thick")
    torch.manual_seed(1)
    network = lively(UNet(3, depth=1, width=2))
    Model(network, Normalization(mean=(128.0,), std=(40.0,)), context=1).save(folder / "model")
    write_tiff(folder / "em.tif", blobs((6, 40, 50)))
    return folder


def test_regions_parts_workers_and_resumed_runs_are_those_of_the_whole(thick_files, tmp_path):
    options = {"dtype": "float32", "averaging": True}
    segment(thick_files, tmp_path / "whole.zarr", **options)
    whole = open_image(tmp_path / "whole.zarr").read()
    model, image = load_model(thick_files / "model"), blobs((6, 40, 50))
    np.testing.assert_allclose(
        whole, predict(model, image, settings=PredictSettings(averaging=True)), atol=1e-5
    )

    segment(thick_files, tmp_path / "region.zarr", region="2:4,8:40,0:50", **options)
    region = open_image(tmp_path / "region.zarr").read()
    np.testing.assert_allclose(region, whole[:, 2:4, 8:], atol=1e-5)

    for k in (1, 2, 3):
        execution = Execution(part=(k, 3))
        segment(thick_files, tmp_path / "parts.zarr", execution=execution, **options)
    stopped(thick_files, tmp_path / "resumed.zarr", **options)
    segment(thick_files, tmp_path / "resumed.zarr", **options)
    for name in ("parts.zarr", "resumed.zarr"):
        np.testing.assert_array_equal(open_image(tmp_path / name).read(), whole)


def test_a_worker_sees_the_slices_around(thick_files, tmp_path):
    execution = Execution(workers=1)
    segment(thick_files, tmp_path / "workers.zarr", tile=64, execution=execution)
    segment(thick_files, tmp_path / "here.zarr", tile=64)
    there, here = (open_image(tmp_path / name).read() for name in ("workers.zarr", "here.zarr"))
    np.testing.assert_array_equal(there, here)


def test_defects_are_told_once_for_the_slice_that_has_them(thick_files, tmp_path):
    pixels = blobs((6, 40, 50)).astype(np.float32)
    pixels[1, 20, 30] = pixels[4, 2, 2] = np.nan
    write_tiff(tmp_path / "em.tif", pixels)
    (tmp_path / "model").symlink_to(thick_files / "model")
    events = segment(tmp_path, tmp_path / "out.zarr", region="2:4,0:40,0:50")
    told = [event.message for event in events if isinstance(event, Warned)]
    assert [message.partition(" of em.tif")[0] for message in told] == ["Slice 1", "Slice 4"]


@pytest.mark.parametrize("shape", [(30, 40), (1, 30, 40)])
def test_an_image_without_slices_is_refused_by_a_model_that_sees_several(shape):
    model = Model(UNet(3, depth=1, width=2), context=1)
    with pytest.raises(UserError, match=r"^3 slices are to be seen at once .* no other slices"):
        predict(model, np.zeros(shape, np.uint8))


def test_time_points_are_no_slices(thick_files, tmp_path):
    stack = Stack(blobs((3, 30, 40)), "tyx", name="film")
    with pytest.raises(UserError, match=r"'film' .* has time points and no slices"):
        predict(load_model(thick_files / "model"), stack)
