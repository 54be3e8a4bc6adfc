"""COCO files as JSON, told from other files."""

import json
import os

import pytest

from napari_utile.coco.files import enumerated, is_coco, read_content
from napari_utile.errors import UserError
from tests.fixtures.coco_file import annotation, box

EMPTY = {"images": [], "annotations": [], "categories": []}


def test_only_coco_is_taken_for_coco(coco, tmp_path):
    path = coco(annotation(1, box(0, 0, 2, 2)), strict=False).path
    assert is_coco(path)
    path.write_bytes(path.read_bytes()[:-30])
    assert is_coco(path)  # and reading it says that it is cut off
    assert not is_coco(tmp_path)
    for text in (
        '{"type": "FeatureCollection"}',
        "[1]",
        "",
        "{",
        '{"images": [], "annotations": 1}',
    ):
        (tmp_path / "other.json").write_text(text)
        assert not is_coco(tmp_path / "other.json")


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_every_unicode_is_read(tmp_path, code):
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(EMPTY | {"info": {"by": "Müller"}}).encode(code))
    assert read_content(path)["info"] == {"by": "Müller"}
    assert is_coco(path) or code == "utf-16-le"


def without_outlines(**keys):
    return EMPTY | {"annotations": [{"id": i, **keys} for i in range(4)]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b'{"images": [], "images": []}',
            "'images' 2 times in one object, perhaps of two files",
        ),
        ({"shapes": [], "imagePath": "a.png"}, "looks like a file of labelme: export it"),
        ({"_via_img_metadata": {}}, "a project of VIA"),
        (EMPTY | {"categories": None}, r'no list of categories. Add one, such as "categories"'),
        (EMPTY | {"annotations": None}, "describes images alone"),
        (without_outlines(bbox=[1, 2, 3, 4]), "4 of 4 annotations .* boxes alone: export poly"),
        (without_outlines(keypoints=[1, 2, 2], bbox=[0, 0, 1, 1]), "are points alone"),
        (without_outlines(caption="a cat"), "are texts alone"),
        (without_outlines(segments_info=[]), "a panoptic file"),
    ],
)
def test_what_cannot_be_used_is_named_with_a_way_on(tmp_path, content, reason):
    path = tmp_path / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(UserError, match=reason):
        read_content(path)


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UserError, match="such as a pipe"):
        read_content(tmp_path / "pipe.json")
    assert not is_coco(tmp_path / "pipe.json")


def test_a_file_larger_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_utile.coco.files.memory_budget", lambda: 100)
    (tmp_path / "a.json").write_text(json.dumps(EMPTY))
    with pytest.raises(UserError, match="split it into files of fewer images"):
        read_content(tmp_path / "a.json")


def test_only_the_first_names_are_shown():
    assert enumerated("abc", 2) == "a, b, ..."
    assert enumerated("abc") == "a, b, c"
