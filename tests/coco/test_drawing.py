"""COCO instances drawn as labels, checked by hand and against pycocotools."""

import json

import numpy as np
from pycocotools.coco import COCO

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD, annotation_rle, draw_annotations, overlap_note
from tests.fixtures.coco_file import CATEGORIES, annotation, box


def test_objects_are_numbered_in_the_order_of_the_file(coco):
    drawing = draw_annotations(
        coco(annotation(30, box(0, 0, 2, 2)), annotation(20, box(4, 1, 6, 3), 7)), 1
    )
    assert drawing.labels.dtype == np.uint16
    np.testing.assert_array_equal(
        drawing.labels,
        [
            [1, 1, 0, 0, 0, 0, 0, 0],
            [1, 1, 0, 0, 2, 2, 0, 0],
            [0, 0, 0, 0, 2, 2, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0],
        ],
    )
    assert [a.id for a in drawing.annotations] == [30, 20]
    assert drawing.behind == () and drawing.covered == {} and drawing.vanished == ()
    assert overlap_note([drawing]) is None


def test_the_smaller_object_is_in_front_and_the_larger_one_is_whole_behind(coco):
    large, small = annotation(1, box(0, 0, 6, 4)), annotation(2, box(2, 1, 4, 3))
    for entries, ids in (((large, small), (1, 2)), ((small, large), (2, 1))):
        drawing = draw_annotations(coco(*entries), 1)
        assert drawing.labels[1, 2] == ids[1]
        (behind,) = drawing.behind
        np.testing.assert_array_equal(np.unique(behind), [0, ids[0]])
        assert (behind == ids[0]).sum() == 24
        assert drawing.covered == {1: 4}
    note = "1 of 2 objects are partly covered by smaller ones, by 4 pixels in all."
    assert overlap_note([drawing]) == note


def test_an_object_that_vanishes_is_named_and_kept_behind(coco):
    same = [annotation(id, box(1, 1, 3, 3)) for id in (5, 6, 7)]
    drawing = draw_annotations(coco(*same), 1)
    np.testing.assert_array_equal(np.unique(drawing.labels), [0, 3])  # the last is in front
    assert drawing.vanished == (5, 6)
    assert [np.unique(layer).tolist() for layer in drawing.behind] == [[0, 1], [0, 2]]
    assert "2 have no pixel left (annotations 5, 6)" in overlap_note([drawing])


def test_covered_objects_apart_from_each_other_share_a_layer(coco):
    entries = [annotation(1, box(0, 0, 3, 4)), annotation(2, box(5, 0, 8, 4))]
    entries += [annotation(3, box(2, 1, 6, 3))]  # covers a corner of both
    drawing = draw_annotations(coco(*entries), 1)
    (layer,) = drawing.behind
    assert ((layer == 1).sum(), (layer == 2).sum()) == (12, 12)


def test_a_crowd_is_ignored_except_where_an_object_is(coco):
    crowd = {"size": [4, 8], "counts": [0, 16, 16]}  # the left half
    entries = [annotation(1, box(0, 0, 2, 2)), annotation(2, crowd, iscrowd=1)]
    drawing = draw_annotations(coco(*entries), 1)
    assert (drawing.labels[:, :4] == CROWD).sum() == 12
    assert (drawing.labels == 1).sum() == 4
    assert drawing.covered == {} and drawing.ids.tolist() == [1]


def test_classes_are_numbered_as_asked_and_may_be_groups(coco):
    crowd = annotation(3, box(0, 3, 2, 4), 9, iscrowd=1)
    entries = [annotation(1, box(0, 0, 2, 2)), annotation(2, box(4, 0, 6, 2), 7), crowd]
    drawing = draw_annotations(coco(*entries), 1)
    assert np.unique(drawing.classes([7])).tolist() == [0, 1, CROWD]
    assert not draw_annotations(coco(n_images=2), 2).classes([7]).any()
    for asked, classes in (([7, 0], [2, 1]), ([[0, 7]], [1, 1]), ([9, [7]], [0, 2])):
        found = drawing.classes(asked)
        assert found.dtype == np.uint16
        assert [found[0, 0], found[0, 4]] == classes
        assert found[3, 0] == CROWD


def test_a_category_can_be_drawn_alone(coco):
    file = coco(annotation(1, box(0, 0, 4, 4)), annotation(2, box(2, 2, 4, 4), 7))
    assert (draw_annotations(file, 1, [0]).labels > 0).sum() == 16
    assert (draw_annotations(file, 1, [7]).labels > 0).sum() == 4
    assert (draw_annotations(file, 1, [9]).labels > 0).sum() == 0


def test_more_objects_than_16_bits_leave_the_id_of_crowds_free(tmp_path):
    pixel = [
        annotation(i + 1, {"size": [260, 260], "counts": [i, 1, 67_599 - i]})
        for i in range(66_000)
    ]
    images = [{"id": 1, "file_name": "a.png", "height": 260, "width": 260}]
    content = {"images": images, "annotations": pixel, "categories": CATEGORIES}
    (tmp_path / "many.json").write_text(json.dumps(content))
    drawing = draw_annotations(read_coco(tmp_path / "many.json"), 1)
    assert drawing.labels.dtype == np.uint32
    assert (drawing.labels > 0).sum() == 66_000
    assert CROWD not in drawing.labels and drawing.ids[-1] == 66_001
    assert drawing.classes([0]).max() == 1


def test_every_object_of_the_coco_data_is_whole(shared_data):
    path = shared_data / "coco" / "annotations" / "instances_val2017.json"
    file, theirs = read_coco(path, shared_data / "coco" / "val2017"), COCO(str(path))
    assert (len(file.images), len(file.annotations), file.skipped) == (80, 815, ())
    for image in file.images[:40]:
        drawing = draw_annotations(file, image.id)
        for entry, id, area in zip(
            drawing.annotations, drawing.ids, drawing.areas, strict=True
        ):
            pixels = theirs.annToMask(theirs.anns[entry.id]).astype(bool)
            found = np.any([layer == id for layer in (drawing.labels, *drawing.behind)], axis=0)
            np.testing.assert_array_equal(found, pixels)
            assert area == pixels.sum()
            rle = theirs.annToRLE(theirs.anns[entry.id])
            assert annotation_rle(file, entry)["counts"] == rle["counts"].decode()
