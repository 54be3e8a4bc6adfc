"""What labels of a wrong or rare kind do to targets and weight maps."""

import numpy as np
import pytest

from napari_utile.arrays.labels import as_instances, check_labels, training_target
from napari_utile.arrays.weight_maps import target_weights, weight_map
from napari_utile.errors import UserError


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
@pytest.mark.filterwarnings("error")
def test_fault_06_no_object_or_one_gives_a_finite_weight_map(labels, sigma, class_balance):
    weights = weight_map(labels, sigma=sigma, class_balance=class_balance)
    assert np.isfinite(weights).all()
    assert weights.mean() == pytest.approx(1)


@pytest.mark.filterwarnings("error")
def test_fault_06_one_object_gives_a_finite_target():
    weights = target_weights(training_target([[0, 3, 3, 0]]))
    assert weights.tolist() == [[1, 1, 1, 1]]
