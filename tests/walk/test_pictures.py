"""The pictures of the docs: there in both themes, and small."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.walk.pictures import LIGHT, cropped, save, with_palette

FIGURES = {"report", "third_axis"}
"""Pictures of no window."""
IN_BOTH = re.compile(
    r'<picture>\n<source media="\(prefers-color-scheme: light\)" '
    r'srcset="(?:docs/)?(\w+)\.png">\n'
    r'<img src="(?:docs/)?(\w+)\.png" width="\d+" alt="[^"]+">\n</picture>'
)
MOST = 3_200_000
"""Bytes of all pictures."""


def test_every_picture_of_a_window_is_there_in_both_themes(project):
    pages = [project / "README.md", *(project / "docs").glob("*.md")]
    told = "".join(page.read_text(encoding="utf-8") for page in pages)
    pairs = IN_BOTH.findall(told)
    assert len(pairs) >= 12 and all(light == dark + LIGHT for light, dark in pairs)
    shown = {name for pair in pairs for name in pair} | FIGURES
    assert {path.stem for path in (project / "docs").glob("*.png")} == shown
    rest = IN_BOTH.sub("", told)
    assert set(re.findall(r"(?:\]\(|src=\")(?:docs/)?(\w+)\.png", rest)) == FIGURES


def test_the_pictures_are_small_and_of_one_size_in_both_themes(project):
    files = {path.stem: path for path in (project / "docs").glob("*.png")}
    assert sum(path.stat().st_size for path in files.values()) < MOST
    for name in {name.removesuffix(LIGHT) for name in files} - FIGURES:
        dark, light = (Image.open(files[name + end]).size for end in ("", LIGHT))
        assert dark[0] == pytest.approx(light[0], abs=40), name


def test_few_colors_are_saved_with_a_palette_and_many_as_they_are(tmp_path):
    few = np.zeros((20, 30, 3), np.uint8)
    few[5:, 9:] = 80, 200, 120
    many = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    for pixels, mode in ((few, "P"), (many, "RGB")):
        save(pixels, tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            assert picture.mode == mode
            assert np.abs(np.asarray(picture.convert("RGB"), int) - pixels).max() < 2


def test_the_color_of_a_legend_stays_exactly_as_it_is():
    yellow = 0xF0, 0xE4, 0x42
    noisy = (yellow + np.random.default_rng(0).integers(-60, 15, (200, 200, 3))).astype(
        np.uint8
    )
    noisy[5:15, 5:15] = yellow
    few = with_palette(Image.fromarray(noisy)).convert("RGB")
    assert few.getpixel((9, 9)) == yellow
    assert len(few.getcolors()) <= 256 < len(np.unique(noisy.reshape(-1, 3), axis=0))


def test_the_canvas_around_is_cropped():
    white = np.full((9, 9, 3), 255, np.uint8)
    white[2:4, 3:8] = 7
    assert cropped(white).shape == (2, 5, 3)
    assert cropped(white[:2]).shape == (2, 9, 3)
