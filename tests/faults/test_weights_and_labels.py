"""What labels and images of a wrong or rare kind do to targets, weight maps and training."""

from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

import napari_utile as utile
from napari_utile.arrays.labels import as_instances, check_labels
from napari_utile.arrays.targets import training_target
from napari_utile.arrays.weight_maps.weight_map import target_weights, weight_map
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.engine.training.run import run_training
from napari_utile.errors import UserError
from napari_utile.events import drain
from napari_utile.io.images import as_stack, open_image

torch.set_num_threads(1)


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.int16, np.uint32, np.int64, np.uint64, np.float32, np.float64]
)
def test_fault_04_every_type_of_label_means_the_same(dtype):
    labels = np.array([[1, 1, 0, 0], [0, 0, 0, 1]])
    assert (as_instances(labels.astype(dtype)) == [[1, 1, 0, 0], [0, 0, 0, 2]]).all()
    assert (training_target(labels.astype(dtype)).classes == labels).all()
    assert (weight_map(labels.astype(dtype)) == weight_map(labels)).all()


@pytest.mark.parametrize("large", [2**31, 2**32, 2**53 + 1, 2**63, 2**64 - 1])
def test_fault_04_large_ids_never_wrap(large):
    labels = np.array([[large, 0, large - 1, 0, large - 2**30]], np.uint64)
    assert check_labels(labels).max() == large
    assert as_instances(labels).tolist() == [[3, 0, 2, 0, 1]]
    assert (weight_map(labels) == weight_map([[3, 0, 2, 0, 1]])).all()
    target = training_target(labels, "classes")
    assert target.classes.tolist() == [[3, 0, 2, 0, 1]]
    assert target.ids == (0, large - 2**30, large - 1, large)


def test_fault_04_ids_that_only_differ_beyond_32_bits_are_two_objects():
    labels = np.array([[1, 0, 2**32 + 1]])
    assert (weight_map(labels) == weight_map([[1, 0, 2]])).all()


@pytest.mark.parametrize("use", [training_target, weight_map, as_instances])
@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.array([[0, -1]]), r"\(int64\) have the negative id -1"),
        (np.array([[0, 1.25]]), r"\(float64\) have the value 1.25"),
        (np.array([[0, np.nan]], np.float32), r"\(float32\) have the value nan"),
        (np.array([[0, 2.0**60]]), "id 1152921504606846976, which float64 cannot hold"),
    ],
)
def test_fault_04_what_is_no_id_is_refused_by_type_and_id(use, labels, reason):
    with pytest.raises(UserError, match=reason):
        use(labels)


@pytest.mark.parametrize(
    ("labels", "options", "reason"),
    [
        ([[0] * 1500], {}, "no object, only background: 1,500 annotated of 1,500 pixels"),
        ([[4] * 1500], {}, "no background, only objects: 1,500 annotated of 1,500 pixels"),
        (
            [[4, 4, 9]],
            {"ignore": 9, "target": "classes"},
            "one class only, id 4: 2 annotated of 3",
        ),
        ([[9, 9, 0]], {"ignore": 9}, "no object, only background: 1 annotated of 3 pixels"),
        ([[9, 9, 9]], {"ignore": 9}, "annotate no pixel: 0 annotated of 3 pixels"),
        ([[0, 0, 0]], {"sparse": True}, "annotate no pixel: 0 annotated of 3 pixels"),
        ([[0, 2, 2]], {"sparse": True}, "no background, only objects: 2 annotated of 3 pixels"),
        (np.zeros((0, 5), int), {}, "annotate no pixel: 0 annotated of 0 pixels"),
        (
            [range(300)],
            {"target": "classes"},
            "300 different ids, and at most 254 can be classes",
        ),
    ],
)
def test_fault_06_labels_that_teach_nothing_are_refused_with_counts(labels, options, reason):
    with pytest.raises(UserError, match=reason):
        training_target(labels, **options)


@pytest.mark.parametrize("class_balance", [True, False])
@pytest.mark.parametrize("sigma", [1e-3, 5, 1e6])
@pytest.mark.parametrize("labels", [[[0, 0, 0]], [[0, 3, 0]], [[3, 3, 3]]])
@pytest.mark.filterwarnings("error::RuntimeWarning", "ignore:The labels have one object")
def test_fault_06_no_object_or_one_gives_a_finite_weight_map(labels, sigma, class_balance):
    weights = weight_map(labels, sigma=sigma, class_balance=class_balance)
    assert np.isfinite(weights).all()
    assert weights.mean() == pytest.approx(1)


@pytest.mark.filterwarnings("error")
def test_fault_06_one_object_gives_a_finite_target():
    weights = target_weights(training_target([[0, 3, 3, 0]]), 10, 5, True)
    assert weights.tolist() == [[1, 1, 1, 1]]


# images and labels as users have them, each in a short training

TINY = {
    "depth": 1, "width": 2, "tile": 16, "batch": 1, "steps": 2, "validations_per_run": 1,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip


def cells(shape=(4, 32, 40)):
    """Noise with bright squares, and their instances."""
    objects = np.zeros(shape, np.int64)
    top, left = (int(side > 8) for side in shape[-2:])
    rows, columns = (range(start, shape[axis], 8) for axis, start in ((-2, top), (-1, left)))
    for *index, y, x in product(*map(range, shape[:-2]), rows, columns):
        objects[*index, y : y + 5, x : x + 5] = objects.max() + 1
    noise = np.random.default_rng(0).normal(100, 10, shape)
    return noise + 60 * (objects > 0), objects


def trained(image, labels, **options):
    """Train, and see that the model is good for the image it learnt from."""
    model = utile.train(image, labels, utile.TrainSettings(**TINY | options))
    first, shape = (image, labels.shape) if not isinstance(image, list) else (image[0], None)
    predicted = utile.predict(model, first)
    assert shape is None or predicted.shape[1:] == shape
    assert np.isfinite(predicted).all()
    assert all(np.isfinite(value) for value in model.scores.values())
    return model


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.int16, np.uint32, np.int64, np.float16, np.float64, ">u2"]
)
def test_fault_04_images_of_every_type_are_learnt_from(dtype):
    image, objects = cells()
    trained(image > 130 if dtype is bool else image.astype(dtype), objects)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_fault_04_a_color_picture_has_three_channels(tmp_path, mode):
    image, objects = cells((32, 40))
    gray = Image.fromarray(image.clip(0, 255).astype(np.uint8))
    gray.convert(mode).save(tmp_path / "em.png")
    picture = open_image(tmp_path / "em.png")
    settings = utile.TrainSettings(**TINY)
    model = drain(run_training([picture], [as_stack(objects)], settings))
    assert model.in_channels == 3
    assert utile.predict(model, picture).shape == (2, 32, 40)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("channels", [2, 3, 5])
def test_the_axis_that_the_labels_lack_is_that_of_the_channels(axis, channels):
    image, objects = cells()
    model = trained(np.stack([image] * channels, axis), objects)
    assert model.in_channels == channels


OBJECTS = cells()[1]
KINDS = (OBJECTS > 0) * 4 + (OBJECTS > 40) * 5
BAND = np.indices(OBJECTS.shape)[1] // 8 % 2 == 1
SLICE = np.indices(OBJECTS.shape)[0]
PAINTED = 1 + (OBJECTS > 0)


@pytest.mark.parametrize(
    ("labels", "options", "ids"),
    [
        (OBJECTS, {}, (0, 1)),
        (OBJECTS > 0, {}, (0, 1)),
        (255 * (OBJECTS > 0), {}, (0, 1)),
        (KINDS, {"target": "classes"}, (0, 4, 9)),
        (np.where(BAND, -1, OBJECTS), {"ignore": -1}, (0, 1)),
        (np.where(BAND, 7, KINDS), {"target": "classes", "ignore": 7}, (0, 4, 9)),
        (np.where(BAND, 0, PAINTED), {"sparse": True}, (1, 2)),
        (np.where(BAND, 0, PAINTED), {"sparse": True, "target": "classes"}, (1, 2)),
        (np.where(SLICE % 2, 0, PAINTED), {"sparse": True}, (1, 2)),
        (np.where(SLICE == 1, PAINTED, 0), {"sparse": True}, (1, 2)),
        (np.where(SLICE == 2, OBJECTS, 999), {"ignore": 999}, (0, 1)),
    ],
    ids=[
        "instances", "mask", "mask of 255", "classes", "ignored bands",
        "classes with ignored bands", "sparse instances", "sparse classes",
        "sparse on every other slice", "sparse on one slice", "one slice, others ignored",
    ],
)  # fmt: skip
@pytest.mark.parametrize("split", ["auto", "block"])
def test_labels_of_every_kind_are_learnt_from(labels, options, ids, split):
    model = trained(cells()[0], labels, split=split, **options)
    assert model.ids == ids
    assert model.scores["iou"] >= 0


@pytest.mark.parametrize("shapes", [[(32, 40), (24, 56)], [(32, 40), (3, 32, 32)]])
@pytest.mark.parametrize("split", ["auto", "block"])
def test_images_of_different_sizes_are_learnt_from_together(shapes, split):
    images, labels = zip(*(cells(shape) for shape in shapes), strict=True)
    trained(list(images), list(labels), split=split)


@pytest.mark.parametrize(
    "shape", [(64, 1), (1, 64), (1, 64, 48), (1, 1, 64), (5, 1, 64), (2, 2, 24, 32)]
)
@pytest.mark.parametrize("split", ["auto", "block"])
def test_fault_07_an_axis_of_one_pixel_is_learnt_from(shape, split):
    trained(*cells(shape), split=split)


def test_touching_instances_are_parted_by_one_pixel_in_what_is_learnt():
    touching = np.zeros((3, 32, 32), int)
    touching[:, 4:28, 4:16], touching[:, 4:28, 16:28] = 1, 2
    stack, labels = as_stack(cells((3, 32, 32))[0]), as_stack(touching)
    data = prepare([stack], [labels], utile.TrainSettings(), receptive_field=8)
    for plane in (*data.training, data.validation[0].truth):
        assert (plane.classes[4:28, 4:28] == 0).sum(1).tolist() == [1] * 24
    assert set(np.unique(data.validation[0].objects)) == {0, 1, 2}
