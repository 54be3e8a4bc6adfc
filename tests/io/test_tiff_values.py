"""Polarity, palette, orientation, alpha and axes: what the file says, or a word about it."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.pictures import colored_image_doubts
from napari_utile.io.stack import Stack
from napari_utile.io.tiff import create_tiff
from napari_utile.io.tiff_values import axes_doubts

GRAY = np.random.default_rng(0).integers(0, 255, (24, 31), np.uint8)


@pytest.fixture
def tiff(tmp_path):
    def write(array, **how):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, array, **{"metadata": None, "software": False} | how)
        return path

    return write


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool])
def test_white_as_zero_is_turned_as_pillow_shows_it(tiff, dtype):
    pixels = GRAY > 99 if dtype is bool else GRAY.astype(dtype)
    path = tiff(pixels, photometric="miniswhite")
    stack = open_image(path)
    top = 1 if dtype is bool else np.iinfo(dtype).max
    np.testing.assert_array_equal(stack.read(), top - pixels.astype(int))
    assert stack.doubts == (
        f"{path} says that 0 is white: {top} minus the stored value is taken.",
    )
    if dtype is not np.uint16:
        np.testing.assert_array_equal(stack.read(), np.asarray(Image.open(path)))


def test_white_as_zero_of_floats_and_of_imagej_is_said(tiff):
    stack = open_image(tiff(GRAY.astype(np.float32), photometric="miniswhite"))
    np.testing.assert_array_equal(stack.read(), GRAY)
    assert "taken as they are stored" in stack.doubts[0]
    said = {"description": "ImageJ=1.54f\n", "photometric": "miniswhite"}
    stack = open_image(tiff(GRAY, **said))
    np.testing.assert_array_equal(stack.read(), GRAY)
    assert "taken as they are stored" in stack.doubts[0]


def palette(values):
    return np.stack([np.asarray(values, np.uint16) * 257] * 3)


def test_a_gray_palette_gives_the_grays_that_it_shows(tiff):
    grays = np.zeros(256, np.uint16)
    grays[:3] = 0, 5, 9
    indices = GRAY % 3
    stack = open_image(tiff(indices, photometric="palette", colormap=palette(grays)))
    np.testing.assert_array_equal(stack.read(), grays[indices])
    assert "the grays that it shows are taken" in stack.doubts[0]


def test_shuffled_grays_are_no_mixed_colors(tiff):
    grays = np.random.default_rng(0).permutation(256)
    stack = open_image(tiff(GRAY, photometric="palette", colormap=palette(grays)))
    np.testing.assert_array_equal(stack.read(), grays[GRAY])
    assert colored_image_doubts([stack]) == []


def test_a_plain_or_colored_palette_keeps_the_indices(tiff):
    colors = np.random.default_rng(0).integers(0, 65535, (3, 256), np.uint16)
    for table in (palette(np.arange(256)), colors):
        stack = open_image(tiff(GRAY, photometric="palette", colormap=table))
        np.testing.assert_array_equal(stack.read(), GRAY)
        assert stack.doubts == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_orientation_says(tiff, orientation):
    path = tiff(GRAY, extratags=[(274, 3, 1, orientation, True)])
    stack = open_image(path)
    picture = Image.fromarray(GRAY)
    picture.getexif()[274] = orientation
    np.testing.assert_array_equal(stack.read(), np.asarray(ImageOps.exif_transpose(picture)))
    turned = f"{path} is turned as its orientation ({orientation}) says."
    assert stack.doubts == ((turned,) if orientation > 1 else ())


@pytest.mark.parametrize("samples", [2, 4])
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_opacity_is_no_channel(tiff, samples, alpha, planar):
    pixels = np.random.default_rng(0).integers(0, 255, (samples, 8, 9), np.uint8)
    stored = pixels if planar == "separate" else pixels.transpose(1, 2, 0)
    kind = "rgb" if samples == 4 else "minisblack"
    path = tiff(stored, photometric=kind, planarconfig=planar, extrasamples=[alpha])
    stack = open_image(path)
    assert stack.channels == samples - 1
    np.testing.assert_array_equal(stack.plane(), pixels[:-1])


def test_marks_of_missing_data_are_said(tiff):
    path = tiff(GRAY, extratags=[(42113, 2, 0, "255", True)])
    assert open_image(path).doubts == (
        f"{path} marks pixels without data by 255: they are read as values.",
    )


@pytest.mark.parametrize(
    ("axes", "taken", "shape", "said"),
    [
        ("QYX", "zyx", (3, 64, 64), None),
        ("QQYX", "tzyx", (1, 9, 64, 64), None),
        ("QQYX", "tzyx", (3, 9, 64, 64), "3 x 9 x 64 x 64 are read as t, z, y, x"),
        ("QYX", "zyx", (64, 48, 2), "64 x 48 x 2 are read as z, y, x"),
        ("AYX", "zyx", (9, 64, 64), "has an axis of angle"),
        ("YXQ", "yxc", (64, 48, 1), None),
    ],
)
def test_axes_that_could_be_others_are_said(axes, taken, shape, said):
    found = axes_doubts("a.tif", axes, taken, shape)
    assert said in found[0] if said else found == []


def test_a_fourth_channel_that_a_library_marks_as_opacity_is_said(tmp_path):
    path = tmp_path / "four.tif"
    tifffile.imwrite(path, np.stack([GRAY] * 4), photometric="rgb", planarconfig="separate")
    stack = open_image(path)
    assert stack.channels == 3
    assert stack.doubts == (
        f"3 of 4 channels of {path} are read; the last is marked as opacity. If it was "
        "measured, save the image as gray channels.",
    )


def test_opacity_that_is_the_same_all_over_is_nothing_to_say(tmp_path):
    opaque = np.dstack([GRAY, GRAY, GRAY, np.full_like(GRAY, 255)])
    tifffile.imwrite(tmp_path / "opaque.tif", opaque, photometric="rgb")
    assert open_image(tmp_path / "opaque.tif").doubts == ()


def test_pages_with_palettes_of_their_own_are_refused(tmp_path):
    first, second = (
        Image.frombytes("P", GRAY.shape[::-1], (GRAY % 3).tobytes()) for _ in range(2)
    )
    first.putpalette([0, 0, 0, 5, 5, 5, 9, 9, 9])
    second.putpalette([0, 0, 0, 7, 7, 7, 9, 9, 9])
    path = tmp_path / "palettes.tif"
    first.save(path, save_all=True, append_images=[second])
    with pytest.raises(UserError, match="page 2 of 2 is stored otherwise"):
        open_image(path)
    first.save(path, save_all=True, append_images=[first])
    np.testing.assert_array_equal(open_image(path).read()[1], np.array([0, 5, 9])[GRAY % 3])


def test_a_palette_is_of_mixed_colors_unless_it_becomes_brighter(tiff):
    mixed = np.random.default_rng(0).integers(0, 65535, (3, 256), np.uint16)
    green = np.stack([np.arange(256) * (i == 1) * 257 for i in range(3)]).astype(np.uint16)
    for table, colors in ((mixed, {}), (green, None)):
        assert open_image(tiff(GRAY, photometric="palette", colormap=table)).colors == colors


def test_an_unfinished_result_is_said(tmp_path):
    image = Stack(np.zeros((8, 9), np.uint8), "yx")
    path = tmp_path / "cells.partial.tif"
    create_tiff(path, (8, 9), np.uint32, image, "instances")
    (said,) = open_image(path).doubts
    assert "is a partial result" in said
    path.rename(tmp_path / "cells.tif")
    assert open_image(tmp_path / "cells.tif").doubts


SIGNED = "cf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
DENSITY = "cf=0\nc0=-1.5\nc1=0.25\nvunit=OD\n"


@pytest.mark.parametrize(
    ("stated", "stored", "values", "said"),
    [
        (
            SIGNED,
            np.uint16,
            np.int16,
            "-32768 + 1 x stored value (Gray Value): these are taken",
        ),
        ("cf=0\nc0=-1024\nc1=1\n", np.uint8, np.int16, "-1024 + 1 x stored value: these are"),
        ("cf=0\nc0=5\nc1=1\n", np.uint16, np.int32, "5 + 1 x stored value: these are taken"),
        (DENSITY, np.uint16, None, "-1.5 + 0.25 x stored value (OD), which is not applied"),
        (SIGNED, np.float32, None, "-32768 + 1 x stored value (Gray Value), which is not app"),
        ("cf=0\nc0=1e99\nc1=1\n", np.uint8, None, "which is not applied"),
        ("cf=0\nc0=nan\nc1=1\n", np.uint8, None, "which is not applied"),
        ("cf=7\nc0=1\nc1=2\n", np.uint8, None, "a curve, which is not applied"),
        ("cf=0\nc0=0\nc1=1\nvunit=OD\n", np.uint8, None, ""),
        ("cf=20\nvunit=Gray Value\n", np.uint16, None, ""),
    ],
)
def test_a_calibration_of_imagej_is_applied_if_it_shifts_and_said(
    tmp_path, stated, stored, values, said
):
    top = np.iinfo(stored).max if stored is not np.float32 else 9
    pixels = np.array([[0, 1, 2], [top // 2, top - 1, top]], stored)
    path = tmp_path / "a.tif"
    how = {"metadata": None, "description": f"ImageJ=1.54f\n{stated}"}
    tifffile.imwrite(path, pixels, byteorder=">", **how)
    stack = open_image(path)
    shift = 0 if values is None else int(float(stated.split("c0=")[1].split()[0]))
    assert stack.dtype == (values or stored)
    np.testing.assert_array_equal(stack.read(), pixels.astype(np.float64) + shift)
    assert [said in doubt for doubt in stack.doubts] == ([True] if said else [])
