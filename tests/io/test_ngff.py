"""The image in a Zarr group: its axes, scale, translation and units."""

import numpy as np
import pytest
import zarr

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import create_image
from napari_utile.io.stack import Stack, read_labels
from tests.fixtures.ngff import SPACE, ngff


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


def test_a_version_that_is_not_known_is_said(tmp_path):
    for version, count in (("0.5", 0), ("0.6", 1), ("0.9-dev", 1)):
        path = ngff(tmp_path / version, SPACE, [], version=version)
        assert sum("not known" in doubt for doubt in open_image(path).doubts) == count


def attributes(path, change):
    group = zarr.open_group(path, mode="r+")
    ome = dict(group.attrs["ome"])
    change(ome)
    group.attrs["ome"] = ome


def test_several_images_in_one_group_are_counted(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE, [], version="0.5")
    attributes(path, lambda ome: ome["multiscales"].append(ome["multiscales"][0]))
    assert "holds 2 images; the first was read" in open_image(path).doubts[0]


def test_the_largest_level_is_read_whatever_the_order(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE, [], version="0.5")
    zarr.create_array(path / "s1", shape=(3, 3, 4), dtype="u1")[:] = 1
    levels = [
        {"path": "s1", "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 2]}]},
        {"path": "s0"},
        {"path": "lost"},
    ]
    attributes(path, lambda ome: ome["multiscales"][0].update(datasets=levels))
    stack = open_image(path)
    assert (stack.shape, stack.scale) == ((3, 6, 7), (1, 1, 1))
    assert "levels are out of order; the largest, s0, was read" in stack.doubts[0]
    level = open_image(path / "s1")
    assert (level.shape, level.scale, level.name) == ((3, 3, 4), (1, 2, 2), "s1")


def test_a_plate_names_its_wells(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    wells = [{"path": f"A/{n}"} for n in range(1, 13)]
    group.attrs["ome"] = {"version": "0.5", "plate": {"wells": wells}}
    said = r"plate of 12 wells \(A/1, .* and 3 more\).* such as .*a\.zarr/A/1/0"
    with pytest.raises(UserError, match=said):
        open_image(tmp_path / "a.zarr")


def test_an_image_with_labels_is_not_taken_for_labels(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE, [], version="0.5")
    ngff(path / "labels" / "cells", SPACE, [], version="0.5")
    zarr.open_group(path / "labels", mode="a").attrs["ome"] = {"labels": ["cells"]}
    with pytest.raises(UserError, match=r"its labels are .*a\.zarr/labels/cells: give such"):
        read_labels(open_image(path))
    assert read_labels(open_image(path / "labels" / "cells")).shape == (3, 6, 7)


def test_a_level_of_a_result_is_what_the_result_says(tmp_path):
    image = Stack(np.zeros((6, 7)), "yx", scale=(3, 3))
    create_image(
        tmp_path / "p.zarr", (1, 6, 7), "u1", (1, 6, 7), image, channel_names=["class 7"],
        attributes={"kind": "probabilities"},
    )  # fmt: skip
    for path in (tmp_path / "p.zarr", tmp_path / "p.zarr/0"):
        stack = open_image(path)
        assert (stack.holds, stack.ids, stack.scale) == ("probabilities", (7,), (3, 3))
