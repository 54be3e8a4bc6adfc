"""Instances and classes from probabilities."""

from inspect import signature

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from napari_utile.arrays.instances.decoding import classes, instances
from napari_utile.arrays.labels import components
from napari_utile.errors import UserError
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.prediction import PredictSettings


def test_the_defaults_are_those_that_are_documented_and_those_of_the_settings():
    documented = {
        "threshold": 0.5,
        "min_size": 0,
        "fill_holes": 0,
        "linking": "graph",
        "link_iou": 0.25,
    }
    parameters = signature(instances).parameters
    assert {name: parameters[name].default for name in documented} == documented
    settings = PredictSettings().model_dump()
    assert {name: settings[name] for name in documented} == documented
    assert EvaluateSettings().threshold == signature(classes).parameters["threshold"].default


def test_instances_of_a_foreground_map_and_of_class_maps_agree():
    foreground = np.random.default_rng(0).random((3, 20, 20)).astype(np.float32)
    two = np.stack([1 - foreground, foreground])
    three = np.stack([1 - foreground, foreground / 2, foreground / 2])
    expected = components(foreground > 0.7)
    for probabilities in (foreground[None], two, three):
        assert (instances(probabilities, 0.7, linking="none") == expected).all()


def test_small_objects_are_dropped_and_the_rest_is_renumbered():
    row = np.array([[[1, 0, 1, 1, 0, 1, 1, 1]]], np.float32)
    assert instances(row, min_size=2).tolist() == [[0, 0, 1, 1, 0, 2, 2, 2]]


def test_instances_of_a_volume_go_through_its_slices():
    volume = np.ones((1, 3, 2, 2), np.float32)
    assert instances(volume, linking="none").max() == 3
    assert instances(volume).max() == instances(volume, volumetric=True).max() == 1


def test_the_watershed_is_the_default_of_slices_and_components_that_of_volumes():
    assert PredictSettings().instance_method == "watershed"
    waves = gaussian_filter(np.random.default_rng(0).normal(size=(20, 40, 40)), 2)
    volume = np.clip(0.5 + 5 * waves, 0, 1)[np.newaxis]
    by_watershed = instances(volume, method="watershed")
    np.testing.assert_array_equal(instances(volume), by_watershed)
    connected = instances(volume, volumetric=True)
    np.testing.assert_array_equal(
        connected, instances(volume, volumetric=True, method="components")
    )
    np.testing.assert_array_equal(connected, label(volume[0] > 0.5)[0])
    apart = instances(volume, volumetric=True, method="watershed")
    assert apart.max() > connected.max()
    assert ((apart > 0) == (connected > 0)).all()


def test_objects_and_holes_of_a_volume_are_counted_in_voxels_whatever_the_linking():
    volume = np.zeros((1, 5, 5, 9), np.float32)
    volume[0, :, :, :5] = 1
    volume[0, 1:4, 2, 2] = 0  # a hole of three voxels, one in each slice
    volume[0, 2, 2, 7:] = 1
    assert instances(volume, volumetric=True, fill_holes=2)[2, 2, 2] == 0
    for linking in ("overlap", "touch", "none"):
        found = instances(volume, volumetric=True, fill_holes=3, min_size=3, linking=linking)
        assert np.bincount(found.ravel()).tolist() == [100, 125]


def test_volumes_of_several_times_are_apart_and_a_slice_is_a_flat_volume():
    two = np.ones((1, 2, 3, 4, 5), np.float32)
    assert instances(two, volumetric=True)[:, 0, 0, 0].tolist() == [1, 2]
    assert (instances(two[:, 0, 0], volumetric=True) == 1).all()


def test_probabilities_in_8_bits():
    eight_bits = np.array([[[0, 127, 128, 255]]], np.uint8)
    assert instances(eight_bits).tolist() == [[0, 0, 1, 1]]
    assert classes(eight_bits).tolist() == [[0, 0, 1, 1]]


def test_a_probability_of_one_half_is_not_higher_than_one_half():
    halves = np.array([[[0.5, 0.502]]], np.float32)
    for probabilities in (
        halves,
        halves.astype(np.float64),
        np.stack([1 - halves[0], halves[0]]),
    ):
        assert instances(probabilities).tolist() == [[0, 1]]


def test_the_most_probable_class_wins_and_the_first_of_equals():
    probabilities = np.array([[0.5, 0.2, 0.3], [0.5, 0.5, 0.3], [0.0, 0.3, 0.4]])[:, None]
    assert classes(probabilities).tolist() == [[0, 1, 2]]
    assert classes(probabilities).dtype == np.uint8


def test_more_classes_than_8_bits_can_name():
    assert classes(np.eye(300)[:, None]).max() == 299


def test_the_class_axis_is_needed():
    with pytest.raises(ValueError, match=r"\(C, ..., Y, X\), got \(4, 4\)"):
        instances(np.ones((4, 4)))


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((4, 4, 2), "4 channels of the probabilities do not add up to 1: classes come first"),
        ((0, 4, 4), "hold nothing"),
    ],
)
def test_channels_that_are_no_classes_are_refused(shape, said):
    with pytest.raises(UserError, match=said):
        instances(np.full(shape, 0.5))
