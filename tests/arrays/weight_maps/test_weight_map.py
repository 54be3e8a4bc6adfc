"""The weight map, against equation 2 of the paper worked by hand and by brute force."""

import subprocess
import sys
from inspect import signature

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from tifffile import imread

from napari_utile.arrays.labels import as_instances
from napari_utile.arrays.targets import training_target
from napari_utile.arrays.weight_maps.weight_map import (
    balance,
    border_term,
    class_weights,
    gap_widths,
    target_weights,
    weight_map,
)
from napari_utile.errors import UserError
from napari_utile.settings.arrays import WeightSettings

TWO_OBJECTS_ONE_PIXEL_APART = np.array([[1, 0, 2]])


def by_brute_force(labels, w0, sigma, spacing=None):
    """Equation 2 with w_c = 1, one distance transform per object."""
    nearest = np.full(labels.shape, np.inf)
    second = nearest.copy()
    for id_ in np.unique(labels[labels > 0]):
        distance = distance_transform_edt(labels != id_, sampling=spacing)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    border = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return 1 + np.where(labels > 0, 0, border)


def squares(shape, objects, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for id_ in range(1, objects + 1):
        corner = [rng.integers(0, side) for side in shape]
        labels[tuple(slice(c, c + rng.integers(1, 8)) for c in corner)] = id_
    return labels


def test_gap_pixel_has_the_weight_of_eq_2():
    weights = weight_map(TWO_OBJECTS_ONE_PIXEL_APART, w0=10, sigma=5, class_balance=False)
    assert weights[0, 1] == pytest.approx(1 + 10 * np.exp(-((1 + 1) ** 2) / (2 * 5**2)))


def test_object_pixels_and_lone_objects_weigh_one():
    one_object = np.array([[0, 0, 7, 7, 0]])
    assert (weight_map(one_object, class_balance=False) == 1).all()
    assert (weight_map(TWO_OBJECTS_ONE_PIXEL_APART, class_balance=False)[0, ::2] == 1).all()


def test_a_pixel_3_and_4_away():
    labels = np.zeros((4, 5), int)
    labels[3, 0], labels[0, 4] = 1, 2
    weights = weight_map(labels, w0=8, sigma=2, class_balance=False)
    assert weights[0, 0] == pytest.approx(1 + 8 * np.exp(-((3 + 4) ** 2) / (2 * 2**2)))


@pytest.mark.parametrize("objects", [0, 1, 2, 30, 400])
def test_any_number_of_objects(objects):
    labels = squares((70, 80), objects)
    weights = weight_map(labels, 10, 5, class_balance=False)
    np.testing.assert_allclose(weights, by_brute_force(labels, 10, 5), atol=2e-6)


@pytest.mark.parametrize("sigma", [0.3, 2, 50, 1e4])
def test_any_sigma(sigma):
    labels = squares((50, 40), 5)
    weights = weight_map(labels, 7, sigma, class_balance=False)
    np.testing.assert_allclose(weights, by_brute_force(labels, 7, sigma), atol=2e-6)


def test_a_volume_with_flat_voxels():
    labels, spacing = squares((9, 20, 20), 8), (40, 4, 4)
    weights = weight_map(labels, 10, 20, False, spacing=spacing, volumetric=True)
    np.testing.assert_allclose(weights, by_brute_force(labels, 10, 20, spacing), atol=2e-6)


def test_neurites_of_a_real_slice(shared_data):
    annotated = imread(shared_data / "isbi2012" / "labels.tif")[0, :160, :160]
    neurites = as_instances(annotated)
    weights = weight_map(neurites, class_balance=False)
    assert neurites.max() > 10
    np.testing.assert_allclose(weights, by_brute_force(neurites, 10, 5), atol=2e-6)


def test_a_stack_is_weighed_slice_by_slice():
    stack = np.stack([squares((20, 25), 6, seed) for seed in range(6)]).reshape(2, 3, 20, 25)
    weights = weight_map(stack, class_balance=False)
    expected = [[by_brute_force(plane, 10, 5) for plane in planes] for planes in stack]
    np.testing.assert_allclose(weights, expected, atol=2e-6)


def test_object_in_the_next_slice_counts_only_in_a_volume():
    stack = np.array([[[1, 0, 0]], [[2, 0, 0]]])
    assert (weight_map(stack, class_balance=False) == 1).all()
    assert weight_map(stack, class_balance=False, volumetric=True)[0, 0, 1] > 2


def test_background_and_objects_weigh_the_same_in_total():
    labels = squares((30, 30), 4)
    weights = weight_map(labels, w0=0)
    assert weights[labels == 0].sum() == pytest.approx(labels.size / 2)
    assert weights[labels > 0].sum() == pytest.approx(labels.size / 2)


def test_the_border_term_comes_on_top_of_the_balance():
    weights = weight_map(TWO_OBJECTS_ONE_PIXEL_APART)
    border = 10 * np.exp(-((1 + 1) ** 2) / (2 * 5**2))
    np.testing.assert_allclose(weights, [[3 / 4, 3 / 2 + border, 3 / 4]], rtol=1e-6)


def test_ignored_pixels_weigh_nothing_and_are_no_object():
    weights = weight_map([[1, 0, 9, 0, 2, 0]], ignore=9, w0=10, sigma=5)
    w_c = np.array([5 / 4, 5 / 6, 0, 5 / 6, 5 / 4, 5 / 6])  # 2 of objects, 3 of background
    border = 10 * np.exp(-(np.array([np.inf, 4, np.inf, 4, np.inf, 6]) ** 2) / (2 * 5**2))
    np.testing.assert_allclose(weights[0], w_c + border, rtol=1e-6)


def test_sparse_labels_weigh_nothing_where_they_are_not_painted():
    sparse, whole = (
        weight_map([[2, 1, 0, 1, 3, 9]], sparse=True, ignore=9),
        [[1, 0, 9, 0, 2, 9]],
    )
    assert np.array_equal(sparse, weight_map(whole, ignore=9))
    with pytest.raises(UserError, match="set sparse where background is painted as 1"):
        weight_map([[1, 0, 2]], ignore=0)


def test_what_is_ignored_may_be_negative_or_everything():
    assert weight_map([[-1, 0, 1]], ignore=-1).tolist() == [[0, 1, 1]]
    assert weight_map([[255, 255]], ignore=255).tolist() == [[0, 0]]


def test_the_defaults_are_those_of_the_paper_and_those_of_the_settings():
    paper = {"w0": 10.0, "sigma": 5.0, "class_balance": True}
    assert {n: signature(weight_map).parameters[n].default for n in paper} == paper
    assert WeightSettings().model_dump(include=set(paper)) == paper


def test_gaps_are_measured_once_for_all_sliders():
    labels = squares((40, 40), 6)
    gaps, balance = gap_widths(labels), class_weights((labels > 0).astype(np.uint8), True)
    for w0, sigma in [(10, 5), (50, np.float64(6))]:
        border = border_term(gaps, w0, sigma)
        assert border.dtype == np.float32
        assert (balance + border == weight_map(labels, w0, sigma)).all()
    assert np.isinf(gaps[labels > 0]).all()


def test_a_training_target_is_weighed_like_its_labels():
    labels = squares((40, 40), 9)
    target = training_target(labels)
    assert (target_weights(target, 10, 5, True) == weight_map(target.objects, 10, 5)).all()


def test_an_ignore_id_that_does_not_occur_is_told():
    with pytest.warns(match="No pixel of the labels has the id 254"):
        weight_map([[1, 0, 255, 0, 2, 0]], ignore=254)


def test_every_class_of_a_target_weighs_the_same_and_ignore_nothing():
    target = training_target([[1, 1, 1, 0, 2, 255]], "classes", ignore=255)
    weights = target_weights(target, w0=0, sigma=5, class_balance=True)[0]
    np.testing.assert_allclose(weights, [5 / 9, 5 / 9, 5 / 9, 5 / 3, 5 / 3, 0], rtol=1e-6)


def test_not_annotated_pixels_of_a_sparse_target_weigh_nothing():
    target = training_target([[2, 1, 0, 3]], sparse=True)
    weights = target_weights(target, w0=10, sigma=5, class_balance=False)
    assert weights[0] == pytest.approx([1, 1 + 10 * np.exp(-(3**2) / 50), 0, 1])


def test_a_binary_mask_is_weighed_after_its_components_are_numbered():
    mask = np.array([[255, 0, 255]], np.uint8)
    assert (weight_map(mask, class_balance=False) == 1).all()
    assert weight_map(as_instances(mask), class_balance=False)[0, 1] > 10


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint32, np.int64, np.float32])
def test_every_type_of_label_gives_the_same_map(dtype):
    labels = np.array([[0, 1, 1, 0, 0]])
    weights = weight_map(labels.astype(dtype))
    assert weights.dtype == np.float32
    assert (weights == weight_map(labels)).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 4, 4), (1, 1), (1, 1, 5)])
def test_degenerate_shapes(shape):
    weights = weight_map(np.zeros(shape, int))
    assert weights.shape == shape
    assert (weights == 1).all()


@pytest.mark.parametrize(
    "wrong",
    [{"sigma": 0}, {"w0": -1}, {"spacing": (1, 1, 1)}, {"spacing": (0, 1)}],
)
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        weight_map(TWO_OBJECTS_ONE_PIXEL_APART, **wrong)


def test_negative_ids_are_refused():
    with pytest.raises(UserError, match="negative id -3"):
        weight_map([[0, -3]])


def test_the_module_loads_no_torch():
    code = (
        "import sys, napari_utile.arrays.weight_maps.weight_map; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_classes_are_balanced_by_hand():
    # 5, 1 and none: 6 / (2 * 5) and 6 / (2 * 1)
    assert balance(np.array([5, 1, 0])).tolist() == [0.6, 3, 1]
    assert balance(np.zeros(3, int)).tolist() == [1, 1, 1]


def test_a_last_axis_of_one_is_no_column():
    labels = np.vstack([TWO_OBJECTS_ONE_PIXEL_APART, [[0, 0, 0]]])  # near both, in the plane
    found = weight_map(labels[..., np.newaxis])
    np.testing.assert_array_equal(found[..., 0], weight_map(labels))


def test_columns_that_may_be_colors_are_told():
    colored = np.repeat(np.repeat(TWO_OBJECTS_ONE_PIXEL_APART, 9, 0)[..., np.newaxis], 3, -1)
    with pytest.warns(UserWarning, match="if the last axis is of colors"):
        weight_map(np.repeat(colored, 3, 1))
