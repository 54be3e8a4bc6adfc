"""What is checked of a COCO file."""

from pathlib import Path

import pytest

from napari_utile.coco.checks import (
    Category,
    CocoImage,
    read_annotation,
    read_category,
    read_image,
)
from tests.fixtures.coco_file import annotation, box

IMAGES = {1: CocoImage(1, "a.png", 4, 8, None, {})}
KINDS = {0: Category(0, "cell", "", {})}


def test_whole_numbers_may_be_written_as_floats():
    read = read_annotation(annotation(3.0, box(0, 0, 2, 2), area=4), IMAGES, KINDS)
    assert (read.id, read.area, read.is_crowd) == (3, 4, False)
    with_names = read_category({"id": 7.0, "name": "cat", "supercategory": None})
    assert (with_names.id, with_names.supercategory) == (7, "")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (annotation(2.5, []), r"no whole number as id, but '2\.5'"),
        (annotation(1, [], image=9), "image 9, which is not in the file"),
        (annotation(1, [], 5), r"\(image 1, a\.png\) is of category 5"),
        (annotation(1, [], iscrowd=2), "iscrowd 2, which should be 0 or 1"),
        (annotation(1, []), "an empty segmentation"),
        (annotation(1, "box"), "neither polygons nor run lengths"),
        (annotation(1, [[0, 0, 1, 1]]), "a polygon of 4 numbers; 3 points are 6"),
        (annotation(1, [[0, 0, 1, float("nan"), 2, 2]]), "no list of numbers.*not finite"),
        (annotation(1, box(0, 0, 20, 2)), r"to \(20, 2\), outside .* 8 x 4 pixels"),
        (annotation(1, {"size": [8, 4], "counts": [32]}), r"size \[8, 4\].* \[4, 8\]"),
        (
            annotation(1, {"size": [4, 8], "counts": [1, 2]}),
            "of 3 pixels, but the image has 32",
        ),
        (annotation(1, {"size": [4, 8], "counts": [40, -8]}), "neither text nor numbers"),
        ("no object", "is no object with keys"),
    ],
)
def test_a_fault_of_an_annotation_is_named(entry, fault):
    with pytest.raises(ValueError, match=fault):
        read_annotation(entry, IMAGES, KINDS)


def test_two_images_never_share_a_file(tmp_path):
    (tmp_path / "a.png").touch()
    entry = {"id": 1, "file_name": "a.png", "height": 4, "width": 8}
    taken: dict[Path, int] = {}
    assert read_image(entry, tmp_path, taken).path == tmp_path / "a.png"
    with pytest.raises(ValueError, match="has the same file as image 1"):
        read_image(entry | {"id": 2, "file_name": "x/a.png"}, tmp_path, taken)
    with pytest.raises(ValueError, match="cannot be 8 x 0 pixels"):
        read_image(entry | {"height": 0}, None, {})
