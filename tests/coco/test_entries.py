"""Entries of COCO files of many tools: taken with a note, or a fault each."""

import pytest

from napari_utile.coco.checks import BOX_ALONE, FRACTIONS, OTHER_PLACE, UNANNOTATED
from napari_utile.coco.entries import COPIES, NEW_IDS, Entries
from tests.fixtures.coco_file import annotation, box

IMAGES = [{"id": i, "file_name": f"{i}.png", "height": 4, "width": 8} for i in (1, 2)]
CATEGORIES = [{"id": 0, "name": "cell"}]


def collect(annotations, images=IMAGES, categories=CATEGORIES):
    entries = Entries()
    entries.add_categories(categories)
    entries.add_images(images, None)
    entries.add_annotations(annotations)
    return entries


def square(left, **keys):
    return annotation(left + 1, box(left, 0, left + 2, 2)) | keys


def test_what_is_as_it_should_be_raises_no_doubt():
    annotations = [square(0), square(2, image_id=2), square(0, id=9, image_id=2)]
    entries = collect(annotations)
    assert entries.doubts == entries.faults == []
    assert [read.entry for read in entries.annotations] == annotations


@pytest.mark.parametrize("id", [None, 1, "f-7", float("nan"), 10**30])
def test_annotations_get_ids_of_their_own(id):
    entries = collect([square(0, id=1), square(2, id=id), square(4, id=1)])
    assert [read.id for read in entries.annotations] == [1, 2, 3]
    assert [read.entry["id"] for read in entries.annotations] == [1, 2, 3]
    assert f"2 of 3 annotations {NEW_IDS}" in entries.doubts[0]
    assert entries.faults == []


def test_ids_written_as_texts_are_numbers():
    images = [image | {"id": str(image["id"])} for image in IMAGES]
    entries = collect([square(0, image_id="2", category_id="0")], images)
    assert [*entries.images] == [1, 2]
    (read,) = entries.annotations
    assert (read.image_id, read.category_id, read.entry["image_id"]) == (2, 0, 2)
    assert [doubt[:16] for doubt in entries.doubts] == ["2 of 2 images ha", "1 of 1 annotatio"]


@pytest.mark.parametrize("id", [2**60, "image-1", True, 1.5, [], "٧"])
def test_an_image_without_a_usable_id_is_a_fault(id):
    entries = collect([], [IMAGES[0], IMAGES[1] | {"id": id}])
    assert "has no whole number as id" in entries.faults[0]


def test_a_name_of_several_categories_is_doubtful():
    entries = collect([], categories=[CATEGORIES[0], {"id": 3, "name": "cell"}])
    assert entries.doubts == ["several categories have the name cell"]


def test_copies_are_counted():
    runs = {"size": [4, 8], "counts": [3, 2, 27]}
    twice = [square(0), square(0, id=2), square(2, id=3), square(0, id=4, image_id=2)]
    twice += [
        annotation(5, runs),
        annotation(6, dict(runs)),
        annotation(7, runs | {"counts": "32k0"}),
    ]
    entries = collect(twice)
    assert len(entries.annotations) == 7
    assert f"2 of 7 annotations {COPIES} (such as annotation 2)" in entries.doubts


def test_names_in_faults_are_short_and_printable():
    images = [
        IMAGES[0],
        {"id": 2, "file_name": "\x1b[31m\n" + "x" * 500, "height": 0, "width": 1},
    ]
    (fault,) = collect([], images).faults
    assert fault.isprintable() and len(fault) < 150
    assert "\\x1b[31m\\nxxx" in fault
    (fault,) = collect([square(0, image_id=10**20)]).faults
    assert "no whole number as image_id" in fault
    (fault,) = collect([], IMAGES, [{"id": 1, "name": "\ud800"}]).faults
    assert "a name that is no text" in fault


OUTLINE = [[0, 0, 3, 0, 3, 2, 1, 3]]
OTHER = {"size": [4, 8], "counts": [24, 4, 4]}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"segmentation": OUTLINE, "bbox": [0, 0, 3, 3]}, None),
        ({"segmentation": OUTLINE, "bbox": [5, 0, 3, 3]}, OTHER_PLACE),
        ({"segmentation": OTHER, "bbox": [6, 0, 1, 4]}, None),
        ({"segmentation": OTHER, "bbox": [0, 0, 1, 4]}, OTHER_PLACE),
        ({"segmentation": [[0, 0, 0.9, 0, 0.9, 0.7]], "bbox": [0, 0, 0.9, 0.7]}, FRACTIONS),
        ({"segmentation": box(0, 0, 6, 3), "bbox": [0, 0, 6, 3]}, None),
        ({"segmentation": OUTLINE, "bbox": ["left"]}, None),
    ],
)
def test_outlines_that_contradict_their_boxes_are_told(keys, said):
    doubts = collect([square(0) | keys]).doubts
    assert [said in doubt for doubt in doubts] == [True] if said else doubts == []


def test_images_with_objects_that_are_not_annotated_are_told():
    images = [IMAGES[0] | {"not_exhaustive_category_ids": [0]}, IMAGES[1]]
    (doubt,) = collect([square(0)], images).doubts
    assert UNANNOTATED in doubt


def test_many_boxes_as_outlines_are_told():
    boxes = [
        annotation(i, box(0, 0, 1 + i / 5, 3), bbox=[0, 0, 1 + i / 5, 3]) for i in range(30)
    ]
    (doubt,) = collect(boxes).doubts
    assert f"30 of 30 annotations {BOX_ALONE}" in doubt
    (doubt,) = collect(boxes[:11]).doubts
    assert f"11 of 11 annotations {BOX_ALONE}" in doubt
    full = [
        annotation(i, {"size": [4, 8], "counts": [0, 3, 1, 3, 25]}, area=i) for i in range(11)
    ]
    assert f"11 of 11 annotations {BOX_ALONE}" in collect(full).doubts[0]
    outlines = [annotation(99 + i, [[0, 0, 3, 0, 3, 2, i / 10, 3]]) for i in range(30)]
    assert collect(boxes + outlines).doubts == collect(boxes[:10]).doubts == []
