import shutil

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels

from napari_utile.errors import UserError
from napari_utile.io import napari_reader
from napari_utile.io.lazy_views import LazyChannel
from napari_utile.io.napari_reader import read_layers, reader
from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from napari_utile.io.pyramids import write_smaller_levels
from napari_utile.io.stack import Stack

EM = Stack(
    np.random.default_rng(0).integers(0, 256, (3, 80, 100), np.uint8),
    "zyx",
    scale=(50.0, 4.0, 4.0),
    translate=(0.0, 100.0, 200.0),
    units=("nanometer",) * 3,
)
PLACE = {
    "scale": EM.scale,
    "translate": EM.translate,
    "units": EM.units,
    "axis_labels": ("z", "y", "x"),
}
CHUNK = (1, 40, 50)
KINDS = ["channel", "space", "space"]


@pytest.fixture
def result(tmp_path):
    """Make a result as the engine does."""

    def make(kind, channels=(), dtype="u1"):
        path = tmp_path / "cells.zarr"
        names = [f"class {i}" for i in range(sum(channels))] or None
        shape, chunks = (*channels, *EM.shape), (*channels, *CHUNK)
        image = create_image(
            path, shape, dtype, chunks, EM, attributes={"kind": kind}, channel_names=names
        )
        for channel in range(sum(channels)):
            image[channel] = EM.data // (1 + channel)
        if not channels:
            image[:] = EM.data
        list(write_smaller_levels(path))
        if kind != "probabilities":
            ids = create_labels(path, kind, EM.shape, "u4", CHUNK, EM)
            ids[:] = EM.data // 64
            list(write_smaller_levels(path, kind))
        mark_complete(path)
        return path

    return make


def placed(given):
    return {name: given[name] for name in PLACE}


def test_instances_are_shown_over_the_foreground_they_were_decided_from(result):
    foreground, instances = read_layers(str(result("instances")))
    assert (foreground[2], instances[2]) == ("image", "labels")
    assert foreground[1] == PLACE | {
        "name": "cells probabilities", "contrast_limits": (0, 255), "colormap": "magenta",
        "blending": "additive", "opacity": 0.6, "visible": False,
        "metadata": {"utile_holds": "probabilities"},
    }  # fmt: skip
    said = {"utile_holds": "instances"}
    assert instances[1] == PLACE | {"name": "cells instances", "metadata": said}
    for (large, small), pixels in ((foreground[0], EM.data), (instances[0], EM.data // 64)):
        assert small.shape == (3, 40, 50)
        np.testing.assert_array_equal(large[:], pixels)


def test_a_result_without_its_labels_is_shown_as_probabilities_with_a_word(result):
    path = result("instances")
    shutil.rmtree(path / "labels")
    with pytest.warns(UserWarning, match="labels/instances is not there"):
        ((_, given, kind),) = read_layers(str(path))
    assert (kind, given["metadata"]["utile_holds"]) == ("image", "probabilities")


def test_a_result_that_is_partial_or_lost_chunks_says_so_and_keeps_it(result):
    path = result("instances")
    (path / "labels/instances/0/c/0/0/0").unlink()
    lost = f"{path} has 11 of 12 chunks. Was it copied completely?"
    partial = f"{path} is a partial result: what was not segmented yet is 0."
    group = zarr.open_group(path, mode="r+")
    for is_complete, of_both in ((True, []), (False, [partial])):
        group.attrs["utile"] = dict(group.attrs["utile"]) | {"complete": is_complete}
        with pytest.warns(UserWarning, match=r"cells\.zarr") as told:
            layers = read_layers(str(path))
        assert [str(one.message) for one in told] == [*of_both, lost]
        kept = [[*given["metadata"].get("utile_doubts", ())] for _, given, _ in layers]
        assert kept == [of_both, [*of_both, lost]]


@pytest.mark.parametrize(
    ("classes", "names"),
    [(2, ["cells probabilities"]), (3, ["cells probabilities 1", "cells probabilities 2"])],
)
@pytest.mark.parametrize(("dtype", "top"), [("u1", 255), ("f4", 1)])
def test_every_class_but_the_background_is_a_layer(result, classes, names, dtype, top):
    layers = read_layers(str(result("probabilities", (classes,), dtype)))
    assert [given["name"] for _, given, _ in layers] == names
    for number, (data, given, kind) in enumerate(layers, 1):
        assert (kind, given["visible"], given["contrast_limits"]) == ("image", True, (0, top))
        assert placed(given) == PLACE
        assert [level.shape for level in data] == [(3, 80, 100), (3, 40, 50)]
        np.testing.assert_array_equal(np.asarray(data[0]), EM.data // (1 + number))


def test_a_result_that_is_being_written_has_one_level(tmp_path):
    create_image(tmp_path / "a.zarr", EM.shape, "u1", CHUNK, EM)
    with pytest.warns(UserWarning, match="is a partial result"):
        ((data, _, _),) = read_layers(str(tmp_path / "a.zarr"))
    assert isinstance(data, zarr.Array)


def test_channels_of_others_look_as_their_file_says(tmp_path, npe2pm):
    group = zarr.create_group(tmp_path / "two.zarr", zarr_format=2)
    axes = [{"name": n, "type": t} for n, t in zip("cyx", KINDS, strict=True)]
    scale = {"type": "scale", "scale": [1, 0.5, 0.25]}
    level = {"path": "0", "coordinateTransformations": [scale]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
    window = {"min": 0, "max": 65535, "start": 5, "end": 900}
    group.attrs["omero"] = {
        "channels": [
            {"label": "DNA", "color": "0000FF", "window": window, "active": True},
            {"color": "FF0000FF", "active": False},
            {"color": "red"},
        ]
    }
    pixels = np.arange(3 * 4 * 6).reshape(3, 4, 6)
    group.create_array("0", shape=pixels.shape, dtype="u2")[:] = pixels
    dna, other, named = read_layers(str(tmp_path / "two.zarr"))
    assert dna[1]["name"] == "two DNA"
    assert dna[1]["contrast_limits"] == (5, 900)
    assert (other[1]["name"], other[1]["visible"]) == ("two 1", False)
    assert "contrast_limits" not in other[1]
    assert "colormap" not in named[1]  # the format has hexadecimal numbers alone
    for (data, given, _), expected in zip((dna, other, named), pixels, strict=True):
        assert given["scale"] == (0.5, 0.25)
        np.testing.assert_array_equal(data[1:, ..., 2], expected[1:, 2])
        np.testing.assert_array_equal(data[...], expected)
    model = ViewerModel()
    with npe2pm.tmp_plugin(package="napari-utile"):
        model.open(str(tmp_path / "two.zarr"), plugin="napari-utile")
    colors = [layer.colormap.colors[[0, -1], :3].tolist() for layer in model.layers]
    assert colors == [[[0, 0, 0], top] for top in ([0, 0, 1], [1, 0, 0], [1, 1, 1])]


def test_images_of_a_converted_file_and_bare_arrays_and_labels(tmp_path, result):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=3)
    group.create_group("OME")
    for number in "01":
        create_image(
            tmp_path / "a.zarr" / number,
            EM.shape,
            "u1",
            CHUNK,
            EM,
            attributes={"kind": "probabilities"},
        )
        mark_complete(tmp_path / "a.zarr" / number)
    assert [given["name"] for _, given, _ in read_layers(str(tmp_path / "a.zarr"))] == [
        "a 0 probabilities", "a 1 probabilities"
    ]  # fmt: skip
    zarr.create_array(tmp_path / "bare.zarr", shape=(4, 5), dtype="u2")[:] = 3
    ((data, given, kind),) = read_layers(str(tmp_path / "bare.zarr"))
    assert (given["name"], given["units"], kind) == ("bare", ("pixel",) * 2, "image")
    path = result("instances")
    for inside in (path / "labels", path / "labels" / "instances"):
        ((data, given, kind),) = read_layers(str(inside))
        assert (kind, data[0].dtype, placed(given)) == ("labels", np.uint32, PLACE)


def test_what_is_no_zarr_is_left_to_other_readers(tmp_path, result):
    (tmp_path / "image.tif").touch()
    (tmp_path / "empty.zarr").mkdir()
    assert reader(str(tmp_path / "image.tif")) is None
    assert reader([str(result("instances")), str(tmp_path / "empty.zarr")]) is None
    assert reader(str(tmp_path / "cells.zarr")) is read_layers
    assert reader("https://host/cells.zarr") is read_layers


def test_a_folder_with_nothing_to_show_is_named(tmp_path):
    zarr.create_group(tmp_path / "a.zarr")
    with pytest.raises(UserError, match=r"a\.zarr holds no image that can be shown"):
        read_layers(str(tmp_path / "a.zarr"))


def test_a_channel_reads_no_other_one():
    class Data:
        shape, dtype = (5, 2, 8, 9), np.dtype("u1")

        def __getitem__(self, where):
            assert where == (slice(None), 1, 3, slice(2, 4))
            return np.zeros((5, 2))

    channel = LazyChannel(Data(), 1, 1)
    assert (channel.shape, channel.ndim, channel.size) == ((5, 8, 9), 3, 360)
    assert channel[..., 3, 2:4].shape == (5, 2)


def test_the_window_opens_a_result_with_scale_and_units(result, make_napari_viewer, npe2pm):
    path = result("classes", (3,))
    with npe2pm.tmp_plugin(package="napari-utile"):
        viewer = make_napari_viewer()
        viewer.open(str(path), plugin="napari-utile")
    *probabilities, classes = viewer.layers
    assert [layer.name for layer in viewer.layers] == [
        "cells probabilities 1", "cells probabilities 2", "cells classes"
    ]  # fmt: skip
    for layer in viewer.layers:
        assert layer.multiscale
        assert tuple(layer.scale) == EM.scale
        assert tuple(layer.translate) == EM.translate
        assert [str(unit) for unit in layer.units] == list(EM.units)
        assert layer.axis_labels == ("z", "y", "x")
        assert layer.source.path == str(path)
        assert layer.source.reader_plugin == "napari-utile"
    assert tuple(viewer.dims.range[1]) == (100, 100 + 79 * 4, 4)
    np.testing.assert_array_equal(np.asarray(classes.data[0]), EM.data // 64)
    np.testing.assert_array_equal(np.asarray(probabilities[1].data[0]), EM.data // 3)
    assert classes.get_value((50, 100 + 7 * 4, 200 + 9 * 4), world=True) == (
        1 if classes.data_level else 0,
        EM.data[1, 7, 9] // 64,
    )


def test_what_is_doubtful_about_a_store_is_warned_of(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 5), dtype="u1")
    doubtful = Stack(np.zeros((4, 5)), "yx", doubts=("Axes: y, x.",))
    monkeypatch.setattr(napari_reader, "plain_image", lambda *_: doubtful)
    with pytest.warns(UserWarning, match=r"Axes: y, x\."):
        ((_, given, _),) = read_layers(str(tmp_path / "a.zarr"))
    assert "axis_labels" not in given


@pytest.mark.parametrize(
    ("dtype", "shown"), [("bool", "uint8"), ("f4", "int64"), ("u2", "uint16")]
)
def test_labels_of_any_type_are_shown_as_whole_numbers(tmp_path, dtype, shown):
    ids = (EM.data[0] > 128).astype(dtype)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=ids)
    scale = {"type": "scale", "scale": [1, 1]}
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": axis, "type": "space"} for axis in "yx"],
            "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
        }
    ]
    group.attrs["image-label"] = {"version": "0.4"}
    ((data, given, kind),) = read_layers(str(tmp_path / "a.zarr"))
    layer = Labels(data, **given)
    assert (kind, layer.data.dtype) == ("labels", shown)
    np.testing.assert_array_equal(np.asarray(layer.data), ids)
