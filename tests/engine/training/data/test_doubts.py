"""What training says about its images and labels before it starts."""

from dataclasses import replace

import numpy as np
import pytest

from napari_utile.arrays.splits import Region, Split
from napari_utile.arrays.targets import training_target
from napari_utile.engine.training.data.doubts import annotation_doubts, copies, gray_values
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.settings.training import TrainSettings
from tests.fixtures.annotated import FIELD, cells, prepared, refusal, stack

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


def warnings_of_files(labels, **options):
    """What is said of images that are files."""
    images = [replace(stack(i, f"{n}.tif"), source=f"{n}.tif") for n, i in enumerate(IMAGE)]
    ids = [stack(part, "ids") for part in labels]
    return prepare(images, ids, TrainSettings(**options), FIELD).warnings


def test_channels_of_other_names_are_told_before_the_start():
    pixels = np.stack([PICTURE, 255 - PICTURE], axis=1)
    names = [("DAPI", "GFP"), ("GFP", "DAPI")]
    images = [replace(stack(pixels, axes="zcyx"), channel_names=each) for each in names]
    data = prepare(images, [stack(OBJECTS)] * 2, TrainSettings(), FIELD)
    assert any("DAPI, GFP in 1" in said and "GFP, DAPI in 1" in said for said in data.warnings)
    assert data.appearance.channel_names in names


def test_an_ignore_id_that_no_label_has_is_told():
    (said,) = warnings_of_files(OBJECTS, ignore=254)
    assert said.startswith("No pixel of the labels has the id 254")
    unannotated = np.where(np.arange(64) < 9, 254, OBJECTS)
    assert warnings_of_files([*OBJECTS[:3], unannotated[3]], ignore=254) == ()


def test_masks_of_two_kinds_of_white_are_told():
    masks = [(i > 0) * (255 if n % 2 else 1) for n, i in enumerate(OBJECTS)]
    said = " ".join(warnings_of_files(masks, target="classes"))
    assert "1 in 2 ('0.tif', ...); 255 in 2 ('1.tif', ...)" in said
    assert warnings_of_files(masks) == ()


def test_what_is_doubtful_about_labels_is_told_where_they_cannot_be_divided():
    one = np.where(OBJECTS == 1, 1, 0)[:1] + np.where(OBJECTS > 1, OBJECTS, 0)
    assert "leave out sparse" in refusal([*IMAGE], [*one], sparse=True)


def test_copies_in_both_parts_are_told():
    regions = [Region(0, (i,), (slice(0, 64), slice(0, 64))) for i in range(4)]
    parts = Split(tuple(regions[:3]), tuple(regions[3:]), "by slice")
    assert [*copies([stack(IMAGE)], parts)] == []
    twice = IMAGE.copy()
    twice[3] = twice[1]
    (said,) = copies([stack(twice)], parts)
    assert said.startswith("1 of 1 planes for validation have the same picture")
    assert "('em' slice 3 those of 'em' slice 1)" in said


@pytest.mark.parametrize(
    "saved",
    [
        np.asarray,
        lambda plane: plane.astype(np.uint16) * 257,
        lambda plane: (plane / 255).astype(np.float32),
        lambda plane: plane.astype(np.float32) / 2 + 7,
    ],
)
def test_copies_in_another_number_format_are_told(saved):
    images = [stack(PICTURE[0]), stack(saved(PICTURE[0]))]
    regions = [Region(i, (), (slice(0, 64), slice(0, 64))) for i in range(2)]
    parts = Split((regions[0],), (regions[1],), "by image")
    assert len([*copies(images, parts)]) == 1
    assert not [*copies([images[0], stack(PICTURE[1])], parts)]


def test_labels_that_say_they_are_instances_are_no_classes():
    said = replace(stack(OBJECTS, "ids"), holds="instances")
    for target, kinds_told in (("classes", ["holds"]), ("instances", [])):
        found = annotation_doubts(stack(IMAGE), said, OBJECTS, TrainSettings(target=target))
        assert [doubt.kind for doubt in found if doubt.kind == "holds"] == kinds_told
