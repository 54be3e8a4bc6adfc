"""Fault 11: broken COCO files are refused in words, or read without what is broken."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_utile.coco.annotations import read_coco
from napari_utile.errors import UserError

TRIANGLE = [[1, 1, 6, 1, 6, 5]]
WHOLE = {
    "images": [
        {"id": 1, "file_name": "one.png", "height": 6, "width": 8},
        {"id": 2, "file_name": "sub/two.png", "height": 6, "width": 8},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": TRIANGLE},
        {"id": 2, "image_id": 2, "category_id": 1, "segmentation": TRIANGLE},
        {"id": 3, "image_id": 2, "category_id": 1, "segmentation": TRIANGLE, "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "cell"}],
}


@pytest.fixture
def read(tmp_path):
    """Write a COCO file with its images, and read it; `change` breaks it before that."""

    def read(change=lambda content: None, **of_reading):
        content = json.loads(json.dumps(WHOLE))
        change(content)
        (tmp_path / "sub").mkdir(exist_ok=True)
        for name in ("one.png", "sub/two.png"):
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / name)
        (tmp_path / "a.json").write_text(json.dumps(content))
        return read_coco(tmp_path / "a.json", **of_reading)

    return read


def broken(part, index, **values):
    """Make a change that sets keys of one entry, or removes those that are None."""

    def change(content):
        entry = content[part][index]
        entry |= values
        for key in [key for key, value in values.items() if value is None]:
            del entry[key]

    return change


def segmentation(value):
    return broken("annotations", 1, segmentation=value)


def runs(counts, size=(6, 8)):
    return segmentation({"size": list(size), "counts": counts})


OF_IMAGE = r"annotation 2 \(image 2, sub/two\.png\) "
BROKEN_ANNOTATIONS = {
    "its image is not there": (broken("annotations", 1, image_id=9), "is of image 9, which is"),
    "its category is not there": (
        broken("annotations", 1, category_id=7),
        OF_IMAGE + "is of category 7, which is not",
    ),
    "crowd is no flag": (broken("annotations", 1, iscrowd=2), OF_IMAGE + "has iscrowd 2"),
    "no segmentation": (segmentation(None), OF_IMAGE + "has an empty segmentation"),
    "no polygons": (segmentation([]), OF_IMAGE + "has an empty segmentation"),
    "segmentation is text": (segmentation("x"), "has a segmentation that is neither"),
    "two points": (segmentation([[1, 1, 5, 5]]), OF_IMAGE + "has a polygon of 4 numbers"),
    "half a point": (segmentation([[1, 1, 5, 5, 1, 3, 2]]), OF_IMAGE + "has a polygon of 7"),
    "points that are no numbers": (
        segmentation([[1, 1, 5, "5", 1, 3]]),
        OF_IMAGE + "has a polygon that is no list of",
    ),
    "points that are not finite": (
        segmentation([[1, 1, 5, float("nan"), 1, 3]]),
        "has a polygon that is no list of numbers: one is not finite",
    ),
    "points beyond any number": (segmentation([[1, 1, 5.5, 10**400, 1, 3]]), "is no list of"),
    "polygon to the right of the image": (
        segmentation([[1, 1, 9.5, 1, 6, 5]]),
        OF_IMAGE + r"has a polygon from \(1, 1\) to \(9\.5, 5\), outside of its image of 8 x 6",
    ),
    "polygon above the image": (segmentation([[1, -2, 6, 1, 6, 5]]), "outside of its image"),
    "run lengths of another size": (
        runs([48], (8, 6)),
        OF_IMAGE + r"has run lengths of size \[8, 6\], but .* \[6, 8\]",
    ),
    "too few run lengths": (runs([40, 7]), OF_IMAGE + "has run lengths of 47 pixels"),
    "too many run lengths": (runs("d1"), OF_IMAGE + "has run lengths of 52 pixels, .* 48"),
    "run lengths below 0": (runs([50, -2]), "counts are neither text nor numbers"),
    "run lengths that are damaged": (runs("o"), OF_IMAGE + "has run lengths .*damaged"),
}
BROKEN_IMAGES = {
    "its id is taken": (broken("images", 1, id=1), "image 1 has the id of another image"),
    "no name": (broken("images", 1, file_name=None), "image 2 has no file_name"),
    "no height": (broken("images", 1, height=None), "image 2 has no whole number as height"),
    "height of 2.5": (broken("images", 1, height=2.5), "height, but '2.5'"),
    "no pixels": (broken("images", 1, width=0), r"image 2 \(sub/two.png\) cannot be 0 x 6"),
    "more pixels than there are": (broken("images", 1, width=10**12), "cannot be 10000000"),
    "its file is missing": (
        broken("images", 1, file_name="sub/3.png"),
        r"image 2 \(sub/3\.png\) is not in /.*",
    ),
    "its file is that of another": (
        broken("images", 1, file_name="else/one.png"),
        "has the same file as image 1",
    ),
}


def test_fault_11_a_whole_file_is_read(read, tmp_path):
    coco = read(images=tmp_path)
    assert (len(coco.images), len(coco.annotations), coco.skipped) == (2, 3, ())
    assert coco.warning is None
    assert coco.image[2].path == tmp_path / "sub" / "two.png"


@pytest.mark.parametrize("name", BROKEN_ANNOTATIONS)
def test_fault_11_a_broken_annotation_is_named_or_skipped(name, read, tmp_path):
    change, message = BROKEN_ANNOTATIONS[name]
    with pytest.raises(UserError, match=rf"a\.json: .*{message}"):
        read(change)
    coco = read(change, strict=False)
    assert len(coco.skipped) == 1 and len(coco.annotations) == 2
    assert coco.skipped[0] in coco.warning and "skipped for 1 fault:" in coco.warning


@pytest.mark.parametrize("name", BROKEN_IMAGES)
def test_fault_11_a_broken_image_is_named_or_skipped_with_its_annotations(name, read, tmp_path):
    change, message = BROKEN_IMAGES[name]
    with pytest.raises(UserError, match=rf"a\.json: .*{message}"):
        read(change, images=tmp_path)
    coco = read(change, images=tmp_path, strict=False)
    assert [image.id for image in coco.images] == [1]
    assert [annotation.id for annotation in coco.annotations] == [1]
    if name != "its id is taken":  # then its annotations are of no image at all
        assert coco.skipped[1:] == ("2 annotations of broken images",)


def test_fault_11_the_number_of_faults_is_told(read):
    def three(content):
        content["annotations"][0]["category_id"] = 5
        content["annotations"][1]["segmentation"] = []
        content["annotations"].append("text")

    with pytest.raises(UserError, match=r"annotation 1 .*\. It is the first of 3 faults\.$"):
        read(three)
    assert [fault[:13] for fault in read(three, strict=False).skipped] == [
        "annotation 1 ", "annotation 2 ", "annotation wi"
    ]  # fmt: skip


def test_fault_11_without_a_single_image_nothing_is_read(read, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no image can be used\. Image 1 .* is not in"):
        read(images=tmp_path / "empty", strict=False)
    with pytest.raises(UserError, match="is not a folder of images"):
        read(images=tmp_path / "nowhere")


def test_fault_11_a_polygon_may_leave_its_image_by_rounding(read):
    coco = read(segmentation([[-1, -0.5, 9, 1, 6, 7]]))
    assert len(coco.annotations) == 3


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (json.dumps(WHOLE)[:-20], r"is not JSON, or cut off: .*\(line 1, column"),
        ("[" * 200_000, "is nested too deeply"),
        ('{"é": 1}'.encode("latin1"), "is not UTF-8"),
        ("[]", "is a list, perhaps of results: .* images, annotations, categories"),
        ("3", "is no object"),
        ('{"images": [], "annotations": []}', "it has no list of categories"),
        ('{"images": {}, "annotations": [], "categories": []}', "it has no list of images"),
    ],
)
def test_fault_11_what_is_no_coco_file_is_refused(text, message, strict, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=rf"a\.json .*{message}"):
        read_coco(path, strict=strict)


def test_fault_11_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"b\.json was not found"):
        read_coco(tmp_path / "b.json")
    with pytest.raises(UserError, match="is a folder, not a JSON file"):
        read_coco(tmp_path)
