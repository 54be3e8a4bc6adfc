"""What is made of probabilities on their way to the disk."""

import numpy as np
import pytest
import tifffile
import zarr
from scipy.ndimage import gaussian_filter
from skimage.measure import label

from napari_utile.arrays.labels import instances
from napari_utile.engine.model import Model
from napari_utile.engine.outputs import ClassWriter, InstanceWriter, Output
from napari_utile.errors import UserError
from napari_utile.files import runs
from napari_utile.files.images import open_image
from napari_utile.files.stacks import Stack
from napari_utile.networks import UNet
from napari_utile.settings import PredictSettings

SHAPE = (3, 20, 30)
TILE = (8, 16)


def probabilities(channels=2, shape=SHAPE, seed=0):
    """Blobs, as a network would find them."""
    noise = np.random.default_rng(seed).normal(size=(channels, *shape))
    smooth = np.exp(5 * gaussian_filter(noise, (0,) * (len(shape) - 1) + (2, 2)) / 0.15)
    return (smooth / smooth.sum(0)).astype(np.float32)


def model(classes=2, ids=()):
    return Model(UNet(1, classes, depth=1, width=2), ids=ids)


def image(shape=SHAPE):
    n = len(shape)
    return Stack(
        np.zeros(shape, np.uint8),
        "zyx"[-n:],
        name="em.tif",
        scale=(50.0, 4.0, 4.0)[-n:],
        translate=(0.0, 12.0, 8.0)[-n:],
        units=("nanometer",) * n,
    )


def fill(writer, found, tile=TILE):
    """Write tile by tile, plane by plane, as `predict` does."""
    *leading, height, width = found.shape[1:]
    for index in np.ndindex(*leading):
        for y in range(0, height, tile[0]):
            for x in range(0, width, tile[1]):
                down, across = min(y + tile[0], height), min(x + tile[1], width)
                where = (*index, slice(y, down), slice(x, across))
                writer[:, *where] = found[:, *where]


def written(path, found, overwrite=False, ids=(), **settings):
    options = PredictSettings(**settings)
    output = Output(
        path, image(found.shape[1:]), model(len(found), ids), options, TILE, overwrite
    )
    fill(output.writer, found)
    output.complete()
    return open_image(path)


@pytest.mark.parametrize("name", ["p.zarr", "p.tif", "p.ome.tiff", "P.TIF"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_probabilities_are_written_as_they_are(tmp_path, name, channels):
    found = probabilities(channels)
    back = written(tmp_path / name, found).read()
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.reshape(found.shape), found)


@pytest.mark.parametrize("name", ["c.zarr", "c.tif"])
@pytest.mark.parametrize(("ids", "dtype"), [((0, 7, 9), "u1"), ((0, 7, 300), "u2")])
def test_classes_are_the_label_ids(tmp_path, name, ids, dtype):
    found = probabilities(3)
    back = written(tmp_path / name, found, ids=ids, output="classes").read()
    assert back.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back, np.array(ids)[found.argmax(0)])


@pytest.mark.parametrize("name", ["i.zarr", "i.tif"])
@pytest.mark.parametrize("channels", [1, 2])
def test_instances_are_numbered_through_the_stack(tmp_path, name, channels):
    found = probabilities(2)[2 - channels :]
    options = {"output": "instances", "threshold": 0.6, "objects": "components"}
    back = written(tmp_path / name, found, **options).read()
    foreground = found[0] > 0.6 if channels == 1 else found[0] < 0.4
    assert back.dtype == np.uint32
    assert np.array_equal(back > 0, foreground)
    assert set(np.unique(back)) == set(range(back.max() + 1))
    count = 0
    for plane, mask in zip(back, foreground, strict=True):
        expected = label(mask, connectivity=1)
        assert np.array_equal(plane, np.where(expected, expected + count, 0))
        count += expected.max()


def test_instances_are_taken_apart_as_in_python(tmp_path):
    found = probabilities()
    back = written(tmp_path / "i.zarr", found, output="instances").read()
    np.testing.assert_array_equal(back, instances(found))
    assert back.max() > instances(found, method="components").max()


def test_small_instances_are_dropped(tmp_path):
    found = probabilities()
    back = written(tmp_path / "i.zarr", found, output="instances", min_size=12).read()
    assert np.bincount(back.ravel()).min() >= 12
    np.testing.assert_array_equal(back, instances(found, min_size=12))


def test_a_single_plane_is_written_without_a_slice(tmp_path):
    found = probabilities(shape=(20, 30))
    for output in ("probabilities", "classes", "instances"):
        back = written(tmp_path / f"{output}.zarr", found, output=output)
        assert back.shape == (20, 30)


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
@pytest.mark.parametrize("output", ["probabilities", "instances"])
def test_place_and_units_of_the_image_are_kept(tmp_path, name, output):
    back = written(tmp_path / name, probabilities(), output=output)
    assert back.spatial_axes == "zyx"
    assert back.scale == (50, 4, 4)
    assert back.units == ("nanometer",) * 3
    if name.endswith("zarr"):
        assert back.translate == (0, 12, 8)


def test_the_result_says_how_it_was_made(tmp_path):
    written(tmp_path / "i.zarr", probabilities(), output="instances", threshold=0.7)
    attributes = str(dict(zarr.open_group(tmp_path / "i.zarr", mode="r").attrs))
    assert "'threshold': 0.7" in attributes


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_an_output_that_exists_is_kept_unless_asked(tmp_path, name):
    first, second = probabilities(seed=1), probabilities(seed=2)
    written(tmp_path / name, first)
    with pytest.raises(UserError, match=f"{name} exists; --overwrite replaces it"):
        written(tmp_path / name, second)
    np.testing.assert_array_equal(open_image(tmp_path / name).read(), first)
    written(tmp_path / name, second, overwrite=True)
    np.testing.assert_array_equal(open_image(tmp_path / name).read(), second)


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path, monkeypatch, name):
    usage = runs.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(runs.shutil, "disk_usage", lambda _: usage._replace(free=14_000))
    with pytest.raises(UserError, match=r"14,400 bytes .* 14,000 free: 400 are missing"):
        written(tmp_path / name, probabilities())
    assert not list(tmp_path.iterdir())


def test_the_chunks_are_tiles(tmp_path):
    written(tmp_path / "p.zarr", probabilities())
    assert zarr.open_array(tmp_path / "p.zarr" / "0").chunks == (2, 1, *TILE)


def test_writers_hold_one_plane_at_most():
    target = np.zeros(SHAPE, np.uint32)
    writer = InstanceWriter(target, PredictSettings(output="instances"))
    fill(writer, probabilities())
    assert writer.foreground.nbytes == 20 * 30 * 4


def test_instances_of_a_plane_that_was_not_completed_are_written_too():
    target = np.zeros((20, 30), np.uint32)
    writer = InstanceWriter(target, PredictSettings(output="instances"))
    tile = np.stack([np.zeros((20, 15)), np.ones((20, 15))]).astype(np.float32)
    writer[:, 0:20, 0:15] = tile
    assert not target.any()
    writer.finish_plane()
    assert (target[:, :15] == 1).all()
    assert not target[:, 15:].any()


def test_instances_appear_plane_by_plane():
    target = np.zeros(SHAPE, np.uint32)
    writer = InstanceWriter(target, PredictSettings(output="instances"))
    found = probabilities()
    fill(writer, found[:, :2])
    assert [bool(plane.any()) for plane in target] == [True, True, False]


def test_one_map_is_a_class_where_it_is_above_the_threshold():
    target = np.zeros((1, 3), np.uint8)
    writer = ClassWriter(target, ids=(1, 2), threshold=0.3)
    writer[:, slice(0, 1), slice(0, 3)] = np.array([[[0.2, 0.3, 0.4]]], np.float32)
    assert target.tolist() == [[1, 1, 2]]


def test_tiff_results_are_readable_by_tifffile(tmp_path):
    found = probabilities()
    written(tmp_path / "i.tif", found, output="instances")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "i.tif"), instances(found))
