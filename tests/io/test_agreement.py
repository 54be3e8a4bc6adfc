from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_utile.io.agreement import doubts_as_image, jpeg_doubts, pair_doubts, time_texts
from napari_utile.io.images import open_image
from napari_utile.io.stack import Stack

PLANE = Stack(np.zeros((20, 30), np.uint8), "yx", "em.tif")
UM = 2 * ("micrometer",)


def placed(scale, units=UM, translate=(), name="ids.tif"):
    return replace(PLANE, name=name, scale=scale, units=units, translate=translate)


@pytest.mark.parametrize(
    ("image", "labels", "said"),
    [
        (placed((0.5, 0.5)), placed((1, 1)), ["0.5 x 0.5 µm", "1 x 1 µm"]),
        (placed((0.5, 0.5)), placed((500, 5), 2 * ("nanometer",)), ["500 x 5 nm"]),
        (placed((2, 2), UM, (10, 10)), placed((2, 2), UM, (10, 40)), ["begin 0, 15 px away"]),
        (placed((2, 2), UM, (0, 40)), placed((2, 2), UM, (10, 0)), ["begin 5, -20 px away"]),
    ],
)
def test_labels_at_another_place_are_told(image, labels, said):
    (doubt,) = pair_doubts(image, labels)
    for words in ("'ids.tif'", *said):
        assert words in doubt.text


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (PLANE, PLANE),
        (placed((0.5, 0.5)), PLANE),
        (placed((0.5, 0.5)), placed((500, 500), 2 * ("nanometer",))),
        (placed((0.5, 0.5)), placed((0.5, 0.504))),
        (placed((0.5, 0.5)), placed((1 / 72, 1 / 72), 2 * ("inch",))),
        (placed((0.5, 0.5), UM, (10, 40)), placed((0.5, 0.5))),
        (
            Stack(np.zeros((1, 20, 30)), "zyx", scale=(3, 2, 2), units=3 * UM[:1]),
            placed((2, 2)),
        ),
    ],
)
def test_what_a_file_does_not_say_raises_no_doubt(image, labels):
    assert pair_doubts(image, labels) == []


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            ["tyx"],
            "Image 'a.tif' has 4 time points and no z: they are taken as slices, each by",
        ),
        (["tyx", "tcyx", "yx"], "2 of 3 images (such as 'a.tif') have time points and no z:"),
        (["tzyx", "zyx", "zcyx"], ""),
    ],
)
def test_time_points_without_z_are_said_to_be_slices(axes, said):
    images = [Stack(np.zeros((4,) * len(names)), names, "a.tif") for names in axes]
    found = time_texts(images)
    assert [text.startswith(said) for text in found] == ([True] if said else [])
    assert time_texts([Stack(np.zeros((1, 4, 4)), "tyx")]) == []


def test_one_file_given_twice_is_told():
    image = replace(PLANE, source="a.tif")
    (doubt,) = pair_doubts(image, replace(image, name="again"))
    assert "both as image and as labels" in doubt.text


def test_labels_in_a_jpeg_are_told_unless_they_are_a_mask(tmp_path: Path):
    steps = np.add.outer(np.arange(16) // 4, np.zeros(16, int)).astype(np.uint8)
    for name, array in (("ids.jpg", steps), ("mask.jpg", 255 * (steps > 3)), ("a.png", steps)):
        Image.fromarray(array.astype(np.uint8)).save(tmp_path / name)
    (doubt,) = jpeg_doubts(open_image(tmp_path / "ids.jpg"))
    assert "'ids.jpg' are a JPEG" in doubt.text
    assert jpeg_doubts(open_image(tmp_path / "mask.jpg")) == []
    assert jpeg_doubts(open_image(tmp_path / "a.png")) == []
    assert jpeg_doubts(PLANE) == []


def test_what_says_that_it_is_no_image_is_doubted_as_one():
    stack = Stack(np.zeros((4, 5)), "yx", name="a", holds="instances", doubts=("Else.",))
    assert doubts_as_image(stack)[0] == "Else."
    assert "Image 'a' holds instances, as it says of itself" in doubts_as_image(stack)[1]
    assert doubts_as_image(Stack(np.zeros((4, 5)), "yx")) == ()
