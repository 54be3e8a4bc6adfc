"""Axes and place of an image, of all versions, and what is assumed about them."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.ngff_axes import axes_by_names, placed
from tests.fixtures.ngff import SPACE, ngff

SHAPE = (3, 6, 7)


def place(axes, *transformations, shape=SHAPE):
    image = {"axes": axes} if axes is not None else {}
    return placed(image, {"coordinateTransformations": list(transformations)}, shape, "a.zarr")


def axis(name, kind=None, unit=None):
    given = {"name": name, "type": kind, "unit": unit}
    return {key: value for key, value in given.items() if value}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["z", "y", "x"], "zyx"),
        ([axis("z"), axis("Y"), axis("X")], "zyx"),
        ([axis("x", "space"), axis("y", "space"), axis("z", "space")], "xyz"),
        ([axis("y"), axis("x"), axis("wavelength", "channel")], "yxc"),
        ([axis("frame", "time"), axis("row"), axis("cols", "space")], "tyx"),
    ],
)
def test_axes_are_known_by_type_and_name(named, expected):
    found = place(named)
    assert (found.axes, found.doubts) == (expected, ())


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([axis("a", "space"), axis("b", "space"), axis("d", "space")], "zyx"),
        ([axis("phase"), axis("y"), axis("x")], "zyx"),
        ([axis("c", "space"), axis("y"), axis("x")], "zyx"),
        (["a", "b", "c"], "zyx"),
        ([axis("p"), axis("q"), axis("c")], "zyx"),
        ([axis("c", "channel"), axis("row-like"), axis("b")], "cyx"),
        ([axis("channel"), axis("a"), axis("b")], "cyx"),
    ],
)
def test_axes_of_other_names_are_said(named, expected):
    found = place(named)
    assert found.axes == expected
    names = ", ".join(repr(each if isinstance(each, str) else each["name"]) for each in named)
    assert f"the axes {names} were read as {', '.join(expected)}." in found.doubts[0]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (["y", "x"], "names 2 axes, but its array has 3"),
        (["y", "y", "x"], "at most one each"),
        ([axis("t", "time"), axis("t2", "time"), axis("x")], "at most one each"),
        ([axis("z"), axis("c", "channel"), axis("y")], "an image has y and x"),
    ],
)
def test_axes_that_no_image_has_are_refused(named, said):
    with pytest.raises(UserError, match=said):
        place(named)


def test_before_version_0_3_there_are_five_axes():
    assert place(None, shape=(1, 2, 3, 6, 7)).axes == "tczyx"
    found = place(None)
    assert found.axes == "zyx"
    assert "does not name its axes" in found.doubts[0]


def test_units_are_those_of_each_axis():
    found = place([axis("z", "space", "angstrom"), axis("y", "space", "micrometer"), axis("x")])
    assert (found.units, found.doubts) == (("angstrom", "micrometer", "pixel"), ())
    found = place([axis("z", "space", "furlong"), axis("y"), axis("x")])
    assert found.units[0] == "pixel"
    assert "the unit 'furlong' is not known" in found.doubts[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "scale", "scale": [2, 2]},
        {"type": "scale", "scale": [1, 0, 1]},
        {"type": "scale", "scale": [1, -1, 1]},
        {"type": "scale", "scale": [1, float("nan"), 1]},
        {"type": "scale", "scale": ["1", "1", "1"]},
        {"type": "scale", "path": "somewhere"},
        {"type": "translation", "translation": [1, 10**400, 1]},
        {"type": "translation"},
        {"type": "affine", "affine": []},
        {"kind": "scale"},
        "scale",
    ],
)
def test_a_transformation_that_cannot_be_is_left_out_and_said(wrong):
    right = {"type": "scale", "scale": [5, 2, 2]}
    found = place(["z", "y", "x"], wrong, right, {"type": "identity"})
    assert (found.scale, found.translate) == ((5, 2, 2), (0, 0, 0))
    (doubt,) = found.doubts
    assert "was left out" in doubt


def test_dimensions_of_plain_arrays():
    assert axes_by_names(["Channel", "rows", "columns"], SHAPE, "a") == ("cyx", ())
    assert axes_by_names((), SHAPE, "a") == ("zyx", ())
    axes, (doubt,) = axes_by_names(["energy", "row", "col"], SHAPE, "a")
    assert axes == "zyx"
    assert "energy, row, col were read as z, y, x" in doubt


def test_pixels_of_axes_in_any_order_are_in_their_place(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE[::-1], [])
    stack = open_image(path)
    assert stack.shape == (7, 6, 3)
    np.testing.assert_array_equal(
        stack.read(), np.arange(126).reshape(SHAPE).transpose(2, 1, 0).astype("u1")
    )
