"""What a caller may give as an array, and what NumPy would take for something else."""

import numpy as np
import pytest
import torch

from napari_utile import evaluate, instances, predict, train, weight_map
from napari_utile.arrays.given import given_array
from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model
from napari_utile.errors import UserError
from napari_utile.networks import UNet

LABELS = np.kron(np.array([[1, 0, 2], [0, 0, 0], [3, 0, 4]]), np.ones((7, 7), int))
MASKED = np.ma.masked_array(LABELS, LABELS == 3)
MODEL = Model(UNet(1, depth=1, width=2), Normalization(mean=(0,), std=(1,)))


class Lazy:
    shape, dtype = (9, 9), np.dtype("u1")


def test_arrays_tensors_and_lists_of_numbers_are_taken():
    for given in (LABELS, LABELS.tolist(), torch.from_numpy(LABELS)):
        np.testing.assert_array_equal(given_array(given, "labels"), LABELS)
    lazy = Lazy()
    assert given_array(lazy, "image") is lazy
    assert type(given_array(np.ma.masked_array(LABELS), "labels")) is np.ndarray


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (MASKED, "masks are not read"),
        (None, "nothing, where an array is needed"),
        ("a.tif", "'a.tif', where an array is needed"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "different shapes"),
        ({"a": 1}, "are dict, where numbers are needed"),
        (torch.zeros(2, 2, dtype=torch.bfloat16), "bfloat16"),
    ],
)
def test_what_is_no_array_is_refused_by_its_name(given, said):
    with pytest.raises(UserError, match=f"The labels.*{said}"):
        given_array(given, "labels")


@pytest.mark.parametrize(
    "call",
    [
        lambda given: evaluate(given, LABELS),
        lambda given: evaluate(LABELS, given),
        weight_map,
        lambda given: predict(MODEL, given),
        lambda given: instances(given[None] / 4.0),
        lambda given: train(LABELS, given),
    ],
)
def test_no_function_reads_what_lies_under_a_mask(call):
    with pytest.raises(UserError, match="masks are not read"):
        call(MASKED)


def test_several_images_are_not_levels_of_one():
    image = np.random.default_rng(0).random((32, 32))
    levels = [image, image[::2, ::2]]
    np.testing.assert_array_equal(predict(MODEL, levels), predict(MODEL, image))
    for several in ([image, image], [image[:16], image], [image, image[None, :9, :9]]):
        with pytest.raises(UserError, match="not levels of one image"):
            predict(MODEL, several)


def test_a_mask_is_an_image_of_zeros_and_ones():
    mask = LABELS > 0
    np.testing.assert_array_equal(predict(MODEL, mask), predict(MODEL, mask.astype("u1")))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((LABELS, MODEL), "model: ndarray"),
        ((MODEL, LABELS, None, {"tile": 64}), "settings: dict"),
        ((MODEL, LABELS, 64), "tile: 64"),
        ((MODEL, LABELS, (0, 0)), "tile: "),
    ],
)
def test_arguments_of_another_type_are_named(arguments, said):
    with pytest.raises(UserError, match=said):
        predict(*arguments)


def test_settings_of_training_are_of_their_class():
    with pytest.raises(UserError, match="settings: dict, where TrainSettings"):
        train(LABELS, LABELS, {"steps": 3})


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        (LABELS[None] * 60.0, "0 to 240, but should be 0 to 1"),
        (LABELS[None] - 2.0, "-2 to 2"),
        (np.full((1, 3, 3), np.nan), "nan"),
        (LABELS[None], "int64"),
    ],
)
def test_what_are_no_probabilities_becomes_no_instances(probabilities, said):
    with pytest.raises(UserError, match=said):
        instances(probabilities)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 2},
        {"method": "foo"},
        {"linking": "foo"},
        {"min_size": -1},
        {"link_iou": 5},
    ],
)
def test_options_of_instances_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        instances(np.zeros((1, 3, 3)), **wrong)


@pytest.mark.parametrize(
    "wrong", [{"w0": np.nan}, {"sigma": np.inf}, {"spacing": (np.nan, 1)}, {"spacing": 2}]
)
def test_numbers_of_the_weight_map_are_finite(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        weight_map(LABELS, **wrong)
