"""Images and slices without an object are told, with what is learnt from them."""

from dataclasses import replace

import numpy as np
import pytest

from napari_utile.engine.training.data.preparation import prepare
from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from tests.fixtures.annotated import FIELD, cells, prepared, stack


def said(images, labels, **options):
    """The only sentence about planes without object; '' if there is none."""
    warnings = prepared(images, labels, **options).warnings
    found = [text for text in warnings if "no object" in text]
    assert len(found) < 2
    return "".join(found)


def pictures(with_objects, without):
    found = [cells((16, 24), seed) for seed in range(with_objects + without)]
    images, labels = zip(*found, strict=True)
    return [*images], [*labels[:with_objects], *np.zeros_like(labels[with_objects:])]


def slices(*without, count=5):
    image, objects = cells((count, 16, 24), seed=len(without))
    objects[[*without]] = 0
    return image, objects


def test_one_of_several_images_may_show_no_object():
    data = prepared(*pictures(4, 1))
    assert len(data.training) + len(data.validation) == 5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pictures(4, 1), "1 of 5 images has no object (image 4); it is learnt as background."),
        (
            pictures(5, 4),
            "4 of 9 images have no object (image 5, image 6, image 7, ...); they are learnt as "
            "background. Give them the ignore id if they are not annotated.",
        ),
        (slices(1, 2), "2 of 5 slices of 'image 0' have no object; they are learnt"),
        (
            tuple(map(list, zip(slices(1), slices(), slices(0, 2, count=6), strict=True))),
            "3 of 16 slices have no object (1 of 5 in image 0, 2 of 6 in image 2); they are",
        ),
    ],
)
def test_planes_without_object_are_one_sentence(given, words):
    assert said(*given).startswith(words)


@pytest.mark.parametrize(
    ("given", "is_doubtful"),
    [
        (pictures(6, 5), False),
        (pictures(5, 5), True),
        (slices(1, 2), False),
        (slices(1, 2, 3, count=6), True),
        # one stack of three was annotated in part; one without any object is a negative
        (tuple(map(list, zip(slices(), slices(0), slices(2, 3, 4), strict=True))), True),
        (tuple(map(list, zip(slices(), slices(0), slices(*range(5)), strict=True))), False),
    ],
)
def test_half_of_all_or_of_a_stack_is_a_doubt(given, is_doubtful):
    assert said(*given)
    if is_doubtful:
        with pytest.raises(UserError, match=r"no (object|label).*leave out strict"):
            prepared(*given, strict=True)
    else:
        assert said(*given, strict=True)


def test_labels_that_are_known_to_be_complete_are_no_doubt():
    images, labels = pictures(2, 6)
    truths = [replace(stack(ids), is_complete=True) for ids in labels]
    settings = TrainSettings(strict=True, ignore=254)
    (found,) = prepare([*map(stack, images)], truths, settings, FIELD).warnings
    assert found.endswith("they are learnt as background.")


def test_sparse_slices_with_background_alone_are_no_doubt():
    image, objects = cells((5, 16, 24))
    labels = 1 + (objects > 0)
    labels[2] = 1
    assert prepared(image, labels, sparse=True).warnings == ()


def test_slices_that_are_ignored_are_none():
    image, objects = cells((5, 16, 24))
    objects[[1, 2]] = 200
    assert prepared(image, objects, ignore=200).warnings == ()
