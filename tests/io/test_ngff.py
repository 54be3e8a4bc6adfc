"""The image in a Zarr group: its axes, scale, translation and units."""

import numpy as np
import pytest
import zarr

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
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
