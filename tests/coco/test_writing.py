"""COCO files that we write, read back by pycocotools and by us."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask
from pycocotools.coco import COCO

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD, draw_annotations
from napari_utile.coco.writing import (
    LabelledImage,
    detections,
    write_coco,
    write_coco_results,
    write_images,
)
from napari_utile.errors import UserError
from napari_utile.metrics.coco.ap import coco_annotation_scores

STACK = np.array(
    [
        [[1, 1, 0, 7, 7], [1, 1, 0, 7, 0], [0, 0, 0, 0, 0]],
        [[0, 0, 0, 0, 0], [7, 7, 0, 0, 0], [7, 7, 0, 0, 9]],
    ],
    np.int32,
)


def as_pycocotools_reads(path):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_every_slice_is_an_image_and_every_object_in_it_an_annotation(tmp_path):
    write_coco(tmp_path / "cells.json", STACK)
    theirs = as_pycocotools_reads(tmp_path / "cells.json")
    assert [image["file_name"] for image in theirs.dataset["images"]] == [
        "cells_0000.tif", "cells_0001.tif"
    ]  # fmt: skip
    assert theirs.dataset["categories"] == [{"id": 1, "name": "object"}]
    expected = [(1, 1), (1, 7), (2, 7), (2, 9)]
    for entry, (image, id) in zip(theirs.dataset["annotations"], expected, strict=True):
        pixels = STACK[image - 1] == id
        np.testing.assert_array_equal(theirs.annToMask(entry), pixels)
        assert (entry["image_id"], entry["iscrowd"]) == (image, 0)
        assert entry["area"] == pixels.sum()
        assert entry["bbox"] == mask.toBbox(theirs.annToRLE(entry)).tolist()
    assert [entry["id"] for entry in theirs.dataset["annotations"]] == [1, 2, 3, 4]


def test_an_object_is_of_the_class_that_most_of_its_pixels_have(tmp_path):
    classes = np.where(STACK == 7, 2, np.where(STACK > 0, 5, 0))
    classes[0, 0, 4] = 0  # one pixel of 7 has none
    classes[0, 0, 0] = 2  # and one of 1 another
    names = {5: "cell", 2: "debris"}
    write_coco(tmp_path / "a.json", STACK, classes=classes, categories=names)
    file = read_coco(tmp_path / "a.json")
    assert [annotation.category_id for annotation in file.annotations] == [5, 2, 2, 5]
    assert {category.id: category.name for category in file.categories} == names
    write_coco(tmp_path / "a.json", STACK, classes=classes, overwrite=True)
    names = [category.name for category in read_coco(tmp_path / "a.json").categories]
    assert names == ["class 2", "class 5"]


def test_crowds_become_one_of_every_category(tmp_path):
    labels = STACK[0].copy()
    labels[2] = CROWD
    write_coco(tmp_path / "a.json", labels, categories={3: "a", 4: "b"}, crowd=CROWD)
    found = [(a.category_id, a.is_crowd) for a in read_coco(tmp_path / "a.json").annotations]
    assert found == [(3, False), (3, False), (3, True), (4, True)]
    write_coco(tmp_path / "b.json", labels)
    assert not any(a.is_crowd for a in read_coco(tmp_path / "b.json").annotations)


def test_images_of_several_sizes_and_names(tmp_path):
    write_coco(
        tmp_path / "a.json", [np.eye(3, dtype=int), np.ones((2, 9), int)], file_names="xy"
    )
    images = read_coco(tmp_path / "a.json").images
    assert [(i.file_name, i.height, i.width) for i in images] == [("x", 3, 3), ("y", 2, 9)]


def test_the_coco_data_come_back_pixel_by_pixel(shared_data, tmp_path):
    path = shared_data / "coco" / "annotations" / "instances_val2017.json"
    file = read_coco(path)
    file = file.part(images=[image.id for image in file.images[:20]])
    drawings = [draw_annotations(file, image.id) for image in file.images]
    assert max(len(drawing.behind) for drawing in drawings) > 1
    images = [
        LabelledImage(
            i, f"{i}.jpg", d.labels, dict.fromkeys(d.ids.tolist(), 1), d.behind, CROWD, [1]
        )
        for i, d in enumerate(drawings, 1)
    ]
    write_images(tmp_path / "a.json", images, {1: "object"})
    before, after = (as_pycocotools_reads(p) for p in (path, tmp_path / "a.json"))
    for number, drawing in enumerate(drawings, 1):
        written = [a for a in after.imgToAnns[number] if not a["iscrowd"]]
        for annotation, entry in zip(drawing.annotations, written, strict=True):
            own = before.annToRLE(before.anns[annotation.id])
            assert entry["segmentation"] == {**own, "counts": own["counts"].decode()}
            assert entry["area"] == mask.area(own)


def test_results_are_read_by_pycocotools_and_score_one(tmp_path):
    write_coco(tmp_path / "truth.json", STACK)
    found = [*detections(STACK[0], 1, 1, [0.5, 0.75]), *detections(STACK[1], 2)]
    write_coco_results(tmp_path / "found.json", found)
    theirs = as_pycocotools_reads(tmp_path / "truth.json")
    with contextlib.redirect_stdout(io.StringIO()):
        results = theirs.loadRes(str(tmp_path / "found.json"))
    loaded = results.dataset["annotations"]
    assert [entry["score"] for entry in loaded] == [0.5, 0.75, 1, 1]
    assert [entry["area"] for entry in loaded] == [4, 3, 4, 1]  # of the mask, not of the box
    for entry, true in zip(loaded, theirs.dataset["annotations"], strict=True):
        np.testing.assert_array_equal(results.annToMask(entry), theirs.annToMask(true))
    assert coco_annotation_scores(theirs.dataset["annotations"], found).ap == pytest.approx(1)


def test_each_detection_has_its_category():
    found = detections(STACK[1], 4, category_ids=[8, 6])
    assert [(entry["image_id"], entry["category_id"]) for entry in found] == [(4, 8), (4, 6)]
    assert json.loads(json.dumps(found)) == found
    assert detections(np.zeros((3, 3), int), 4) == []


def test_what_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "a.json"
    wrong = [
        ({"classes": STACK[:1]}, "differ in shape"),
        ({"classes": np.where(STACK == 1, 0, STACK)}, "object 1 of a_0000.tif has no category"),
        ({"classes": STACK, "categories": {1: "a"}}, "category 7 has no name"),
        ({"file_names": ["one"]}, "1 file names for 2 slices"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ValueError, match=message):
            write_coco(path, STACK, **arguments)
    odd = LabelledImage(1, "odd", STACK[0], {}, [STACK[0, :2]])
    with pytest.raises(ValueError, match="layers of odd differ in shape"):
        write_images(path, [odd], {1: "object"})
    odd = LabelledImage(1, "odd", STACK[0], {1: 1}, crowd=7)
    with pytest.raises(ValueError, match="crowd of odd has no category"):
        write_images(path, [odd], {1: "object"})
    assert not path.exists()
    path.write_text("mine")
    for write in (write_coco, write_coco_results):
        with pytest.raises(UserError, match="exists"):
            write(path, STACK[:0])
    assert path.read_text() == "mine"


def test_what_is_no_label_and_no_score_is_refused(tmp_path):
    labels = np.array([[0, 1], [1, 2]])
    with pytest.raises(UserError, match="negative id -2"):
        write_coco(tmp_path / "a.json", -labels)
    with pytest.raises(UserError, match="whole numbers"):
        detections(labels + 0.5, 1)
    with pytest.raises(ValueError, match="finite"):
        detections(labels, 1, scores=[0.5, np.nan])
    assert json.dumps(detections(labels, np.int64(1)))
