"""Images and labels that cannot be trained on are named."""

import numpy as np
import pytest

from napari_utile.engine.training.data import preparation
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.errors import UserError
from napari_utile.settings import TrainSettings
from tests.fixtures.annotated import FIELD, cells, prepared, refusal, stack


def test_nothing_at_all_is_refused():
    with pytest.raises(UserError, match="no image"):
        prepare([], [], TrainSettings(), FIELD)


def test_other_shapes_are_named_on_both_sides():
    image, objects = cells((3, 16, 24))
    message = refusal(image, objects[:2])
    for part in ("'image 0'", "(3, 16, 24)", "'labels 0'", "(2, 16, 24)"):
        assert part in message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("z", [1, 4])
def test_a_pixel_that_is_no_number_is_found_in_its_slice(bad, z):
    image, objects = cells((5, 16, 24))
    image[z, 3, 4] = bad
    message = refusal(image, objects)
    assert f"Image 'image 0', slice {z}: 1 pixel" in message


@pytest.mark.parametrize("z", [0, 4])
def test_a_constant_slice_is_named(z):
    image, objects = cells((5, 16, 24))
    image[z] = 17
    assert f"'image 0', slice {z} is constant (17.0)" in refusal(image, objects)


def test_a_single_constant_image_is_named():
    _, objects = cells((40, 80))
    message = refusal(np.full((40, 80), 5), objects)
    assert "Image 'image 0' is constant (5)" in message
    assert message.endswith("; leave this image out.")


@pytest.mark.parametrize("shape", [(40, 80), (3, 40, 80)])
def test_a_constant_block_is_named_with_a_way_out_that_helps(shape):
    image, objects = cells(shape)
    image[..., 60:] = 17
    message = refusal(image, objects, split="block")
    where = "" if len(shape) == 2 else ", slice 0"
    assert f"'image 0'{where}, block of y 0 to 39 and x 66 to 79, is constant (17" in message
    assert message.endswith("; crop it away, or give its labels the ignore id.")
    objects[..., 60:] = 999
    assert prepared(image, objects, split="block", ignore=999).training
    assert prepared(image[..., :60], objects[..., :60], split="block").training


def test_a_slice_that_nobody_annotated_may_be_anything():
    image, objects = cells((4, 16, 24))
    image[1], objects[1] = np.nan, 200
    assert len(prepared(image, objects, ignore=200).training) == 2


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.zeros((3, 16, 24), int), "show no object, only background: 1,152 annotated"),
        (np.ones((3, 16, 24), int), "show no background, only objects"),
        (np.full((3, 16, 24), 9), "annotate no pixel: 0 annotated of 1,152"),
    ],
)
def test_one_class_only_is_refused_with_counts(labels, reason):
    image, _ = cells((3, 16, 24))
    assert reason in refusal(image, labels, ignore=9)


def test_the_labels_that_are_wrong_are_named_among_several():
    image, objects = cells((16, 24))
    message = refusal([image] * 3, [objects, objects - 9, objects])
    assert "'labels 1'" in message


def test_fault_05_training_on_more_than_the_memory_holds_is_refused(monkeypatch):
    monkeypatch.setattr(preparation, "memory_budget", lambda: 10_000)
    image, objects = cells((4, 16, 24))
    message = refusal(image, objects)
    assert "1,536 pixels" in message
    assert "10.0 kB may be used" in message


def test_different_channels_are_refused():
    image, objects = cells((16, 24))
    colors = np.stack([image] * 3, axis=-1)
    with pytest.raises(UserError, match=r"channels: 'gray' has 1, 'rgb' has 3\."):
        prepare(
            [stack(image, "gray"), stack(colors, "rgb", "yxc"), stack(image, "other")],
            [stack(objects)] * 3,
            TrainSettings(),
            FIELD,
        )


def test_labels_with_channels_are_refused():
    image, objects = cells((16, 24))
    colors = np.stack([objects] * 3, axis=-1)
    with pytest.raises(UserError, match="Labels 'em' have 3 channels, but"):
        prepare([stack(image)], [stack(colors, axes="yxc")], TrainSettings(), FIELD)


@pytest.mark.parametrize("ids", [-4, 2.5, np.nan])
def test_ids_that_are_none_are_refused(ids):
    image, objects = cells((3, 16, 24))
    objects = objects.astype(float if ids != -4 else int)
    objects[0, 3, 3] = ids
    message = refusal(image, objects)
    assert "labels 'labels 0'" in message
    assert str(ids) in message
