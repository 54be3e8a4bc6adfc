"""What is written of probabilities, where, and in which numbers."""

import numpy as np
import pytest
import tifffile
import zarr
from scipy.ndimage import gaussian_filter

from napari_utile.engine.prediction.outputs import output_for
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.io.stack import read_prediction
from tests.fixtures.output_specs import SHAPE, TILE, spec


def probabilities(channels=2, shape=SHAPE, seed=0):
    """Blobs, as a network would find them."""
    noise = np.random.default_rng(seed).normal(size=(channels, *shape))
    smooth = np.exp(5 * gaussian_filter(noise, (0,) * (len(shape) - 1) + (2, 2)) / 0.15)
    return (smooth / smooth.sum(0)).astype(np.float32)


def written(path, found, ids=(0, 1), **settings):
    """Write block by block, as the network does; open the result."""
    output = output_for(
        path, spec(len(found), ids, found.shape[1:], **settings), WorkFolder(path)
    )
    output.create()
    fill(output, found)
    list(output.pyramids())
    output.complete({})
    return open_image(path)


def fill(output, found):
    blocks = output.spec.blocks
    for number in range(len(blocks)):
        block = blocks[number]
        output.put(block, found[(slice(None), *block.index, *block.window)])


@pytest.mark.parametrize("name", ["p.zarr", "p.tif", "p.ome.tiff", "P.TIF"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_probabilities_are_bytes_of_which_255_is_1(tmp_path, name, channels):
    found = probabilities(channels)
    back = written(tmp_path / name, found).read()
    assert back.dtype == np.uint8
    assert np.abs(back.reshape(found.shape) / 255 - found).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_probabilities_are_written_as_they_are_if_asked(tmp_path, name):
    found = probabilities()
    back = written(tmp_path / name, found, dtype="float32").read()
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, found)


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_affinities_have_names_and_classes_are_those_of_the_foreground(tmp_path, name):
    found, offsets = 1 - probabilities(3), ((-1, 0, 0), (0, 0, -9))
    back = written(tmp_path / name, found, offsets=offsets)
    assert back.channel_names == ("foreground", "affinity_z-1", "affinity_x-9")
    assert np.abs(read_prediction(back)[0] / 255 - found[0]).max() < 0.01  # is evaluated
    options = {"output": "classes", "ids": (0, 7), "offsets": offsets}
    back = written(tmp_path / f"c_{name}", found, **options).read()
    np.testing.assert_array_equal(back, 7 * (found[0] > 0.5))


def test_half_floats_are_kept_as_such(tmp_path):
    found = probabilities()
    back = written(tmp_path / "p.zarr", found, dtype="float16")
    assert back.dtype == np.float16
    np.testing.assert_array_equal(back.read(), found.astype(np.float16))


@pytest.mark.parametrize("name", ["c.zarr", "c.tif"])
@pytest.mark.parametrize(("ids", "dtype"), [((0, 7, 9), "u1"), ((0, 7, 300), "u2")])
def test_classes_are_the_label_ids(tmp_path, name, ids, dtype):
    found = probabilities(3)
    back = written(tmp_path / name, found, ids=ids, output="classes").read()
    assert back.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back, np.array(ids)[found.argmax(0)])


@pytest.mark.parametrize("channels", [1, 2])
def test_of_instances_the_foreground_is_kept(tmp_path, channels):
    found = probabilities(2)[2 - channels :]
    output = output_for(
        tmp_path / "i.zarr", spec(channels, output="instances"), WorkFolder(tmp_path / "i.zarr")
    )
    output.create()
    fill(output, found)
    likely = found[0] if channels == 1 else 1 - found[0]
    there = open_zarr(tmp_path / "i.zarr", "probabilities")
    assert there.shape == SHAPE and there.channels == 1
    assert np.abs(there.read() / 255.0 - likely).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("name", ["i.zarr", "i.tif"])
def test_a_block_and_what_is_around_it_is_read_back(tmp_path, name):
    output = output_for(tmp_path / name, spec(output="instances"), WorkFolder(tmp_path / name))
    output.create()
    found = probabilities()
    fill(output, found)
    again = output_for(tmp_path / name, output.spec, output.work)
    again.open()
    lower_left = again.spec.blocks[4]
    assert lower_left.window == (slice(16, 20), slice(0, 16))
    around, inner = again.foreground(lower_left, halo=3)
    expected = np.rint((1 - found[0, 0, 13:20, 0:19]) * np.float32(255))
    np.testing.assert_array_equal(around, expected)
    assert inner == (slice(3, 7), slice(0, 16))


def test_classes_and_probabilities_lie_in_one_store(tmp_path):
    found = probabilities(3)
    written(tmp_path / "c.zarr", found, ids=(0, 7, 9), output="classes")
    there = open_zarr(tmp_path / "c.zarr", "probabilities").read()
    assert np.abs(there / 255.0 - found).max() <= 0.5 / 255 + 1e-6
    group = zarr.open_group(tmp_path / "c.zarr", mode="r")
    assert group["labels"].attrs["ome"]["labels"] == ["classes"]


def test_a_single_plane_is_written_without_a_slice(tmp_path):
    found = probabilities(shape=(20, 30))
    for output in ("probabilities", "classes"):
        back = written(tmp_path / f"{output}.zarr", found, output=output)
        assert back.shape == (20, 30)


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
@pytest.mark.parametrize("output", ["probabilities", "classes"])
def test_place_and_units_of_the_image_are_kept(tmp_path, name, output):
    back = written(tmp_path / name, probabilities(), output=output)
    assert back.spatial_axes == "zyx"
    assert back.scale == (50, 4, 4)
    assert back.units == ("nanometer",) * 3
    if name.endswith("zarr"):
        assert back.translate == (0, 12, 8)


def test_a_region_lies_where_it_was_cut_out():
    assert spec(starts=(2, 16, 5)).like.translate == (2 * 50, 12 + 16 * 4, 8 + 5 * 4)


def test_the_result_says_how_it_was_made(tmp_path):
    written(tmp_path / "c.zarr", probabilities(), output="classes", threshold=0.7)
    attributes = dict(zarr.open_group(tmp_path / "c.zarr", mode="r").attrs)["utile"]
    assert attributes["settings"]["threshold"] == 0.7
    assert attributes["complete"]


def test_the_chunks_are_tiles(tmp_path):
    written(tmp_path / "c.zarr", probabilities(), output="classes")
    assert zarr.open_array(tmp_path / "c.zarr" / "0").chunks == (2, 1, *TILE)
    assert zarr.open_array(tmp_path / "c.zarr" / "labels" / "classes" / "0").chunks == (
        1,
        *TILE,
    )


def test_a_tiff_is_called_partial_while_it_is_filled(tmp_path):
    output = output_for(
        tmp_path / "c.tif", spec(output="classes"), WorkFolder(tmp_path / "c.tif")
    )
    output.create()
    assert [path.name for path in tmp_path.glob("c*")] == ["c.partial.tif"]
    fill(output, probabilities())
    output.complete({})
    assert [path.name for path in tmp_path.glob("c*")] == ["c.tif"]
    expected = probabilities().argmax(0)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.tif"), expected)


def test_what_is_removed_is_gone(tmp_path):
    for name in ("c.zarr", "c.tif"):
        output = output_for(
            tmp_path / name, spec(output="classes"), WorkFolder(tmp_path / name)
        )
        output.create()
        output.remove()
    assert not list(tmp_path.glob("c*"))


def test_ids_of_more_than_2_to_the_32_voxels_need_64_bits():
    assert spec(output="instances").label_type == np.uint32
    assert spec(shape=(70_000, 300, 300), output="instances").label_type == np.uint64


@pytest.mark.parametrize(
    ("settings", "bytes_per_voxel"),
    [
        ({}, 2),
        ({"dtype": "float32"}, 8),
        ({"output": "classes"}, 3),
        ({"output": "instances", "dtype": "float32"}, 1 + 4),
    ],
)
def test_the_room_that_a_result_takes_is_known(settings, bytes_per_voxel):
    assert spec(**settings).nbytes == bytes_per_voxel * np.prod(SHAPE)
