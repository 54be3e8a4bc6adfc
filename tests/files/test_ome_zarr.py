import numpy as np
import pytest
import zarr

from napari_utile.errors import UserError
from napari_utile.files.images import open_image
from napari_utile.files.ome_zarr import create, mark_complete, open_zarr, provenance
from napari_utile.files.stacks import Stack

EM = Stack(
    np.zeros((5, 40, 60), np.uint8),
    "zyx",
    scale=(50.0, 4.0, 4.0),
    translate=(0.0, 100.0, 200.0),
    units=("nanometer",) * 3,
)


def ngff(path, axes, level, whole=(), version="0.4"):
    """Write an image as other tools do."""
    group = zarr.create_group(path, zarr_format=2 if version < "0.5" else 3)
    multiscale = {
        "version": version,
        "axes": axes,
        "datasets": [{"path": "s0", "coordinateTransformations": level}],
        "coordinateTransformations": list(whole),
    }
    ngff = {"multiscales": [multiscale]}
    group.attrs.update(ngff if version < "0.5" else {"ome": {"version": version} | ngff})
    data = group.create_array("s0", shape=(3, 6, 7), dtype="u1")
    data[:] = np.arange(data.size).reshape(data.shape)
    return path


SPACE = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_scale_translation_and_units_of_ngff_are_read(tmp_path, version):
    level = [
        {"type": "scale", "scale": [0.5, 0.1, 0.1]},
        {"type": "translation", "translation": [1, 2, 3]},
    ]
    whole = [{"type": "scale", "scale": [2, 2, 2]}]
    stack = open_image(ngff(tmp_path / "a.zarr", SPACE, level, whole, version))
    assert stack.scale == (1.0, 0.2, 0.2)
    assert stack.translate == (2.0, 4.0, 6.0)
    assert stack.units == ("micrometer",) * 3
    np.testing.assert_array_equal(stack.plane((2,)), np.arange(84, 126).reshape(1, 6, 7))


def test_channels_are_known_by_their_type(tmp_path):
    axes = [{"name": "wavelength", "type": "channel"}, *SPACE[1:]]
    stack = open_image(ngff(tmp_path / "a.zarr", axes, []))
    assert (stack.axes, stack.channels, stack.shape) == ("cyx", 3, (6, 7))


@pytest.mark.parametrize(
    ("axes", "version"), [(["t", "y", "x"], "0.3"), (["z", "y", "x"], "0.3")]
)
def test_axes_that_are_plain_letters(tmp_path, axes, version):
    assert open_image(ngff(tmp_path / "a.zarr", axes, [], (), version)).axes == "".join(axes)


def test_a_labels_group_beside_the_image_does_not_disturb(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE, [], version="0.5")
    ngff(path / "labels" / "cells", SPACE, [], version="0.5")
    assert open_image(path).shape == (3, 6, 7)
    assert open_image(path / "labels" / "cells").shape == (3, 6, 7)


def test_the_only_image_of_a_converted_file_is_found(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    group.create_group("OME")
    ngff(tmp_path / "a.zarr" / "0", SPACE, [])
    assert open_image(tmp_path / "a.zarr").shape == (3, 6, 7)
    ngff(tmp_path / "a.zarr" / "1", SPACE, [])
    with pytest.raises(UserError, match=r"holds 0, 1; name one of them"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_plain_arrays_of_either_format(tmp_path, version):
    zarr.create_array(tmp_path / "a", shape=(4, 6, 7), dtype="u2", zarr_format=version)[:] = 5
    stack = open_image(tmp_path / "a")
    assert (stack.axes, stack.shape, stack.dtype) == ("zyx", (4, 6, 7), np.uint16)
    assert (stack.read() == 5).all()


def test_dimension_names_name_the_axes(tmp_path):
    names = ["channel", "y", "x"]
    zarr.create_array(tmp_path / "a", shape=(4, 6, 7), dtype="u2", dimension_names=names)
    assert open_image(tmp_path / "a").axes == "cyx"


def test_broken_metadata_are_one_sentence(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE, [])
    (path / "s0" / ".zarray").write_text("{")
    with pytest.raises(UserError, match=r"a\.zarr cannot be read as Zarr") as refused:
        open_image(path)
    assert "\n" not in str(refused.value)


def test_probabilities_come_back_with_their_place(tmp_path):
    path = tmp_path / "p.zarr"
    data = create(path, (2, *EM.shape), "f4", (1, 1, 16, 32), EM, channel_names=["0", "cell"])
    assert (data.chunks, data.shards, data.fill_value) == ((1, 1, 16, 32), None, 0)
    data[1, 3, 16:32, 32:60] = 0.5
    stack = open_image(path)
    assert (stack.axes, stack.channels, stack.shape) == ("czyx", 2, EM.shape)
    assert (stack.scale, stack.translate, stack.units) == (EM.scale, EM.translate, EM.units)
    assert stack.plane((3,))[1, 20, 40] == 0.5
    assert stack.plane((3,))[0].max() == 0


def test_one_tile_is_one_file(tmp_path):
    data = create(tmp_path / "p.zarr", EM.shape, "u1", (1, 16, 32), EM)
    data[3, 16:32, 32:60] = 7
    chunks = [p for p in (tmp_path / "p.zarr" / "0" / "c").rglob("*") if p.is_file()]
    assert [p.relative_to(tmp_path / "p.zarr/0/c").parts for p in chunks] == [("3", "1", "1")]


def test_metadata_are_ome_zarr_0_5(tmp_path):
    create(
        tmp_path / "p.zarr", (2, *EM.shape), "u1", (1, 1, 16, 16), EM, channel_names=["a", "b"]
    )
    group = zarr.open_group(tmp_path / "p.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "z", "y", "x"]
    assert multiscale["axes"][0] == {"name": "c", "type": "channel"}
    assert multiscale["axes"][1] == {"name": "z", "type": "space", "unit": "nanometer"}
    scale, translation = multiscale["datasets"][0]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [1.0, 50.0, 4.0, 4.0]}
    assert translation == {"type": "translation", "translation": [0.0, 0.0, 100.0, 200.0]}
    assert [c["label"] for c in ome["omero"]["channels"]] == ["a", "b"]
    assert group["0"].metadata.dimension_names == ("c", "z", "y", "x")


def test_an_image_is_incomplete_until_it_is_said_to_be_complete(tmp_path):
    path = tmp_path / "p.zarr"
    create(path, EM.shape, "u2", (1, 16, 16), EM, kind="instances", attributes={"model": "m"})
    assert provenance(path) == {"kind": "instances", "complete": False, "model": "m"}
    mark_complete(path, seconds=3.5)
    assert provenance(path) == {
        "kind": "instances", "complete": True, "model": "m", "seconds": 3.5
    }  # fmt: skip
    assert open_zarr(path).shape == EM.shape


def test_an_image_of_others_has_no_provenance(tmp_path):
    assert provenance(ngff(tmp_path / "a.zarr", SPACE, [])) == {}
