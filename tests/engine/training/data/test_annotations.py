"""Images and labels that cannot be learnt from are named, before they are divided."""

from dataclasses import replace

import numpy as np
import pytest

from napari_utile.engine.training.data import annotations
from napari_utile.engine.training.data.annotations import Annotations
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from tests.fixtures.annotated import FIELD, cells, refusal, stack


def test_nothing_at_all_is_refused():
    with pytest.raises(UserError, match="no image"):
        prepare([], [], TrainSettings(), FIELD)


def test_other_shapes_are_named_on_both_sides():
    image, objects = cells((3, 16, 24))
    message = refusal(image, objects[:2])
    for part in ("'image 0'", "(3, 16, 24)", "'labels 0'", "(2, 16, 24)"):
        assert part in message


@pytest.mark.parametrize("count", [3, 4])  # the fourth is taken for opacity
def test_labels_that_were_saved_as_colors_are_named_not_their_shape(count):
    image, objects = cells((count, 16, 24))
    colors = replace(stack(objects, axes="cyx"), alpha=count == 4)
    with pytest.raises(UserError, match=rf"have {count} channels.*photometric='minisblack'"):
        prepare([stack(image)], [colors], TrainSettings(), FIELD)


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
    monkeypatch.setattr(annotations, "memory_budget", lambda: 10_000)
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


def test_few_objects_in_each_of_many_images_are_no_classes():
    image, objects = cells((64, 64))
    settings = TrainSettings(target="classes")

    def doubts(*ranges):
        labels = [np.where((objects >= i) & (objects <= j), objects, 0) for i, j in ranges]
        read = Annotations.read([stack(image)] * len(labels), [*map(stack, labels)], settings)
        return [text for text in read.doubts if "one id per object" in text]

    few_in_each = (1, 9), (1, 12), (4, 18), (8, 24)
    (said,) = doubts(*few_in_each)
    assert said.startswith(f"The labels have 24 ids in {9 + 12 + 15 + 17} regions of 4 planes,")
    (said,) = doubts(*few_in_each, (1, 30))
    assert said.startswith("Labels 'em' have 30 ids in 30 regions,")
    assert doubts((1, 9), (1, 12), (4, 18), (8, 19)) == []
