"""Damage in the compressed data of JPEGs: what the decoder passes over is named."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.jpeg_scans import damage_of

NOISE = np.random.default_rng(0).normal(0, 5, (150, 201))
Y, X = np.mgrid[:150, :201]
GRAY = (128 + 100 * np.sin(X / 9) * np.cos(Y / 7) + NOISE).clip(0, 255).astype(np.uint8)
COLOR = np.stack([GRAY, GRAY[::-1], 255 - GRAY], -1)


def jpeg(pixels, **how):
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **how)
    return file.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("restarts", [0, 7])
@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "color"])
def test_sound_pictures_are_sound(pixels, progressive, restarts, optimize, subsampling):
    how = {"progressive": progressive, "optimize": optimize, "subsampling": subsampling}
    for quality in (20, 75, 98):
        data = jpeg(pixels, quality=quality, restart_marker_blocks=restarts, **how)
        assert damage_of(data) is None
        assert damage_of(data[:-2] + b"\0\0\0\0\0" + data[-2:]) is None  # a camera fills up
        assert damage_of(data + b"appended" + data[:90]) is None


def zeros(data, at):
    return data[:at] + bytes(60) + data[at + 60 :]


def dropped(data, at):
    return data[:at] + data[at + 60 :]


@pytest.mark.parametrize("break_it", [zeros, dropped])
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "color"])
@pytest.mark.parametrize("restarts", [0, 7])
def test_damage_in_the_middle_is_found(pixels, restarts, break_it):
    data = jpeg(pixels, quality=75, restart_marker_blocks=restarts)
    places = range(len(data) // 3, len(data) * 9 // 10, 97)
    found = [damage_of(break_it(data, place)) for place in places]
    assert sum(damage is not None for damage in found) > 0.9 * len(found)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_damaged_picture_is_refused_though_its_decoder_is_content(tmp_path, suffix):
    data = jpeg(GRAY)
    path = tmp_path / f"a{suffix}"  # the content tells
    path.write_bytes(zeros(data, len(data) // 2))
    assert np.asarray(Image.open(path)).shape == GRAY.shape
    with pytest.raises(UserError, match=r"is damaged: its pixels are wrong from \d+% on: "):
        open_image(path)


def test_a_few_bytes_that_are_left_are_a_doubt(tmp_path):
    data = jpeg(GRAY)
    (tmp_path / "a.jpg").write_bytes(data[:-2] + b"camera" + data[-2:])
    stack = open_image(tmp_path / "a.jpg")
    (doubt,) = stack.doubts
    assert "a.jpg may be damaged: 6 bytes are left behind 100% of its pixels" in doubt


def test_strips_of_a_tiff_share_their_tables(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(GRAY).save(path, compression="jpeg")
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        tables, at, count = page.jpegtables, page.dataoffsets[0], page.databytecounts[0]
    strip = path.read_bytes()[at : at + count]
    assert damage_of(strip, tables) is None
    assert damage_of(zeros(strip, count // 2), tables)
