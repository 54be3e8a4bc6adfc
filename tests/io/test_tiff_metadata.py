"""Axes, pixel sizes and their units."""

import pytest
import tifffile

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.tiff_metadata import stack_axes
from tests.fixtures.ome_tiff import PLANES, SIZES, pixels_of, write_ome


@pytest.mark.parametrize(
    ("text", "name"),
    [("Å", "angstrom"), ("µm", "micrometer"), ("μm", "micrometer"), ("inch", "inch")],
)
def test_every_axis_has_the_unit_that_ome_gives_it(tmp_path, text, name):
    more = (
        f'PhysicalSizeX="0.5" PhysicalSizeXUnit="{text}" PhysicalSizeY="0.25" PhysicalSizeZ="2"'
    )
    stack = open_image(write_ome(tmp_path, pixels_of(more=more)))
    assert stack.scale == (2.0, 0.25, 0.5)
    assert stack.units == ("micrometer", "micrometer", name)
    assert stack.doubts == ()


@pytest.mark.parametrize("given", ["0", "nan", "inf", "", "wide"])
def test_a_size_that_is_none_is_said(tmp_path, given):
    stack = open_image(write_ome(tmp_path, pixels_of(more=f'PhysicalSizeX="{given}"')))
    assert (stack.scale[2], stack.units[2]) == (1.0, "pixel")
    assert "for a pixel along x, which is not understood" in stack.doubts[0]


def test_a_unit_that_is_not_understood_is_said(tmp_path):
    more = 'PhysicalSizeY="0.5" PhysicalSizeYUnit="furlong"'
    stack = open_image(write_ome(tmp_path, pixels_of(more=more)))
    assert "gives 0.5 'furlong' for a pixel along y" in stack.doubts[0]


def test_the_scale_is_that_of_the_image_which_is_read(tmp_path):
    small = SIZES.replace('"20"', '"10"').replace('"6"', '"1"')
    empty = pixels_of("", small, 'PhysicalSizeX="9"').replace('Name="s"', 'Name="none"')
    stack = open_image(write_ome(tmp_path, empty + pixels_of(more='PhysicalSizeX="0.5"')))
    assert stack.scale == (1.0, 1.0, 0.5)


MICRO = ["µm", "μm", "\\u00B5m", "um", "micron", "microns", "Micrometers", "micrometres"]


@pytest.mark.parametrize(
    ("text", "name"), [*((t, "micrometer") for t in MICRO), ("Å", "angstrom"), ("inch", "inch")]
)
@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_imagej_units_are_read_however_they_are_spelled(tmp_path, text, name, coding):
    path = tmp_path / "a.tif"
    said = f"ImageJ=1.54f\nimages=6\nslices=6\nunit={text}\nspacing=0.5\n"
    how = {"description": said.encode(coding, "ignore"), "metadata": None}
    tifffile.imwrite(path, PLANES, resolution=(4, 8), photometric="minisblack", **how)
    if text == "μm" and coding == "latin-1":
        return  # has no Greek letters
    stack = open_image(path)
    assert (stack.scale, stack.units) == ((0.5, 0.125, 0.25), (name,) * 3)
    assert stack.doubts == ()


def test_imagej_may_have_a_unit_per_axis(tmp_path):
    path = tmp_path / "a.tif"
    said = {"unit": "nm", "yunit": "um", "zunit": "mm", "spacing": -0.5, "axes": "ZYX"}
    tifffile.imwrite(path, PLANES, imagej=True, resolution=(4, 4), metadata=said)
    assert open_image(path).units == ("millimeter", "micrometer", "nanometer")
    assert open_image(path).scale[0] == 0.5


@pytest.mark.parametrize("dots", [72, 96, 150, 300])
@pytest.mark.parametrize(("unit", "per_inch"), [("inch", 1), ("cm", 2.54)])
def test_dots_per_inch_are_no_scale_in_imagej_and_ome_either(tmp_path, dots, unit, per_inch):
    path, size = tmp_path / "a.ome.tif", per_inch / dots
    said = {"unit": unit, "spacing": 1.0, "axes": "ZYX"}
    tifffile.imwrite(path, PLANES, imagej=True, resolution=(1 / size, 1 / size), metadata=said)
    assert (open_image(path).scale, open_image(path).units) == ((1.0,) * 3, ("pixel",) * 3)
    said = {f"PhysicalSize{axis}": size for axis in "XY"}
    said |= {f"PhysicalSize{axis}Unit": unit.replace("inch", "in") for axis in "XY"}
    tifffile.imwrite(path, PLANES, ome=True, metadata=said | {"axes": "ZYX"})
    assert (open_image(path).scale, open_image(path).units) == ((1.0,) * 3, ("pixel",) * 3)


def test_other_sizes_in_centimeters_are_those_of_imagej(tmp_path):
    path = tmp_path / "a.tif"
    said = {"unit": "cm", "spacing": 0.1, "axes": "ZYX"}
    tifffile.imwrite(path, PLANES, imagej=True, resolution=(28.0, 28.0), metadata=said)
    assert open_image(path).units == ("centimeter",) * 3
    assert open_image(path).scale == pytest.approx((0.1, 1 / 28, 1 / 28))


def test_resolution_in_centimeters_is_a_scale_unless_it_is_that_of_a_screen(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PLANES, resolution=(20_000, 10_000), resolutionunit="CENTIMETER")
    stack = open_image(path)
    assert stack.scale == pytest.approx((1, 1e-4, 5e-5))
    assert stack.units == ("pixel", "centimeter", "centimeter")
    tifffile.imwrite(path, PLANES, resolution=(28.346, 28.346), resolutionunit="CENTIMETER")
    assert open_image(path).units == ("pixel",) * 3


def test_fewer_planes_than_pages_are_said(tmp_path):
    stack = open_image(write_ome(tmp_path, pixels_of(sizes=SIZES.replace('"6"', '"4"'))))
    assert stack.shape == (4, 16, 20)
    assert "4 of 6 pages" in stack.doubts[0]


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("IYXS", (5, 8, 9, 3), ("zyxc", (5, 8, 9, 3))),
        ("QYX", (8, 9, 1), ("yxc", (8, 9, 1))),
        ("QYXQ", (5, 8, 9, 1), ("zyxc", (5, 8, 9, 1))),
        ("QQYX", (1, 5, 8, 9), ("tzyx", (1, 5, 8, 9))),
        ("QQSYX", (1, 1, 3, 8, 9), ("tzcyx", (1, 1, 3, 8, 9))),
        ("ZQYX", (5, 2, 8, 9), ("ztyx", (5, 2, 8, 9))),
        ("TZCYXS", (2, 3, 1, 8, 9, 3), ("tzyxc", (2, 3, 8, 9, 3))),
    ],
)
def test_axes_are_translated(axes, shape, expected):
    assert stack_axes(axes, shape) == expected


def test_colors_and_channels_at_once_are_told_how_to_be_saved():
    with pytest.raises(UserError, match="without colors, or its channels as slices"):
        stack_axes("CYXS", (3, 8, 9, 3))
