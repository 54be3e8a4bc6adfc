"""What training says about its images and labels before it starts."""

import numpy as np
import pytest

from napari_utile.arrays.splits import Region, Split
from napari_utile.arrays.targets import training_target
from napari_utile.engine.training.data.doubts import annotation_doubts, copies, gray_values
from napari_utile.settings import TrainSettings
from tests.fixtures.annotated import cells, prepared, refusal, stack

IMAGE, OBJECTS = cells((4, 64, 64))
PICTURE = IMAGE.round().astype(np.uint8)


def kinds(image, labels, **options):
    found = annotation_doubts(
        stack(image), stack(labels, "ids"), labels, TrainSettings(**options)
    )
    return [doubt.kind for doubt in found]


def test_ordinary_annotations_raise_no_doubt():
    assert kinds(IMAGE, OBJECTS) == []
    assert kinds(IMAGE, np.minimum(OBJECTS, 1), target="classes") == []
    assert prepared(IMAGE, OBJECTS, strict=True).warnings == ()


def test_exchanged_image_and_labels_are_told():
    assert kinds(OBJECTS, PICTURE) == ["exchanged"]
    assert kinds(IMAGE, PICTURE) == ["gray values"]
    (said,) = prepared(OBJECTS, PICTURE).warnings
    assert "seem to be exchanged" in said
    assert "leave out strict" in refusal(OBJECTS, PICTURE, strict=True)


def test_objects_wider_than_tiles_are_told():
    wide = np.zeros((200, 200), int)
    wide[10:190, 5:150] = 1
    assert kinds(np.zeros((200, 200)), wide, tile=64) == ["wide"]
    assert kinds(np.zeros((200, 200)), wide, tile=128) == []
    frame = np.ones((200, 200), int)  # as wide as the other, but thin
    frame[20:180, 20:180] = 0
    assert kinds(np.zeros((200, 200)), frame, tile=64) == []


def test_gray_values_are_those_of_annotated_pixels():
    image = np.where(OBJECTS > 0, 30.0, 10.0)
    image[0] = np.nan
    labels = np.where(np.arange(4)[:, None, None] == 1, 9999, OBJECTS)
    image[1] = 1e9
    found = gray_values(stack(image), training_target(labels, ignore=9999))
    share = (OBJECTS[2:] > 0).mean()
    assert found.mean[0] == pytest.approx(10 + 20 * share, rel=0.05)
    assert found.objects == pytest.approx(20 / found.std[0], rel=0.05)
    assert gray_values(stack(image[:1]), training_target(OBJECTS[:1])) is None


def test_images_of_two_depths_are_told_before_the_start():
    images = [IMAGE[i] * (200 if i % 2 else 1) for i in range(4)]
    (said,) = prepared(images, [*OBJECTS]).warnings
    assert "2 of 4 have about" in said and "'image 1', 'image 3'" in said


def test_copies_in_both_parts_are_told():
    regions = [Region(0, (i,), (slice(0, 64), slice(0, 64))) for i in range(4)]
    parts = Split(tuple(regions[:3]), tuple(regions[3:]), "by slice")
    assert [*copies([stack(IMAGE)], parts)] == []
    twice = IMAGE.copy()
    twice[3] = twice[1]
    (said,) = copies([stack(twice)], parts)
    assert said.startswith("1 of 1 planes for validation have the same pixels")
    assert "('em' slice 3 those of 'em' slice 1)" in said
